"""Values as users write them become the types of the table."""

from dataclasses import fields, make_dataclass

import pytest
from rclpy.parameter import Parameter

from yolact_ros.ros.parameter_table import fixed, value_of


def convert(value, default):
    """Return a value as that of a parameter 'rate' with a default."""
    table = make_dataclass('Table', [('rate', type(default), fixed(default, 'How often.'))])
    return value_of(fields(table)[0], Parameter('rate', value=value))


@pytest.mark.parametrize('value, default, expected', [
    (10, 0.0, 10.0), (2.5, 0.0, 2.5), (0, 'synthetic', '0'), ('a', 'b', 'a'), (True, False, True),
    ([], (), ()), (['mug', ''], (), ('mug',)), ([3], (), ('3',))])
def test_a_parameter_may_be_written_in_any_form_that_loses_nothing(value, default, expected):
    converted = convert(value, default)
    assert (converted, type(converted)) == (expected, type(default))


@pytest.mark.parametrize('value, default', [
    ('fast', 0.0), (True, 0.0), (1, True), (1.5, 1), ([1], 0.0), (None, 'a'), (True, 'a'),
    ('mug', ()), ([0.5], ())])
def test_a_parameter_of_another_kind_is_refused(value, default):
    with pytest.raises(ValueError, match='rate must be'):
        convert(value, default)

"""Parameters of the running node, set through rclpy and through real services."""

import pytest
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter

from yolact_ros.ros.node.parameters import PARAMETERS, Parameters
from yolact_ros.ros.parameter_table import default_of, rule_of


def current(bench):
    return bench.node.status.parameters


def set_all(bench, **values):
    """Set several parameters in one request and return its result."""
    return bench.node.set_parameters_atomically(
        [Parameter(name, value=value) for name, value in values.items()])


def test_every_parameter_is_declared_as_the_table_says(bench):
    request = DescribeParameters.Request(names=list(PARAMETERS))
    answer = bench.call(DescribeParameters, 'yolact/describe_parameters', request)
    shown = {each.name: each for each in answer.descriptors}
    for name, row in PARAMETERS.items():
        rule = rule_of(row)
        assert shown[name].description == rule.description
        assert shown[name].read_only == (not rule.live)
        limits = [*shown[name].integer_range, *shown[name].floating_point_range]
        assert [(each.from_value, each.to_value) for each in limits] \
            == ([(rule.low, rule.high)] if rule.low is not None else [])
    assert shown['classes'].type == ParameterType.PARAMETER_STRING_ARRAY
    assert 'best_effort' in shown['image_qos'].additional_constraints


def test_a_node_starts_with_the_defaults(bench):
    assert current(bench) == Parameters()
    values = {name: bench.node.get_parameter(name).value for name in PARAMETERS}
    assert values == {name: list(default_of(row)) if isinstance(default_of(row), tuple)
                      else default_of(row) for name, row in PARAMETERS.items()}


def test_a_misspelt_parameter_is_named_with_the_nearest_one(new_bench, capfd):
    with new_bench(score_treshold=0.4, score_threshold=0.5, use_sim_time=True):
        log = capfd.readouterr().err
    assert "no parameter 'score_treshold'" in log and "did you mean 'score_threshold'?" in log
    assert log.count('no parameter') == 1


def test_accepted_values_reach_the_snapshot(bench):
    assert set_all(bench, score_threshold=0.5, classes=['mug'], nms='traditional').successful
    assert (current(bench).postprocess.score_threshold, current(bench).postprocess.classes,
            current(bench).nms) == (0.5, ('mug',), 'traditional')


@pytest.mark.parametrize(('values', 'reason'), [
    ({'score_threshold': 1.5}, 'out of range'),
    ({'score_threshold': 'high'}, "score_threshold must be a number, got 'high'"),
    ({'max_instances': 0}, 'out of range'),
    ({'mask_encoding': 'png'}, 'mask_encoding must be one of packed, rle, mono8'),
    ({'classes': ['zebra']}, "class 'zebra' is not one of the model's 2 classes"),
    ({'classes': ['7']}, "class '7' is not one of"),
    ({'classes': 'mug'}, 'classes must be a list of names or ids'),
    ({'classes': [0.5]}, 'classes must be a list of names or ids'),
    ({'class_thresholds': ['zebra:0.5']}, "class 'zebra' is not one of"),
    ({'class_thresholds': ['mug']}, "entries like 'mug:0.5'"),
    ({'classes': ['\u00b2']}, "class '\u00b2' is not one of"),
    ({'class_thresholds': ['mug:0.5', '0:0.6']}, "one class twice, as 'mug' and '0'"),
    ({'class_thresholds': ['mug:7']}, 'must be in [0, 1]'),
    ({'weights': 'other.pth'}, 'read-only'),
    ({'image_transport': 'compressed'}, 'read-only'),
])
def test_refused_value_names_the_reason_and_changes_nothing(bench, values, reason):
    before = current(bench)
    result = set_all(bench, overlay_alpha=0.1, **values)
    assert not result.successful and reason in result.reason
    assert current(bench) is before
    assert bench.node.get_parameter('overlay_alpha').value == 0.45


def test_valid_part_of_a_refused_request_is_refused_too_over_the_service(bench):
    request = SetParametersAtomically.Request(parameters=[
        Parameter('iou_threshold', value=0.7).to_parameter_msg(),
        Parameter('nms', value='soft').to_parameter_msg()])
    answer = bench.call(SetParametersAtomically, 'yolact/set_parameters_atomically', request)
    assert not answer.result.successful and 'nms must be one of' in answer.result.reason
    assert current(bench).iou_threshold == 0.5


@pytest.mark.parametrize('kind', [
    ParameterType.PARAMETER_BYTE_ARRAY, ParameterType.PARAMETER_BOOL_ARRAY,
    ParameterType.PARAMETER_INTEGER_ARRAY, ParameterType.PARAMETER_STRING_ARRAY])
def test_empty_list_of_any_type_clears_the_classes(bench, kind):
    set_all(bench, classes=['mug'])
    request = SetParameters.Request(parameters=[
        ParameterMessage(name='classes', value=ParameterValue(type=kind))])
    answer = bench.call(SetParameters, 'yolact/set_parameters', request)
    assert answer.results[0].successful
    assert current(bench).postprocess.classes is None


def test_classes_may_be_ids(bench):
    assert set_all(bench, classes=[1, 0]).successful
    assert current(bench).postprocess.classes == ('1', '0')


def test_whole_numbers_do_for_doubles(new_bench):
    with new_bench(score_threshold=0, weights=7) as bench:
        assert (current(bench).score_threshold, current(bench).weights) == (0.0, '7')
        assert set_all(bench, score_threshold=1).successful
        assert repr(current(bench).score_threshold) == '1.0'
        assert not set_all(bench, score_threshold=2).successful


def test_lists_cannot_be_deleted(bench):
    parameter = Parameter('classes', Parameter.Type.NOT_SET, None)
    assert not bench.node.set_parameters([parameter])[0].successful


def test_parameters_of_others_are_left_alone(bench):
    assert set_all(bench, use_sim_time=True).successful
    assert current(bench) == Parameters()


@pytest.mark.parametrize(('values', 'reason'), [
    ({'score_threshold': True}, 'score_threshold must be a number, got True'),
    ({'score_threshold': 2.0}, 'score_threshold'),
    ({'max_instances': 1.0}, 'max_instances must be a whole number, got 1.0'),
    ({'weights': 0.5}, 'weights must be a string, got 0.5'),
    ({'image_transport': 'theora'}, 'image_transport must be one of raw, compressed'),
    ({'classes': 'mug'}, 'classes must be a list'),
])
def test_bad_value_at_the_start_is_named(new_bench, values, reason):
    with pytest.raises(ValueError, match=reason), new_bench(**values):
        pass

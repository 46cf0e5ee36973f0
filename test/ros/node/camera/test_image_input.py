import pytest

from yolact_ros.ros.node.camera.image_input import choose_reliable, input_name


@pytest.mark.parametrize(('rule', 'offers', 'reliable'), [
    ('auto', [], None),
    ('auto', [True], True),
    ('auto', [False], False),
    ('auto', [True, False], False),
    ('reliable', [False], True),
    ('best_effort', [True], False),
], ids=str)
def test_auto_is_reliable_only_when_every_publisher_is(rule, offers, reliable):
    assert choose_reliable(rule, offers) is reliable


@pytest.mark.parametrize(('topic', 'transport', 'name'), [
    ('/cam/image_raw', 'raw', '/cam/image_raw'),
    ('/cam/image_raw', 'compressed', '/cam/image_raw/compressed'),
    ('/cam/image_raw/compressed', 'compressed', '/cam/image_raw/compressed'),
])
def test_input_is_named_as_image_transport_does(topic, transport, name):
    assert input_name(topic, transport) == name

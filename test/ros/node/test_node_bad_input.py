"""Whatever arrives, the next good image is served."""

import array

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from yolact_ros.ros.image_codec import decode_image, encode_jpeg
from yolact_ros.srv import Reload


def short_data(image):
    image.data = image.data[:-1]


def zero_size(image):
    image.height, image.width, image.step, image.data = 0, 0, 0, array.array('B')


def zero_width(image):
    image.width = 0


def absurd_height(image):
    image.height = 2 ** 31


def absurd_size(image):
    image.height, image.width, image.step = 2 ** 31, 2 ** 31, 2 ** 32 - 1


def unknown_encoding(image):
    image.encoding = 'bayer_purple7'


def no_encoding(image):
    image.encoding = ''


def small_step(image):
    image.step = 1


BAD = [short_data, zero_size, zero_width, absurd_height, absurd_size, unknown_encoding,
       no_encoding, small_step]


def failed(bench):
    return bench.node.status.figures.dropped.get('failed', 0)


@pytest.mark.parametrize('spoil', BAD, ids=[spoil.__name__ for spoil in BAD])
def test_bad_image_is_reported_and_the_next_good_one_served(bench, make_image, spoil):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    image = make_image()
    spoil(image)
    bench.wait(lambda: camera.publish(image) or failed(bench))
    assert len(bench.last_error()) > 20
    assert bench.segment(camera, messages).dropped >= 1


def test_fault_is_logged_once_for_every_kind(bench, make_image, capfd):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    capfd.readouterr()
    for width, encoding in ((6, 'foo' * 10 ** 4), (6, 'bar'), (0, 'rgb8'), (6, 'baz')):
        image, before = make_image(4, width), failed(bench)
        image.encoding = encoding
        bench.wait(lambda image=image, before=before:
                   camera.publish(image) or failed(bench) > before)
    log = capfd.readouterr().err
    lines = [line for line in log.splitlines() if ' lost: ' in line]
    assert ['foo...' in lines[0], 'got 0x4' in lines[1], len(lines)] == [True, True, 2]
    assert len(lines[0]) < 1000


@pytest.mark.parametrize('data', [b'', b'\xff\xd8\xff\xe0 torn', b'GIF89a'],
                         ids=['empty', 'torn', 'no jpeg'])
def test_corrupt_jpeg_is_reported_and_the_next_good_one_served(new_bench, make_image, data):
    with new_bench(image_transport='compressed') as bench:
        bench.start()
        camera, messages = bench.camera('image/compressed', CompressedImage), bench.listen()
        bad, good = CompressedImage(format='jpeg'), make_image(32, 32)
        bad.data.frombytes(data)
        bench.wait(lambda: camera.publish(bad) or failed(bench))
        jpeg = encode_jpeg(decode_image(good), good.header)
        assert bench.segment(camera, messages, jpeg).instances


def test_image_beyond_the_limit_of_pixels_is_refused_until_the_limit_is_raised(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    bench.node.set_parameters([Parameter('max_image_pixels', value=24)])
    bench.segment(camera, messages, make_image(4, 6))
    bench.wait(lambda: camera.publish(make_image(5, 5)) or failed(bench))
    assert '5x5 pixels is larger than the limit of 24' in bench.last_error()
    bench.node.set_parameters([Parameter('max_image_pixels', value=25)])
    assert bench.segment(camera, messages, make_image(5, 5)).instances


def test_size_and_encoding_may_change_from_image_to_image(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    sizes = []
    for height, width, encoding in ((4, 6, 'rgb8'), (9, 3, 'bgr8'), (4, 6, '8UC3')):
        result = bench.segment(camera, messages,
                               make_image(height, width, encoding=encoding))
        sizes.append((result.image_height, result.image_width))
    assert sizes == [(4, 6), (9, 3), (4, 6)]


def test_stamps_may_jump_back(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    late, early = make_image(), make_image()
    late.header.stamp.sec, early.header.stamp.sec = 2 ** 31 - 1, 5
    for image in (late, early):
        bench.wait(lambda image=image: camera.publish(image)
                   or [each for each in messages if each.header == image.header])
    assert failed(bench) == 0


def test_burst_leaves_the_node_with_the_newest_image(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    image = make_image()
    for second in range(1000, 2000):
        image.header.stamp.sec = second
        camera.publish(image)
    assert bench.segment(camera, messages).instances


def test_listener_that_never_reads_holds_nothing_up(bench):
    deaf = Node('deaf', context=bench.context)  # no executor spins it
    for topic, kind in (('yolact/overlay', Image), ('yolact/label_image', Image)):
        deaf.create_subscription(kind, topic, lambda _: None, 10)
    camera, messages = bench.camera(), bench.listen()
    for _ in range(30):
        assert bench.segment(camera, messages).instances
    deaf.destroy_node()


@pytest.mark.parametrize(('first', 'second'), [(True, False), (False, True)],
                         ids=['reliable then best effort', 'best effort then reliable'])
def test_camera_may_die_and_return_with_another_qos(bench, first, second):
    messages = bench.listen()
    camera = bench.camera(reliable=first)
    bench.segment(camera, messages)
    bench.wait(lambda: bench.node.status.reliable == first)
    bench.peer.destroy_publisher(camera)
    camera = bench.camera(reliable=second)
    assert bench.segment(camera, messages).instances
    bench.wait(lambda: bench.node.status.reliable == second)
    assert failed(bench) == 0


def test_mixed_cameras_on_one_topic_are_both_heard(bench):
    messages = bench.listen()
    reliable, best_effort = bench.camera(reliable=True), bench.camera(reliable=False)
    assert bench.segment(best_effort, messages).instances
    assert bench.segment(reliable, messages).instances


@pytest.mark.parametrize(('request_', 'reason'), [
    (Reload.Request(weights='missing.pth'), 'missing.pth not found'),
    (Reload.Request(weights='broken.pth'), 'broken.pth is truncated')], ids=['missing', 'broken'])
def test_bad_reload_keeps_the_old_model_and_tells_why(bench, request_, reason):
    camera, messages = bench.camera(), bench.listen()
    answer = bench.call(Reload, 'yolact/reload', request_)
    assert not answer.success
    assert answer.message.startswith('kept the old model: ') and reason in answer.message
    assert bench.segment(camera, messages).model == 'fake demo'


def test_reload_of_a_model_without_the_chosen_classes_is_refused(bench):
    bench.node.set_parameters([Parameter('class_thresholds', value=['mug:0.5'])])
    answer = bench.call(Reload, 'yolact/reload', Reload.Request(weights='cats.pth'))
    assert not answer.success and "class 'mug' is not one of" in answer.message


def test_failing_network_is_an_error_in_the_diagnostics_until_it_recovers(bench, make_image):
    states = bench.listen('/diagnostics', DiagnosticArray)
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    bench.models.predictor.error = RuntimeError('no room for masks')
    bench.wait(lambda: camera.publish(make_image()) or failed(bench))
    bench.wait(lambda: states and states[-1].status[1].level == b'\2'
               and 'no room for masks' in states[-1].status[1].message)
    bench.models.predictor.error = None
    assert bench.segment(camera, messages).instances
    bench.wait(lambda: states[-1].status[1].level == b'\0')
    assert failed(bench) >= 1


def test_depth_as_input_is_served_and_named_once(bench, make_image, capfd):
    camera, messages = bench.camera(), bench.listen()
    for _ in range(2):
        image = make_image()
        image.encoding, image.step = '16UC1', 18
        bench.segment(camera, messages, image)
    assert capfd.readouterr().err.count('16UC1 is how depth is published') == 1

"""The node in one process with camera and consumer: its promises, over real DDS."""

import json

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import SetBool

from yolact_ros.ros.image_codec import decode_compressed, decode_image, encode_jpeg
from yolact_ros.ros.instance_codec import to_bool
from yolact_ros.srv import Reload


def set_parameter(bench, name, value):
    assert bench.node.set_parameters([Parameter(name, value=value)])[0].successful


# results

def test_result_has_the_header_of_its_image(bench, make_image):
    messages = bench.listen()
    image = make_image(frame_id='camera_optical_frame')
    image.header.stamp.nanosec = 123456789
    result = bench.segment(bench.camera(), messages, image)
    assert result.header == image.header
    assert (result.image_height, result.image_width) == (4, 6)


def test_instances_carry_class_score_and_mask(bench):
    result = bench.segment(bench.camera(), bench.listen())
    mug, bowl = result.instances
    assert (mug.class_name, bowl.class_name) == ('mug', 'bowl')
    assert mug.score == pytest.approx(0.9) and to_bool(mug).all()
    assert result.model == 'fake demo'


def test_model_sees_the_pixels_in_rgb(bench, make_image):
    image = make_image(2, 2)
    image.encoding, image.data[0:3] = 'bgr8', image.data[0:3].__class__('B', [10, 20, 30])
    bench.segment(bench.camera(), bench.listen(), image)
    assert bench.models.predictor.seen[-1][0, 0].tolist() == [30, 20, 10]


def test_image_without_objects_gives_an_empty_array(bench):
    set_parameter(bench, 'score_threshold', 1.0)
    assert bench.segment(bench.camera(), bench.listen()).instances == []


def test_sequence_counts_up_by_one(bench):
    camera, messages = bench.camera(), bench.listen()
    for _ in range(3):
        bench.segment(camera, messages)
    numbers = [message.sequence for message in messages]
    assert numbers == list(range(len(messages)))


def test_overlay_and_label_image_belong_to_the_same_image(bench, make_image):
    overlays = bench.listen('yolact/overlay', Image)
    labels = bench.listen('yolact/label_image', Image)
    jpegs = bench.listen('yolact/overlay/compressed', CompressedImage)
    camera, image = bench.camera(), make_image()
    overlay = bench.segment(camera, overlays, image)
    label = bench.wait(lambda: [each for each in labels if each.header == image.header])[0]
    jpeg = bench.wait(lambda: [each for each in jpegs if each.header == image.header])[0]
    assert overlay.encoding == 'bgr8'
    assert not np.array_equal(decode_image(overlay), decode_image(image))
    assert label.encoding == 'mono8'
    assert np.array_equal(np.array(label.data).reshape(4, 6)[:2, :2], np.ones((2, 2)))
    assert decode_compressed(jpeg).shape == (4, 6, 3)


def test_compressed_images_are_taken_from_the_transports_topic(new_bench, make_image):
    with new_bench(arguments=['-r', 'image:=/cam/image_raw'],
                   image_transport='compressed') as bench:
        bench.start()
        image = make_image(64, 48)
        jpeg = encode_jpeg(decode_image(image), image.header)
        camera = bench.camera('/cam/image_raw/compressed', CompressedImage)
        assert bench.segment(camera, bench.listen(), jpeg).image_height == 64


def test_class_names_are_there_for_who_comes_late(bench):
    names = bench.listen('yolact/class_names', String, latched=True)
    bench.wait(lambda: names)
    assert json.loads(names[0].data) == ['mug', 'bowl']


# load

def test_nothing_is_received_without_a_listener(bench):
    camera = bench.camera()
    bench.wait(lambda: bench.node.get_subscriptions_info_by_topic('/image') == [])
    warm_up = len(bench.models.predictor.seen)
    messages = bench.listen()
    bench.segment(camera, messages)
    assert len(bench.models.predictor.seen) > warm_up


def test_input_closes_when_the_last_listener_leaves(bench):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    bench.peer.destroy_subscription(list(bench.peer.subscriptions)[-1])
    bench.wait(lambda: camera.get_subscription_count() == 0, 'the input to close')
    assert not bench.node.get_subscriptions_info_by_topic('/image')


def test_overlay_is_drawn_only_for_a_listener(bench, monkeypatch):
    drawn = []
    monkeypatch.setattr('yolact_ros.ros.node.outputs.publishers.draw_instances',
                        lambda rgb, *_: drawn.append(1) or rgb)
    camera = bench.camera()
    bench.segment(camera, bench.listen())
    before = len(drawn)
    bench.segment(camera, bench.listen('yolact/overlay', Image))
    assert (before, len(drawn) > 0) == (0, True)


def test_newest_image_wins_and_the_skipped_are_counted(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    predictor = bench.models.predictor
    predictor.entered.clear()
    predictor.gate.clear()
    camera.publish(make_image(value=1))
    bench.wait(predictor.entered.is_set)
    received = bench.node.status.figures.received
    for value in (2, 3, 4):  # one at a time, or the middleware drops them itself
        camera.publish(make_image(value=value))
        received += 1
        bench.wait(lambda wanted=received: bench.node.status.figures.received >= wanted)
    before = len(messages)
    predictor.gate.set()
    bench.wait(lambda: len(messages) == before + 2)
    assert [image[0, 0, 0] for image in predictor.seen[-2:]] == [1, 4]
    assert messages[-1].dropped == 2 or messages[-2].dropped == 2


def test_old_images_are_dropped_and_counted(new_bench, make_image):
    with new_bench(max_image_age=10.0, patience_s=0.2) as bench:
        bench.start()
        camera, messages = bench.camera(), bench.listen()
        old, now = make_image(), make_image()
        old.header.stamp.sec = 1000
        bench.wait(lambda: camera.publish(old)
                   or bench.node.status.figures.dropped.get('too_old'))
        now.header.stamp = bench.node.get_clock().now().to_msg()
        bench.wait(lambda: camera.publish(now) or messages)
        assert messages[0].header == now.header and messages[0].dropped >= 1


def test_image_without_a_stamp_has_no_age(new_bench, make_image):
    with new_bench(max_image_age=1.0) as bench:
        bench.start()
        camera, messages = bench.camera(), bench.listen()
        bench.wait(lambda: camera.publish(make_image()) or messages)
        assert messages[0].header.stamp.sec == 0


# parameters, services, lifecycle

def test_parameter_set_between_images_holds_for_the_next(bench):
    camera, messages = bench.camera(), bench.listen()
    before = bench.segment(camera, messages)
    set_parameter(bench, 'score_threshold', 0.5)
    after = bench.segment(camera, messages)
    assert (len(before.instances), len(after.instances)) == (2, 1)


def test_disabled_node_takes_no_images_until_it_is_enabled(bench):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    off = bench.call(SetBool, 'yolact/enable', SetBool.Request(data=False))
    bench.wait(lambda: camera.get_subscription_count() == 0)
    assert bench.node.get_parameter('enabled').value is False
    on = bench.call(SetBool, 'yolact/enable', SetBool.Request(data=True))
    bench.segment(camera, messages)
    assert (off.success, off.message) == (True, 'disabled')
    assert (on.success, on.message) == (True, 'enabled')


def test_reload_swaps_the_model_and_announces_its_classes(bench):
    camera, messages = bench.camera(), bench.listen()
    names = bench.listen('yolact/class_names', String, latched=True)
    bench.segment(camera, messages)
    bench.wait(lambda: len(names) == 1)
    answer = bench.call(Reload, 'yolact/reload', Reload.Request(weights='new.pth'))
    assert answer.success and answer.message == 'loaded new.pth: fake new.pth'
    assert bench.segment(camera, messages).model == 'fake new.pth'
    bench.wait(lambda: len(names) == 2)


def test_model_in_the_message_names_the_file_and_its_hash(bench, tmp_path):
    (tmp_path / 'mine.pth').write_bytes(b'abc')  # SHA-256 as in FIPS 180-2: ba7816bf 8f01...
    camera, messages = bench.camera(), bench.listen()
    answer = bench.call(Reload, 'yolact/reload', Reload.Request(weights=f'{tmp_path}/mine.pth'))
    assert answer.message.endswith(', mine.pth ba7816bf')
    assert bench.segment(camera, messages).model.endswith(', mine.pth ba7816bf')
    assert bench.node.status.model.endswith(', mine.pth ba7816bf')


def test_old_model_serves_while_the_new_one_loads(bench):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    bench.models.gate.clear()
    client = bench.peer.create_client(Reload, 'yolact/reload')
    assert client.wait_for_service(10)
    answer = client.call_async(Reload.Request(weights='new.pth'))
    meanwhile = bench.segment(camera, messages)
    enabled = bench.call(SetBool, 'yolact/enable', SetBool.Request(data=True))
    assert meanwhile.model == 'fake demo' and enabled.success and not answer.done()
    bench.models.gate.set()
    bench.wait(answer.done)
    assert bench.segment(camera, messages).model == 'fake new.pth'


def test_empty_reload_loads_the_current_weights_again(bench):
    bench.call(Reload, 'yolact/reload', Reload.Request(weights='new.pth', config='yolact_base'))
    assert bench.call(Reload, 'yolact/reload', Reload.Request()).success
    assert [(weights, options['config']) for weights, options, _ in bench.models.opened] \
        == [('demo', None), ('new.pth', 'yolact_base'), ('new.pth', 'yolact_base')]


def test_model_is_opened_with_the_parameters_and_warmed_up(new_bench):
    with new_bench(weights='mine.pth', device='cpu', precision='float32',
                   backend='torch', classes=['mug']) as bench:
        bench.start()
        weights, options, predictor = bench.models.opened[0]
        postprocess = options.pop('postprocess')
        assert (weights, options) == ('mine.pth', {'config': None, 'device': 'cpu',
                                                   'backend': 'torch', 'precision': 'float32',
                                                   'threads': 0})
        assert postprocess.classes == ('mug',)
        assert len(predictor.seen) == 1


def test_node_waits_for_transitions_when_told_so(new_bench):
    with new_bench(autostart=False) as bench:
        assert bench.start() and bench.models.opened == []
        messages = bench.listen()
        for step in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            request = ChangeState.Request(transition=Transition(id=step))
            assert bench.call(ChangeState, 'yolact/change_state', request).success
        assert bench.segment(bench.camera(), messages).instances


def test_node_can_be_deactivated_cleaned_up_and_brought_back(bench):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    for step in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
        request = ChangeState.Request(transition=Transition(id=step))
        assert bench.call(ChangeState, 'yolact/change_state', request).success
    refused = bench.call(Reload, 'yolact/reload', Reload.Request(weights='new.pth'))
    assert not refused.success and 'configure' in refused.message
    for step in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=step))
        assert bench.call(ChangeState, 'yolact/change_state', request).success
    assert bench.segment(camera, messages).instances


@pytest.mark.parametrize('values', [
    {'weights': 'missing.pth'}, {'weights': 'broken.pth'}, {'device': 'cuda'},
    {'classes': ['zebra']}], ids=lambda values: next(iter(values.values()))[0])
def test_bad_start_fails(new_bench, values):
    with new_bench(**values) as bench:
        assert bench.start() is False


def test_start_that_cannot_advertise_fails_with_the_reason_and_can_be_repeated(
        new_bench, monkeypatch, capfd):
    def refuse(*_):
        raise RuntimeError('no more topics')

    with new_bench() as bench:
        with monkeypatch.context() as patched:
            patched.setattr('yolact_ros.ros.node.camera.camera.Publishers', refuse)
            started = bench.node.start()
        assert not started and 'cannot start: no more topics' in capfd.readouterr().err
        assert bench.start() and bench.segment(bench.camera(), bench.listen()).instances


def test_waiting_node_tells_the_commands_that_start_it(new_bench, capfd):
    with new_bench(arguments=['-r', '__ns:=/front', '-r', '__node:=seg'],
                   autostart=False) as bench:
        bench.start()
        log = capfd.readouterr().err
    assert 'ros2 lifecycle set /front/seg configure' in log
    assert 'ros2 lifecycle set /front/seg activate' in log


# names, time

def test_topics_follow_name_namespace_and_remapping(new_bench):
    with new_bench(arguments=['-r', '__ns:=/front', '-r', '__node:=seg',
                              '-r', 'image:=color/image']) as bench:
        bench.start()
        messages = bench.listen('/front/seg/instances')
        assert bench.segment(bench.camera('/front/color/image'), messages).instances


def test_two_nodes_serve_two_cameras_side_by_side(new_bench):
    with new_bench(arguments=['-r', '__node:=left', '-r', 'image:=/left/image']) as left, \
            new_bench(arguments=['-r', '__node:=right', '-r', 'image:=/right/image']) as right:
        results = []
        for bench, side in ((left, 'left'), (right, 'right')):
            bench.start()
            results.append(bench.segment(bench.camera(f'/{side}/image'),
                                         bench.listen(f'{side}/instances')))
        assert [len(result.instances) for result in results] == [2, 2]


def test_age_is_measured_in_simulated_time(new_bench, make_image):
    with new_bench(use_sim_time=True, max_image_age=1.0) as bench:
        bench.start()
        camera, messages = bench.camera(), bench.listen()
        clock = bench.peer.create_publisher(Clock, '/clock', 10)
        now = Clock()
        now.clock.sec = 1001
        bench.wait(lambda: clock.publish(now)
                   or bench.node.get_clock().now().nanoseconds == 1001 * 10 ** 9)
        image = make_image()
        image.header.stamp.sec, image.header.stamp.nanosec = 1000, 500_000_000
        bench.wait(lambda: camera.publish(image) or messages)
        assert messages[0].header == image.header


# diagnostics

def input_status(messages):
    return messages[-1].status[0] if messages else None


def test_diagnostics_tell_rates_model_and_latency(bench):
    states = bench.listen('/diagnostics', DiagnosticArray)
    camera, messages = bench.camera(), bench.listen()
    for _ in range(3):
        bench.segment(camera, messages)
    bench.wait(lambda: states and dict_of(states[-1].status[1]).get('processed', '0') >= '3')
    source, result = states[-1].status
    assert (source.name, result.name) == ('yolact: input', 'yolact: output')
    assert dict_of(source)['publishers'] == 'peer'
    assert dict_of(source)['reliability'] == 'reliable'
    assert dict_of(result)['model'] == 'fake demo'
    assert float(dict_of(result)['latency p95 [ms]']) >= float(dict_of(result)['latency p50 [ms]'])
    assert dict_of(result)['network [ms]'] == '1.0'
    assert source.level == b'\0' and source.message == 'images arrive on /image'


def dict_of(status):
    return {each.key: each.value for each in status.values}


@pytest.mark.parametrize(('prepare', 'words'), [
    (lambda bench: None, ['no publisher on /image', '/elsewhere/image_raw']),
    (lambda bench: bench.camera(kind=CompressedImage), ['wrong type', 'compressed']),
    (lambda bench: (bench.camera(reliable=False), set_parameter(bench, 'image_qos', 'reliable')),
     ['best effort', 'image_qos']),
    (lambda bench: bench.camera(reliable=False), ['peer announces /image', 'fastdds.xml']),
    (lambda bench: bench.camera(), ['peer announces /image', 'sends nothing (']),
], ids=['no publisher', 'wrong type', 'QoS', 'silent best effort', 'silent reliable'])
def test_silent_input_is_explained_in_the_diagnostics(new_bench, prepare, words):
    with new_bench(patience_s=0.2) as bench:
        bench.start()
        bench.camera('/elsewhere/image_raw')
        states = bench.listen('/diagnostics', DiagnosticArray)
        prepare(bench)  # first: a topic that is open has its type in this process
        bench.listen()
        words = [word.replace('wrong type', 'carries') for word in words]
        bench.wait(lambda: states and all(word in input_status(states).message
                                          for word in words),
                   f'{words} in the diagnostics')
        assert input_status(states).level == b'\1'


def test_node_that_reads_its_own_overlay_is_told(new_bench):
    with new_bench(arguments=['-r', 'image:=/yolact/overlay']) as bench:
        bench.start()
        states = bench.listen('/diagnostics', DiagnosticArray)
        bench.wait(lambda: states and 'is an output of this node' in input_status(states).message)
        assert input_status(states).level == b'\1'


def test_two_nodes_of_one_name_are_told(bench, new_bench):
    states = bench.listen('/diagnostics', DiagnosticArray)
    camera, messages = bench.camera(), bench.listen()
    with new_bench() as second:
        second.start()
        bench.wait(lambda: bench.segment(camera, messages) and states
                   and 'another node publishes /yolact/instances' in input_status(states).message)
    assert input_status(states).level == b'\1'


def test_finding_that_comes_and_goes_is_logged_once(new_bench, monkeypatch):
    with new_bench() as bench:
        lines = []
        logger = bench.node.get_logger()
        monkeypatch.setattr(type(logger), 'info', lambda _, text, **__: lines.append(text))
        assert bench.node.start()
        for enabled in (False, True, False, True):
            set_parameter(bench, 'enabled', enabled)
            for timer in bench.node.timers:
                timer.callback()
        assert len([line for line in lines if line.startswith('disabled')]) == 1

"""The service ~/segment: answers for single images, beside the stream and without it."""

import os
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from yolact_ros.ros.image_codec import decode_compressed, decode_image, encode_jpeg
from yolact_ros.ros.instance_codec import to_bool
from yolact_ros.srv import Reload, Segment

PATIENCE = 20.0
CLIENT = """
import sys
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
from yolact_ros.srv import Segment

rclpy.init(domain_id=int(sys.argv[1]))
node = Node('leaver')
client = node.create_client(Segment, 'yolact/segment')
assert client.wait_for_service(20)
image = Image(height=4, width=6, encoding='rgb8', step=18)
image.data.frombytes(bytes(72))
for _ in range(5):
    client.call_async(Segment.Request(image=image))
rclpy.spin_once(node, timeout_sec=0.2)
print('called', flush=True)
sys.stdin.read()
"""


def ask(bench, name='yolact/segment', **fields):
    return bench.call(Segment, name, Segment.Request(**fields))


def compressed(image):
    return encode_jpeg(decode_image(image), image.header)


# answers

@pytest.mark.parametrize('form', ['raw', 'compressed'])
def test_answer_has_the_objects_with_the_header_of_the_image(bench, make_image, form):
    image = make_image(32, 48, frame_id='gripper_camera')
    image.header.stamp.sec = 7
    given = {'image': image} if form == 'raw' else {'compressed': compressed(image)}
    answer = ask(bench, **given)
    assert (answer.success, answer.message) == (True, '2 objects')
    assert answer.instances.header == image.header
    assert (answer.instances.image_height, answer.instances.image_width) == (32, 48)
    assert [mask.class_name for mask in answer.instances.instances] == ['mug', 'bowl']
    assert to_bool(answer.instances.instances[0]).all()
    assert answer.instances.model == 'fake demo' and len(answer.overlay.data) == 0


def sixteen_bits():
    image = Image(height=32, width=48, encoding='mono16', step=96)
    image.data.frombytes(bytes(32 * 96))
    return {'image': image}, (32, 48)


def forty_eight_megapixels():
    grey = np.zeros((6000, 8000), np.uint8)
    return {'compressed': CompressedImage(
        format='jpeg', data=cv2.imencode('.jpg', grey)[1].tobytes())}, grey.shape


@pytest.mark.parametrize('unusual', [sixteen_bits, forty_eight_megapixels])
def test_image_that_no_camera_of_the_node_sends_is_answered_too(bench, unusual):
    fields, size = unusual()
    answer = ask(bench, **fields)
    assert answer.success
    assert (answer.instances.image_height, answer.instances.image_width) == size


def test_overlay_is_drawn_on_demand(bench, make_image):
    answer = ask(bench, image=make_image(32, 48), overlay=True)
    drawn = decode_compressed(answer.overlay)
    assert drawn.shape == (32, 48, 3) and not np.array_equal(drawn, np.full((32, 48, 3), 100))


def test_threshold_and_classes_hold_for_one_call(bench, make_image):
    strict = ask(bench, image=make_image(), score_threshold=0.5)
    predictor = bench.models.predictor
    wanted = predictor.postprocess.score_threshold
    ask(bench, image=make_image(), classes=['bowl'])
    classes = predictor.postprocess.classes
    plain = ask(bench, image=make_image())
    assert (len(strict.instances.instances), wanted, classes) == (1, 0.5, ('bowl',))
    assert strict.message == '1 object'
    assert len(plain.instances.instances) == 2 and predictor.postprocess.classes is None


def test_threshold_of_a_call_wins_over_those_of_classes(bench, make_image):
    bench.node.set_parameters([Parameter('class_thresholds', value=['mug:0.9'])])
    ask(bench, image=make_image(), score_threshold=0.1)
    postprocess = bench.models.predictor.postprocess
    assert postprocess.score_threshold == pytest.approx(0.1)
    assert postprocess.class_thresholds is None


def test_stream_goes_on_with_its_own_settings(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    before = bench.segment(camera, messages)
    ask(bench, image=make_image(), score_threshold=0.5)
    after = bench.segment(camera, messages)
    assert [len(result.instances) for result in (before, after)] == [2, 2]
    assert [result.instances[0].track_id for result in (before, after)] == ['', '1']


# the camera's image

def test_without_an_image_the_newest_of_the_stream_is_taken(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    image = make_image(frame_id='stream')
    bench.segment(camera, messages, image)
    answer = ask(bench)
    assert answer.success and answer.instances.header == image.header


@pytest.mark.parametrize('enabled', [True, False])
def test_without_listeners_the_camera_is_asked_for_one_image(bench, make_image, enabled):
    bench.node.set_parameters([Parameter('enabled', value=enabled)])
    camera, answers = bench.camera(), []
    client = bench.peer.create_client(Segment, 'yolact/segment')
    assert client.wait_for_service(PATIENCE)
    client.call_async(Segment.Request()).add_done_callback(
        lambda future: answers.append(future.result()))
    bench.wait(lambda: camera.publish(make_image(frame_id='woken')) or answers)
    assert answers[0].success and answers[0].instances.header.frame_id == 'woken'
    bench.wait(lambda: camera.get_subscription_count() == 0, 'the input to close')
    figures = bench.node.status.figures
    assert figures.received == sum(figures.dropped.values()) + figures.processed + figures.waiting


def test_call_without_any_image_is_answered_with_the_reason(new_bench):
    with new_bench(patience_s=0.3) as bench:
        bench.start()
        answer = ask(bench)
    assert not answer.success and 'none came on /image within 0.3 s' in answer.message


def test_each_camera_has_a_service_and_the_common_one_takes_any(new_bench, make_image):
    with new_bench(cameras=['front', 'left'], patience_s=0.5) as bench:
        bench.start()
        bench.segment(bench.camera('left/image'), bench.listen('yolact/left/instances'),
                      make_image(frame_id='left'))
        any_camera, left, front = (ask(bench, f'yolact/{name}segment')
                                   for name in ('', 'left/', 'front/'))
    assert any_camera.instances.header.frame_id == left.instances.header.frame_id == 'left'
    assert not front.success and '/front/image' in front.message


# refusals

def huge(make_image):
    image = make_image()
    image.height, image.width, image.step = 6000, 8000, 24000
    return image


@pytest.mark.parametrize(('fields', 'reason'), [
    (lambda make: {'image': make(), 'compressed': compressed(make(8, 8))}, 'give one of them'),
    (lambda make: {'image': make(encoding='rgb16x')}, "unknown encoding 'rgb16x'"),
    (lambda make: {'image': Image(height=2, width=2, encoding='rgb16', step=12)}, 'rgb16'),
    (lambda make: {'image': Image(encoding='rgb8')}, 'got 0x0'),
    (lambda make: {'image': Image(height=4, width=6, encoding='rgb8', step=18)},
     'the message has 0'),
    (lambda make: {'image': huge(make)}, 'bytes'),
    (lambda make: {'compressed': CompressedImage(format='jpeg')}, 'neither JPEG nor PNG'),
    (lambda make: {'image': make(), 'classes': ['zebra']}, "class 'zebra' is not one of"),
    (lambda make: {'image': make(), 'score_threshold': 7.0}, 'score_threshold must be in'),
    (lambda make: {'image': make(), 'score_threshold': float('nan')}, 'score_threshold must be'),
    (lambda make: {'image': make(), 'score_threshold': -0.5}, 'score_threshold must be in'),
], ids=['both', 'unknown encoding', '16 bit', 'no size', 'no data', 'huge without data',
        'empty file', 'unknown class', 'threshold above', 'threshold nan', 'threshold below'])
def test_bad_request_is_answered_with_the_reason_and_the_next_is_served(bench, make_image, fields,
                                                                        reason):
    refused = ask(bench, **fields(make_image))
    assert not refused.success and reason in refused.message
    assert refused.instances.instances == []
    assert ask(bench, image=make_image()).success


def test_image_beyond_the_limit_of_pixels_is_refused(bench, make_image):
    bench.node.set_parameters([Parameter('max_image_pixels', value=10)])
    assert 'larger than the limit of 10' in ask(bench, image=make_image()).message


def test_failing_network_is_an_answer(bench, make_image):
    bench.models.predictor.error = RuntimeError('no room for masks')
    answer = ask(bench, image=make_image())
    assert (answer.success, answer.message) == (False, 'no room for masks')


def transit(bench, step):
    request = ChangeState.Request(transition=Transition(id=step))
    assert bench.call(ChangeState, 'yolact/change_state', request).success


def test_inactive_node_says_how_to_activate_it(bench, make_image):
    transit(bench, Transition.TRANSITION_DEACTIVATE)
    refused = ask(bench, image=make_image())
    transit(bench, Transition.TRANSITION_ACTIVATE)
    assert not refused.success and 'ros2 lifecycle set /yolact activate' in refused.message
    assert ask(bench, image=make_image()).success


def test_calls_that_come_while_the_node_configures_are_answered(new_bench, make_image):
    with new_bench(autostart=False) as bench:
        bench.start()
        bench.models.gate.clear()
        client = bench.peer.create_client(Segment, 'yolact/segment')
        change = bench.peer.create_client(ChangeState, 'yolact/change_state')
        assert client.wait_for_service(PATIENCE) and change.wait_for_service(PATIENCE)
        configured = change.call_async(ChangeState.Request(
            transition=Transition(id=Transition.TRANSITION_CONFIGURE)))
        answers = [client.call_async(Segment.Request(image=make_image())) for _ in range(3)]
        bench.models.gate.set()
        bench.wait(lambda: configured.done() and all(answer.done() for answer in answers))
        assert ['not active' in answer.result().message for answer in answers] == [True] * 3
        transit(bench, Transition.TRANSITION_ACTIVATE)
        assert ask(bench, image=make_image()).success


def test_calls_that_wait_at_a_cleanup_are_answered(bench, make_image):
    bench.models.predictor.gate.clear()
    client = bench.peer.create_client(Segment, 'yolact/segment')
    assert client.wait_for_service(PATIENCE)
    bench.models.predictor.entered.clear()
    answers = [client.call_async(Segment.Request(image=make_image())) for _ in range(3)]
    bench.wait(bench.models.predictor.entered.is_set)
    bench.wait(lambda: len(bench.node._worker.turns._orders) == 2)
    threading.Timer(0.2, bench.models.predictor.gate.set).start()
    transit(bench, Transition.TRANSITION_DEACTIVATE)
    transit(bench, Transition.TRANSITION_CLEANUP)
    bench.wait(lambda: all(answer.done() for answer in answers))
    messages = {answer.result().message for answer in answers}
    assert messages <= {'2 objects', 'the node was deactivated meanwhile',
                        'the node is just being taken down'}


# order and load

def test_calls_are_worked_on_in_order(bench, make_image):
    client = bench.peer.create_client(Segment, 'yolact/segment')
    assert client.wait_for_service(PATIENCE)
    done, answers = [], []
    for number in range(8):
        future = client.call_async(Segment.Request(image=make_image(value=number)))
        future.add_done_callback(lambda _, number=number: done.append(number))
        answers.append(future)
    bench.wait(lambda: len(done) == 8)
    seen = [int(image[0, 0, 0]) for image in bench.models.predictor.seen[1:]]
    # rclpy up to jazzy sends answers that are ready together in reverse.
    assert seen == sorted(done) == list(range(8))


class Caller:
    """A client with a context of its own that calls one time after the other."""

    def __init__(self, number, calls, make_image):
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = Node(f'client_{number}', context=self._context)
        self._client = self._node.create_client(Segment, 'yolact/segment')
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.answers = []
        self._jobs = [(number * 1000 + call, make_image(4, 6 + number)) for call in range(calls)]
        self.thread = threading.Thread(target=self._call)

    def _call(self):
        assert self._client.wait_for_service(PATIENCE)
        for stamp, image in self._jobs:
            image.header.stamp.sec = stamp
            future = self._client.call_async(Segment.Request(image=image))
            self._executor.spin_until_future_complete(future, PATIENCE)
            answer = future.result()
            self.answers.append((answer.success, answer.instances.header.stamp.sec == stamp,
                                 answer.instances.image_width == image.width,
                                 len(answer.instances.instances)))

    def close(self):
        self.thread.join()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)


def test_four_clients_at_once_are_all_answered_right_while_the_stream_goes_on(bench, make_image):
    camera, messages = bench.camera(depth=1), bench.listen()
    bench.segment(camera, messages)
    callers = [Caller(number, 50, make_image) for number in range(4)]
    before = len(messages)
    for caller in callers:
        caller.thread.start()
    image = make_image()
    while any(caller.thread.is_alive() for caller in callers):
        image.header.stamp.nanosec += 1
        camera.publish(image)
        threading.Event().wait(0.005)
    for caller in callers:
        caller.close()
    assert [caller.answers for caller in callers] == [[(True, True, True, 2)] * 50] * 4
    assert len(messages) > before + 10


def test_call_costs_at_most_ten_milliseconds_beside_the_network(bench, make_image):
    network_s, image = 0.05, make_image(480, 640)
    quick = bench.models.predictor.predict
    bench.models.predictor.predict = lambda rgb: time.sleep(network_s) or quick(rgb)
    client = bench.peer.create_client(Segment, 'yolact/segment')
    assert client.wait_for_service(PATIENCE)

    def beside_the_network_s():
        answered, start = threading.Event(), time.perf_counter()
        future = client.call_async(Segment.Request(image=image))
        future.add_done_callback(lambda _: answered.set())
        assert answered.wait(PATIENCE) and future.result().success
        return time.perf_counter() - start - network_s
    bench.wait(lambda: beside_the_network_s() < 0.01, 'a call that nothing else holds up')


def test_calls_during_reloads_are_answered_by_one_of_the_models(bench, make_image):
    client = bench.peer.create_client(Reload, 'yolact/reload')
    assert client.wait_for_service(PATIENCE)
    loading = client.call_async(Reload.Request(weights='new.pth'))
    models = set()
    bench.wait(lambda: models.add(ask(bench, image=make_image()).instances.model)
               or loading.done() and 'fake new.pth' in models)
    assert models <= {'fake demo', 'fake new.pth'}


def test_client_that_goes_away_disturbs_nothing(bench, make_image):
    bench.models.predictor.gate.clear()
    process = subprocess.Popen(
        [sys.executable, '-c', CLIENT, os.environ['ROS_DOMAIN_ID']], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'called\n'
    process.send_signal(signal.SIGKILL)
    process.communicate()
    bench.models.predictor.gate.set()
    assert all(ask(bench, image=make_image()).success for _ in range(3))

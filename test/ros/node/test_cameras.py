"""Several cameras on one node: own topics, own books, fair turns, no harm from each other."""

import threading
import time
from collections import Counter

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from std_msgs.msg import String

NAMES = ['front', 'left', 'right', 'rear']


@pytest.fixture
def four(new_bench):
    """Return a started bench whose node has four cameras."""
    with new_bench(cameras=NAMES) as bench:
        assert bench.start()
        yield bench


def senders(bench, **options):
    return {name: bench.camera(f'{name}/image', **options) for name in NAMES}


def listeners(bench, topic='instances', kind=None):
    types = {} if kind is None else {'kind': kind}
    return {name: bench.listen(f'yolact/{name}/{topic}', **types) for name in NAMES}


def status_of(bench, name):
    return bench.node.status_of(next(each for each in bench.node.cameras if each.name == name))


def feed(bench, cameras, images, done, period_s=0.002):
    """Publish to all cameras over and over until done."""
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, 'waited in vain'
        for name, camera in cameras.items():
            images[name].header.stamp.nanosec += 1
            camera.publish(images[name])
        time.sleep(period_s)


def test_every_camera_has_its_own_topics_and_headers(four, make_image):
    results = {name: four.segment(four.camera(f'{name}/image'),
                                  four.listen(f'yolact/{name}/instances'),
                                  make_image(frame_id=name)) for name in NAMES}
    assert {name: result.header.frame_id for name, result in results.items()} \
        == dict(zip(NAMES, NAMES))
    assert len(four.models.opened) == 1


def test_topics_without_a_camera_name_do_not_exist(four):
    names = {name for name, _ in four.node.get_topic_names_and_types()
             if four.node.count_publishers(name)}
    assert {'/yolact/front/instances', '/yolact/rear/overlay/compressed',
            '/yolact/left/class_names'} <= names
    assert not {'/yolact/instances', '/yolact/overlay'} & names


def test_camera_without_listeners_is_not_received(four):
    cameras = senders(four)
    four.listen('yolact/left/instances')
    four.wait(lambda: cameras['left'].get_subscription_count() == 1)
    assert [cameras[name].get_subscription_count() for name in NAMES] == [0, 1, 0, 0]


def test_latched_class_names_are_there_for_each(four):
    names = {name: four.listen(f'yolact/{name}/class_names', String, latched=True)
             for name in NAMES}
    four.wait(lambda: all(names.values()))
    assert {name: received[0].data for name, received in names.items()} \
        == dict.fromkeys(NAMES, '["mug", "bowl"]')


def test_tracks_are_numbered_for_each_camera_alone(four):
    ids = []
    for name in ('front', 'left'):
        camera, messages = four.camera(f'{name}/image'), four.listen(f'yolact/{name}/instances')
        ids.append([four.segment(camera, messages).instances[0].track_id for _ in range(2)])
    assert ids == [['', '1'], ['', '1']]


def slow_down(predictor, seconds):
    """Let the network take its time."""
    quick = predictor.predict

    def predict(rgb):
        time.sleep(seconds)
        return quick(rgb)

    predictor.predict = predict


def test_served_rates_of_equal_inputs_are_equal(four, make_image):
    cameras, messages = senders(four, depth=1), listeners(four)
    for name in NAMES:
        four.segment(cameras[name], messages[name])
    slow_down(four.models.predictor, 0.01)
    before = {name: status_of(four, name).figures.processed for name in NAMES}

    def served():
        return {name: status_of(four, name).figures.processed - before[name] for name in NAMES}

    feed(four, cameras, {name: make_image() for name in NAMES},
         lambda: sum(served().values()) >= 120)
    assert max(served().values()) <= 1.1 * min(served().values())


@pytest.mark.parametrize('trouble', ['flood', 'broken', 'sizes', 'silent', 'dies'])
def test_trouble_of_one_camera_does_not_reach_another(four, make_image, trouble):
    cameras, messages = senders(four, depth=1), listeners(four)
    four.segment(cameras['left'], messages['left'])
    stop = threading.Event()

    def misbehave():
        number = 0
        while not stop.is_set() and trouble != 'silent':
            number += 1
            if trouble == 'dies' and number == 10:
                four.peer.destroy_publisher(cameras['front'])
                return
            image = make_image(4, 6 + number % 50 if trouble == 'sizes' else 6)
            if trouble == 'broken':
                image.encoding = 'nonsense'
            cameras['front'].publish(image)
            stop.wait(0.0005 if trouble == 'flood' else 0.005)

    thread = threading.Thread(target=misbehave)
    thread.start()
    try:
        results = [four.segment(cameras['left'], messages['left']) for _ in range(20)]
    finally:
        stop.set()
        thread.join()
    assert [len(result.instances) for result in results] == [2] * 20
    assert status_of(four, 'left').figures.dropped.get('failed', 0) == 0
    assert (trouble == 'broken') == bool(status_of(four, 'front').figures.dropped.get('failed'))


def test_diagnostics_of_each_camera_tell_its_own_trouble(new_bench, make_image):
    with new_bench(cameras=['front', 'left'], patience_s=0.2) as bench:
        bench.start()
        states = bench.listen('/diagnostics', DiagnosticArray)
        bench.listen('yolact/front/instances')
        left, messages = bench.camera('left/image'), bench.listen('yolact/left/instances')

        def told():
            bench.segment(left, messages)
            texts = {each.name: each.message for each in states[-1].status} if states else {}
            return 'no publisher on /front/image' in texts.get('yolact: front input', '') \
                and texts['yolact: left input'] == 'images arrive on /left/image' and texts

        assert set(bench.wait(told)) == {f'yolact: {name} {side}' for name in ('front', 'left')
                                         for side in ('input', 'output')}


def test_cure_for_a_silent_camera_points_to_nothing_that_the_node_has_already(new_bench,
                                                                              make_image):
    with new_bench(cameras=['front', 'left'], patience_s=0.2) as bench:
        bench.start()
        states = bench.listen('/diagnostics', DiagnosticArray)
        bench.listen('yolact/front/instances')
        bench.listen('yolact/left/overlay', Image)
        camera, messages = bench.camera('left/image'), bench.listen('yolact/left/instances')
        bench.camera('driver/image_raw')

        def told():
            bench.segment(camera, messages)
            return next((each.message for state in states for each in state.status
                         if each.name == 'yolact: front input' and '-r ' in each.message), '')

        text = bench.wait(told)
    assert text.endswith('topics of that type: /driver/image_raw; remap with '
                         '-r front/image:=/driver/image_raw')


class BatchPredictor:
    """Wraps the made-up model as one on a GPU, where a batch costs as much as an image."""

    on_gpu = True

    def __init__(self, inner):
        self.__dict__.update(inner=inner, batches=Counter())

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __setattr__(self, name, value):
        setattr(self.inner, name, value)

    def predict(self, rgb):
        return self.predict_batch([rgb])[0]

    def predict_batch(self, images):
        time.sleep(0.01)
        self.batches[len(images)] += 1
        if len(images) > 1 and any(rgb[0, 0, 0] == 13 for rgb in images):
            raise ValueError('an unlucky image')
        return [self.inner.predict(rgb) for rgb in images]


@pytest.fixture
def batching(new_bench, monkeypatch):
    """Return a bench with four cameras on a made-up GPU, and what its network was given."""
    with new_bench(cameras=NAMES) as bench:
        opened = []
        open_plain = bench.models

        def open_batching(*arguments, **options):
            opened.append(BatchPredictor(open_plain(*arguments, **options)))
            return opened[-1]

        bench.node._model._open = open_batching
        assert bench.start()
        yield bench, opened[0].batches


def test_waiting_images_go_together_where_that_was_measured_faster(batching, make_image):
    bench, batches = batching
    cameras, messages = senders(bench, depth=1), listeners(bench)
    before = batches[4]
    feed(bench, cameras, {name: make_image() for name in NAMES},
         lambda: all(len(each) > 10 for each in messages.values()))
    assert before > 0 and batches[4] > before


def test_batch_that_fails_is_taken_one_by_one(batching, make_image):
    bench, _ = batching
    cameras, messages = senders(bench, depth=1), listeners(bench)
    images = {name: make_image(value=13 if name == 'left' else 100) for name in NAMES}
    feed(bench, cameras, images, lambda: all(len(each) > 5 for each in messages.values()))
    assert all(status_of(bench, name).figures.dropped.get('failed', 0) == 0 for name in NAMES)


def test_cpu_takes_images_in_turn(four):
    assert four.node._model.loaded.batch == 1


def test_overlay_of_one_camera_shows_that_camera(four, make_image):
    overlays = {name: four.listen(f'yolact/{name}/overlay', Image) for name in ('front', 'left')}
    sizes = {'front': (40, 60), 'left': (50, 30)}
    drawn = {name: four.segment(four.camera(f'{name}/image'), overlays[name], make_image(*size))
             for name, size in sizes.items()}
    assert {name: (image.height, image.width) for name, image in drawn.items()} == sizes

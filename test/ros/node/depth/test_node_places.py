"""The node with depth: what a real publisher sends comes out as places, or as a reason why not."""

import math
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from depth_images import FOCAL, HEIGHT, WIDTH, calibration, depth_image, header
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from yolact_ros.structures import ImageSize, Instances

WALL = 1.5  # [m]
# Pixels 10 to 29 across, 5 to 24 down: their middle is (19.5, 14.5), the image's (31.5, 23.5).
ROI = (10, 5, 30, 25)
X, Y = (19.5 - 31.5) / FOCAL * WALL, (14.5 - 23.5) / FOCAL * WALL
PATIENCE = 20.0


def a_mug(rgb):
    """Return a square mug, whatever the image shows."""
    x0, y0, x1, y1 = ROI
    score, roi = np.array([0.9], np.float32), np.array([ROI], np.int32)
    return Instances(ImageSize(*rgb.shape[:2]), roi.astype(np.float32), score,
                     np.full(1, np.nan, np.float32), score, np.array([0]), roi,
                     (np.ones((y1 - y0, x1 - x0), bool),))


class Rig:
    """A camera with depth before a node, and a listener."""

    def __init__(self, bench, prefix='', out='yolact/'):
        self.bench, self.seconds = bench, 10.0
        self.images = bench.camera(prefix + 'image')
        self.depths = bench.camera(prefix + 'depth')
        self.infos = bench.camera(prefix + 'camera_info', CameraInfo)
        self.arrays = bench.listen(f'{out}instances')
        bench.wait(lambda: self.depths.get_subscription_count()
                   and self.infos.get_subscription_count()
                   and self.images.get_subscription_count(), 'the inputs')

    def see(self, depth=None, camera_info=None, frame='optical'):
        """Return the array of an image, sent with these until it comes; stamps are equal."""
        image = Image(header=header(self.seconds, frame), height=HEIGHT, width=WIDTH,
                      encoding='rgb8', step=3 * WIDTH)
        image.data.frombytes(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        if depth is not None and not depth.header.stamp.sec:
            depth.header.stamp = image.header.stamp
        for publisher, message in ((self.infos, camera_info), (self.depths, depth),
                                   (self.images, image)):
            if message is not None:
                publisher.publish(message)
        self.seconds += 1.0
        return self._array(image)

    def _array(self, image):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for array in self.arrays:
                if array.header.stamp == image.header.stamp:
                    return array
            time.sleep(0.002)
        raise AssertionError('no array for the image')

    def see_depth(self, depth, camera_info):
        """Return the first mug with a place; the very first messages may cross on their way."""
        def mug():
            found = self.see(depth(), camera_info).instances[0]
            return found if found.depth_points else None
        return self.bench.wait(mug, 'a place')

    def reason(self, depth=lambda: None, camera_info=None, cause=''):
        """Return the diagnostics of depth, once its message holds the cause."""
        states = self.bench.listen('/diagnostics', DiagnosticArray)

        def told():
            self.see(depth(), camera_info)
            return [state for array in states for state in array.status
                    if state.name.endswith(' depth') and cause in state.message]
        return self.bench.wait(told, f'diagnostics with {cause!r}')[-1]


@contextmanager
def rig_of(new_bench, **parameters):
    with new_bench(use_depth=True, **parameters) as bench:
        assert bench.start()
        bench.models.predictor.predict = a_mug
        yield Rig(bench)


@pytest.fixture
def rig(new_bench):
    with rig_of(new_bench) as rig:
        yield rig


def place(mask):
    return mask.position.x, mask.position.y, mask.position.z


@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_objects_get_their_place(rig, encoding):
    mug = rig.see_depth(lambda: depth_image(WALL, encoding=encoding), calibration())
    assert place(mug) == pytest.approx((X, Y, WALL), abs=1e-3)
    side = 20 / FOCAL * WALL
    assert (mug.box_size.x, mug.box_size.y) == pytest.approx((side, side), abs=0.03)
    assert mug.depth_points == 18 * 18  # one pixel of the rim: two would leave 0.64 of it
    assert mug.depth_spread == pytest.approx(0, abs=1e-3)


REASONS = {
    'no calibration': (lambda: depth_image(WALL), None, 'no camera_info has arrived on '
                       '/camera_info'),
    'all zero calibration': (lambda: depth_image(WALL), CameraInfo(), 'camera_info is all zero'),
    'stamps apart': (lambda: depth_image(WALL, seconds=5), calibration(), 'ms older than the '
                     'picture, depth_slop allows 50 ms'),
    'other size': (lambda: depth_image(WALL, size=(WIDTH, HEIGHT)), calibration(),
                   'turned by 90 degrees'),
    'other frame': (lambda: depth_image(WALL, frame='ir'), calibration(), "in frame 'ir'"),
    'unknown depth': (lambda: depth_image(0.0), calibration(), 'not a single pixel'),
    'millimetres': (lambda: depth_image(1500.0, encoding='32FC1'), calibration(),
                    'these look like millimetres'),
}


@pytest.mark.parametrize('depth, camera_info, words', REASONS.values(), ids=REASONS)
def test_without_a_place_the_array_comes_and_the_diagnostics_say_why(rig, depth, camera_info,
                                                                      words):
    state = rig.reason(depth, camera_info, words)
    assert state.level == b'\1'
    mug = rig.see(depth(), camera_info).instances[0]
    assert all(map(math.isnan, (*place(mug), mug.box_size.x, mug.depth_spread)))
    assert mug.depth_points == 0


def test_a_depth_topic_that_nobody_publishes_is_named(new_bench):
    with new_bench(use_depth=True) as bench:
        assert bench.start()
        states = bench.listen('/diagnostics', DiagnosticArray)
        camera, arrays = bench.camera(), bench.listen()

        def told():
            bench.segment(camera, arrays)
            return [state for array in states for state in array.status
                    if state.message.startswith('no publisher on /depth; start')]
        assert bench.wait(told, 'the reason')[0].name == 'yolact: depth'


@pytest.mark.parametrize(('has_depth', 'words'), [
    (False, '(-r front/depth:=)'), (True, '(-r front/camera_info:=)')])
def test_cures_for_one_of_several_cameras_name_its_own_inputs(new_bench, has_depth, words):
    with new_bench(use_depth=True, cameras=['front']) as bench:
        assert bench.start()
        bench.models.predictor.predict = a_mug
        rig = Rig(bench, 'front/', 'yolact/front/')
        if not has_depth:
            bench.peer.destroy_publisher(rig.depths)
            rig.depths = None
        state = rig.reason(lambda: depth_image(WALL) if has_depth else None, None, words)
    assert state.name == 'yolact: front depth'


def test_a_healthy_camera_says_so_and_a_lens_that_bends_is_named(rig):
    assert rig.reason(lambda: depth_image(WALL), calibration(), 'places come from /depth'
                      ).level == b'\0'
    bent = rig.reason(lambda: depth_image(WALL), calibration(d=[0.1, 0, 0, 0, 0]), 'bends lines')
    assert bent.level == b'\1'


def test_a_calibration_that_changes_holds_from_then_on(rig, capfd):
    rig.see_depth(lambda: depth_image(WALL), calibration())

    def nearer():
        mug = rig.see(depth_image(WALL), calibration(focal=2 * FOCAL)).instances[0]
        return mug if mug.position.x > 0.75 * X else None
    mug = rig.bench.wait(nearer, 'the new calibration')
    assert place(mug)[:2] == pytest.approx((X / 2, Y / 2), abs=1e-3)
    rig.bench.wait(lambda: 'calibration on /camera_info has changed' in capfd.readouterr().err)


def test_depth_that_waited_for_a_busy_node_is_not_lost(rig):
    rig.see_depth(lambda: depth_image(WALL), calibration())
    free, held = threading.Event(), threading.Event()
    guard = rig.bench.node.create_guard_condition(lambda: held.set() or free.wait(PATIENCE))
    guard.trigger()
    assert held.wait(PATIENCE)
    for later in (0.0, 0.1, 0.2, 0.3):
        rig.depths.publish(depth_image(WALL, rig.seconds + later))
    rig.depths.wait_for_all_acked(Duration(seconds=PATIENCE))
    free.set()
    assert rig.see().instances[0].depth_points


def test_points_and_markers_come_for_those_who_listen(rig):
    clouds = rig.bench.listen('yolact/points', PointCloud2)
    boxes = rig.bench.listen('yolact/markers', MarkerArray)

    def both():
        rig.see_depth(lambda: depth_image(WALL), calibration())
        return clouds and [one for one in boxes if len(one.markers) == 3]
    box = rig.bench.wait(both, 'a cloud and a box')[0].markers[1]
    assert (clouds[0].height, clouds[0].width) == (HEIGHT, WIDTH)
    assert clouds[0].header.frame_id == 'optical'
    words = np.frombuffer(clouds[0].data, '<f4').reshape(HEIGHT, WIDTH, 5)
    assert np.isfinite(words[5:25, 10:30, 2]).all() and np.isnan(words[0, 0, 2])
    assert (box.type, box.pose.position.z) == (Marker.CUBE, pytest.approx(WALL, abs=0.02))


def test_cloud_and_class_image_are_aligned_and_of_one_moment_as_nav2_wants_them(rig):
    clouds, classes, confidences = [], [], []
    for topic, kind, messages in (('points', PointCloud2, clouds), ('class_image', Image, classes),
                                  ('confidence_image', Image, confidences)):
        rig.bench.peer.create_subscription(kind, f'yolact/{topic}', messages.append,
                                           qos_profile_sensor_data)  # best effort

    def of_one_moment():
        rig.see_depth(lambda: depth_image(WALL), calibration())
        return [(cloud, image, sure) for cloud in clouds for image in classes
                for sure in confidences if cloud.header == image.header == sure.header]
    cloud, image, sure = rig.bench.wait(of_one_moment, 'a cloud with its images')[0]
    assert (cloud.height, cloud.width) == (image.height, image.width) == (sure.height, sure.width)
    assert [field.name for field in cloud.fields[:3]] == ['x', 'y', 'z']
    deep = np.frombuffer(cloud.data, '<f4').reshape(HEIGHT, WIDTH, 5)[..., 2]
    seen = np.frombuffer(image.data, np.uint8).reshape(HEIGHT, WIDTH)
    assert (np.isfinite(deep) == (seen == 1)).all() and (seen == 1).sum() == 20 * 20


def test_no_cloud_is_made_for_nobody(rig, monkeypatch):
    made = []
    monkeypatch.setattr('yolact_ros.ros.node.outputs.publishers.point_cloud',
                        lambda *_: made.append(1))
    rig.see_depth(lambda: depth_image(WALL), calibration())
    assert made == []


def test_the_overlay_tells_the_distance(rig, monkeypatch):
    told = []
    monkeypatch.setattr('yolact_ros.ros.node.outputs.publishers.draw_instances',
                        lambda rgb, *rest: told.append(rest[-1]) or rgb)
    rig.bench.listen('yolact/overlay', Image)

    def drawn():
        rig.see_depth(lambda: depth_image(WALL), calibration())
        return [distances for distances in told if np.isfinite(distances).all()]
    assert rig.bench.wait(drawn, 'an overlay')[0] == pytest.approx(
        [math.hypot(X, Y, WALL)], abs=1e-3)


def test_every_camera_has_its_own_depth(new_bench):
    with new_bench(use_depth=True, cameras=['front', 'left']) as bench:
        assert bench.start()
        bench.models.predictor.predict = a_mug
        near = Rig(bench, 'front/', 'yolact/front/').see_depth(
            lambda: depth_image(WALL), calibration())
        far = Rig(bench, 'left/', 'yolact/left/').see_depth(
            lambda: depth_image(2 * WALL), calibration())
    assert (near.position.z, far.position.z) == pytest.approx((WALL, 2 * WALL), abs=1e-3)


def test_without_use_depth_nobody_listens_to_it(bench):
    bench.segment(bench.camera(), bench.listen())
    assert bench.node.count_subscribers('/depth') == 0

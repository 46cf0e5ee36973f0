"""Every pixel is a point; the cloud is read by its fields alone, as consumers do."""

import numpy as np
import pytest
from depth_images import header
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2, PointField

from yolact_ros.ros.node.depth.point_cloud import point_cloud
from yolact_ros.ros.node.depth.reading import DepthView
from yolact_ros.structures import ImageSize, Instances

K = np.array([[2.0, 0, 1], [0, 4, 0.5], [0, 0, 1]])
DEPTH = np.array([[1, 2, np.nan], [4, 5, 6]], np.float32)
RGB = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
KINDS = {PointField.FLOAT32: '<f4', PointField.UINT16: '<u2'}


def objects():
    """Return an object in the first column, and a worse one in the whole lower row."""
    scores = np.array([0.9, 0.8], np.float32)
    rois = np.array([[0, 0, 1, 2], [0, 1, 3, 2]], np.int32)
    return Instances(ImageSize(2, 3), rois.astype(np.float32), scores, scores, scores,
                     np.array([7, 3]), rois, (np.ones((2, 1), bool), np.ones((1, 3), bool)))


def cloud(**options):
    """Return the cloud after a journey, and its fields as (H, W) arrays."""
    message = point_cloud(DepthView(DEPTH, K), RGB, objects(), header(3.5), **options)
    received = deserialize_message(serialize_message(message), PointCloud2)
    dtype = np.dtype({'names': [field.name for field in received.fields],
                      'formats': [KINDS[field.datatype] for field in received.fields],
                      'offsets': [field.offset for field in received.fields],
                      'itemsize': received.point_step})
    return received, np.frombuffer(received.data, dtype).reshape(received.height, received.width)


def test_the_cloud_is_organised_as_the_image():
    message, _ = cloud()
    assert (message.height, message.width, message.is_dense, message.is_bigendian) \
        == (2, 3, False, False)
    assert (message.row_step, message.header) == (3 * message.point_step, header(3.5))


def test_points_lie_on_the_rays_of_their_pixels():
    _, points = cloud(background=True)
    # x = (column - 1) / 2 z, y = (row - 0.5) / 4 z, by hand:
    np.testing.assert_array_equal(points['x'], [[-0.5, 0, np.nan], [-2, 0, 3]])
    np.testing.assert_array_equal(points['y'], [[-0.125, -0.25, np.nan], [0.5, 0.625, 0.75]])
    np.testing.assert_array_equal(points['z'], DEPTH)


def test_points_beside_the_objects_are_unknown_unless_asked_for():
    _, points = cloud()
    for axis in 'xyz':
        assert np.isnan(points[axis]).tolist() == [[False, True, True], [False] * 3]


def test_every_point_names_its_object_class_and_colour():
    _, points = cloud()
    assert points['instance'].tolist() == [[1, 0, 0], [1, 2, 2]]
    assert points['class_id'].tolist() == [[7, 65535, 65535], [7, 3, 3]]
    packed = points['rgb'].copy().view(np.uint32)
    assert packed[0].tolist() == [0x000102, 0x030405, 0x060708]


def test_without_objects_nothing_is_of_one():
    message = point_cloud(DepthView(DEPTH, K), RGB, Instances.empty(ImageSize(2, 3)), header())
    assert np.isnan(np.frombuffer(message.data, '<f4').reshape(6, 5)[:, :3]).all()


@pytest.mark.parametrize('name', ['x', 'y', 'z', 'rgb', 'instance', 'class_id'])
def test_the_fields_are_those_that_are_promised(name):
    fields = {field.name: field for field in cloud()[0].fields}
    wanted = PointField.UINT16 if name in ('instance', 'class_id') else PointField.FLOAT32
    assert (fields[name].datatype, fields[name].count) == (wanted, 1)

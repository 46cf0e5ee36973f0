"""The depth image as an organised PointCloud2 that says of every point which object it is of."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from yolact_ros.msg import InstanceMask
from yolact_ros.ros.node.depth.reading import DepthView
from yolact_ros.structures import Instances

# Name and type of every four bytes of a point; the last four are two fields.
FIELDS = (('x', PointField.FLOAT32, 0), ('y', PointField.FLOAT32, 4),
          ('z', PointField.FLOAT32, 8), ('rgb', PointField.FLOAT32, 12),
          ('instance', PointField.UINT16, 16), ('class_id', PointField.UINT16, 18))
WORDS = 5


def point_cloud(view: DepthView, rgb: np.ndarray, instances: Instances, header: Header,
                background: bool = False) -> PointCloud2:
    """
    Return one point for every pixel, row by row, little-endian.

    rgb is 0x00RRGGBB in the place of a float, as RViz and PCL want it; instance is the object's
    id in ~/instances (0: none) and class_id its class (65535: none). Where masks overlap the
    better score wins.

    :param rgb: (H, W, 3) uint8.
    :param background: whether points beside the objects are known too; else they are NaN.
    """
    height, width = view.depth_m.shape
    labels = instances.label_image()
    z = view.depth_m if background else _where(labels > 0, view.depth_m)
    columns = (np.arange(width) - view.matrix[0, 2]) / view.matrix[0, 0]
    rows = (np.arange(height) - view.matrix[1, 2]) / view.matrix[1, 1]
    data = array('B', bytes(4 * WORDS * height * width))
    # Bytes are only moved, so that whole numbers may pass for floats.
    cv2.merge([z * columns.astype(np.float32), z * rows.astype(np.float32)[:, None], z,
               _colors(rgb).view(np.float32), _owners(labels, instances).view(np.float32)],
              np.frombuffer(data, np.float32).reshape(height, width, WORDS))
    message = PointCloud2(
        header=header, height=height, width=width, point_step=4 * WORDS,
        row_step=4 * WORDS * width, is_dense=False, is_bigendian=False,
        fields=[PointField(name=name, offset=offset, datatype=kind, count=1)
                for name, kind, offset in FIELDS])
    message.data = data  # the constructor would copy it
    return message


def _where(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the values, NaN outside of the mask (faster than np.where on ragged masks)."""
    known = mask.view(np.uint8)
    with np.errstate(invalid='ignore'):
        return values * known / known


def _colors(rgb: np.ndarray) -> np.ndarray:
    """Return (H, W) uint32 0x00RRGGBB."""
    blue_first = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA).view(np.uint32)[..., 0]
    return blue_first & np.uint32(0xffffff)  # with the top byte many a colour would be NaN


def _owners(labels: np.ndarray, instances: Instances) -> np.ndarray:
    """Return (H, W) uint32, the instance in its lower and the class in its upper half."""
    classes = np.append(InstanceMask.UNLABELED, instances.class_ids).astype(np.uint32)
    return np.take(classes << 16 | np.arange(len(classes), dtype=np.uint32), labels)

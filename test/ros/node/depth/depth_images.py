"""Depth images and calibrations as drivers send them, in whole and broken ways."""

import numpy as np
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

HEIGHT, WIDTH, FOCAL = 48, 64, 60.0


def header(seconds=0.0, frame='optical'):
    """Return a header with this stamp."""
    made = Header(frame_id=frame)
    made.stamp.sec = int(seconds)
    made.stamp.nanosec = round(1e9 * (seconds - int(seconds)))
    return made


def depth_image(metres=1.5, seconds=0.0, encoding='16UC1', size=(HEIGHT, WIDTH), frame='optical',
                big=False):
    """Return a depth image of a wall, or of (H, W) metres."""
    metres = np.broadcast_to(np.asarray(metres, np.float64), size)
    if encoding == '16UC1':
        values = np.rint(1000 * np.nan_to_num(metres)).astype('>u2' if big else '<u2')
    else:
        values = metres.astype('>f4' if big else '<f4')
    message = Image(header=header(seconds, frame), height=size[0], width=size[1],
                    encoding=encoding, step=size[1] * values.itemsize, is_bigendian=int(big))
    message.data.frombytes(np.ascontiguousarray(values).view(np.uint8))
    return message


def calibration(size=(HEIGHT, WIDTH), frame='optical', focal=FOCAL, d=()):
    """Return the camera_info of a camera that looks through the middle of its image."""
    height, width = size
    k = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    return CameraInfo(header=header(frame=frame), height=height, width=width, d=list(d), k=k, p=p)

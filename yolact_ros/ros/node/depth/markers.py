"""The objects' boxes and names for RViz."""

from __future__ import annotations

import math
from collections.abc import Sequence

from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from yolact_ros.geometry import Places
from yolact_ros.structures import Instances

THINNEST = 0.002  # [m], RViz does not show boxes without any thickness
LETTERS = 0.03  # height of the letters [m] for each metre of distance
ALPHA = 0.4


def markers(places: Places, instances: Instances, class_names: Sequence[str],
            colors: Sequence[tuple[int, int, int]], track_ids: Sequence[int],
            header: Header) -> MarkerArray:
    """
    Return a box and a name for every object whose place is known, and none for any other.

    The first marker takes those of earlier images away.

    :param colors: RGB in [0, 255] of every object.
    :param track_ids: number of every object, 0 for none; empty when nothing is tracked.
    """
    array = MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    turns = places.box_quaternions
    for row in places.known.nonzero()[0].tolist():
        color = [value / 255 for value in colors[row]]
        pose = Pose(position=_point(places.box_centers[row]), orientation=Quaternion(
            **dict(zip('xyzw', turns[row].tolist()))))
        sides = [max(side, THINNEST) for side in places.box_sizes[row].tolist()]
        array.markers.append(Marker(
            header=header, ns='boxes', id=row + 1, type=Marker.CUBE, action=Marker.ADD, pose=pose,
            scale=Vector3(**dict(zip('xyz', sides))), color=_color(color, ALPHA)))
        array.markers.append(_name(row, places, instances, class_names, track_ids, header))
    return array


def _name(row: int, places: Places, instances: Instances, class_names: Sequence[str],
          track_ids: Sequence[int], header: Header) -> Marker:
    """Return number, class, score and distance of an object, just above its box."""
    distance = math.hypot(*places.positions[row].tolist())
    number = f'{track_ids[row]} ' if len(track_ids) and track_ids[row] else ''
    letters = LETTERS * distance
    position = places.box_centers[row].copy()
    position[1] -= 0.5 * places.box_sizes[row, 1] + letters  # y is down
    marker = Marker(header=header, ns='names', id=row + 1, type=Marker.TEXT_VIEW_FACING,
                    action=Marker.ADD, color=_color((1.0, 1.0, 1.0), 1.0),
                    text=f'{number}{class_names[int(instances.class_ids[row])]} '
                         f'{instances.scores[row]:.2f} {distance:.2f} m')
    marker.pose.position = _point(position)
    marker.scale.z = letters
    return marker


def _point(values: Sequence[float]) -> Point:
    """Return x, y, z as a message."""
    return Point(**dict(zip('xyz', map(float, values))))


def _color(rgb: Sequence[float], alpha: float) -> ColorRGBA:
    """Return a colour in [0, 1] as a message."""
    return ColorRGBA(r=rgb[0], g=rgb[1], b=rgb[2], a=alpha)

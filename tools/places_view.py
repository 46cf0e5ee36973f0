"""Draw the pictures of docs/geometry.md: tracks and distances in the image, the same in space."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import Marker  # noqa: E402

from yolact_ros.figures import open_figure  # noqa: E402
from yolact_ros.geometry import lift  # noqa: E402
from yolact_ros.inference.predictor import open_predictor  # noqa: E402
from yolact_ros.overlay import (  # noqa: E402
    OverlayStyle,
    TrackMarks,
    draw_instances,
    instance_colors,
)
from yolact_ros.ros.node.depth.markers import markers  # noqa: E402
from yolact_ros.ros.node.depth.point_cloud import point_cloud  # noqa: E402
from yolact_ros.ros.node.depth.reading import DepthView  # noqa: E402
from yolact_ros.scenes import scene  # noqa: E402
from yolact_ros.scenes.motion import moment  # noqa: E402
from yolact_ros.scenes.world import build_world  # noqa: E402
from yolact_ros.tracking import Tracker, Trails  # noqa: E402

SIZE = (480, 640)
STYLE = OverlayStyle(color_by='track')
STEP = 2  # every so manieth row and column of the cloud is drawn
GREY = '#303030'  # RViz' background
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
EDGES = [(a, b) for a in range(8) for b in range(a) if np.abs(CORNERS[a] - CORNERS[b]).sum() == 1]


def watch(seed: int, mode: str, frames: int, rate: float) -> dict[str, object]:
    """Return what the demo model, the tracker and the depth camera say of the last frame."""
    predictor, tracker, trails = open_predictor('demo'), Tracker(), Trails()
    for frame in range(frames):
        stamp = frame / rate
        shown = scene(seed, stamp, SIZE, mode, depth=True)
        instances = predictor.predict(shown.image)
        ids = tracker.update(instances, stamp)
        marks = TrackMarks(ids, trails.update(instances, ids, stamp))
    depth_m = noisy(shown.depth_mm, np.random.default_rng(seed))
    view = DepthView(depth_m, shown.camera_matrix)
    return {'rgb': shown.image, 'instances': instances, 'marks': marks, 'view': view,
            'places': lift(instances, depth_m, shown.camera_matrix),
            'names': predictor.class_names,
            # columns: right, away and up, as the table lies
            'level': moment(build_world(seed, SIZE, mode, 'easy'), stamp).camera.axes}


def noisy(depth_mm: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return depth as a stereo camera sees it [m]: noise grows with the square of distance."""
    depth_m = (depth_mm / 1000).astype(np.float32)
    depth_m += generator.normal(0, 0.002, depth_m.shape).astype(np.float32) * depth_m ** 2
    depth_m[generator.random(depth_m.shape) < 0.05] = np.nan
    return depth_m


def draw_space(seen: dict[str, object], path: Path) -> None:
    """Draw the messages ~/points and ~/markers as RViz would."""
    header = Header(frame_id='camera_optical_frame')
    instances, marks = seen['instances'], seen['marks']
    cloud = point_cloud(seen['view'], seen['rgb'], instances, header, background=True)
    boxes = markers(seen['places'], instances, seen['names'],
                    instance_colors(instances, STYLE, marks), marks.ids.tolist(), header).markers
    words = np.frombuffer(cloud.data, np.uint32).reshape(cloud.height, cloud.width, -1)
    words = words[::STEP, ::STEP].reshape(-1, words.shape[-1])
    points = words[:, :3].copy().view(np.float32)
    colors = words[:, 3:4].copy().view(np.uint8)[:, 2::-1] / 255
    near = points[:, 2] < 1.5 * np.nanmax(seen['places'].distances)
    with open_figure(path, 6.4, 3.6) as figure:
        figure.set_layout_engine('none')
        figure.set_facecolor(GREY)
        # Larger than the figure: what lies beyond the square of the axes is cut off.
        axes = figure.add_axes((-0.3, -0.74, 1.6, 2.6), projection='3d', computed_zorder=False)
        axes.set_facecolor(GREY)
        axes.scatter(*(points[near] @ seen['level']).T, c=colors[near], s=2.2, linewidths=0)
        for box in boxes[1:]:
            draw_marker(axes, box, seen['level'])
        axes.set_axis_off()
        extent = [high - low for low, high in (axes.get_xlim(), axes.get_ylim(),
                                               axes.get_zlim())]
        axes.set_box_aspect(extent, zoom=1.15)
        axes.view_init(elev=28, azim=-80)


def draw_marker(axes: object, marker: Marker, level: np.ndarray) -> None:
    """
    Draw the edges of a box, or a text.

    :param level: (3, 3), columns are the directions of the drawing in the camera's frame.
    """
    color = (marker.color.r, marker.color.g, marker.color.b)
    middle = np.array([marker.pose.position.x, marker.pose.position.y, marker.pose.position.z])
    if marker.type == Marker.TEXT_VIEW_FACING:
        axes.text(*(middle @ level), marker.text, color='white', fontsize=8, ha='center',
                  zorder=9)
        return
    turn = marker.pose.orientation
    sides = np.array([marker.scale.x, marker.scale.y, marker.scale.z])
    corners = (CORNERS * sides) @ matrix_of(turn.x, turn.y, turn.z, turn.w).T + middle
    for edge in EDGES:
        axes.plot(*(corners[list(edge)] @ level).T, color=color, linewidth=1.6, zorder=8)


def matrix_of(x: float, y: float, z: float, w: float) -> np.ndarray:
    """Return (3, 3) the rotation of a unit quaternion."""
    return np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                     [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                     [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seed', type=int, default=13, help='of the scene')
    parser.add_argument('--mode', default='shuffle', help='of the synthetic scene')
    parser.add_argument('--frames', type=int, default=12, help='how many are watched')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs')
    args = parser.parse_args()
    seen = watch(args.seed, args.mode, args.frames, rate=10.0)
    drawn = draw_instances(seen['rgb'], seen['instances'], seen['names'], STYLE, seen['marks'],
                           seen['places'].distances)
    args.out.mkdir(parents=True, exist_ok=True)
    write_jpeg(args.out / 'places_overlay.jpg', cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    with TemporaryDirectory() as folder:
        path = Path(folder) / 'space.png'
        draw_space(seen, path)
        write_jpeg(args.out / 'places_space.jpg', cv2.imread(str(path)))


def write_jpeg(path: Path, bgr: np.ndarray) -> None:
    """Write a picture small enough for a repository."""
    if not cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, 85]):
        raise OSError(f'cannot write {path}')


if __name__ == '__main__':
    main()

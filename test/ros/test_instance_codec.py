"""Every mask survives every encoding, and a damaged message is named as such."""

import array
import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco
from rclpy.serialization import deserialize_message, serialize_message
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from yolact_ros.geometry import Places
from yolact_ros.msg import InstanceMask, InstanceMaskArray
from yolact_ros.ros import instance_codec
from yolact_ros.ros.instance_codec import MASK_ENCODINGS, encode_array
from yolact_ros.structures import ImageSize, Instances

NAMES = ('cup', 'bowl', 'ring')

IMAGES = {
    '1x1': ['#'],
    'full frame': ['#####', '#####', '#####'],
    'width 9, two bytes a row': ['.........', '.#######.', '..#...##.', '.........'],
    'width 8, corner pixels': ['#......#', '........', '#......#'],
    'hole': ['.......', '.#####.', '.#...#.', '.#####.', '.......'],
    'several parts': ['##..###', '.......', '#.#.#.#', '......#'],
    'last column of a wide picture': ['.' * 16 + '#', '.' * 17, '.' * 16 + '#'],
    'empty': ['....', '....'],
}


def image(rows: list[str]) -> np.ndarray:
    """Return a drawing as (H, W) bool."""
    return np.array([[letter == '#' for letter in row] for row in rows])


def instances_of(masks: list[np.ndarray], size: tuple[int, int] | None = None) -> Instances:
    """Return full-frame masks (H, W) as Instances, scores from 0.9 down."""
    size = size or masks[0].shape
    rois, crops = [], []
    for mask in masks:
        ys, xs = np.nonzero(mask)
        roi = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(ys) else (0, 0, 0, 0)
        rois.append(roi)
        crops.append(mask[roi[1]:roi[3], roi[0]:roi[2]])
    count = len(masks)
    scores = np.linspace(0.9, 0.8, max(count, 1), dtype=np.float32)[:count]
    return Instances(ImageSize(*size), np.array(rois, np.float32).reshape(-1, 4), scores,
                     scores, scores, np.arange(count) % len(NAMES),
                     np.array(rois, np.int32).reshape(-1, 4), tuple(crops))


def one_mask(rows: list[str], encoding: str = 'packed') -> InstanceMask:
    """Return the message of one drawn mask."""
    return encode_array(instances_of([image(rows)]), NAMES, Header(), encoding).instances[0]


@pytest.fixture
def header() -> Header:
    """Return a header that no default has."""
    header = Header(frame_id='camera_optical_frame')
    header.stamp.sec, header.stamp.nanosec = 12, 345
    return header


def test_a_image_without_objects_gives_an_array_without_instances(header):
    message = encode_array(Instances.empty(ImageSize(480, 640)), NAMES, header)
    assert (message.header, message.image_height, message.image_width) == (header, 480, 640)
    assert len(message.instances) == 0


def test_places_are_written_beside_the_masks():
    instances = instances_of([image(['##']), image(['##'])])
    turn = Rotation.from_euler('xyz', (0.2, -0.4, 0.6))
    unknown = Places.unknown(2)
    places = replace(unknown, positions=np.array([[1, 2, 3], [np.nan] * 3]),
                     box_centers=np.array([[4, 5, 6], [np.nan] * 3]),
                     box_rotations=np.stack([turn.as_matrix(), np.full((3, 3), np.nan)]),
                     box_sizes=np.array([[7, 8, 9], [np.nan] * 3]),
                     points=np.array([11, 0]), spreads=np.array([0.5, np.nan]))
    known, other = encode_array(instances, NAMES, Header(), places=places).instances
    assert xyz(known.position) == [1, 2, 3]
    assert xyz(known.box_pose.position) == [4, 5, 6]
    assert [*xyz(known.box_pose.orientation), known.box_pose.orientation.w] == pytest.approx(
        turn.as_quat(canonical=True).tolist())
    assert xyz(known.box_size) == [7, 8, 9]
    assert (known.depth_points, known.depth_spread) == (11, 0.5)
    assert_nowhere(other)


def test_without_depth_no_place_is_claimed():
    assert_nowhere(one_mask(['##']))


def xyz(field) -> list[float]:
    """Return a message's three numbers."""
    return [field.x, field.y, field.z]


def assert_nowhere(mask: InstanceMask) -> None:
    """Check that every number of the place says unknown."""
    turn = mask.box_pose.orientation
    numbers = [*xyz(mask.position), *xyz(mask.box_pose.position), *xyz(turn), turn.w,
               *xyz(mask.box_size), mask.depth_spread]
    assert np.isnan(numbers).all()
    assert mask.depth_points == 0


@pytest.mark.parametrize('encoding', MASK_ENCODINGS)
@pytest.mark.parametrize('rows', IMAGES.values(), ids=IMAGES)
def test_masks_survive_encoding_serialization_and_decoding(rows, encoding):
    mask = image(rows)
    message = encode_array(instances_of([mask]), NAMES, Header(), encoding)
    received = deserialize_message(serialize_message(message), InstanceMaskArray)
    np.testing.assert_array_equal(instance_codec.paste(received.instances[0]), mask)


@pytest.mark.parametrize('encoding', MASK_ENCODINGS)
def test_random_masks_of_all_widths_survive(encoding):
    random = np.random.default_rng(0)
    masks = [random.random((5, 40)) < 0.5 for _ in range(20)]
    masks = [mask & (np.arange(40) < width) for width, mask in enumerate(masks)]
    message = encode_array(instances_of(masks), NAMES, Header(), encoding)
    for mask, received in zip(masks, message.instances):
        np.testing.assert_array_equal(instance_codec.paste(received), mask)


def test_packed_bits_start_at_the_most_significant_and_rows_at_a_byte():
    mask = one_mask(['#.#######', '........#'])
    assert (mask.encoding, mask.step) == (InstanceMask.ENCODING_PACKED, 2)
    assert list(mask.data) == [0b10111111, 0b10000000, 0b00000000, 0b10000000]
    assert len(mask.counts) == 0


def test_the_formula_in_the_message_comment_reads_a_packed_pixel():
    rows = ['.#..#.#..#.', '##########.', '..........#']
    mask, expected = one_mask(rows), image(rows)
    decoded = [[mask.data[y * mask.step + x // 8] >> (7 - x % 8) & 1
                for x in range(mask.roi.width)] for y in range(mask.roi.height)]
    np.testing.assert_array_equal(decoded, expected)


def test_run_lengths_go_row_after_row_and_start_with_background():
    mask = one_mask(['.##.', '###.', '.#..'], 'rle')
    # Inside the roi of width 3:  .## ### .#.
    assert list(mask.counts) == [1, 5, 1, 1, 1]
    assert (mask.step, len(mask.data)) == (0, 0)


def test_run_lengths_of_a_mask_that_starts_set_begin_with_zero():
    assert list(one_mask(['##', '##'], 'rle').counts) == [0, 4]


def test_mono8_is_0_or_255():
    mask = one_mask(['#.#'], 'mono8')
    assert (list(mask.data), mask.step) == ([255, 0, 255], 3)


def test_fields_carry_the_instance_and_the_source_header(header):
    masks = [image(['.....', '.##..', '.##..']), image(['....#', '.....', '.....'])]
    message = encode_array(instances_of(masks), NAMES, header, model='tiny', sequence=7,
                           dropped=2, processing_time_s=1.25)
    first, second = message.instances
    assert (message.model, message.sequence, message.dropped) == ('tiny', 7, 2)
    assert (message.processing_time.sec, message.processing_time.nanosec) == (1, 250_000_000)
    assert first.header == second.header == message.header == header
    assert (first.id, second.id) == (1, 2)
    assert (first.class_id, first.class_name) == (0, 'cup')
    assert (second.class_id, second.class_name) == (1, 'bowl')
    assert first.score == pytest.approx(0.9)
    assert (first.image_height, first.image_width) == (3, 5)
    roi = first.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (1, 1, 2, 2)
    assert not roi.do_rectify
    assert (first.x_min, first.y_min, first.x_max, first.y_max) == (1, 1, 3, 3)
    assert first.track_id == ''


def test_area_and_centroid_count_pixel_centres():
    mask = one_mask(['......', '...##.', '...#..'])
    # Pixels (3, 1), (4, 1), (3, 2): centres 3.5, 4.5, 3.5 and 1.5, 1.5, 2.5.
    assert mask.area == 3
    assert mask.centroid_x == pytest.approx(11.5 / 3)
    assert mask.centroid_y == pytest.approx(5.5 / 3)


def test_a_mask_without_pixels_has_no_window_and_no_centroid():
    mask = one_mask(['...', '...'])
    roi = mask.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (0, 0, 0, 0)
    assert (mask.area, len(mask.data)) == (0, 0)
    assert math.isnan(mask.centroid_x) and math.isnan(mask.centroid_y)


def test_a_crop_with_a_window_but_no_pixels_has_no_centroid():
    instances = instances_of([image(['###', '###'])])
    instances.crops[0][:] = False
    mask = encode_array(instances, NAMES, Header()).instances[0]
    assert mask.area == 0 and math.isnan(mask.centroid_x)


def test_a_missing_mask_score_stays_nan():
    instances = instances_of([image(['#'])])
    instances.mask_scores[:] = np.nan
    assert math.isnan(encode_array(instances, NAMES, Header()).instances[0].mask_score)


def test_crops_that_are_views_of_a_larger_image_are_encoded():
    frame = np.asfortranarray(np.random.default_rng(1).random((6, 30)) < 0.5)
    crop = frame[1:5, 2:25:2]
    instances = instances_of([crop])
    instances = Instances(instances.image_size, instances.boxes, instances.class_scores,
                          instances.mask_scores, instances.scores, instances.class_ids,
                          np.array([[0, 0, 12, 4]], np.int32), (crop,))
    for encoding in MASK_ENCODINGS:
        mask = encode_array(instances, NAMES, Header(), encoding).instances[0]
        np.testing.assert_array_equal(instance_codec.to_bool(mask), crop)


def test_an_unknown_encoding_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="packed, rle, mono8, got 'png'"):
        encode_array(Instances.empty(ImageSize(2, 2)), NAMES, Header(), 'png')


def test_the_default_array_of_20_large_masks_stays_below_the_shared_memory_segment():
    ellipse = np.zeros((720, 1280), np.uint8)
    cv2.ellipse(ellipse, (640, 360), (140, 130), 20, 0, 360, 1, -1)  # 6 % of the image
    message = encode_array(instances_of([ellipse.astype(bool)] * 20), NAMES, Header())
    assert len(serialize_message(message)) < 512 * 1024


def test_label_image_of_an_empty_array_is_background():
    message = encode_array(Instances.empty(ImageSize(2, 3)), NAMES, Header())
    np.testing.assert_array_equal(instance_codec.label_image(message), np.zeros((2, 3)))


def test_label_image_gives_a_contested_pixel_to_the_better_score():
    message = encode_array(instances_of([image(['##..']), image(['.###'])]), NAMES, Header())
    labels = instance_codec.label_image(message)
    assert labels.tolist() == [[1, 1, 2, 2]]
    assert labels.dtype == np.uint8


def test_label_image_of_more_than_255_instances_has_16_bits():
    message = encode_array(instances_of([image(['#.'])]), NAMES, Header())
    message.instances[0].id = 300
    labels = instance_codec.label_image(message)
    assert (labels.tolist(), labels.dtype) == ([[300, 0]], np.uint16)


def test_label_image_refuses_a_mask_of_another_image():
    message = encode_array(instances_of([image(['#.'])]), NAMES, Header())
    message.image_width = 3
    with pytest.raises(ValueError, match='mask 1 belongs to an image of 1x2'):
        instance_codec.label_image(message)


def test_contours_of_an_empty_mask_are_none():
    assert instance_codec.contours(one_mask(['..'])) == []


def test_contours_outline_parts_and_holes_in_image_coordinates():
    mask = one_mask(['......', '.####.', '.#..#.', '.####.', '......', '..#...'])
    square, hole, dot = sorted(instance_codec.contours(mask),
                               key=lambda contour: (-len(contour.points), contour.is_hole))
    ring = {(x, y) for y in (1, 2, 3) for x in (1, 2, 3, 4)} - {(2, 2), (3, 2)}
    assert {tuple(point) for point in square.points.tolist()} == ring
    assert (square.is_hole, hole.is_hole, dot.is_hole) == (False, True, False)
    assert dot.points.tolist() == [[2, 5]]


@pytest.mark.parametrize('seed', range(5))
def test_filled_contours_draw_a_mask_with_parts_and_holes_again(seed):
    noise = np.random.default_rng(seed).random((40, 50), np.float32)
    image = (cv2.blur(noise, (5, 5)) > 0.5).astype(np.uint8)
    message = encode_array(instances_of([image.astype(bool)]), NAMES, Header())
    outlines = [contour.points for contour in instance_codec.contours(message.instances[0])]
    drawn = cv2.fillPoly(np.zeros_like(image), outlines, 1)
    np.testing.assert_array_equal(drawn, image)


def test_coco_rle_runs_down_the_columns_of_the_whole_image():
    rows = ['....', '.##.', '.#..']
    rle = instance_codec.to_coco_rle(one_mask(rows))
    assert rle['size'] == [3, 4]
    uncompressed = {'size': [3, 4], 'counts': [4, 2, 1, 1, 4]}
    expected = coco.frPyObjects(uncompressed, 3, 4)
    assert rle['counts'] == expected['counts'].decode()
    np.testing.assert_array_equal(coco.decode(json.loads(json.dumps(rle))), image(rows))


@pytest.mark.parametrize('encoding', MASK_ENCODINGS)
def test_a_received_array_becomes_the_instances_again(encoding):
    sent = instances_of([image(['.##.', '.#..']), image(['....', '....']),
                         image(['...#', '...#'])])
    received = instance_codec.to_instances(encode_array(sent, NAMES, Header(), encoding))
    assert received.image_size == sent.image_size
    for field in ('boxes', 'class_scores', 'mask_scores', 'scores', 'class_ids', 'rois'):
        np.testing.assert_array_equal(getattr(received, field), getattr(sent, field))
    np.testing.assert_array_equal(received.full_masks(), sent.full_masks())


def damaged(**fields) -> InstanceMask:
    """Return a good 1x9 packed mask with some fields overwritten."""
    mask = one_mask(['#########'])
    for name, value in fields.items():
        setattr(mask.roi if hasattr(mask.roi, name) else mask, name, value)
    return mask


@pytest.mark.parametrize('fields, complaint', [
    ({'encoding': 9}, 'unknown encoding 9'),
    ({'data': array.array('B', b'\xff')}, 'at least 2 bytes, got 1 bytes in steps of 2'),
    ({'step': 1}, 'in steps of 1'),
    ({'width': 10}, 'ends at x 10, y 1'),
    ({'y_offset': 1}, 'outside of its 9x1 picture'),
    ({'encoding': 2, 'counts': array.array('I', [0, 8])}, 'cover 8 pixels'),
    ({'encoding': 2, 'counts': array.array('I', [2 ** 32 - 1, 10])}, 'cover 4294967305 pixels'),
    ({'image_height': 2 ** 31, 'image_width': 2 ** 31}, 'larger than any camera'),
], ids=['encoding', 'short data', 'step', 'width', 'offset', 'short runs', 'overflowing runs',
        'absurd size'])
def test_a_damaged_mask_is_named_as_such(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        instance_codec.to_bool(damaged(**fields))


@pytest.mark.parametrize('roi, size', [
    ((2 ** 31, 0, 1, 1), (4, 4)),
    ((0, 2 ** 32 - 1, 1, 1), (4, 4)),
    ((0, 2 ** 32 - 1, 0, 0), (2 ** 32 - 1, 0)),
    ((3, 0, 2, 1), (4, 4)),
], ids=['left', 'top', 'without area', 'one pixel too far'])
def test_an_array_with_a_window_outside_of_its_image_is_refused(roi, size):
    message = encode_array(instances_of([image(['###'])]), NAMES, Header())
    mask = message.instances[0]
    message.image_height, message.image_width = mask.image_height, mask.image_width = size
    mask.roi.x_offset, mask.roi.y_offset, mask.roi.width, mask.roi.height = roi
    with pytest.raises(ValueError, match='outside of its|at least 1x1'):
        instance_codec.to_instances(message)


def test_an_array_with_the_mask_of_another_image_is_refused():
    message = encode_array(instances_of([image(['###'])]), NAMES, Header())
    message.image_width = 4
    with pytest.raises(ValueError, match='mask 1 belongs to'):
        instance_codec.to_instances(message)


def test_scores_leave_within_their_range_and_in_order():
    found = instances_of([image(['#'])] * 3)
    # What regression of an IoU can give: a bit above one, a bit below zero, nothing.
    found = replace(found, scores=np.float32([1.011, 1.002, -0.1]),
                    mask_scores=np.float32([1.3, np.nan, -0.2]),
                    class_scores=np.float32([1.0000001, 0.5, -0.0]))
    message = encode_array(found, NAMES, Header())
    assert [mask.score for mask in message.instances] == [1.0, 1.0, 0.0]
    assert [mask.class_score for mask in message.instances] == [1.0, 0.5, 0.0]
    first, second, third = (mask.mask_score for mask in message.instances)
    assert (first, math.isnan(second), third) == (1.0, True, 0.0)

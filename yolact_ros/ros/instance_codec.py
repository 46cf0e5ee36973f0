"""Instances to messages and back; the message's own comments say what each field means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from builtin_interfaces.msg import Duration
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from yolact_ros.coded_images import MAX_PIXELS
from yolact_ros.geometry import Places
from yolact_ros.masks import Rle, encode_crop
from yolact_ros.messages.masks import InstanceFields, instance_fields
from yolact_ros.msg import InstanceMask, InstanceMaskArray
from yolact_ros.ros.mask_payload import DECODERS, ENCODERS
from yolact_ros.structures import ImageSize, Instances

MASK_ENCODINGS = {'packed': InstanceMask.ENCODING_PACKED,
                  'rle': InstanceMask.ENCODING_RLE,
                  'mono8': InstanceMask.ENCODING_MONO8}


@dataclass(frozen=True, eq=False)
class Contour:
    """
    One closed outline of a mask.

    :param points: (K, 2) int32 x, y of the outermost set pixels, in the source image [px].
    :param is_hole: True where the outline runs around a hole.
    """

    points: np.ndarray
    is_hole: bool


def encode_array(instances: Instances, class_names: Sequence[str], header: Header,
                 encoding: str = 'packed', model: str = '', sequence: int = 0, dropped: int = 0,
                 processing_time_s: float = 0.0, track_ids: Sequence[int] = (),
                 places: Places | None = None) -> InstanceMaskArray:
    """
    Return the message of one image's instances, ids 1 to N, best score first.

    :param class_names: names by class id.
    :param header: the source image's header; shared by the array and every mask, not copied.
    :param encoding: 'packed', 'rle' or 'mono8'.
    :param processing_time_s: [s].
    :param track_ids: number of every instance, 0 for none; empty when nothing is tracked.
    :param places: where the instances are, None when nobody knows.
    :raises ValueError: for another encoding.
    """
    if encoding not in MASK_ENCODINGS:
        raise ValueError(f'mask encoding must be one of {", ".join(MASK_ENCODINGS)}, '
                         f'got {encoding!r}')
    size = instances.image_size
    seconds, rest = divmod(processing_time_s, 1.0)
    message = InstanceMaskArray(
        header=header, image_height=size.height, image_width=size.width, model=model,
        sequence=sequence, dropped=dropped,
        processing_time=Duration(sec=int(seconds), nanosec=int(rest * 1e9)))
    message.instances = [_encode_mask(fields, header, MASK_ENCODINGS[encoding]) for fields
                         in instance_fields(instances, class_names, track_ids)]
    _write_places(message.instances, places or Places.unknown(len(instances)))
    return message


def to_bool(mask: InstanceMask) -> np.ndarray:
    """
    Return the mask inside its roi, (roi.height, roi.width) bool.

    :raises ValueError: when size, encoding and data of the message do not fit together.
    """
    _check_window(mask)
    if mask.encoding not in DECODERS:
        raise ValueError(f'mask {mask.id} has the unknown encoding {mask.encoding}; '
                         f'known are {sorted(DECODERS)}, see InstanceMask.msg')
    return DECODERS[mask.encoding](mask)


def paste(mask: InstanceMask) -> np.ndarray:
    """Return the mask in the whole image, (image_height, image_width) bool."""
    crop = to_bool(mask)
    full = np.zeros((mask.image_height, mask.image_width), bool)
    full[_window(mask)] = crop
    return full


def label_image(message: InstanceMaskArray) -> np.ndarray:
    """
    Return (image_height, image_width) with 0 for background and every instance's id elsewhere.

    Where masks overlap the lower id, which is the better score, wins.

    :returns: uint8 for ids up to 255, else uint16.
    :raises ValueError: when a mask belongs to an image of another size.
    """
    _check_size(message.image_height, message.image_width)
    highest = max((mask.id for mask in message.instances), default=0)
    dtype = np.uint8 if highest <= np.iinfo(np.uint8).max else np.uint16
    labels = np.zeros((message.image_height, message.image_width), dtype)
    for mask in sorted(message.instances, key=lambda mask: mask.id, reverse=True):
        _check_image(mask, message)
        labels[_window(mask)][to_bool(mask)] = mask.id
    return labels


def contours(mask: InstanceMask) -> list[Contour]:
    """
    Return the outlines of all parts and of their holes, outer ones before their holes.

    A hole's outline runs over the set pixels around it. cv2.fillPoly() with the points of all
    outlines together draws the mask again, exactly.
    """
    crop = to_bool(mask)
    if not crop.size:
        return []
    found, hierarchy = cv2.findContours(
        crop.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE,
        offset=(mask.roi.x_offset, mask.roi.y_offset))
    if hierarchy is None:
        return []
    parents = hierarchy[0, :, 3]
    return [Contour(points.reshape(-1, 2), bool(parent >= 0))
            for points, parent in zip(found, parents)]


def to_coco_rle(mask: InstanceMask) -> Rle:
    """
    Return the whole image's mask as COCO's compressed RLE, which runs column after column.

    :returns: {'size': [height, width], 'counts': str}, ready for JSON and pycocotools.
    """
    crop, size = to_bool(mask), ImageSize(mask.image_height, mask.image_width)
    return encode_crop(crop, (mask.roi.x_offset, mask.roi.y_offset), size)


def to_instances(message: InstanceMaskArray) -> Instances:
    """
    Return what encode_array() was given, for drawing or evaluating a received array.

    :raises ValueError: when a mask is damaged or does not belong to the array's image.
    """
    masks, size = message.instances, ImageSize(message.image_height, message.image_width)
    for mask in masks:
        _check_image(mask, message)
    crops = tuple(map(to_bool, masks))  # first: it refuses windows outside of the image
    rois = [(mask.roi.x_offset, mask.roi.y_offset, mask.roi.x_offset + mask.roi.width,
             mask.roi.y_offset + mask.roi.height) for mask in masks]
    return Instances(
        size,
        np.array([(mask.x_min, mask.y_min, mask.x_max, mask.y_max) for mask in masks],
                 np.float32).reshape(-1, 4),
        np.array([mask.class_score for mask in masks], np.float32),
        np.array([mask.mask_score for mask in masks], np.float32),
        np.array([mask.score for mask in masks], np.float32),
        np.array([mask.class_id for mask in masks], np.int64),
        np.array(rois, np.int32).reshape(-1, 4), crops)


def _encode_mask(fields: InstanceFields, header: Header, encoding: int) -> InstanceMask:
    """Return the message of one instance."""
    message = InstanceMask(header=header, roi=RegionOfInterest(**fields.roi), encoding=encoding,
                           **fields.values)
    ENCODERS[encoding](fields.crop, message)
    return message


def _write_places(masks: Sequence[InstanceMask], places: Places) -> None:
    """Fill in where each object is (the messages are modified in place)."""
    columns = (places.positions, places.box_centers, places.box_quaternions, places.box_sizes,
               places.points, places.spreads)
    for mask, position, center, turn, size, points, spread in zip(
            masks, *(column.tolist() for column in columns)):
        # Into the messages that the mask was made with: new ones cost as much as all the rest.
        pose = mask.box_pose
        mask.position.x, mask.position.y, mask.position.z = position
        pose.position.x, pose.position.y, pose.position.z = center
        turned = pose.orientation
        turned.x, turned.y, turned.z, turned.w = turn
        mask.box_size.x, mask.box_size.y, mask.box_size.z = size
        mask.depth_points, mask.depth_spread = points, spread


def _window(mask: InstanceMask) -> tuple[slice, slice]:
    """Return the roi as rows and columns of the source image."""
    roi = mask.roi
    return (slice(roi.y_offset, roi.y_offset + roi.height),
            slice(roi.x_offset, roi.x_offset + roi.width))


def _check_window(mask: InstanceMask) -> None:
    """Refuse a roi that lies outside of the image, and an image that cannot be."""
    _check_size(mask.image_height, mask.image_width)
    rows, columns = _window(mask)
    if rows.stop > mask.image_height or columns.stop > mask.image_width:
        raise ValueError(f'the roi of mask {mask.id} ends at x {columns.stop}, y {rows.stop}, '
                         f'outside of its {mask.image_width}x{mask.image_height} picture')


def _check_image(mask: InstanceMask, message: InstanceMaskArray) -> None:
    """Refuse a mask of another image than the array's."""
    if (mask.image_height, mask.image_width) != (message.image_height, message.image_width):
        raise ValueError(f'mask {mask.id} belongs to an image of {mask.image_height}x'
                         f'{mask.image_width}, the array to one of {message.image_height}x'
                         f'{message.image_width}')


def _check_size(height: int, width: int) -> None:
    """Refuse sizes that nobody could mean: a few run lengths can announce any."""
    if height * width > MAX_PIXELS:
        raise ValueError(f'a picture of {height}x{width} pixels is larger than any camera\'s '
                         f'(limit {MAX_PIXELS} pixels); the message is damaged')

"""labelme: a JSON file for each image, with its shapes."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolact_ros.coded_images import pure_png
from yolact_ros.data.coco_file import load_json
from yolact_ros.data.formats.content import Content, images_below, measure
from yolact_ros.data.image_files import ImageFinder
from yolact_ros.data.segmentation import LeftOut
from yolact_ros.masks import encode_crop
from yolact_ros.media.images import IMAGE_SUFFIXES
from yolact_ros.structures import ImageSize

CIRCLE_POINTS = 64
FARTHEST = 1 << 30  # [px] of any place: float64 holds more than an integer


def is_labelme(content: Any) -> bool:
    """Return whether this is the content of a labelme file."""
    return isinstance(content, dict) and isinstance(content.get('shapes'), list)


def read_labelme(files: list[Path]) -> Mapping[str, Any]:
    """
    Return the content of a COCO file from labelme files; classes in alphabetical order.

    Shapes of one group are one object. Points and lines are no objects.

    :raises FileNotFoundError: when an image is missing.
    :raises ValueError: when a file is damaged.
    """
    contents = {path: load_json(path) for path in files}
    contents = {path: found for path, found in contents.items() if is_labelme(found)}
    names = {_label(shape) for found in contents.values()
             for shape in found['shapes'] if isinstance(shape, dict)}
    content = Content(sorted(names - {''}))
    for path, found in contents.items():
        image = _image_of(path, found)
        size = _told_size(found) or measure(image)
        if size is None:
            raise ValueError(f'{path} does not tell its size, and {image} cannot be read')
        image_id = content.add_image(image, size)
        for number, shapes in enumerate(_objects(found['shapes'])):
            _add_object(content, f'{path.name}#{number}', image_id, shapes, size)
    kinds = [shape.get('shape_type') for found in contents.values() for shape in found['shapes']
             if isinstance(shape, dict)]
    if 'rectangle' in kinds and set(kinds) != {'rectangle'}:
        content.notes.append(f'{kinds.count("rectangle")} shapes are rectangles and are learnt as '
                             'such; draw outlines where the objects are none')
    seen = {image['file_name'] for image in content.images}
    unlabelled = [image for folder in {path.parent for path in contents}
                  for image in images_below(folder) if str(image.resolve()) not in seen]
    if unlabelled:
        content.notes.append(f'{len(unlabelled)} pictures have no labelme file and are left out, '
                             f'first {min(unlabelled)}')
    return content.as_coco()


def _objects(shapes: list) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the shapes of each object: those of one label and group belong together."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for number, shape in enumerate(shapes):
        if isinstance(shape, dict):
            group = shape.get('group_id')
            alone = group is None
            groups.setdefault((alone, number if alone else str(group), _label(shape)),
                              []).append(shape)
    yield from groups.values()


def _add_object(content: Content, name: str, image_id: int, shapes: list[Mapping[str, Any]],
                size: ImageSize) -> None:
    """Add one object, or the reason why it is none."""
    label = _label(shapes[0])
    if not label:
        content.leave_out(name, image_id, 'a shape has no label')
        return
    try:
        masks = [_mask(shape, size) for shape in shapes if shape.get('shape_type') == 'mask']
        outlines = [_outline(shape) for shape in shapes if shape.get('shape_type') != 'mask']
    except LeftOut as reason:
        content.leave_out(name, image_id, str(reason))
        return
    if masks and outlines:
        content.leave_out(name, image_id, 'a group of masks and outlines')
        return
    content.add_object(name, image_id, content.class_names.index(label),
                       segmentation=masks or outlines)


def _label(shape: Mapping[str, Any]) -> str:
    """Return the class of a shape, '' where it has none."""
    label = shape.get('label')
    return str(label) if isinstance(label, (str, int, float)) else ''


def _outline(shape: Mapping[str, Any]) -> list[float]:
    """
    Return the polygon x0, y0, x1, y1, ... of a shape.

    :raises LeftOut: for shapes without area, and damaged ones.
    """
    kind = shape.get('shape_type') or 'polygon'
    points = _points(shape)
    if kind == 'polygon':
        return points.ravel().tolist()
    if kind == 'rectangle' and len(points) >= 2:
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        return [float(value) for value in (x0, y0, x1, y0, x1, y1, x0, y1)]
    if kind == 'circle' and len(points) == 2:
        angles = np.linspace(0, 2 * np.pi, CIRCLE_POINTS, endpoint=False)
        ring = np.stack([np.cos(angles), np.sin(angles)], 1)
        return (points[0] + np.hypot(*(points[1] - points[0])) * ring).ravel().tolist()
    raise LeftOut(f'a shape of type {kind} is no outline of an object')


def _points(shape: Mapping[str, Any]) -> np.ndarray:
    """Return (N, 2) points."""
    try:
        points = np.array(shape.get('points'), np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise LeftOut('a polygon is not pairs of finite numbers') from error
    if points.ndim != 2 or points.shape[1] != 2 or not np.all(np.isfinite(points)):
        raise LeftOut('a polygon is not pairs of finite numbers')
    return points


def _mask(shape: Mapping[str, Any], size: ImageSize) -> Mapping[str, Any]:
    """Return the run lengths of a shape that is a mask: a PNG and the corners of its place."""
    try:
        data = base64.b64decode(str(shape.get('mask')), validate=True)
        crop = cv2.imdecode(np.frombuffer(pure_png(data), np.uint8), cv2.IMREAD_GRAYSCALE)
    except (ValueError, cv2.error) as error:  # binascii's and ours are ValueErrors
        raise LeftOut('a mask is no PNG') from error
    if crop is None:
        raise LeftOut('a mask is no PNG')
    x0, y0 = np.clip(np.rint(_points(shape)[0]), -FARTHEST, FARTHEST).astype(int).tolist()
    left, top = max(-x0, 0), max(-y0, 0)
    crop = crop[top:size.height - y0, left:size.width - x0]
    if crop.size == 0:
        raise LeftOut('the mask has no pixel inside the picture')
    x0, y0 = x0 + left, y0 + top
    return encode_crop(crop, (x0, y0, x0 + crop.shape[1], y0 + crop.shape[0]), size)


def _told_size(found: Mapping[str, Any]) -> ImageSize | None:
    """Return the size that the file tells."""
    height, width = found.get('imageHeight'), found.get('imageWidth')
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return ImageSize(height, width)
    return None


def _image_of(path: Path, found: Mapping[str, Any]) -> Path:
    """
    Return the image of a labelme file: the one it names, else that of its own name.

    :raises FileNotFoundError: when there is none.
    """
    name = str(found.get('imagePath') or '')
    image = ImageFinder(path, name, path.parent).path(name) if name else path
    if name and image.is_file():
        return image
    for beside in sorted(path.parent.glob(f'{path.stem}.*')):
        if beside.suffix.lower() in IMAGE_SUFFIXES:
            return beside
    inside = ' (imageData in the file is a copy: labelme opens it and saves the picture)' \
        if found.get('imageData') else ''
    raise FileNotFoundError(f'{path} belongs to the picture {name or path.stem}, which is not '
                            f'beside it; put it there{inside}')

"""Our messages without ROS: the types of the rosbags library, made from the .msg files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yolact_ros.coded_images import encode_jpeg
from yolact_ros.extras import require
from yolact_ros.messages.images import COMPRESSED, JPEG_FORMAT
from yolact_ros.messages.masks import InstanceFields, instance_fields
from yolact_ros.structures import Instances

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

ARRAY_TYPE = 'yolact_ros/msg/InstanceMaskArray'
MASK_TYPE = 'yolact_ros/msg/InstanceMask'


def open_typestore() -> Typestore:
    """
    Return the standard ROS 2 types and ours.

    :raises ImportError: when rosbags is not installed.
    :raises FileNotFoundError: when our .msg files are not installed.
    """
    typesys = require('rosbags.typesys', 'bag')
    store = typesys.get_typestore(typesys.Stores.LATEST)
    types: dict[str, Any] = {}
    for name in (MASK_TYPE, ARRAY_TYPE):
        text = (message_folder() / f'{name.rpartition("/")[2]}.msg').read_text(encoding='utf-8')
        types.update(typesys.get_types_from_msg(text, name))
    store.register(types)
    return store


def message_folder() -> Path:
    """
    Return the folder of our .msg files: of the checkout, else of the installation above us.

    :raises FileNotFoundError: when there is none, with the cure.
    """
    for above in Path(__file__).resolve().parents:
        for folder in (above / 'msg', above / 'share' / 'yolact_ros' / 'msg'):
            if (folder / 'InstanceMask.msg').is_file():
                return folder
    raise FileNotFoundError('share/yolact_ros/msg/InstanceMask.msg is not installed; install the '
                            'package again with "pip install ." or "colcon build"')


def blank(store: Typestore, name: str) -> Any:
    """Return a message with zeros, empty strings and empty lists."""
    fields = store.fielddefs[name][1]
    return store.types[name](**{field: _blank_field(store, kind) for field, kind in fields})


def _blank_field(store: Typestore, kind: tuple[int, Any]) -> Any:
    """Return the empty value of a field."""
    node, detail = int(kind[0]), kind[1]
    if node == 1:
        return {'string': '', 'bool': False}.get(detail[0], 0)
    if node == 2:
        return blank(store, detail)
    (element_node, element), count = detail
    if int(element_node) == 1 and element[0] != 'string':
        return np.zeros(count, {'byte': 'uint8', 'char': 'uint8'}.get(element[0], element[0]))
    return [_blank_field(store, detail[0]) for _ in range(count)]


def instance_array(store: Typestore, instances: Instances, class_names: Sequence[str],
                   header: Any, model: str = '', track_ids: Sequence[int] = ()) -> Any:
    """
    Return the message of one image's instances, masks packed to bits.

    :param header: of the image; shared by the array and its masks.
    :param track_ids: a number for each instance, 0 where there is no track.
    """
    message = blank(store, ARRAY_TYPE)
    message.header, message.model = header, model
    message.image_height = instances.image_size.height
    message.image_width = instances.image_size.width
    message.instances = [_mask(store, fields, header) for fields
                         in instance_fields(instances, class_names, track_ids)]
    return message


def _mask(store: Typestore, fields: InstanceFields, header: Any) -> Any:
    """Return the message of one instance."""
    mask = blank(store, MASK_TYPE)
    for message, values in ((mask, fields.values), (mask.roi, fields.roi)):
        for name, value in values.items():
            setattr(message, name, value)
    packed = np.packbits(fields.crop, axis=1)
    mask.header, mask.encoding = header, mask.ENCODING_PACKED
    mask.step, mask.data = packed.shape[1], packed.ravel()
    _forget_place(mask)
    return mask


def _forget_place(mask: Any) -> None:
    """Say that nobody has looked at a depth image (the message is modified in place)."""
    for field, axes in ((mask.position, 'xyz'), (mask.box_pose.position, 'xyz'),
                        (mask.box_pose.orientation, 'xyzw'), (mask.box_size, 'xyz')):
        for axis in axes:
            setattr(field, axis, np.nan)
    mask.depth_spread = np.nan


def jpeg_message(store: Typestore, rgb: np.ndarray, header: Any) -> Any:
    """Return an image, (H, W, 3) uint8 RGB, as a compressed message."""
    return store.types[COMPRESSED](header=header, format=JPEG_FORMAT, data=encode_jpeg(rgb))

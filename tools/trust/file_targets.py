"""Files from elsewhere: COCO JSON, results, checkpoints, recordings."""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import safetensors.torch
import torch
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image

from tools.trust.mutate import Random, mutate_bytes, mutate_tree
from tools.trust.target import Target
from yolact_ros.checkpoint import load_model, read_checkpoint
from yolact_ros.config import yolact_plus_tiny
from yolact_ros.data.coco import CocoDataset
from yolact_ros.evaluation.detections import read_results
from yolact_ros.evaluation.ground_truth import read_truth
from yolact_ros.masks import encode_mask
from yolact_ros.media.bag_types import open_typestore
from yolact_ros.media.bags import choose_image_topic, open_bag
from yolact_ros.messages.images import decode_message
from yolact_ros.model.yolact import Yolact
from yolact_ros.ros.camera.bag_source import BagSource
from yolact_ros.ros.camera.messages import to_rgb

WINDOW = 4096  # [bytes] of a large file that are damaged


@functools.cache
def _folder() -> Path:
    """Return a folder with two images of 40x30."""
    folder = Path(tempfile.mkdtemp(prefix='yolact_fuzz'))
    for name in 'ab':
        cv2.imwrite(str(folder / f'{name}.png'), np.full((30, 40, 3), 90, np.uint8))
    return folder


def _write(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _coco() -> dict[str, Any]:
    """Return a COCO file with every form of mask."""
    mask = np.zeros((30, 40), bool)
    mask[4:9, 7:20] = True
    rle = encode_mask(mask)
    forms = ([[2, 3, 20, 3, 20, 22, 2, 22]], [[1, 1, 9, 1, 9, 9], [20, 20, 30, 20, 30, 28]],
             rle, {'size': [30, 40], 'counts': [100, 50, 1050]}, [])
    annotations = [{'id': number + 1, 'image_id': 1 + number % 2, 'category_id': 1 + number % 2,
                    'bbox': [2, 3, 18, 19], 'area': 300.5, 'iscrowd': int(number == 2),
                    'segmentation': form} for number, form in enumerate(forms)]
    return {'info': {}, 'images': [
        {'id': 1, 'file_name': 'a.png', 'height': 30, 'width': 40},
        {'id': 2, 'file_name': 'b.png', 'height': 30, 'width': 40}],
        'categories': [{'id': 1, 'name': 'cup', 'supercategory': 'none'},
                       {'id': 2, 'name': 'box'}],
        'annotations': annotations}


def _results() -> list[dict[str, Any]]:
    """Return a result file of two objects."""
    segmentation = _coco()['annotations'][2]['segmentation']
    return [{'image_id': image, 'file_name': name, 'category_id': 1, 'category_name': 'cup',
             'bbox': [7, 4, 13, 5], 'score': 0.5, 'segmentation': segmentation}
            for image, name in ((1, 'a.png'), (2, 'b.png'))]


def _web_results() -> dict[str, Any]:
    """Return what the original's web viewer reads."""
    return {'info': {'Config': {}}, 'images': [{
        'image_id': 1, 'dets': [{'score': 0.5, 'bbox': [7, 4, 13, 5], 'category': 'cup',
                                 'mask': _coco()['annotations'][2]['segmentation']}]}]}


def _as_json(tree: Any) -> bytes:
    return json.dumps(tree).encode()


def _mutate_json(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Damage the values mostly, the text sometimes."""
    if random.random() < 0.2:
        return mutate_bytes(data, others, random)
    return _as_json(mutate_tree(json.loads(data), random))


def _learn(data: bytes) -> None:
    """Read a data set as a training does, and all samples of it."""
    dataset = CocoDataset(_write('coco.json', data), _folder())
    dataset.report.lines()
    for number in range(len(dataset)):
        sample = dataset.sample(number)
        assert sample.masks.shape[1:] == sample.image.shape[:2]
        assert np.isfinite(sample.boxes).all()


def _truth(data: bytes) -> None:
    read_truth(_write('truth.json', data), _folder())


def _score(data: bytes) -> None:
    truth = read_truth(_write('good.json', _as_json(_coco())))
    read_results(_write('results.json', data), truth)


def _small_state() -> dict[str, torch.Tensor]:
    return {'prediction_layers.0.conf_layer.weight': torch.ones(4, 3), 'a.b': torch.arange(7),
            'c.half': torch.ones(2, 2, dtype=torch.float16)}


def _small_checkpoints() -> list[bytes]:
    """Return few tensors in every format that is read."""
    return [_safetensors(_small_state()), *_pickles(_small_state()),
            *_pickles({'epoch': 3, **_small_state()})]


def _safetensors(state: dict[str, torch.Tensor]) -> bytes:
    config = json.dumps(asdict(yolact_plus_tiny(3)))
    return safetensors.torch.save(state, {'format': 'yolact_ros', 'format_version': '1',
                                          'config': config})


def _pickles(state: dict[str, Any]) -> list[bytes]:
    """Return torch's two formats."""
    files = []
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save(state, file, _use_new_zipfile_serialization=zipped)
        files.append(file.getvalue())
    return files


@functools.cache
def _models() -> tuple[bytes, ...]:
    """Return a whole small network in this project's format and in the original's."""
    state = {key: tensor.half() if tensor.is_floating_point() else tensor
             for key, tensor in Yolact(yolact_plus_tiny(3)).state_dict().items()}
    return _safetensors(state), *_pickles(state)


def _mutate_window(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Damage a window of a large file: its start, its end or anywhere."""
    most = max(len(data) - WINDOW, 0)
    start = int((0, most, random.integers(most + 1), random.integers(min(most + 1, 65536)))[
        random.integers(4)])
    window = mutate_bytes(data[start:start + WINDOW], [data[:WINDOW]], random)
    return data[:start] + window + data[start + WINDOW:]


def _mutate_head(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Damage values of a safetensors header, also in the configuration inside of it."""
    length = int.from_bytes(data[:8], 'little')
    head = json.loads(data[8:8 + length])
    if random.random() < 0.7:
        config = json.loads(head['__metadata__']['config'])
        head['__metadata__']['config'] = json.dumps(mutate_tree(config, random))
    else:
        head = mutate_tree(head, random)
    text = _as_json(head)
    return len(text).to_bytes(8, 'little') + text + data[8 + length:]


def _read_tensors(data: bytes) -> None:
    state, _ = read_checkpoint(_write('weights', data))
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())


def _load(data: bytes) -> None:
    load_model(_write('weights', data))


def _recordings(suffix: str) -> Callable[[], list[bytes]]:
    """Return a function that records three images and a calibration."""
    def record() -> list[bytes]:
        from rosbags.rosbag2 import StoragePlugin, Writer
        folder = Path(tempfile.mkdtemp(prefix='yolact_fuzz')) / 'bag'
        plugin = StoragePlugin.MCAP if suffix == 'mcap' else StoragePlugin.SQLITE3
        with Writer(folder, version=9, storage_plugin=plugin) as writer:
            for topic, message in (('/camera_info', CameraInfo(width=4, height=2)), *(
                    ('/image', Image(height=2, width=4, step=12, encoding='rgb8',
                                     data=bytes(24))) for _ in range(3))):
                kind = f'sensor_msgs/msg/{type(message).__name__}'
                known = [item for item in writer.connections if item.topic == topic]
                connection = known[0] if known else writer.add_connection(
                    topic, kind, typestore=open_typestore())
                writer.write(connection, 10 ** 9, serialize_message(message))
        return [next(folder.glob(f'*.{suffix}')).read_bytes()]
    return record


def _play(suffix: str) -> Callable[[bytes], None]:
    """Return a function that plays a recording as the frame source and as `yolact bag` do."""
    def play(data: bytes) -> None:
        path = _write(f'bag.{suffix}', data)
        refused = None
        try:
            _play_with_rosbags(path)
        except ValueError as error:
            refused = error
        for frame in BagSource(path):
            try:
                to_rgb(frame.image)
            except ValueError as error:
                refused = error
        if refused:
            raise refused
    return play


def _play_with_rosbags(path: Path) -> None:
    store = open_typestore()
    with open_bag(path) as reader:
        topic = choose_image_topic(reader, store)
        for connection, _, data in reader.messages():
            if connection.topic == topic:
                try:  # as the commands do
                    message = store.deserialize_cdr(data, connection.msgtype)
                except Exception as error:
                    raise ValueError('damaged') from error
                decode_message(message)


FILE_TARGETS = (
    Target('coco for training', lambda: [_as_json(_coco())], _learn, mutate=_mutate_json),
    Target('coco for evaluation', lambda: [_as_json(_coco())], _truth, mutate=_mutate_json),
    Target('results', lambda: [_as_json(_results()), _as_json(_web_results())], _score,
           mutate=_mutate_json),
    Target('tensors', _small_checkpoints, _read_tensors),
    Target('model', lambda: list(_models()), _load, mutate=_mutate_window),
    Target('model header', lambda: list(_models()[:1]), _load, mutate=_mutate_head),
    Target('mcap bag', _recordings('mcap'), _play('mcap')),
    Target('sqlite bag', _recordings('db3'), _play('db3')),
)

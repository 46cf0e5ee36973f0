"""Data sets with one fault each."""

import json

import cv2
import numpy as np
import pytest

from yolact_ros.data.coco import CocoDataset

HEIGHT, WIDTH = 60, 80


@pytest.fixture
def make_data(tmp_path):
    """Return a function that writes photos of noise with labels, and opens them."""
    def make(count=12, labels=None, name='train', seed=0, categories=('cup',), sizes=None):
        folder = tmp_path / name
        folder.mkdir()
        rng = np.random.default_rng(seed)
        images, annotations = [], []
        for number in range(1, count + 1):
            height, width = (sizes or {}).get(number, (HEIGHT, WIDTH))
            noise = rng.integers(0, 255, (6, 8, 3), np.uint8)
            cv2.imwrite(str(folder / f'{number}.png'), cv2.resize(noise, (WIDTH, HEIGHT)))
            images.append({'id': number, 'file_name': f'{number}.png', 'height': height,
                           'width': width})
            for item in (labels or {}).get(number, [blob()]):
                annotations.append({'id': len(annotations) + 1, 'image_id': number, 'iscrowd': 0,
                                    'category_id': 1, **item})
        path = folder / 'labels.json'
        path.write_text(json.dumps({
            'images': images, 'annotations': annotations,
            'categories': [{'id': number, 'name': text}
                           for number, text in enumerate(categories, start=1)]}))
        return CocoDataset(path)
    return make


def blob(x=20, y=10, side=30, **changes):
    """Return the annotation of a triangle."""
    return {'segmentation': [[x, y, x + side, y, x + side / 2, y + side]], **changes}

"""Large photos become small ones with the same objects, once."""

import json

import cv2
import numpy as np
import pytest

from yolact_ros.data.coco import CocoDataset
from yolact_ros.data.shrink import shrink_large


@pytest.fixture
def data(tmp_path):
    """Return a photo of 600 x 400 with a red block, and one of 100 x 80."""
    images, annotations = [], []
    for number, (width, height) in enumerate(((600, 400), (100, 80)), start=1):
        image = np.zeros((height, width, 3), np.uint8)
        x0, y0, x1, y1 = width // 4, height // 4, width // 2, height // 2
        image[y0:y1, x0:x1] = 0, 0, 250
        cv2.imwrite(str(tmp_path / f'{number}.png'), image)
        images.append({'id': number, 'file_name': f'{number}.png', 'height': height,
                       'width': width})
        annotations.append({'id': number, 'image_id': number, 'category_id': 1, 'iscrowd': 0,
                            'segmentation': [[x0, y0, x1, y0, x1, y1, x0, y1]]})
    path = tmp_path / 'labels.json'
    path.write_text(json.dumps({'images': images, 'annotations': annotations,
                                'categories': [{'id': 1, 'name': 'block'}]}))
    return CocoDataset(path)


def test_large_photos_shrink_with_their_objects_and_small_ones_stay(data, tmp_path):
    small = data.records[1]
    assert shrink_large(data, 150, tmp_path / 'small') == 1
    assert data.records[1] is small
    sample = data.sample(0)
    assert sample.image.shape == (100, 150, 3)
    # A quarter and a half of each side, 37.5 to 75 and 25 to 50.
    np.testing.assert_allclose(sample.boxes, [[37.5, 25, 75, 50]])
    red = sample.image[..., 0] > 125
    assert np.count_nonzero(red != sample.masks[0].astype(bool)) <= 25  # one column of halves
    assert sample.masks[0].sum() in (37 * 25, 38 * 25)


def test_what_was_made_is_used_again_until_the_labels_change(data, tmp_path):
    again, moved = CocoDataset(data.path), CocoDataset(data.path)
    shrink_large(data, 150, tmp_path / 'small')
    first = data.records[0].path
    stamp = first.stat().st_mtime_ns
    shrink_large(again, 150, tmp_path / 'small')
    assert (again.records[0].path, first.stat().st_mtime_ns) == (first, stamp)
    np.testing.assert_array_equal(again.sample(0).masks, data.sample(0).masks)
    moved.records[0].objects.clear()
    shrink_large(moved, 150, tmp_path / 'small')
    assert moved.records[0].path != first and len(moved.sample(0)) == 0

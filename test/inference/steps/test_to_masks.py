"""From Detections to Instances against the dense, naive route of the original."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from yolact_ros.inference.steps.eager import EAGER
from yolact_ros.inference.steps.mask_resize import InterpolationMatrix
from yolact_ros.inference.steps.select import Detections
from yolact_ros.inference.steps.stages import _rescore, segment
from yolact_ros.inference.steps.to_masks import eager_instances, mask_to_pixels
from yolact_ros.model.yolact import RawPredictions
from yolact_ros.ops.masks import crop_masks
from yolact_ros.structures import ImageSize


def detections_of(boxes, class_ids, scores, coefficients):
    """Return complete detections of one image."""
    return Detections(boxes[None], class_ids[None], scores[None], coefficients[None],
                      torch.tensor([len(boxes)]), torch.tensor([True]))


def random_detections(count, seed=0):
    """Return detections whose boxes lie in, across and outside the image."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 2, generator=generator) * 1.3 - 0.15
    size = torch.rand(count, 2, generator=generator) ** 2
    boxes = torch.cat((centre - size / 2, centre + size / 2), 1)
    scores = torch.rand(count, generator=generator).sort(descending=True).values
    return detections_of(boxes, torch.zeros(count, dtype=torch.long), scores,
                         torch.randn(count, 6, generator=generator))


def soft_masks(detections, grid=(20, 20), seed=1):
    """Return cropped soft masks of detections over random prototypes."""
    prototypes = torch.randn(*grid, 6, generator=torch.Generator().manual_seed(seed))
    masks = EAGER.assemble(prototypes[None], detections.coefficients, detections.boxes,
                           detections.counts)
    return masks, _rescore(SimpleNamespace(has_rescoring=False), masks, detections)


@pytest.mark.parametrize('size', [(48, 64), (123, 77), (20, 20), (7, 5), (1, 1), (1, 300)])
def test_masks_have_the_pixels_of_the_dense_route(size):
    detections = random_detections(40)
    masks, scores = soft_masks(detections)

    found = eager_instances(detections, masks, scores, ImageSize(*size)).full_masks()

    dense = functional.interpolate(masks, size, mode='bilinear', align_corners=False)[0]
    # float32 rounding may decide pixels whose interpolated value is 0.5 to the last bit
    undecided = (dense - 0.5).abs() < 1e-6
    assert bool(((torch.from_numpy(found) == (dense > 0.5)) | undecided).all())
    assert found.any()


def test_a_mask_of_the_whole_image_is_resized_in_bands():
    everything = detections_of(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([0]),
                            torch.tensor([0.9]), torch.randn(1, 6))
    masks, scores = soft_masks(everything, (138, 138))

    found = eager_instances(everything, masks, scores, ImageSize(700, 900)).full_masks()

    dense = functional.interpolate(masks, (700, 900), mode='bilinear')[0]
    # as above
    undecided = (dense - 0.5).abs() < 1e-6
    assert bool(((torch.from_numpy(found) == (dense > 0.5)) | undecided).all())


def test_no_detections_give_an_empty_result():
    detections = random_detections(0)
    masks, scores = soft_masks(detections)

    assert len(eager_instances(detections, masks, scores, ImageSize(9, 9))) == 0


def test_rois_are_tight_and_empty_masks_have_none():
    soft = np.zeros((4, 4), np.float32)
    soft[1, 2] = 1.0

    roi, crop = mask_to_pixels(soft, (1, 0, 4, 3), ImageSize(4, 4))
    nothing, hole = mask_to_pixels(soft, (0, 2, 2, 4), ImageSize(4, 4))
    outside, _ = mask_to_pixels(soft, (5, 0, 4, 4), ImageSize(4, 4))

    assert roi == (2, 1, 3, 2) and crop.tolist() == [[True]]
    assert nothing == outside == (0, 0, 0, 0) and hole.shape == (0, 0)


def test_interpolation_by_hand():
    # pixel centres 0.5, 1.5, 2.5, 3.5 of 4 lie at -0.25 (clamped), 0.25, 0.75, 1.25 of 2 cells
    assert InterpolationMatrix(2, 4).weights.tolist() == [
        [1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    assert InterpolationMatrix(1, 3).weights.tolist() == [[1], [1], [1]]


def test_boxes_are_ordered_and_clipped_to_the_image():
    boxes = torch.tensor([[-0.5, 0.25, 0.5, 1.5], [0.75, 0.5, 0.25, 0.0], [1.5, 1.5, 2.0, 2.0]])
    detections = detections_of(boxes, torch.zeros(3, dtype=torch.long),
                            torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3, 6))
    masks, scores = soft_masks(detections)

    found = eager_instances(detections, masks, scores, ImageSize(100, 200))

    assert found.boxes.dtype == np.float32
    assert found.boxes.tolist() == [[0, 25, 100, 100], [50, 0, 150, 50], [200, 100, 200, 100]]


def test_re_scoring_sees_cropped_soft_masks_and_sorts_again():
    detections = detections_of(torch.tensor([[0.0, 0, 0.5, 0.5], [0.4, 0.4, 1.0, 1.0]]),
                            torch.tensor([1, 0]), torch.tensor([0.9, 0.8]), torch.randn(2, 6))
    prototypes = torch.randn(10, 10, 6)
    seen = []

    def net(masks):
        seen.append(masks)
        return torch.tensor([[0.7, 0.25], [1.0, 0.1]])

    raw = RawPredictions(None, None, None, prototypes[None])
    found = segment(raw, lambda raw: detections, np.zeros((10, 10, 3), np.uint8),
                    SimpleNamespace(has_rescoring=True, rescore=net), EAGER, lambda stage: None)

    soft = torch.sigmoid(torch.einsum('hwk,nk->nhw', prototypes, detections.coefficients[0]))
    torch.testing.assert_close(seen[0][:, 0], crop_masks(soft, detections.boxes[0]))
    assert found.class_ids.tolist() == [0, 1]
    np.testing.assert_allclose(found.mask_scores, [1.0, 0.25])
    np.testing.assert_allclose(found.class_scores, [0.8, 0.9])
    np.testing.assert_allclose(found.scores, [0.8, 0.225])


def test_without_re_scoring_the_mask_score_is_unknown():
    detections = random_detections(3)
    masks, scores = soft_masks(detections)

    found = eager_instances(detections, masks, scores, ImageSize(10, 10))

    assert np.isnan(found.mask_scores).all()
    np.testing.assert_array_equal(found.scores, found.class_scores)

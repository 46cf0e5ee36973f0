"""The re-scoring net learns from wherever it starts, and a measurement tells when it does not."""

import numpy as np
import pytest
import torch
from small_training import Blocks

from yolact_ros.config import MODEL_PRESETS
from yolact_ros.evaluation.detections import Detection
from yolact_ros.masks import boxes_of_masks
from yolact_ros.model.layers import MaskIouNet
from yolact_ros.model.yolact import Yolact
from yolact_ros.structures import ImageSize, Instances
from yolact_ros.training import validation
from yolact_ros.training.losses.losses import LossConfig, mask_iou_loss
from yolact_ros.training.step import LossModule
from yolact_ros.training.validation import are_mask_scores_equal


def blocks():
    """Return soft masks, true masks and class ids of a few rectangles, half of them right."""
    masks = torch.zeros(6, 64, 64)
    for number, mask in enumerate(masks):
        mask[8:24 + 4 * number, 10:40] = 1
    predicted = masks.clone()
    predicted[3:, :, 25:] = 0
    return predicted, masks, torch.tensor([0, 0, 0, 1, 1, 1])


def test_a_net_that_says_0_for_everything_learns_again_within_some_steps():
    model = Yolact(MODEL_PRESETS['yolact_plus_tiny'](class_names=('a', 'b')))
    model.initialize(torch.Generator().manual_seed(0))
    net = model.maskiou_net
    with torch.no_grad():
        net.maskiou_net[-2].bias.fill_(-1.0)
    predicted, masks, class_ids = blocks()
    assert not bool(net(predicted[:, None]).any())
    module = LossModule(model, LossConfig(), 'float32')
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        mask_iou_loss(module._rescore, predicted, masks, class_ids, LossConfig()).backward()
        optimizer.step()
    values = net(predicted[:, None]).gather(1, class_ids[:, None])[:, 0]
    # The first three are right, IoU 1; the others are half of their objects, IoU 0.5.
    torch.testing.assert_close(values, torch.tensor([1, 1, 1, .5, .5, .5]), rtol=0, atol=.2)


def test_before_its_last_relu_the_net_differs_only_below_0():
    torch.manual_seed(0)
    net = MaskIouNet(20)
    masks = torch.rand(5, 1, 64, 64)
    raw = net.before_relu(masks)
    assert bool((raw < 0).any()) and bool((raw > 0).any())
    assert torch.equal(raw.clamp(min=0), net(masks))
    assert net.before_relu(masks[:0]).shape == (0, 20)


def found(score, mask_score):
    """Return a detection whose re-scoring gave mask_score."""
    return Detection(1, 0, score, score * mask_score, None, None)


@pytest.mark.parametrize('mask_scores, equal', [
    ([], False), ([0.0], False), ([0.0, 0.0, 0.0], True), ([0.7, 0.7], True), ([0.7, 0.8], False)],
    ids=['nothing', 'one', 'all 0', 'all alike', 'different'])
def test_equal_mask_scores_are_noticed(mask_scores, equal):
    detections = [found(0.9 - 0.1 * number, value) for number, value in enumerate(mask_scores)]
    assert are_mask_scores_equal(detections) is equal


class Found:
    """Finds what is there, and a false alarm of a lower class score; masks all score 0."""

    class_names = Blocks.class_names

    def predict(self, image):
        """Return the objects of the first image of Blocks and a block where there is none."""
        sample = Blocks().sample(0, None)
        rois = np.int32([*boxes_of_masks(sample.masks), (70, 70, 90, 90)])
        crops = tuple(np.ones((y1 - y0, x1 - x0), bool) for x0, y0, x1, y1 in rois.tolist())
        zeros = np.zeros(len(rois), np.float32)
        return Instances(ImageSize(*image.shape[:2]), rois.astype(np.float32),
                         np.linspace(0.9, 0.5, len(rois), dtype=np.float32), zeros, zeros,
                         np.int64([*sample.class_ids, sample.class_ids[0]]), rois, crops)


def test_where_all_mask_scores_are_equal_masks_are_ranked_by_class_scores(monkeypatch, caplog):
    monkeypatch.setattr(validation, 'open_copy', lambda model, postprocess: Found())
    model = Yolact(MODEL_PRESETS['yolact_plus_tiny'](class_names=Blocks.class_names))
    scores = validation.measure_ap(model, Blocks(1))
    assert scores['mask_ap'] == scores['box_ap'] == pytest.approx(1)
    assert 'by class scores' in caplog.text

"""Losses against loops that follow the published definition word by word, in float64."""

import math
from dataclasses import replace

import pytest
import torch

from yolact_ros.data.sample import Targets
from yolact_ros.model.layers import MaskIouNet
from yolact_ros.model.priors import make_priors
from yolact_ros.model.yolact import RawPredictions
from yolact_ros.training.losses.losses import (
    LossConfig,
    class_loss,
    compute_losses,
    hard_negatives,
    mask_iou_loss,
    mask_loss,
)

SIDE = 96          # input [px]
GRID = 24          # prototypes
SEMANTIC = 12
CLASSES = 3
PROTOTYPES = 4
PRIORS = make_priors([(6, 6), (3, 3)], ((20,), (45,)), (1.0, 0.5, 2.0), SIDE, False).double()
EXACT = {'rtol': 1e-10, 'atol': 1e-12}  # the same formula in float64, only summed otherwise


def make_targets(boxes, class_ids, crowd=None):
    """Return targets whose masks are ellipses that fill their boxes."""
    boxes = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)
    ys, xs = torch.meshgrid(*[(torch.arange(SIDE) + 0.5) / SIDE] * 2, indexing='ij')
    masks = [(((xs - (x0 + x1) / 2) / ((x1 - x0) / 2)) ** 2
              + ((ys - (y0 + y1) / 2) / ((y1 - y0) / 2)) ** 2 < 1).to(torch.uint8)
             for x0, y0, x1, y1 in boxes.tolist()]
    masks = torch.stack(masks) if masks else torch.zeros(0, SIDE, SIDE, dtype=torch.uint8)
    crowd = [False] * len(boxes) if crowd is None else crowd
    return Targets(boxes, torch.tensor(class_ids, dtype=torch.int64), masks,
                   torch.tensor(crowd, dtype=torch.bool))


TWO_OBJECTS = make_targets([(.1, .1, .5, .45), (.45, .5, .95, .9)], [0, 2])
WITH_CROWD = make_targets([(.2, .3, .6, .8), (.0, .0, .3, .3)], [1, 1], [False, True])
ONLY_CROWD = make_targets([(.1, .1, .6, .6)], [1], [True])
EMPTY = make_targets([], [])


def make_predictions(batch, seed=0):
    """Return random predictions in float64 whose gradients are kept."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)
    count = len(PRIORS)
    parts = (draw(batch, count, 4), draw(batch, count, CLASSES + 1),
             draw(batch, count, PROTOTYPES).tanh(), draw(batch, GRID, GRID, PROTOTYPES).relu(),
             draw(batch, CLASSES, SEMANTIC, SEMANTIC))
    return RawPredictions(*(part.requires_grad_() for part in parts))


class PlainRescoring(torch.nn.Module):
    """A re-scoring net for small grids: per class a weighted mean of the mask."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.weight = torch.nn.Parameter(torch.rand(
            CLASSES, GRID * GRID, generator=generator, dtype=torch.float64) / GRID)

    def forward(self, masks):
        """Return (N, C) of (N, 1, Hp, Wp)."""
        return masks.flatten(1) @ self.weight.T


# --- the naive reference: scalars and loops only ---

def corner(prior):
    cx, cy, w, h = prior
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def intersection(a, b):
    return (max(min(a[2], b[2]) - max(a[0], b[0]), 0.0)
            * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0))


def iou(a, b):
    common = intersection(a, b)
    return common / (area(a) + area(b) - common)


def naive_match(target):
    """Return labels and object rows, one loop an idea."""
    priors = [corner(prior) for prior in PRIORS.tolist()]
    boxes = [box for box, crowd in zip(target.boxes.tolist(), target.crowd.tolist()) if not crowd]
    crowds = [box for box, crowd in zip(target.boxes.tolist(), target.crowd.tolist()) if crowd]
    classes = target.class_ids[~target.crowd].tolist()
    labels, objects = [0] * len(priors), [0] * len(priors)
    if boxes:
        table = [[iou(box, prior) for prior in priors] for box in boxes]
        for column in range(len(priors)):
            overlaps = [row[column] for row in table]
            objects[column] = overlaps.index(max(overlaps))
            best = max(overlaps)
            labels[column] = classes[objects[column]] + 1 if best >= .5 else 0 if best < .4 else -1
        free_rows, free_columns = set(range(len(boxes))), set(range(len(priors)))
        while free_rows:
            row, column = max(((r, c) for r in sorted(free_rows) for c in sorted(free_columns)),
                              key=lambda pair: table[pair[0]][pair[1]])
            free_rows.remove(row)
            free_columns.remove(column)
            labels[column], objects[column] = classes[row] + 1, row
    for column, prior in enumerate(priors):
        if labels[column] <= 0 and any(
                intersection(prior, crowd) / area(prior) > .7 for crowd in crowds):
            labels[column] = -1
    return labels, objects


def smooth_l1(difference):
    size = abs(difference)
    return torch.where(size < 1, 0.5 * difference ** 2, size - 0.5)


def resized(mask, size):
    return torch.nn.functional.interpolate(
        mask[None, None].double(), (size, size), mode='bilinear', align_corners=False)[0, 0] > .5


def naive_losses(raw, targets, net=None):
    """Return the five losses by the text of the published recipe."""
    box_sum = class_sum = mask_sum = iou_sum = semantic = torch.zeros((), dtype=torch.float64)
    positives = 0
    for image, target in enumerate(targets):
        labels, objects = naive_match(target)
        scores = [naive_logits(row, label, target.unlabelled)
                  for row, label in zip(raw.class_logits[image], labels)]
        logits = torch.stack(scores).detach()
        kept = (~target.crowd).nonzero().flatten().tolist()
        rows = [row for row, label in enumerate(labels) if label > 0]
        positives += len(rows)
        hardness = sorted(((float(logits[row].logsumexp(0) - logits[row, 0])
                            if label == 0 else 0.0, -row)
                           for row, label in enumerate(labels)), reverse=True)
        hardest = [-row for _, row in hardness[:min(3 * len(rows), len(labels) - 1)]]
        for row in rows + [row for row in hardest if labels[row] == 0]:
            class_sum = class_sum - scores[row].log_softmax(0)[labels[row]]
        for row in rows:
            index = kept[objects[row]]
            x0, y0, x1, y1 = target.boxes[index].tolist()
            cx, cy, w, h = PRIORS[row].tolist()
            wanted = torch.tensor([((x0 + x1) / 2 - cx) / (.1 * w),
                                   ((y0 + y1) / 2 - cy) / (.1 * h),
                                   math.log((x1 - x0) / w) / .2, math.log((y1 - y0) / h) / .2],
                                  dtype=torch.float64)
            box_sum = box_sum + smooth_l1(raw.box_offsets[image, row] - wanted).sum()
            soft = torch.sigmoid(raw.prototypes[image] @ raw.coefficients[image, row])
            soft = soft * inside(x0, y0, x1, y1)
            hard = resized(target.masks[index], GRID).double()
            cost = -(hard * soft.clamp(min=1e-300).log().clamp(min=-100)
                     + (1 - hard) * (1 - soft).log().clamp(min=-100))
            mask_sum = mask_sum + cost.sum() / ((x1 - x0) * GRID * (y1 - y0) * GRID)
            if net is not None and hard.sum() > 25:
                binary = soft > .5
                true_iou = int((binary & (hard > 0)).sum()) / int((binary | (hard > 0)).sum())
                value = net(soft[None, None])[0, target.class_ids[index]]
                iou_sum = iou_sum + smooth_l1(value - true_iou)
        truth = torch.zeros(CLASSES, SEMANTIC, SEMANTIC, dtype=torch.float64)
        for index in kept:
            truth[target.class_ids[index]][resized(target.masks[index], SEMANTIC)] = 1
        for class_id in set(range(CLASSES)) - set(target.unlabelled):
            maps, wanted = raw.semantic_logits[image, class_id], truth[class_id]
            semantic = semantic - (wanted * maps.sigmoid().log()
                                   + (1 - wanted) * (-maps).sigmoid().log()).sum()
    return {'box': 1.5 * box_sum / positives, 'classes': class_sum / positives,
            'mask': 6.125 * mask_sum / positives,
            'semantic': semantic / SEMANTIC ** 2 / len(targets),
            **({'mask_iou': 25 * iou_sum / positives} if net is not None else {})}


def naive_logits(logits, label, unlabelled):
    """Return the logits of an anchor, with the unlabelled classes added to its background."""
    if label != 0 or not unlabelled:
        return logits
    chances = logits.softmax(0)
    background = chances[0] + sum(chances[1 + class_id] for class_id in unlabelled)
    others = [chances[1 + class_id] if class_id not in unlabelled else chances[0] * 0
              for class_id in range(CLASSES)]
    return torch.stack([background, *others]).clamp(min=1e-300).log()


def inside(x0, y0, x1, y1):
    """Return the crop of the prototype grid: the box and one cell around, fractional limits."""
    keep = torch.zeros(GRID, GRID, dtype=torch.float64)
    for row in range(GRID):
        for column in range(GRID):
            keep[row, column] = (max(x0 * GRID - 1, 0) <= column < min(x1 * GRID + 1, GRID)
                                 and max(y0 * GRID - 1, 0) <= row < min(y1 * GRID + 1, GRID))
    return keep


@pytest.mark.parametrize('targets', [
    [TWO_OBJECTS], [WITH_CROWD, TWO_OBJECTS], [TWO_OBJECTS, EMPTY], [ONLY_CROWD, WITH_CROWD],
    [replace(TWO_OBJECTS, unlabelled=(0, 2)), TWO_OBJECTS]],
    ids=['one picture', 'crowd', 'a picture without objects', 'a picture with only a crowd',
         'a picture that lacks labels of two classes'])
@pytest.mark.parametrize('rescoring', [False, True], ids=['yolact', 'plus'])
def test_losses_and_gradients_equal_the_definition_in_float64(targets, rescoring):
    net = PlainRescoring() if rescoring else None
    ours, naive = make_predictions(len(targets)), make_predictions(len(targets))
    found = compute_losses(ours, PRIORS, targets, maskiou_net=net).parts()
    wanted = naive_losses(naive, targets, net)
    torch.testing.assert_close(found, wanted, **EXACT)
    gradients = torch.autograd.grad(sum(found.values()), list(ours))
    expected = torch.autograd.grad(sum(wanted.values()), list(naive))
    torch.testing.assert_close(gradients, expected, **EXACT)


@pytest.mark.parametrize('targets', [[EMPTY], [ONLY_CROWD], [EMPTY, ONLY_CROWD]],
                         ids=['no objects', 'only crowds', 'both'])
def test_a_batch_without_objects_costs_only_its_semantic_loss(targets):
    raw = make_predictions(len(targets))
    losses = compute_losses(raw, PRIORS, targets, maskiou_net=PlainRescoring())
    parts = {name: float(loss.detach()) for name, loss in losses.parts().items()}
    semantic = parts.pop('semantic')
    assert semantic > 0
    assert set(parts.values()) == {0.0}
    losses.total.backward()
    assert all(torch.isfinite(part.grad).all() for part in raw)


def test_images_without_objects_teach_background_when_asked_to():
    raw = make_predictions(1)
    losses = compute_losses(raw, PRIORS, [EMPTY], LossConfig(negatives_in_empty=5))
    keys = raw.class_logits[0].logsumexp(1) - raw.class_logits[0, :, 0]
    torch.testing.assert_close(losses.classes, keys.topk(5).values.sum(), **EXACT)


def test_losses_keep_the_dtype_of_the_predictions():
    raw = RawPredictions(*(part.detach().float() for part in make_predictions(1)))
    losses = compute_losses(raw, PRIORS, [TWO_OBJECTS])
    assert {loss.dtype for loss in losses.parts().values()} == {torch.float32}


def test_mask_loss_of_a_hand_made_example():
    predicted = torch.zeros(1, 4, 4, dtype=torch.float64)
    predicted[0, 1, 1] = 0.5
    masks = torch.zeros_like(predicted)
    masks[0, 1, 1] = 1        # cost ln 2
    masks[0, 3, 3] = 1        # prediction 0 on a mask pixel: cost 100
    box = torch.tensor([[0.25, 0.25, 0.75, 0.5]], dtype=torch.float64)  # 2 x 1 cells
    assert float(mask_loss(predicted, masks, box)) == pytest.approx((math.log(2) + 100) / 2)


def test_mask_iou_loss_of_a_hand_made_example():
    predicted = torch.zeros(1, 8, 8)
    predicted[0, :, :4] = 0.9                   # 32 cells
    masks = torch.zeros(1, 8, 8)
    masks[0, :, 2:6] = 1                        # 32 cells, 16 in common: IoU 1/3
    loss = mask_iou_loss(lambda soft: torch.full((len(soft), 2), 0.5), predicted, masks,
                         torch.tensor([1]), LossConfig())
    assert float(loss) == pytest.approx(0.5 * (0.5 - 1 / 3) ** 2)


def test_masks_of_up_to_25_cells_are_not_re_scored():
    masks = torch.zeros(1, 8, 8)
    masks[0, :5, :5] = 1
    loss = mask_iou_loss(lambda soft: torch.ones(len(soft), 2), masks, masks, torch.tensor([0]),
                         LossConfig())
    assert float(loss) == 0


def test_too_many_masks_are_drawn_at_random_and_scaled_back():
    raw = RawPredictions(*(part.detach() for part in make_predictions(1)))
    assert sum(label > 0 for label in naive_match(TWO_OBJECTS)[0]) == 2
    # With one of two positives drawn, the two possible losses are twice each one's share.
    every = float(compute_losses(raw, PRIORS, [TWO_OBJECTS]).mask)
    draws = {round(float(compute_losses(raw, PRIORS, [TWO_OBJECTS], LossConfig(masks_to_train=1),
                                        generator=torch.Generator().manual_seed(seed)).mask), 9)
             for seed in range(20)}
    assert len(draws) == 2
    assert sum(draws) / 2 == pytest.approx(every)


def test_hard_negatives_are_the_background_anchors_that_look_most_like_objects():
    logits = torch.zeros(1, 8, 2)
    logits[0, :, 1] = torch.tensor([9., 8, 7, 6, 5, 4, 3, 2])
    labels = torch.tensor([[1, 0, -1, 0, 0, 0, 0, 0]])
    chosen = hard_negatives(logits, labels, LossConfig())
    assert chosen.tolist() == [[False, True, False, True, True, False, False, False]]


def test_class_loss_without_any_anchor_is_zero():
    assert float(class_loss(torch.zeros(1, 4, 3), torch.full((1, 4), -1), LossConfig())) == 0


def test_the_gradient_of_re_scoring_reaches_prototypes_and_coefficients():
    raw = make_predictions(1)
    loss = compute_losses(raw, PRIORS, [TWO_OBJECTS], maskiou_net=PlainRescoring()).mask_iou
    gradients = torch.autograd.grad(loss, [raw.prototypes, raw.coefficients])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_the_real_re_scoring_net_fits_in():
    net = MaskIouNet(CLASSES).double()
    masks = torch.rand(2, 64, 64, dtype=torch.float64)
    loss = mask_iou_loss(net, masks, (masks > 0.3).double(), torch.tensor([0, 2]), LossConfig())
    assert float(loss.detach()) >= 0


@pytest.mark.parametrize('field', ['box_weight', 'masks_to_train', 'positive_iou'])
def test_loss_config_names_the_field_that_is_out_of_range(field):
    with pytest.raises(ValueError, match=field):
        LossConfig(**{field: -1})

"""The assembly kernel against mask assembly in torch."""

import math

import pytest
import torch

from yolact_ros.ops.masks import assemble_masks, crop_masks

kernel = pytest.importorskip('yolact_ros.ops.kernels.assembly', reason='needs Triton')

BOXES = {
    'inside': (0.21, 0.33, 0.62, 0.71), 'whole': (0.0, 0.0, 1.0, 1.0),
    'swapped': (0.6, 0.7, 0.2, 0.3), 'sticking out': (-0.5, 0.2, 0.1, 1.7),
    'right of it': (1.5, 0.2, 1.7, 0.4), 'left of it': (-0.9, -0.9, -0.5, -0.5),
    'point': (0.5, 0.5, 0.5, 0.5), 'on a cell': (0.25, 0.25, 0.75, 0.75),
    'infinite': (-math.inf, 0.3, math.inf, 0.6), 'undefined': (0.1, math.nan, 0.9, 0.9)}


def in_torch(prototypes, coefficients, boxes, counts):
    masks = torch.stack([crop_masks(assemble_masks(*one), box) for *one, box in
                         zip(prototypes.float(), coefficients, boxes)])
    for image, count in enumerate(counts):
        masks[image, count:] = 0
    return masks


def in_kernel(prototypes, coefficients, boxes, counts, device):
    return kernel.assemble_masks(
        prototypes.to(device), coefficients.to(device), boxes.to(device),
        torch.tensor(counts, dtype=torch.int32, device=device)).cpu()


def random_inputs(grid, channels, dtype, limit=10):
    """Return (2, *grid, K) prototypes, coefficients and boxes of two images."""
    generator = torch.Generator().manual_seed(channels)
    prototypes = torch.rand(2, *grid, channels, generator=generator).to(dtype)
    coefficients = torch.rand(2, limit, channels, generator=generator) * 2 - 1
    boxes = torch.tensor([list(BOXES.values())] * 2)[:, :limit]
    return prototypes, coefficients, boxes


@pytest.mark.parametrize('counts', [(0, 0), (10, 0), (1, 9)], ids=str)
def test_instances_behind_the_last_are_zero(device, counts):
    inputs = random_inputs((9, 13), 32, torch.float32)

    torch.testing.assert_close(in_kernel(*inputs, counts, device), in_torch(*inputs, counts))


def test_without_room_for_instances_there_are_none(device):
    inputs = random_inputs((9, 13), 32, torch.float32, limit=0)

    assert in_kernel(*inputs, (0, 0), device).shape == (2, 0, 9, 13)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize('grid, channels', [((12, 16), 32), ((1, 1), 5), ((2, 70), 1)])
def test_it_equals_assembly_in_torch(device, grid, channels, dtype):
    inputs = random_inputs(grid, channels, dtype)

    torch.testing.assert_close(in_kernel(*inputs, (10, 10), device), in_torch(*inputs, (10, 10)))


def test_prototypes_may_lie_in_memory_as_they_like(device):
    prototypes, *others = random_inputs((6, 7), 8, torch.float32)
    planes = prototypes.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    cut = prototypes.repeat(1, 1, 2, 1)[:, :, :7]

    expected = in_torch(prototypes, *others, (3, 3))
    torch.testing.assert_close(in_kernel(planes, *others, (3, 3), device), expected)
    torch.testing.assert_close(in_kernel(cut, *others, (3, 3), device), expected)


def test_a_mask_is_the_sigmoid_of_weighted_prototypes_within_its_box(device):
    prototypes = torch.zeros(1, 1, 4, 2)
    prototypes[0, 0, 1] = torch.tensor([1.0, 2.0])
    boxes = torch.tensor([[[0.25, 0.0, 0.5, 1.0]]])  # cell 1, and one more on both sides

    masks = in_kernel(prototypes, torch.tensor([[[0.5, -1.0]]]), boxes, (1,), device)

    assert masks.flatten().tolist() == pytest.approx([0.5, 1 / (1 + math.exp(1.5)), 0.5, 0])

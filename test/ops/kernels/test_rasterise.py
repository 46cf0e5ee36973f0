"""The rasterising kernel against the pixels made on the host."""

import numpy as np
import pytest
import torch

from yolact_ros.inference.steps.to_masks import mask_to_pixels
from yolact_ros.ops.masks import crop_limits, crop_masks
from yolact_ros.structures import ImageSize

kernel = pytest.importorskip('yolact_ros.ops.kernels.rasterise', reason='needs Triton')

BOXES = ((0.21, 0.33, 0.62, 0.71), (-0.2, -0.2, 1.2, 1.2), (0.6, 0.7, 0.2, 0.3),
         (-0.5, 0.2, 0.1, 1.7), (1.5, 0.2, 1.7, 0.4), (0.5, 0.5, 0.5, 0.5))


@pytest.fixture(autouse=True)
def few_programs(monkeypatch):
    monkeypatch.setattr(kernel, 'PROGRAMS', 1)  # the interpreter runs them one by one


def rasterise(masks, boxes, counts, sizes, device, capacity=100_000):
    """Return table and bits as arrays; bits that are not written stay 1."""
    batch, limit = masks.shape[:2]
    layout = torch.tensor([(0, *size) for size in sizes], dtype=torch.int32, device=device)
    table = torch.full((batch, limit, 9), -7, dtype=torch.int32, device=device)
    bits = torch.full((batch, capacity), 255, dtype=torch.uint8, device=device)
    kernel.rasterise_masks(masks.to(device), boxes.to(device),
                           torch.tensor(counts, dtype=torch.int32, device=device), layout, table,
                           bits)
    return table.cpu().numpy(), bits.cpu().numpy()


def unpack(row, bits, size):
    """Return the (H, W) mask that a row of the table describes."""
    x0, y0, x1, y1, *_, offset = row.tolist()
    full = np.zeros(size, bool)
    rows, row_bytes = y1 - y0, (x1 - x0 + 7) // 8
    crop = np.unpackbits(bits[offset:offset + rows * row_bytes]).reshape(rows, 8 * row_bytes)
    assert not crop[:, x1 - x0:].any()
    full[y0:y1, x0:x1] = crop[:, :x1 - x0]
    return full


def on_the_host(soft, box, size):
    """Return tight roi and (H, W) mask of one cropped soft mask."""
    left, right = crop_limits(box[0], box[2], soft.shape[1])
    top, bottom = crop_limits(box[1], box[3], soft.shape[0])
    limits = [int(torch.ceil(limit)) for limit in (left, top, right, bottom)]
    roi, crop = mask_to_pixels(soft.numpy(), limits, ImageSize(*size))
    full = np.zeros(size, bool)
    full[roi[1]:roi[3], roi[0]:roi[2]] = crop
    return roi, full


def random_masks(batch, grid=(9, 13)):
    """Return cropped soft masks, one for each of BOXES, and the boxes."""
    generator = torch.Generator().manual_seed(batch)
    boxes = torch.tensor([BOXES] * batch)
    soft = torch.rand(batch, len(BOXES), *grid, generator=generator)
    return torch.stack([crop_masks(*one) for one in zip(soft, boxes)]), boxes


@pytest.mark.slow
def test_images_of_different_sizes_equal_those_of_the_host(device):
    sizes = [(1, 1), (3, 41), (41, 3), (22, 27), (4, 4)]
    masks, boxes = random_masks(len(sizes))

    table, bits = rasterise(masks, boxes, [len(BOXES)] * len(sizes), sizes, device)

    for image, size in enumerate(sizes):
        for row, soft, box in zip(table[image], masks[image], boxes[image]):
            roi, expected = on_the_host(soft, box, size)
            assert np.array_equal(unpack(row, bits[image], size), expected)
            assert row[4:8].tolist() == list(roi) or (row[6] == 0 and roi == (0, 0, 0, 0))


def test_a_mask_of_many_blocks_equals_that_of_the_host(device):
    masks, boxes = random_masks(1)
    size = 130, 151  # 19 bytes a row: more blocks than programs
    table, bits = rasterise(masks[:, 1:2], boxes[:, 1:2], [1], [size], device)

    roi, expected = on_the_host(masks[0, 1], boxes[0, 1], size)
    assert np.array_equal(unpack(table[0, 0], bits[0], size), expected)
    assert table[0, 0, 4:8].tolist() == list(roi)


def test_a_step_between_two_cells_falls_in_the_middle(device):
    masks = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    boxes = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])

    table, bits = rasterise(masks, boxes, [1], [(2, 4)], device, capacity=3)

    # Across: 1, 0.75, 0.25, 0
    assert bits.tolist() == [[0b11000000, 0b11000000, 255]]
    assert table.tolist() == [[[0, 0, 4, 2, 0, 0, 2, 2, 0]]]


def test_half_is_not_above_half(device):
    boxes = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])

    table, bits = rasterise(torch.full((1, 1, 2, 2), 0.5), boxes, [1], [(2, 4)], device, 2)

    assert bits.tolist() == [[0, 0]]
    assert table.tolist() == [[[0, 0, 4, 2, 4, 2, 0, 0, 0]]]


def test_instances_lie_one_after_another(device):
    masks, boxes = random_masks(1)

    table, _ = rasterise(masks, boxes, [len(BOXES)], [(37, 53)], device)

    x0, y0, x1, y1 = table[0, :, :4].T
    sizes = (x1 - x0 + 7) // 8 * (y1 - y0)
    assert table[0, :, 8].tolist() == [0, *np.cumsum(sizes)[:-1].tolist()]


def test_a_box_outside_the_image_has_no_pixels(device):
    masks, boxes = random_masks(1)

    table, _ = rasterise(masks, boxes, [len(BOXES)], [(37, 53)], device)

    assert table[0, 4, :8].tolist() == [0, 0, 0, 0, 53, 37, 0, 0]


@pytest.mark.parametrize('counts', [(0, 0), (1, 0), (2, 6)], ids=str)
def test_rows_behind_the_last_instance_are_zero(device, counts):
    masks, boxes = random_masks(2)

    table, bits = rasterise(masks, boxes, counts, [(20, 30)] * 2, device)

    for image, count in enumerate(counts):
        assert not table[image, count:].any()
        assert (table[image, :count, :8] >= 0).all()
        assert (bits[image] != 255).any() == (count > 0)


def test_without_room_for_instances_nothing_happens(device):
    table, bits = rasterise(torch.zeros(1, 0, 4, 4), torch.zeros(1, 0, 4), [0], [(5, 5)], device)

    assert table.shape == (1, 0, 9)
    assert (bits == 255).all()


@pytest.mark.parametrize('capacity', [0, 1, 60, 300])
def test_nothing_is_written_beyond_the_capacity(device, capacity):
    masks, boxes = random_masks(1)
    enough, wanted = rasterise(masks, boxes, [3], [(20, 41)], device)
    guarded = torch.full((capacity + 9000,), 255, dtype=torch.uint8, device=device)
    table = torch.zeros(1, 6, 9, dtype=torch.int32, device=device)

    kernel.rasterise_masks(masks.to(device), boxes.to(device),
                           torch.tensor([3], dtype=torch.int32, device=device),
                           torch.tensor([(0, 20, 41)], dtype=torch.int32, device=device), table,
                           guarded[:capacity].reshape(1, capacity))

    assert (guarded[capacity:] == 255).all()
    assert guarded[:capacity].tolist() == wanted[0, :capacity].tolist()
    assert np.array_equal(table.cpu().numpy(), enough)


def test_offsets_stop_at_the_largest_int32(device):
    boxes = torch.tensor([[[0.0, 0.0, 1.0, 1.0]] * 3], device=device)
    layout = torch.tensor([(0, 100_000, 100_000)], dtype=torch.int32, device=device)
    table = torch.zeros(1, 3, 9, dtype=torch.int32, device=device)

    kernel._plan[1,](boxes, torch.tensor([3], dtype=torch.int32, device=device), layout, table, 3,
                     height=4, width=4, block=4)

    assert table[0, :, 8].tolist() == [0, 1_250_000_000, 2 ** 31 - 1]

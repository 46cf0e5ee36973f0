"""Choosing and sorting kernels against sorted lists."""

import pytest
import torch

kernel = pytest.importorskip('yolact_ros.ops.kernels.largest', reason='needs Triton')


def numbers(rows, length, levels=0):
    """Return numbers of which half are zero; of so many levels, or all different."""
    generator = torch.Generator().manual_seed(length + levels)
    values = torch.rand(rows, length, generator=generator)
    values = values * (torch.rand(rows, length, generator=generator) < 0.5)
    return (values * levels).round() / levels if levels else values


def best_places(row, most):
    """Return the places of the largest numbers above zero; equal ones keep their order."""
    places = [place for place, value in enumerate(row) if value > 0]
    return sorted(places, key=lambda place: -row[place])[:most]


@pytest.mark.parametrize('rows, length, most, levels', [
    (1, 5, 9, 0), (2, 300, 50, 0), (2, 300, 50, 7), (2, 64, 10, 1), (3, 17, 5, 3),
    (1, 40000, 20, 1000)], ids=str)
def test_the_largest_come_best_first(device, rows, length, most, levels):
    values = numbers(rows, length, levels)

    best, places = kernel.largest(values.to(device), most)

    for numbers_of, found, at in zip(values.tolist(), best.tolist(), places.tolist()):
        expected = best_places(numbers_of, most)
        padding = [0] * (most - len(expected))
        assert at == expected + padding
        assert found == [numbers_of[place] for place in expected] + padding


@pytest.mark.parametrize('levels', [0, 5])
@pytest.mark.parametrize('most', [3, 40, 200])
def test_the_chosen_keep_their_order(device, most, levels):
    values = numbers(2, 100, levels)

    chosen, places, counts, left_out = kernel.choose_largest(values.to(device), most)

    for row, numbers_of in enumerate(values.tolist()):
        ranked = best_places(numbers_of, len(numbers_of))
        expected = sorted(ranked[:most])
        assert counts[row] == len(expected)
        assert places[row, :len(expected)].tolist() == expected
        assert chosen[row, :len(expected)].tolist() == [numbers_of[at] for at in expected]
        assert left_out[row].item() == (numbers_of[ranked[most]] if len(ranked) > most else 0)


def test_the_largest_score_of_all_is_found(device):
    best, places = kernel.largest(torch.tensor([[1.0, 0.5, 1.0, 1.0]], device=device), 2)

    assert best.tolist() == [[1.0, 1.0]]
    assert places.tolist() == [[0, 2]]


@pytest.mark.parametrize('keep, expected', [
    ([], [0, 0]), ([False, False, False], [0, 0]), ([False, True, False], [1, 0]),
    ([True, False, True, True], [0, 2])], ids=str)
def test_the_first_kept_are_told(device, keep, expected):
    places = kernel.first_kept(torch.tensor([keep], dtype=torch.bool, device=device), 2)

    assert places.tolist() == [expected]


def test_every_image_has_its_own_first_kept(device):
    keep = torch.zeros(2, 17000, dtype=torch.bool)
    keep[0, [3, 16999]] = keep[1, 16400] = True  # more than a program looks at in one step

    places = kernel.first_kept(keep.to(device), 3)

    assert places.tolist() == [[3, 16999, 0], [16400, 0, 0]]

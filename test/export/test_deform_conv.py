"""Deformable convolution in operators of other runtimes, against loops in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from yolact_ros.export.deform_conv import deform_by_embedding_bag, deform_by_grid_sample
from yolact_ros.inference.backends.openvino import run_openvino

FORMS = pytest.mark.parametrize('convolve', [deform_by_grid_sample, deform_by_embedding_bag])


def arguments(stride, generator, batch=2):
    """Return x, weight, offset, bias and mask; some positions lie far outside of x."""
    side = (7 - 1) // stride + 1, (9 - 1) // stride + 1
    return (torch.randn(batch, 3, 7, 9, generator=generator),
            torch.randn(4, 3, 3, 3, generator=generator),
            torch.randn(batch, 18, *side, generator=generator) * 3,
            torch.randn(4, generator=generator),
            torch.rand(batch, 9, *side, generator=generator))


def pixel(image, row, column):
    """Return (C,) of an image (C, H, W), zeros outside of it."""
    inside = 0 <= row < image.shape[1] and 0 <= column < image.shape[2]
    return image[:, row, column] if inside else np.zeros(len(image))


def naive(x, weight, offset, bias, mask, stride):
    """Return the convolution position by position (Zhu et al. 2019, equation 1)."""
    x, weight, offset, bias, mask = (part.double().numpy()
                                     for part in (x, weight, offset, bias, mask))
    out = np.zeros((len(x), len(weight), *offset.shape[2:]))
    for image, row, column in np.ndindex(len(x), *offset.shape[2:]):
        out[image, :, row, column] = bias
        for tap in range(9):
            y = row * stride - 1 + tap // 3 + offset[image, 2 * tap, row, column]
            at = column * stride - 1 + tap % 3 + offset[image, 2 * tap + 1, row, column]
            top, left = int(np.floor(y)), int(np.floor(at))
            sample = sum(pixel(x[image], top + down, left + across)
                         * (1 - abs(y - top - down)) * (1 - abs(at - left - across))
                         for down in (0, 1) for across in (0, 1))
            out[image, :, row, column] += (weight[:, :, tap // 3, tap % 3] @ sample
                                           * mask[image, tap, row, column])
    return out


@FORMS
@pytest.mark.parametrize('stride', [1, 2])
def test_every_form_equals_the_definition(convolve, stride):
    given = arguments(stride, torch.Generator().manual_seed(0))

    found = convolve(*given, stride)

    np.testing.assert_allclose(found, naive(*given, stride), atol=2e-5)


@FORMS
def test_positions_on_whole_pixels_and_on_the_border_are_read_once(convolve):
    x, weight, offset, bias, mask = arguments(1, torch.Generator().manual_seed(1))
    offset = offset.round()

    np.testing.assert_allclose(convolve(x, weight, offset, bias, mask, 1),
                               naive(x, weight, offset, bias, mask, 1), atol=2e-5)


@FORMS
def test_every_form_stays_on_its_device(convolve):
    # Tensors without values, and like a GPU's not to be mixed with the CPU's.
    given = (part.to('meta') for part in arguments(1, torch.Generator().manual_seed(0), batch=1))

    found = convolve(*given, 1)

    assert (found.shape, found.device.type) == ((1, 4, 7, 9), 'meta')


class Layer(nn.Module):
    """A deformable convolution of one input, which holds features, offsets and masks."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, joined):
        x, offset, mask = joined.split((3, 18, 9), 1)
        return deform_by_embedding_bag(x, self.weight, offset, self.bias, mask, 1)


def test_openvino_computes_it_for_the_batch_that_it_is_compiled_for():
    openvino = pytest.importorskip('openvino', reason='the extra openvino is not installed')
    x, weight, offset, bias, mask = arguments(1, torch.Generator().manual_seed(2))
    joined = torch.cat((x, offset, mask), 1)

    model = openvino.convert_model(Layer(weight, bias), example_input=joined[:1],
                                   input=[[-1, *joined.shape[1:]]])
    model.reshape(list(joined.shape))  # its processor plugin sums bags of fixed shapes only

    found, = run_openvino(model, 'float32')(joined.numpy())
    np.testing.assert_allclose(found, naive(x, weight, offset, bias, mask, 1), atol=2e-5)
    assert not any('GridSample' in op.get_type_name() for op in model.get_ops())

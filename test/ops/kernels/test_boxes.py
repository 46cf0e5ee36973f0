"""The decoding kernel against decoding in torch."""

import pytest
import torch

from yolact_ros.ops.boxes import decode_boxes

kernel = pytest.importorskip('yolact_ros.ops.kernels.boxes', reason='needs Triton')


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize('count', [0, 1, 150])
def test_chosen_boxes_are_those_of_torch(device, count, dtype):
    generator = torch.Generator().manual_seed(count)
    offsets = torch.randn(2, 20, 4, generator=generator).to(dtype)
    priors = torch.rand(20, 4, generator=generator)
    anchors = torch.randint(0, 20, (2, count), generator=generator)

    boxes = kernel.decode_chosen(offsets.to(device), priors.to(device), anchors.to(device))

    expected = torch.stack([decode_boxes(offsets[image, anchors[image]].float(),
                                         priors[anchors[image]]) for image in range(2)])
    torch.testing.assert_close(boxes.cpu(), expected)

"""From images in device memory to the network's input."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from yolact_ros.ops.kernels.bilinear import source_cells

BLOCK = 512  # values of the output per program


def preprocess_images(arena: Tensor, layout: Tensor, size: tuple[int, int],
                      mean: tuple[float, float, float], std: tuple[float, float, float],
                      dtype: torch.dtype) -> Tensor:
    """
    Return the network's input of a batch of images: resized to one size, then normalised.

    The numbers of inference.steps.preprocess: bilinear, align_corners=False, in float32.

    :param arena: (bytes,) uint8, the images (H, W, 3) RGB one after another.
    :param layout: (B, 3) int32, byte offset in the arena, height [px], width [px] of each; a
        placeholder of size 0 reads the three bytes at its offset.
    :param size: height Hi and width Wi of the input [px].
    :param mean: of the pixel values, RGB.
    :param std: their deviation, RGB.
    :returns: (B, 3, Hi, Wi) of dtype, channels last.
    """
    batch, (high, wide) = len(layout), size
    out = torch.empty((batch, 3, high, wide), dtype=dtype, device=arena.device,
                      memory_format=torch.channels_last)
    _resize[triton.cdiv(3 * high * wide, BLOCK), batch](
        arena, layout, out, *mean, *std, high=high, wide=wide, block=BLOCK,
        enable_fp_fusion=False)
    return out


@triton.jit
def _resize(arena, layout, out, mean_r, mean_g, mean_b, std_r, std_g, std_b,
            high: tl.constexpr, wide: tl.constexpr, block: tl.constexpr):
    """Write one block of the (Hi, Wi, 3) values of one image."""
    image = tl.program_id(1)
    offset = tl.load(layout + 3 * image).to(tl.int64)
    height = tl.load(layout + 3 * image + 1)
    width = tl.load(layout + 3 * image + 2)
    index = tl.program_id(0) * block + tl.arange(0, block)
    inside = index < 3 * high * wide
    channel = index % 3
    top, bottom, down = source_cells(index // (3 * wide), high, height)
    left, right, across = source_cells(index // 3 % wide, wide, width)
    upper = arena + offset + top.to(tl.int64) * width * 3 + channel
    lower = arena + offset + bottom.to(tl.int64) * width * 3 + channel
    top_left = tl.load(upper + left * 3, mask=inside, other=0).to(tl.float32)
    top_right = tl.load(upper + right * 3, mask=inside, other=0).to(tl.float32)
    bottom_left = tl.load(lower + left * 3, mask=inside, other=0).to(tl.float32)
    bottom_right = tl.load(lower + right * 3, mask=inside, other=0).to(tl.float32)
    value = (top_left * (1 - across) + top_right * across) * (1 - down) \
        + (bottom_left * (1 - across) + bottom_right * across) * down
    mean = tl.where(channel == 0, mean_r, tl.where(channel == 1, mean_g, mean_b))
    std = tl.where(channel == 0, std_r, tl.where(channel == 1, std_g, std_b))
    first = image.to(tl.int64) * (3 * high * wide)
    tl.store(out + first + index, ((value - mean) / std).to(out.dtype.element_ty), mask=inside)

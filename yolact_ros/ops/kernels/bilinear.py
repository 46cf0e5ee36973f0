"""Where a resized pixel comes from, shared by the kernels that resize."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def source_cells(index, target, source):
    """
    Return the two source cells around a target pixel's centre, and the second one's share.

    The same float32 operations as torch's interpolate with align_corners=False, if the kernel
    is launched with enable_fp_fusion=False.

    :param index: int32 target pixels along one axis, any shape.
    :param target: pixels along the axis after resizing.
    :param source: cells along it before; of none, cell 0 is named.
    :returns: int32, int32 and float32 in [0, 1).
    """
    # The usual division may be an ulp off, which would move the far end of a large image.
    scale = tl.div_rn(source * 1.0, target * 1.0)
    at = tl.maximum((index.to(tl.float32) + 0.5) * scale - 0.5, 0.0)
    last = tl.maximum(source - 1, 0)
    low = tl.minimum(at.to(tl.int32), last)
    return low, tl.minimum(low + 1, last), at - low.to(tl.float32)

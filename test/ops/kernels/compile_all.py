"""
Compile every kernel as its launcher would, for a CUDA architecture without such a GPU.

Arguments: compute capability, as 87, and the network's dtype, as float16.
"""

import sys

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from yolact_ros.ops.kernels import (
    assembly,
    largest,
    nms,
    preprocess,
    rasterise,
    sampling,
    scores,
)
from yolact_ros.ops.kernels import boxes as chosen_boxes

POINTERS = {torch.float32: '*fp32', torch.float16: '*fp16', torch.bfloat16: '*bf16',
            torch.int32: '*i32', torch.int64: '*i64', torch.uint8: '*u8', torch.bool: '*i1'}


def main() -> None:
    """Print the name of every kernel that compiles."""
    capability, dtype = int(sys.argv[1]), getattr(torch, sys.argv[2])
    launches = []
    JITFunction.run = lambda kernel, *arguments, grid, warmup, **options: launches.append(
        (kernel, arguments, options))
    launch_those_that_read(dtype)
    launch_the_others()
    for launch in launches:
        compile_one(*launch, capability)
        print(launch[0].fn.__name__)


def launch_those_that_read(dtype: torch.dtype) -> None:
    """Launch the kernels that meet the network's dtype, in the sizes of a 550 px network."""
    counts, boxes = torch.empty(1, dtype=torch.int32), torch.empty(1, 100, 4)
    preprocess.preprocess_images(
        torch.empty(99, dtype=torch.uint8), torch.empty(1, 3, dtype=torch.int32),
        (550, 550), (1.0, 2.0, 3.0), (1.0, 2.0, 3.0), dtype)
    sampling.sample_columns(*(torch.empty(1, channels, 69, 69, dtype=dtype,
                                          memory_format=torch.channels_last)
                              for channels in (128, 27)), 1)
    scores.anchor_scores(torch.empty(1, 19248, 81, dtype=dtype), torch.empty(80), torch.empty(1))
    chosen_boxes.decode_chosen(torch.empty(1, 19248, 4, dtype=dtype), torch.empty(19248, 4),
                               torch.empty(1, 2048, dtype=torch.int64))
    assembly.assemble_masks(torch.empty(1, 138, 138, 32, dtype=dtype), torch.empty(1, 100, 32),
                            boxes, counts)


def launch_the_others() -> None:
    """Launch the kernels that know float32 alone."""
    counts, boxes = torch.empty(1, dtype=torch.int32), torch.empty(1, 100, 4)
    scores.passing_scores(torch.empty(1, 2048, 81), counts, torch.empty(80), torch.empty(1))
    largest.largest(torch.empty(1, 163840), 2049)
    largest.first_kept(torch.empty(1, 2048, dtype=torch.bool), 100)
    nms.fast_nms_keep(torch.empty(1, 400, 4), torch.empty(1, 400, dtype=torch.int64),
                      torch.empty(1, 400, dtype=torch.bool), torch.empty(1), counts)
    rasterise.rasterise_masks(
        torch.empty(1, 100, 138, 138), boxes, counts, torch.empty(1, 3, dtype=torch.int32),
        torch.empty(1, 100, 9, dtype=torch.int32), torch.empty(1, 99, dtype=torch.uint8))


def compile_one(kernel: JITFunction, arguments: tuple, options: dict, capability: int) -> None:
    """Compile what one launch would run."""
    values = {**dict(zip(kernel.arg_names, arguments)), **options}
    constants = {name: values[name] for name in
                 (kernel.arg_names[place] for place in kernel.constexprs)}
    signature = {name: 'constexpr' if name in constants else type_of(values[name])
                 for name in kernel.arg_names}
    triton.compile(ASTSource(fn=kernel, signature=signature, constexprs=constants),
                   target=GPUTarget('cuda', capability, 32),
                   options={name: value for name, value in options.items()
                            if name not in signature})


def type_of(value: torch.Tensor | int | float) -> str:
    """Return Triton's name for the type of an argument."""
    if isinstance(value, torch.Tensor):
        return POINTERS[value.dtype]
    return 'i32' if isinstance(value, int) else 'fp32'


if __name__ == '__main__':
    main()

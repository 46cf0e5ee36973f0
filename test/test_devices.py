"""Which device and precision is meant, and when a device failed."""

import subprocess
import sys

import pytest
import torch

from yolact_ros.devices import dtype_of, is_device_failure


@pytest.mark.parametrize('error', [
    torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB'),
    RuntimeError('CUDA error: an illegal memory access was encountered'),
    RuntimeError('CUDA driver error: out of memory'),
    RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'),
    RuntimeError('Triton Error [CUDA]: out of memory'),
    RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`'),
    torch.cuda.OutOfMemoryError('CUDA out of memory while a graph was captured')],
    ids=['out of memory', 'sticky', 'driver', 'cuDNN', 'Triton', 'cuBLAS', 'amid a capture'])
def test_failure_of_the_device_is_recognised(error):
    assert is_device_failure(error)


@pytest.mark.parametrize('error', [
    ValueError('image has no pixels'),
    RuntimeError('expected all tensors on one device, found cuda:0 and cpu'),
    RuntimeError('CUDA error: operation not permitted when stream is capturing'),
    RuntimeError('CUDA error: operation failed due to a previous error during capture'),
    RuntimeError('CUDA error: cudaErrorStreamCaptureInvalidated'),
    RuntimeError('cuDNN error: CUDNN_STATUS_NOT_SUPPORTED'),
    RuntimeError('GET was unable to find an engine to execute this computation'),
    RuntimeError('the loss on cuda:0 is NaN'),
    ValueError("class 'CUDA error' is unknown"),
    MemoryError()], ids=['image', 'bug', 'capture', 'after a capture', 'invalid capture',
                         'no kernel', 'no engine', 'NaN', 'quoted', 'host memory'])
def test_other_errors_are_no_failure_of_the_device(error):
    assert not is_device_failure(error)


def test_precisions_are_torch_types():
    assert dtype_of('bfloat16') is torch.bfloat16


def test_asking_whether_a_device_failed_loads_no_torch():
    program = ('import sys; from yolact_ros.devices import is_device_failure; '
               'assert is_device_failure(RuntimeError("CUDA error: x")); '
               'assert "torch" not in sys.modules')
    assert subprocess.run([sys.executable, '-c', program], check=False).returncode == 0

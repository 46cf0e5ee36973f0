"""Which device and precision is meant, and when a device failed."""

import subprocess
import sys

import pytest
import torch

from yolact_ros import devices
from yolact_ros.devices import (
    BFLOAT16_FLAGS,
    choose_precision,
    cpu_flags,
    dtype_of,
    has_bfloat16_units,
    is_device_failure,
    quick_precision,
)


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


@pytest.fixture
def flags_count(monkeypatch, exact_numbers):
    """Let the real instructions decide again."""
    monkeypatch.setattr(devices, 'BFLOAT16_FLAGS', BFLOAT16_FLAGS)


BOTH = 'float32', 'bfloat16'


@pytest.mark.parametrize('flags, computable, expected', [
    ((), BOTH, 'float32'),
    ({'avx2', 'f16c'}, ('float32',), 'float32'),
    ({'avx512f', 'avx512_vnni'}, BOTH, 'float32'),
    ({'avx512f', 'avx512_bf16'}, BOTH, 'bfloat16'),
    ({'amx_tile', 'amx_bf16'}, BOTH, 'bfloat16'),
    ({'asimd', 'bf16'}, BOTH, 'bfloat16'),
    ({'avx512f', 'avx512_bf16'}, ('float32',), 'float32'),
], ids=['unknown', 'AVX2', 'AVX-512 emulates', 'Zen 4', 'Sapphire Rapids', 'ARM',
        'switched off in oneDNN'])
def test_bfloat16_is_chosen_where_the_processor_multiplies_in_it(flags_count, flags, computable,
                                                                 expected):
    assert quick_precision(frozenset(flags), computable) == expected


def test_auto_on_a_cpu_asks_for_its_instructions(flags_count, monkeypatch):
    monkeypatch.setattr('yolact_ros.devices.fast_precisions', lambda device: BOTH)
    monkeypatch.setattr('yolact_ros.devices.cpu_flags', lambda: frozenset({'avx512_bf16'}))
    assert choose_precision('auto', torch.device('cpu')) == 'bfloat16'
    assert choose_precision('float32', torch.device('cpu')) == 'float32'


@pytest.mark.parametrize('text, expected', [
    ('processor\t: 0\nflags\t\t: fpu avx2\nflags\t\t: fpu avx2\n', {'fpu', 'avx2'}),
    ('Features\t: fp asimd bf16\n', {'fp', 'asimd', 'bf16'}),
    ('processor : 0\n', set())], ids=['x86', 'ARM', 'not told'])
def test_instructions_are_read_from_cpuinfo(tmp_path, text, expected):
    (tmp_path / 'cpuinfo').write_text(text)
    assert cpu_flags(tmp_path / 'cpuinfo') == expected


def test_a_system_without_cpuinfo_tells_no_instructions(tmp_path):
    assert cpu_flags(tmp_path / 'absent') == frozenset()


def test_precisions_are_torch_types():
    assert dtype_of('bfloat16') is torch.bfloat16


def test_asking_whether_a_device_failed_loads_no_torch():
    program = ('import sys; from yolact_ros.devices import is_device_failure; '
               'assert is_device_failure(RuntimeError("CUDA error: x")); '
               'assert "torch" not in sys.modules')
    assert subprocess.run([sys.executable, '-c', program], check=False).returncode == 0


@pytest.mark.parametrize('flags, expected', [({'avx512f'}, False), ({'avx512_bf16'}, True)])
def test_bfloat16_units_are_told_by_the_processor_whatever_torch_there_is(flags_count, monkeypatch,
                                                                          flags, expected):
    monkeypatch.setattr('yolact_ros.devices.cpu_flags', lambda: frozenset(flags))
    monkeypatch.delattr('torch.cpu._is_avx512_bf16_supported', raising=False)  # not in torch 2.4
    assert has_bfloat16_units(torch.device('cpu')) is expected

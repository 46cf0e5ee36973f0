"""The kernels compile for the GPUs that they are meant for; no GPU is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('triton', reason='needs Triton')

ROOT = Path(__file__).resolve().parents[3]
KERNELS = {'_resize', '_sample', '_best_scores', '_pass', '_decode', '_choose', '_sort',
           '_first_kept', '_judge', '_assemble', '_plan', '_rasterise'}


@pytest.mark.parametrize('capability, dtype', [
    pytest.param(75, 'float16', id='Turing'),
    pytest.param(75, 'float32', id='Turing in float32'),
    pytest.param(75, 'bfloat16', id='Turing in bfloat16'),
    pytest.param(87, 'float16', id='Orin'),
    pytest.param(90, 'float16', id='Hopper')])
@pytest.mark.slow
def test_every_kernel_compiles(capability, dtype, tmp_path):
    environment = {name: value for name, value in os.environ.items()
                   if name != 'TRITON_INTERPRET'}
    program = Path(__file__).with_name('compile_all.py').read_text(encoding='utf-8')
    ran = subprocess.run(
        [sys.executable, '-c', program, str(capability), dtype], cwd=ROOT, text=True,
        env={**environment, 'TRITON_CACHE_DIR': str(tmp_path)}, capture_output=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert set(ran.stdout.split()) == KERNELS

"""Where the kernels run: on the GPU, or on the CPU in Triton's interpreter."""

import os
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope='session')
def device() -> str:
    """Return the device of the kernels' tensors, or skip."""
    import torch
    if torch.cuda.is_available():
        return 'cuda'
    if os.environ.get('TRITON_INTERPRET') != '1':
        pytest.skip('this machine has a GPU that torch does not see')
    return 'cpu'


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silence NumPy, which warns of NaN when it interprets a kernel; a GPU does not."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)
        yield

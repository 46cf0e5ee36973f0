"""Optional packages: taken where they are, else named with the line that installs them."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

# What setup.py requires and no system package brings in the version that is needed.
FROM_PIP = ('torch', 'safetensors', 'pycocotools', 'simplejpeg')


def missing_packages() -> str | None:
    """Return what pip has to bring before a network can run, as a line to run; None if all is."""
    missing = [name for name in FROM_PIP if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    wanted = ' '.join(f"'{name}>=2.4'" if name == 'torch' else name for name in missing)
    return (f'{", ".join(missing)} not installed; rosdep cannot bring them. Run: '
            f'python3 -m pip install {wanted}   '
            '(Ubuntu 24.04 and later: with --break-system-packages, or in a venv)')


def require(package: str, extra: str) -> ModuleType:
    """
    Return an optional package.

    :param extra: of this project's pip package that brings it.
    :raises ImportError: when it is not installed, with the line that installs it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f'{package} is not installed; install it with: '
                          f"pip install 'yolact_ros[{extra}]'") from error

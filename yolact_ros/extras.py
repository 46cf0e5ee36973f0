"""Optional packages: taken where they are, else named with the line that installs them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
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

    OpenVINO and NNCF report their use over the network, unasked, from a forked process for every
    step. Without the package that sends they do not, and nothing else changes.

    :param extra: of this project's pip package that brings it.
    :raises ImportError: when it is not installed, with the line that installs it.
    """
    # None makes its import fail as if it were not installed; who has imported it keeps it.
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f'{package} is not installed; install it with: '
                          f"pip install 'yolact_ros[{extra}]'") from error

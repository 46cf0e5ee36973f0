"""Optional packages: taken where they are, else named with the line that installs them."""

from __future__ import annotations

import importlib
from types import ModuleType


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

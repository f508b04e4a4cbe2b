"""Ray's classes for a worker group, made for the package ``pytorch_lightning`` whatever else is installed."""

import importlib
import sys
from types import ModuleType

OTHER_PACKAGE = "lightning"
"""The same Lightning under its other name: where both are installed Ray takes this one, whose classes ours refuses."""


def ray_for_pytorch_lightning() -> ModuleType:
    """``ray.train.lightning``, imported as if ``lightning`` were not installed."""
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == OTHER_PACKAGE}
    for name in hidden:
        del sys.modules[name]
    sys.modules[OTHER_PACKAGE] = None  # pyright: ignore[reportArgumentType] - None is how Python says "not there"
    try:
        return importlib.import_module("ray.train.lightning")
    finally:
        del sys.modules[OTHER_PACKAGE]
        sys.modules.update(hidden)

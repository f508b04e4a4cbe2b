"""Whether compiled functions can be used, asked before anything is compiled, or the compiler loaded."""

from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import Tensor

HAS_COMPILER = find_spec("numba") is not None
"""Whether Numba is installed; without it models run by torch's own operations, slower and equal but for rounding."""


def in_reach(values: Tensor) -> bool:
    """Whether compiled functions can have these values: floats of 32 or 64 bits in a CPU's memory, not under autocast,
    and not many models' at once (``vmap``)."""
    floats = values.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled("cpu")
    together = cast(Any, torch._C)._functorch.is_batchedtensor(values)
    return HAS_COMPILER and values.device.type == "cpu" and floats and not together

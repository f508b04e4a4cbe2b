"""Whether compiled functions can be used, asked before anything is compiled, or the compiler loaded."""

from typing import Any, cast

import torch
from torch import Tensor


def in_reach(values: Tensor) -> bool:
    """Whether compiled functions can have these values: floats of 32 or 64 bits in a CPU's memory, not under autocast,
    and not many models' at once (``vmap``)."""
    floats = values.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled("cpu")
    together = cast(Any, torch._C)._functorch.is_batchedtensor(values)
    return values.device.type == "cpu" and floats and not together

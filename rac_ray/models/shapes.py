"""Models as shapes without values: their parameters are counted, and none is allocated or drawn."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from rac_ray.identity import digest_of


class _SmallTables(TorchFunctionMode):
    """Has values for tables of numbers, as of rotary embeddings, and draws none for parameters.

    Drawing, and arithmetic, without values would load torch's compiler.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        given: Mapping[str, Any] = kwargs or {}
        if func in (torch.rand, torch.randn):
            func, given = torch.empty, {name: value for name, value in given.items() if name != "generator"}
        if func in (torch.arange, torch.linspace, torch.logspace):
            given = {"device": "cpu", **given}
        return func(*args, **given)


def shaped(build: Callable[[], nn.Module]) -> nn.Module:
    """What ``build`` builds, on torch's ``meta`` device; torch's generators stay where they are."""
    try:
        with torch.device("meta"), _SmallTables():
            return build()
    except RuntimeError:  # a model that mixes such a table with its parameters
        with torch.device("meta"):
            return build()


@lru_cache(maxsize=4096)
def weights_digest(build: Callable[[], nn.Module]) -> str:
    """Digest of the names and shapes of a model's weights: a model of one's own may change under its name."""
    return digest_of([[name, list(tensor.shape)] for name, tensor in shaped(build).state_dict().items()])

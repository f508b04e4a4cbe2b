"""Notices that a trial makes no step any more, writes down where every thread stands, and ends the process."""

import faulthandler
import os
import signal
import statistics
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

REMEMBERED_STEPS = 200
REPORT_SECONDS = 30.0
"""Time that writing the report may take: the storage may be what the trial hangs on."""


@dataclass(frozen=True)
class StallLimits:
    """Limits beyond which a trial counts as stalled; both have to be passed."""

    factor: float = 50.0
    """Stalled is a trial without a step for so many times the median of its recent steps, and the least seconds."""
    floor_seconds: float = field(default=300.0, metadata={"flag": "seconds"})
    """Least seconds of a stall, which cover start-up, changes of the evaluation set, and checkpoints."""


class Watchdog:
    """Watches one process of one trial from ``__enter__`` to ``__exit__``; ``beat`` says that a step was made.

    On a stall it calls ``on_stall(sentence, stacks)`` and kills its own process: a thread cannot be ended otherwise.
    """

    def __init__(self, limits: StallLimits, on_stall: Callable[[str, str], None]) -> None:
        self.limits = limits
        self.on_stall = on_stall
        self._last = time.monotonic()
        self._steps: deque[float] = deque(maxlen=REMEMBERED_STEPS)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._last = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def beat(self) -> None:
        """One step of training, validation or evaluation was made."""
        now = time.monotonic()
        self._steps.append(now - self._last)
        self._last = now

    def limit(self) -> float:
        """Seconds without a step that make a stall."""
        steps = list(self._steps)
        return max(self.limits.floor_seconds, self.limits.factor * statistics.median(steps) if steps else 0)

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self.limits.floor_seconds / 4)):
            still, limit = time.monotonic() - self._last, self.limit()
            if still > limit:
                sentence = f"no step for {still:.0f} s, the limit is {limit:.0f} s"
                report = threading.Thread(target=self.on_stall, args=(sentence, stacks()), daemon=True)
                report.start()
                report.join(REPORT_SECONDS)
                os.kill(os.getpid(), signal.SIGKILL)


def stacks() -> str:
    """The line at which every thread of this process stands."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()

"""What a running sweep says: one plain line per trial event, and on a terminal one live line below them.

The live line has done/total, clips/s and the time left. Knows neither Tune nor Ray.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from tqdm import tqdm

from rac_ray.identity import Training
from rac_ray.store.entry import added_up
from rac_ray.store.record import Record
from rac_ray.sweep.failures import summary
from rac_ray.sweep.queue import Queue

_REDRAW_SECONDS = 1.0


def say_line(line: str) -> None:
    """Print one line at once, to a terminal or a log; above the live line if there is one."""
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


@dataclass
class Running:
    """What is known of a trial that runs."""

    training: Training
    began: float
    share: float
    """Fraction of the machine that it takes."""
    epochs: int = 0
    clips_per_second: float = 0.0


@dataclass
class Monitor:
    """Follows a run; ``say`` gets a line per event."""

    queue: Queue
    say: Callable[[str], None]
    expected: Mapping[str, float] = field(default_factory=dict)
    """Expected seconds of each trial by id; without one all count the same."""
    expected_wall: float = 0.0
    """Expected seconds of the whole run; 0 when nobody knows."""
    verbose: bool = False
    """Whether each epoch gets a line, too."""
    what: str = "trials"
    """Name of what is counted, for the summary."""
    live: TextIO | None = None
    """Terminal for the live line."""
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.running: dict[str, Running] = {}
        self.busy_seconds = 0.0
        """Seconds that trials ran, each weighed with its share of the machine."""
        self._work_done = 0.0
        self._shown = -_REDRAW_SECONDS
        self._bar = (
            tqdm(
                total=len(self.queue.states),
                initial=self.queue.counts()["done"],
                bar_format="{n_fmt}/{total_fmt} done |{bar:20}| {desc}",
                file=self.live,
                leave=False,
                dynamic_ncols=True,
            )
            if self.live
            else None
        )

    def started(self, training: Training, attempt: int, resources: Mapping[str, float], stacked: int = 1) -> None:
        """An attempt at a trial runs, in a process with so many seeds of it."""
        share = self.queue.packing.share(training.kind) / stacked
        self.running[training.training_id] = Running(training, self.clock(), share)
        again = f", attempt {attempt}" if attempt > 1 else ""
        part = f", {resources['GPU']:.3g} GPU" if resources.get("GPU") else ""
        together = f", {stacked} stacked" if stacked > 1 else ""
        self.say(f"{training.training_id} start  {training.name}{again}{part}{together}")

    def epoch(self, training: Training, row: Mapping[str, Any]) -> None:
        """A trial reported an epoch."""
        running = self.running[training.training_id]
        running.epochs = row["epoch"] + 1
        running.clips_per_second = row["clips"] / row["seconds"] if row["seconds"] else 0.0
        if self.verbose:
            self.say(
                f"{training.training_id} epoch  {training.name}: {row['epoch']}, train loss {row['train_loss']:.4f}, "
                f"val top-1 {row['val_top1']:.3f}, {row['seconds']:.1f} s"
            )
        self.tick()

    def done(self, training: Training, record: Record) -> None:
        """A trial has a record."""
        self._ended(training)
        self._work_done += self._expected(training)
        counts = self.queue.counts()
        self.say(
            f"{training.training_id} done   {training.name}: val top-1 {record.best_val_top1:.3f} in epoch "
            f"{record.best_epoch} of {record.epochs}, {record.seconds['total']:.0f} s; "
            f"{counts['done']}/{len(self.queue.states)} done, {counts['failed']} failed, {self.time_left()}"
        )
        if self._bar is not None:
            self._bar.update(1)

    def cut(self, training: Training, epochs: int, best: float) -> None:
        """A candidate of a search was stopped, since others were better after as many epochs."""
        self._ended(training)
        self._work_done += self._expected(training) * epochs / training.recipe.max_epochs
        counts = self.queue.counts()
        self.say(
            f"{training.training_id} cut    {training.name}: val top-1 {best:.3f} after {epochs} epochs; "
            f"{counts['done']}/{len(self.queue.states)} done, {self.time_left()}"
        )
        if self._bar is not None:
            self._bar.update(1)

    def failed(self, training: Training, failure: Mapping[str, Any], wait: float | None, path: str) -> None:
        """An attempt failed, and is or is not tried again; told at once, with where to read on."""
        self._ended(training)
        what = "FAILED" if wait is None else "failed"
        then = "given up" if wait is None else f"again in {wait:.0f} s"
        self.say(f"{training.training_id} {what} {training.name}: {summary(failure)}; {then} (traceback: {path})")

    def tick(self) -> None:
        """Refresh the live line, at most once a second."""
        if self._bar is None or self.clock() - self._shown < _REDRAW_SECONDS:
            return
        self._shown = self.clock()
        counts = self.queue.counts()
        speed = sum(running.clips_per_second for running in self.running.values())
        failed = f"{counts['failed']} failed, " if counts["failed"] else ""
        self._bar.set_description_str(
            f"{counts['running']} running, {failed}{speed:.0f} clips/s, {self.time_left()}", refresh=True
        )

    def close(self) -> None:
        """Take the live line away; what still runs counts as busy until now."""
        for running in list(self.running.values()):
            self._ended(running.training)
        if self._bar is not None:
            self._bar.close()

    def idle_share(self) -> float:
        """Share of the machine that ran no trial since this run's trials began, in [0, 1]."""
        elapsed = self.clock() - self.began
        return max(0.0, 1 - self.busy_seconds / elapsed) if elapsed else 0.0

    def summary(self) -> str:
        """One line at the end: the invariant, the time, the idle share."""
        counts = self.queue.counts()
        took = duration(self.clock() - self.began)
        return (
            f"{len(self.queue.states)} {self.what} planned = {added_up(counts)}; {took}, "
            f"{100 * self.idle_share():.0f}% of the machine idle"
        )

    def _ended(self, training: Training) -> None:
        running = self.running.pop(training.training_id, None)
        if running:
            self.busy_seconds += (self.clock() - running.began) * running.share

    def _expected(self, training: Training) -> float:
        return self.expected.get(training.training_id, 1.0)

    def time_left(self) -> str:
        """The time left by the pace so far, or, until a trial has ended, by what was expected."""
        counts = self.queue.counts()
        if not counts["pending"] + counts["running"]:
            return "none left"
        going = ("pending", "running")
        left = [each for each in self.queue.trainings if self.queue.states[each.training_id] in going]
        elapsed = self.clock() - self.began
        if self._work_done:
            return f"about {duration(elapsed / self._work_done * sum(self._to_do(training) for training in left))} left"
        return f"about {duration(max(0.0, self.expected_wall - elapsed))} left" if self.expected_wall else "just begun"

    def _to_do(self, training: Training) -> float:
        """Expected seconds of a training, less the share of its epochs that are over."""
        running = self.running.get(training.training_id)
        return self._expected(training) * (1 - running.epochs / training.recipe.max_epochs if running else 1)


def duration(seconds: float) -> str:
    """A duration for people: ``40 s``, ``4.1 min``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

"""What a running sweep says: one plain line per trial event, and on a terminal its progress below them.

The progress has done/total, clips/s, the time left, and each running trial's epoch and best accuracy. Knows neither
Tune nor Ray.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any, TextIO

from rac_ray.counted import about_left, counted, duration
from rac_ray.identity import Training
from rac_ray.store.entry import added_up
from rac_ray.store.record import Record
from rac_ray.store.visible import visible
from rac_ray.sweep.failures import summary
from rac_ray.sweep.queue import Queue

if TYPE_CHECKING:
    from rac_ray.sweep.display import Display

_REDRAW_SECONDS = 1.0
TELL_SECONDS = 30.0
"""How often a log is told how far a run is."""
MOST_TOLD = 6
"""Running trials that such a line names."""
_shown: "list[Display]" = []
"""The progress that this process shows, if it does."""


def say_line(line: str) -> None:
    """Print one line at once, to a terminal or a log; above the progress if it is shown."""
    line = visible(line)
    if _shown:
        _shown[-1].above(line)
    else:
        print(line, flush=True)


def _shown_on(terminal: TextIO) -> "Display":
    """The progress on a terminal; what draws it is loaded only where there is one."""
    from rac_ray.sweep.display import Display

    _shown.append(Display(terminal))
    return _shown[-1]


@dataclass
class Running:
    """What is known of a trial that runs."""

    training: Training
    began: float
    share: float
    """Fraction of the machine that it takes."""
    epochs: int = 0
    before: int = 0
    """Those of them that earlier attempts have trained."""
    best: float = 0.0
    """Best source-validation top-1 so far, 0 to 1."""
    clips_per_second: float = 0.0
    epoch_seconds: float = 0.0
    """Of the last one."""
    trained: bool = False
    """Whether its training was done before, so that it is only evaluated, unless its weights are damaged."""

    @property
    def worked(self) -> float:
        """Share of all epochs that this attempt has trained."""
        return (self.epochs - self.before) / self.training.recipe.max_epochs

    @property
    def most_seconds_left(self) -> float:
        """Time of all epochs that are left, as long as the last one; early stopping may save some."""
        return (self.training.recipe.max_epochs - self.epochs) * self.epoch_seconds

    @property
    def evaluates(self) -> bool:
        """Whether there are no epochs to tell of."""
        return self.trained and not self.epochs

    @property
    def words(self) -> str:
        """How far it is, in a sentence."""
        if self.evaluates:
            return f"{self.training.name} is evaluated"
        best = f", best {100 * self.best:.1f}%" if self.epochs else ""
        return f"{self.training.name} epoch {self.epochs}/{self.training.recipe.max_epochs}{best}"

    @property
    def row(self) -> str:
        """How far it is, for the progress; its name last, of which a narrow terminal shows less."""
        if self.evaluates:
            return f"is evaluated  {self.training.name}"
        most = self.training.recipe.max_epochs
        best = f"{100 * self.best:5.1f}" if self.epochs else "    -"
        epochs = f"{self.epochs:>{len(str(most))}}/{most}"
        return f"epoch {epochs}  best {best}%  {self.clips_per_second:5.0f} clips/s  {self.training.name}"


@dataclass
class Monitor:
    """Follows a run; ``say`` gets a line per event."""

    queue: Queue
    say: Callable[[str], None]
    expected: Mapping[str, float] = field(default_factory=dict)
    """Expected seconds of each trial by id; where there are none, each counts as those that this run has seen."""
    expected_wall: float = 0.0
    """Expected seconds of the whole run; 0 when nobody knows."""
    verbose: bool = False
    """Whether each epoch gets a line, too."""
    trained: Collection[str] = ()
    """Ids of those whose training was done before this run."""
    what: str = "trial"
    """Name of one of what is counted, for the summary."""
    live: TextIO | None = None
    """Terminal that shows the progress."""
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.running: dict[str, Running] = {}
        self.busy_seconds = 0.0
        """Seconds that trials ran, each weighed with its share of the machine."""
        self._work_done = 0.0
        self._replicates = {each.training_id: each.replicates_key for each in self.queue.trainings}
        self._seen: dict[tuple[str, bool], float] = {}
        """Seconds of the whole machine that a trial takes, by what is alike; of all epochs, until one has ended."""
        self._drawn = -_REDRAW_SECONDS
        self._told = self.began
        self._display = _shown_on(self.live) if self.live else None
        self.tick()

    def started(self, training: Training, attempt: int, resources: Mapping[str, float], stacked: int = 1) -> None:
        """An attempt at a trial runs, in a process with so many seeds of it."""
        share = self.queue.packing.share(training.kind) / stacked
        trained = training.training_id in self.trained
        self.running[training.training_id] = Running(training, self.clock(), share, trained=trained)
        again = ", to be evaluated" if trained else f", attempt {attempt}" if attempt > 1 else ""
        part = f", {resources['GPU']:.3g} GPU" if resources.get("GPU") else ""
        together = f", {stacked} stacked" if stacked > 1 else ""
        self.say(f"{training.training_id} start  {training.name}{again}{part}{together}")

    def resumed(self, training: Training, row: Mapping[str, Any]) -> None:
        """A trial goes on after an epoch of an earlier attempt."""
        running = self._at(training, row)
        running.before = running.epochs
        self.say(
            f"{training.training_id} resume {training.name}: after epoch {running.epochs} of "
            f"{training.recipe.max_epochs}, val top-1 {running.best:.3f} at best"
        )

    def epoch(self, training: Training, row: Mapping[str, Any]) -> None:
        """A trial reported an epoch."""
        running = self._at(training, row)
        running.clips_per_second = row["clips"] / row["seconds"] if row["seconds"] else 0.0
        if self.verbose:
            self.say(
                f"{training.training_id} epoch  {training.name}: {running.epochs}, train loss {row['train_loss']:.4f}, "
                f"val top-1 {row['val_top1']:.3f}, {row['seconds']:.1f} s"
            )
        self.tick()

    def _at(self, training: Training, row: Mapping[str, Any]) -> Running:
        """The trial, once what an epoch says of it is taken down."""
        running = self.running[training.training_id]
        running.epochs, running.best = row["epoch"] + 1, row["best_val_top1"]
        running.epoch_seconds = row["seconds"]
        self._seen.setdefault(self._alike(training), training.recipe.max_epochs * row["seconds"] * running.share)
        return running

    def done(self, training: Training, record: Record) -> None:
        """A trial has a record."""
        running = self._ended(training)
        if running is not None:
            seconds = record.epochs * running.epoch_seconds or self.clock() - running.began
            self._seen[self._alike(training)] = seconds * running.share
        self._work_done += self._expected(training) * (1 - running.before / record.epochs if running else 1)
        counts = self.queue.counts()
        self.say(
            f"{training.training_id} done   {training.name}: val top-1 {record.best_val_top1:.3f} in epoch "
            f"{record.best_epoch + 1} of {record.epochs}, {record.seconds['total']:.0f} s; "
            f"{counts['done']}/{len(self.queue.states)} done, {counts['failed']} failed, {self.time_left()}"
        )

    def cut(self, training: Training, epochs: int, best: float) -> None:
        """A candidate of a search was stopped, since others were better after as many epochs."""
        self._ended(training)
        self._work_done += self._expected(training) * epochs / training.recipe.max_epochs
        counts = self.queue.counts()
        self.say(
            f"{training.training_id} cut    {training.name}: val top-1 {best:.3f} after {counted(epochs, 'epoch')}; "
            f"{counts['done']}/{len(self.queue.states)} done, {self.time_left()}"
        )

    def failed(self, training: Training, failure: Mapping[str, Any], wait: float | None, path: str) -> None:
        """An attempt failed, and is or is not tried again; told at once, with where to read on."""
        running = self._ended(training)
        self._work_done += self._expected(training) * running.worked if running else 0
        what = "FAILED" if wait is None else "failed"
        then = "given up" if wait is None else f"again in {wait:.0f} s"
        self.say(f"{training.training_id} {what} {training.name}: {summary(failure)}; {then} (traceback: {path})")

    def tick(self) -> None:
        """Show the progress of now: on a terminal at most once a second, else as a line every half a minute."""
        now, running = self.clock(), list(self.running.values())
        if self._display is not None and now - self._drawn >= _REDRAW_SECONDS:
            self._drawn, counts = now, self.queue.counts()
            ended = counts["done"] + counts["failed"]
            self._display.draw(ended, len(self.queue.states), self._standing(), [each.row for each in running])
        if self._display is None and now - self._told >= TELL_SECONDS:
            self._told = now
            more = [f"and {len(running) - MOST_TOLD} more"] if len(running) > MOST_TOLD else []
            self.say("; ".join([self._standing(), *(each.words for each in running[:MOST_TOLD]), *more]))

    def _standing(self) -> str:
        """``3/12 done, 2 running, 240 clips/s, about 4.1 min left``."""
        counts, speed = self.queue.counts(), sum(each.clips_per_second for each in self.running.values())
        failed = f"{counts['failed']} failed, " if counts["failed"] else ""
        done = f"{counts['done']}/{len(self.queue.states)} done, {failed}{counts['running']} running"
        return f"{done}, {speed:.0f} clips/s, {self.time_left()}"

    def close(self) -> None:
        """Take the progress away; what still runs counts as busy until now."""
        for running in list(self.running.values()):
            self._ended(running.training)
        if self._display is not None:
            _shown.remove(self._display)
            self._display.close()
            self._display = None

    def idle_share(self) -> float:
        """Share of the machine that ran no trial since this run's trials began, in [0, 1]."""
        elapsed = self.clock() - self.began
        return max(0.0, 1 - self.busy_seconds / elapsed) if elapsed else 0.0

    def summary(self) -> str:
        """One line at the end: the invariant, the time, the idle share."""
        counts = self.queue.counts()
        took = duration(self.clock() - self.began)
        return (
            f"{counted(len(self.queue.states), self.what)} planned = {added_up(counts)}; {took}, "
            f"{100 * self.idle_share():.0f}% of the machine idle"
        )

    def _ended(self, training: Training) -> Running | None:
        """What was known of a trial that runs no more."""
        running = self.running.pop(training.training_id, None)
        if running:
            self.busy_seconds += (self.clock() - running.began) * running.share
        return running

    def _alike(self, training: Training) -> tuple[str, bool]:
        """What trials have in common that take as long: all but the seed, and whether they are only evaluated."""
        return self._replicates[training.training_id], training.training_id in self.trained

    def _expected(self, training: Training) -> float:
        """What a trial weighs against the others; without a forecast it is seconds of the whole machine, as seen."""
        if self.expected or not self._seen:
            return self.expected.get(training.training_id, 1.0)
        return self._seen.get(self._alike(training), fmean(self._seen.values()))

    def time_left(self) -> str:
        """The time left by the pace so far, or, until a trial has ended, by what was expected, or by its epochs."""
        counts = self.queue.counts()
        if not counts["pending"] + counts["running"]:
            return "none left"
        going = ("pending", "running")
        left = [each for each in self.queue.trainings if self.queue.states[each.training_id] in going]
        elapsed = self.clock() - self.began
        if self._work_done:
            begun = sum(self._expected(each.training) * each.worked for each in self.running.values())
            pace = elapsed / (self._work_done + begun)
            return about_left(pace * sum(self._to_do(training) for training in left))
        if elapsed < self.expected_wall:
            return about_left(self.expected_wall - elapsed)
        if self._seen and not self.expected:
            return about_left(sum(self._to_do(training) for training in left))
        return "longer than was expected" if self.expected_wall else "just begun"

    def _to_do(self, training: Training) -> float:
        """Expected seconds of a training, less the share of its epochs that are over."""
        running = self.running.get(training.training_id)
        return self._expected(training) * (1 - running.epochs / training.recipe.max_epochs if running else 1)

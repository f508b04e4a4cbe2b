"""What the missing trials of a plan will take, with how uncertain that is. Pure: no torch, no Ray.

The number of epochs is what nobody knows before: early stopping decides it. Trials of one class share that
uncertainty, classes are independent, and the speed of the machine is uncertain for all of them together.
"""

import heapq
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rac_ray.identity import Recipe
from rac_ray.store.record import Record

SPEED_SD = 0.25
"""Standard deviation of a machine's speed between probe or record and run, relative, the same for all trials; a little
more than that of the runs in benchmarks/forecasts.json, which are few."""
Z95 = 1.96
"""Standard deviations to either side of a normal mean that hold 95 %."""
TRUSTED_RECORDS = 3
"""Finished trials of a model and recipe from which on their epochs alone count."""
LEAST_SECONDS = 1e-6
"""Time of training on one clip, where records leave less after evaluation is taken off."""
TINY = 1e-9
"""Share by which trials may exceed the whole machine: sums of fractions are not exact."""


@dataclass(frozen=True)
class Interval:
    """A figure with the bounds that hold it in 19 of 20 cases."""

    low: float
    expected: float
    high: float

    def __add__(self, other: "Interval") -> "Interval":
        """Bounds add as if both erred together."""
        return Interval(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def scaled(self, factor: float) -> "Interval":
        """Each figure times ``factor``, which is not negative."""
        return Interval(self.low * factor, self.expected * factor, self.high * factor)

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def epoch_bounds(recipe: Recipe) -> tuple[int, int]:
    """Fewest and most epochs of a trial: early stopping needs one that is best, then the patience."""
    return min(recipe.patience + 1, recipe.max_epochs), recipe.max_epochs


def expected_epochs(recipe: Recipe, seen: Sequence[int]) -> tuple[float, float]:
    """Mean and standard deviation of a trial's epochs; ``seen`` are those of finished ones of its model and recipe.

    Three or more speak for themselves. Without any, each number of epochs between the bounds is as likely as the
    others. One or two are mixed with that, each weighing a third.
    """
    if len(seen) >= TRUSTED_RECORDS:
        return statistics.fmean(seen), statistics.stdev(seen)
    least, most = epoch_bounds(recipe)
    possible = range(least, most + 1)
    values = [*seen, *possible]
    weights = [1.0] * len(seen) + [(TRUSTED_RECORDS - len(seen)) / len(possible)] * len(possible)
    mean = statistics.fmean(values, weights)
    return mean, math.sqrt(statistics.fmean([(epochs - mean) ** 2 for epochs in values], weights))


@dataclass(frozen=True)
class Cost:
    """What a trial of one class needs on one device."""

    seconds_per_train_clip: float
    """Time of one worker."""
    seconds_per_eval_clip: float
    """Time of one worker, for validation and evaluation alike."""
    overhead_seconds: float
    """Time of a trial beyond training and evaluation."""
    bytes: int
    """Peak memory."""


def trial_seconds(
    cost: Cost, epochs: float, *, train_clips: int, val_clips: int, eval_clips: int, workers: int = 1
) -> float:
    """Wall seconds of one training with its evaluations; ``eval_clips`` are those of all evaluation sets."""
    epoch = train_clips * cost.seconds_per_train_clip + val_clips * cost.seconds_per_eval_clip
    return cost.overhead_seconds + (epochs * epoch + eval_clips * cost.seconds_per_eval_clip) / workers


def cost_from_records(records: Iterable[Record], train_clips: int, val_clips: int) -> Cost | None:
    """A kind's cost from finished trainings of it on the same device and the same data sizes: medians over them.

    None where no record tells. A training that was resumed does not: in a record of a former version it has the epochs
    of all attempts, but the seconds of the last. Memory is the least peak, as each counts what ran earlier in its
    process.
    """
    whole = [record for record in records if record.attempt == 1 and record.evaluations]
    if not whole:
        return None
    seconds = [record.seconds for record in whole]
    evaluated = [sum(each.clips for each in record.evaluations) / record.workers for record in whole]
    epochs = [record.epochs / record.workers for record in whole]
    per_eval = statistics.median(of["evaluation"] / clips for of, clips in zip(seconds, evaluated, strict=True))
    per_epoch = statistics.median(of["training"] / count for of, count in zip(seconds, epochs, strict=True))
    overhead = statistics.median(of["total"] - of["training"] - of["evaluation"] for of in seconds)
    per_train = max(LEAST_SECONDS, (per_epoch - val_clips * per_eval) / train_clips)
    return Cost(per_train, per_eval, overhead, min(record.peak_bytes for record in whole))


def makespan(durations: Sequence[float], shares: Sequence[float]) -> float:
    """Seconds until all trials are done, started longest first; none overtakes another.

    ``shares`` are the fractions, at most 1, of the whole machine that trials take: 1/n where n run side by side.
    """
    running: list[tuple[float, float]] = []
    now, free = 0.0, 1.0
    for duration, share in sorted(zip(durations, shares, strict=True), reverse=True):
        while share > free + TINY:
            now, freed = heapq.heappop(running)
            free += freed
        free -= share
        heapq.heappush(running, (now + duration, share))
    return max((end for end, _ in running), default=0.0)


@dataclass(frozen=True)
class ClassForecast:
    """The missing trainings of one kind and source that have the same left to do."""

    kind: str
    source: str
    trials: int
    """Number of missing trials."""
    cost: Cost
    epochs_mean: float
    epochs_sd: float
    least_epochs: int
    most_epochs: int
    train_clips: int
    """Clips of an epoch; a last short batch is dropped."""
    val_clips: int
    eval_clips: int
    """Clips of all evaluation sets together."""
    share: float
    """Fraction of the whole machine that one trial takes."""
    workers: int = 1
    """DDP workers of a trial."""

    def seconds(self, epochs: float) -> float:
        """Expected time of one trial with so many epochs."""
        sizes = {"train_clips": self.train_clips, "val_clips": self.val_clips, "eval_clips": self.eval_clips}
        return trial_seconds(self.cost, epochs, **sizes, workers=self.workers)


@dataclass(frozen=True)
class Forecast:
    """What the missing trials will take, each figure with its 95 % interval."""

    trials: int
    wall_seconds: Interval
    """Time from the start to the last result."""
    busy_seconds: Interval
    """Seconds of all trials added up, whatever runs beside them."""
    machine_hours: Interval
    """Hours of the whole machine that the trials fill: what they would take if they were packed without gaps."""

    def money(self, price_per_hour: float) -> Interval:
        """Price of the machine for the wall time, in the price's currency."""
        return self.wall_seconds.scaled(price_per_hour / 3600)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def forecast(classes: Sequence[ClassForecast], fixed_seconds: float = 0.0) -> Forecast:
    """Price the trials of all classes on one machine; ``fixed_seconds`` of start and data come before the first.

    Intervals are normal, and clipped to the fewest and the most epochs at the fastest and the slowest speed. The wall
    time varies with a class as far as the machine waits for its trials; machine hours vary as busy seconds do.
    """
    busy = _interval(classes, lambda durations: math.fsum(durations))
    shares = [group.share for group in classes for _ in range(group.trials)]
    wall = _interval(classes, lambda durations: makespan(durations, shares))
    filled = math.fsum(d * share for d, share in zip(_durations(classes), shares, strict=True))
    per_busy = 1 / busy.expected if busy.expected else 0.0
    return Forecast(
        trials=len(shares),
        wall_seconds=wall + Interval(fixed_seconds, fixed_seconds, fixed_seconds),
        busy_seconds=busy,
        machine_hours=busy.scaled(filled * per_busy / 3600),
    )


def _durations(classes: Sequence[ClassForecast], epochs: str = "epochs_mean", slower: int | None = None) -> list[float]:
    """Seconds of each trial at one of its class's numbers of epochs; of class ``slower`` a deviation more."""
    return [
        group.seconds(getattr(group, epochs) + (group.epochs_sd if number == slower else 0))
        for number, group in enumerate(classes)
        for _ in range(group.trials)
    ]


def _interval(classes: Sequence[ClassForecast], total: Callable[[list[float]], float]) -> Interval:
    """What a total of durations is with 95 %: classes err apart, the machine's speed is wrong for all of them."""
    least, expected, most = (
        total(_durations(classes, name)) for name in ("least_epochs", "epochs_mean", "most_epochs")
    )
    errs = [total(_durations(classes, slower=number)) - expected for number in range(len(classes))]
    half, speed = Z95 * math.hypot(SPEED_SD * expected, *errs), Z95 * SPEED_SD
    return Interval(max(expected - half, least * (1 - speed)), expected, min(expected + half, most * (1 + speed)))

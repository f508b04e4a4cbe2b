"""Hours of the study on one GPU, from measured epochs. Pure.

Nobody knows yet how many epochs early stopping lets a trial of the study run, so three answers are given: every trial
stops as early as it can, every one halfway, and every one runs to its last epoch.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.gpu.rows import Row
from rac_ray.identity import Training
from rac_ray.sweep.forecast import epoch_bounds

TrialClass = tuple[str, int]
PROMISED_HOURS = 6.0


@dataclass(frozen=True)
class Hours:
    """Of one GPU."""

    least: float
    """Every trial stops after its first epochs, none of which was better than the one before its patience began."""
    middle: float
    most: float


def measured_epochs(rows: Iterable[Row], graphs: bool, seeds: int = 1) -> dict[TrialClass, float]:
    """Seconds of an epoch of one of so many seeds by model and hidden units, from rows of ``epochs`` that did not
    fail."""
    return {
        (row["model"], row["hidden_units"]): row["seconds"]
        for row in rows
        if row["section"] == "epochs" and "seconds" in row and (row["graphs"], row["seeds"]) == (graphs, seeds)
    }


def common_sizes(epochs: Mapping[TrialClass, float]) -> list[int]:
    """Hidden units at which every model was measured."""
    by_model: dict[str, set[int]] = {}
    for model, hidden_units in epochs:
        by_model.setdefault(model, set()).add(hidden_units)
    return sorted(set.intersection(*by_model.values())) if by_model else []


def between(points: Mapping[int, float], at: int) -> float:
    """A value at ``at``, on straight lines through the points in logarithms of both; beyond them, on the last line."""
    known = sorted(points)
    if len(known) == 1:
        return points[known[0]]
    upper = next((place for place in known[1:] if place >= at), known[-1])
    lower = known[known.index(upper) - 1]
    share = (math.log(at) - math.log(lower)) / (math.log(upper) - math.log(lower))
    return math.exp((1 - share) * math.log(points[lower]) + share * math.log(points[upper]))


def hours(trials: Sequence[Training], epochs: Mapping[TrialClass, float], of_trial: float) -> Hours | None:
    """Hours of ``trials`` one after the other, ``of_trial`` seconds each beside its epochs; None where a model lacks
    measurements."""
    by_model: dict[str, dict[int, float]] = {}
    for (model, hidden_units), seconds in epochs.items():
        by_model.setdefault(model, {})[hidden_units] = seconds
    if any(trial.model not in by_model for trial in trials):
        return None
    totals = [0.0, 0.0, 0.0]
    for trial in trials:
        seconds = between(by_model[trial.model], trial.hidden_units)
        least, most = epoch_bounds(trial.recipe)
        for place, count in enumerate((least, (least + most) / 2, most)):
            totals[place] += of_trial + count * seconds
    return Hours(*(total / 3600 for total in totals))


def gain(rows: Iterable[Row], *, side: str, mps: bool = False) -> dict[int, float]:
    """Clips per second of several processes together over those of one without MPS: geometric means over models."""
    rates: dict[tuple[bool, str], dict[int, float]] = {}
    for row in rows:
        if row["section"] == "packing" and row.get("side") == side and "clips_per_second" in row:
            rates.setdefault((row["mps"], row["model"]), {})[row["processes"]] = row["clips_per_second"]
    ratios: dict[int, list[float]] = {}
    for (with_mps, model), of in rates.items():
        alone = rates.get((False, model), {}).get(1)
        if with_mps == mps and alone:
            for count, rate in of.items():
                ratios.setdefault(count, []).append(rate / alone)
    return {count: math.exp(sum(map(math.log, values)) / len(values)) for count, values in sorted(ratios.items())}


def overhead(rows: Iterable[Row]) -> float | None:
    """Median seconds of a trial of the small sweep, alone in its process, beside training; evaluation is counted in."""
    found = sorted(
        row["of_seconds"]["total"] - row["of_seconds"]["training"]
        for row in rows
        if row["section"] == "minisweep" and "of_seconds" in row and row["stack"] == 1
    )
    return found[len(found) // 2] if found else None

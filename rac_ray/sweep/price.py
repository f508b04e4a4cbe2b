"""What a plan costs before it runs, from earlier records and short probes, and what it cost afterwards.

The forecast is stored as ``<storage>/<sweep>/<preset>/forecast.json`` and gets the actual figures when the run ends.
A class is probed once per machine (``probes``), and not at all once it has records.
"""

import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rac_ray.counted import counted, duration
from rac_ray.identity import Recipe, digest_of
from rac_ray.store.entry import Entry
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.sweep.forecast import (
    ClassForecast,
    Cost,
    Forecast,
    Interval,
    cost_from_records,
    epoch_bounds,
    expected_epochs,
    forecast,
)
from rac_ray.sweep.packing import Kind, Packing
from rac_ray.sweep.planner import Plan, parameters_of
from rac_ray.sweep.probes import ProbeKey, known_probes, remember_probes, run_probes
from rac_ray.sweep.resources import Pricing
from rac_ray.training.probe import Probe
from rac_ray.training.task import Task

FORECAST = "forecast.json"
START_SECONDS = 15.0
"""Ray's start and the first import of everything in a trial's process."""
OVERHEAD_SECONDS = 0.5
"""Time of a trial without records, beyond training and evaluation."""

AS_LONG = ("learning_rate", "momentum", "weight_decay", "schedule", "warm_up", "label_smoothing", "clip_norm")
"""Fields of a recipe that change no step's time, and the number of epochs in a way that nobody knows before."""


@dataclass(frozen=True)
class Device:
    """The device that trials run on; probes and records count only for the same."""

    name: str
    """The GPU's name, or for CPUs the host's."""
    gpu_memory: float = 0
    """Bytes; 0 for CPUs."""


@dataclass(frozen=True)
class Price:
    """What the missing trials of a plan are expected to cost."""

    forecast: Forecast | None
    """None when a class was neither probed nor run before."""
    expected: Mapping[str, float]
    """Seconds of each missing trial, by id; without a forecast its parameters, which order as well."""
    peaks: Mapping[Kind, float]
    """Measured peak bytes of a trial by class."""
    disk: Interval
    """Further bytes; the high end is an upper bound."""
    machine: str
    """The machine that it was priced for, in words for people."""
    price_per_hour: float | None = None
    again: int = 0
    """Those of the missing trials that were finished, and have no weights any more to be asked by."""

    def as_dict(self) -> dict[str, Any]:
        price, money = self.price_per_hour, None
        if self.forecast is not None and price is not None:
            money = self.forecast.money(price).as_dict()
        return {
            "trials": len(self.expected),
            "trained_again": self.again,
            "machine": self.machine,
            "disk_bytes": self.disk.as_dict(),
            "price_per_hour": price,
            "money": money,
            **(self.forecast.as_dict() if self.forecast else {"wall_seconds": None, "busy_seconds": None}),
        }

    def lines(self) -> list[str]:
        """The price for people."""
        low, expected, high = (size / 1e6 for size in (self.disk.low, self.disk.expected, self.disk.high))
        disk = f"disk: {expected:.1f} MB more [{low:.1f}, {high:.1f}]"
        if not self.expected:
            return ["nothing is missing", disk]
        missing = counted(len(self.expected), "trial is missing", "trials are missing")
        if self.again:
            missing += f" ({self.again} without weights: trained again)"
        if self.forecast is None:
            return [f"{missing}; no forecast without a probe or records", disk]
        wall, busy = self.forecast.wall_seconds, self.forecast.busy_seconds
        lines = [
            f"{missing}; expected [95% interval] on {self.machine}:",
            f"time until all are done: {spread(wall)}",
            f"time of all trials, added up: {spread(busy)}",
        ]
        if self.price_per_hour is not None:
            money = self.forecast.money(self.price_per_hour)
            lines.append(
                f"money: {money.expected:.2f} [{money.low:.2f}, {money.high:.2f}] at {self.price_per_hour:g}/h"
            )
        return [*lines, disk]


def spread(seconds: Interval) -> str:
    """``4 min [3 min, 5 min]``."""
    return f"{duration(seconds.expected)} [{duration(seconds.low)}, {duration(seconds.high)}]"


def this_device() -> Device:
    """The device that a trial in this process gets."""
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return Device(properties.name, properties.total_memory)
    return Device(platform.node())


def device_of_trials(packing: Packing) -> Device:
    """The device that a task of a running Ray gets, as a trial would."""
    import ray

    return ray.get(ray.remote(this_device).options(num_gpus=0.01 if packing.machine.gpus else 0).remote())


def price_of(
    plan: Plan,
    packing: Packing,
    entries: Mapping[str, Entry],
    options: Pricing,
    say: Callable[[str], None],
    *,
    remember: bool = True,
    device: Device | None = None,
) -> Price:
    """Price what is missing, probing what no record and no earlier probe tells. Needs a running Ray to probe.

    Unless ``remember``, probes are not kept for the next plan. ``device`` is what a trial gets; None: a task of the
    running Ray tells. Sets what the packing knows of the machine's GPU and of each kind's memory.
    """
    missing, trained = plan.missing(entries), plan.trained(entries)
    machine = counted(packing.machine.cpus, "CPU", spec="g") + (
        f" and {counted(packing.machine.gpus, 'GPU', spec='g')}" if packing.machine.gpus else ""
    )
    if not missing:
        return Price(None, {}, {}, plan.bytes_expected(entries), machine, options.price_per_hour)
    stored = Storage.at(plan.sweep.above.root)
    device = device or device_of_trials(packing)
    packing.machine, packing.trials = replace(packing.machine, gpu_memory=device.gpu_memory), len(missing)
    records = [entry.record for entry in entries.values() if entry.record is not None]
    alike: dict[ClassKey, list[Task]] = {}
    for task in missing:
        alike.setdefault(_key(task, trained), []).append(task)
    tasks = {key: group[0] for key, group in alike.items()}
    costs = {key: _from_records(task, records, packing, device) for key, task in tasks.items()}
    probes = known_probes(stored, device.name)
    probed = {key: probe_key(task, packing) for key, task in tasks.items() if costs[key] is None}
    unknown = {steps: tasks[key] for key, steps in probed.items() if steps not in probes}
    if unknown and options.seconds:
        say(f"probing {len(unknown)} of the plan's models and sizes, {options.seconds:g} s for each step")
        probes |= run_probes(unknown, packing, options.seconds, say)
        if remember:
            remember_probes(stored, device.name, probes)
    costs |= {key: _from_probe(tasks[key], probes[steps], packing) for key, steps in probed.items() if steps in probes}
    packing.peaks = {task.training.kind: cost.bytes for key, task in tasks.items() if (cost := costs[key]) is not None}
    guesses = {key: plan.study.assumed(task) for key, task in tasks.items() if costs[key] is None}
    assumed = {key: _from_probe(tasks[key], guess, packing) for key, guess in guesses.items() if guess is not None}
    costs |= assumed
    classes = {
        key: _class_forecast(alike[key], cost, records, packing, entries, trains=key.trains)
        for key, cost in costs.items()
        if cost is not None
    }
    whole = len(classes) == len(costs)
    data = plan.missing_data().seconds
    fixed = START_SECONDS + data / max(1.0, packing.machine.cpus)
    return Price(
        forecast=forecast(list(classes.values()), fixed) if whole else None,
        expected={
            task.training_id: classes[key].seconds(classes[key].epochs_mean)
            if whole
            else float(parameters_of(task.subject.build))
            for key, group in alike.items()
            for task in group
        },
        peaks=packing.peaks,
        disk=plan.bytes_expected(entries),
        machine=machine + (" (steps assumed, not measured)" if assumed else ""),
        price_per_hour=options.price_per_hour,
        again=sum(entries[task.training_id].record is not None for task in missing if task.training_id not in trained),
    )


class ClassKey(NamedTuple):
    """Tasks of one key have the same left to do."""

    kind: str
    source: str
    grid: str
    steps: Recipe
    """What decides how long steps take, and how many there are."""
    trains: bool
    """Whether there are no weights, or none any more."""


def _key(task: Task, trained: Collection[str]) -> ClassKey:
    training, usual = task.training, Recipe()
    steps = replace(training.recipe, **{name: getattr(usual, name) for name in AS_LONG})
    return ClassKey(training.kind, training.source, training.grid_key, steps, training.training_id not in trained)


def _from_records(task: Task, records: Sequence[Record], packing: Packing, device: Device) -> Cost | None:
    """What finished trainings of the same kind, recipe and data tell, if they ran on such a device in such a group."""
    training = task.training
    same = [
        record
        for record in records
        if (record.training().kind, record.source, record.recipe) == (training.kind, training.source, training.recipe)
        and device.name in (record.device, record.host)
        and record.workers == packing.workers
    ]
    return cost_from_records(same, task.counts.train, task.counts.val)


def _from_probe(task: Task, probe: Probe, packing: Packing) -> Cost:
    own = task.resident if packing.machine.gpus and not packing.cpus_besides else 0  # a copy; a CPU's is Ray's
    per_train, per_eval = probe.seconds_per_train_clip, probe.seconds_per_eval_clip
    return Cost(per_train, per_eval, OVERHEAD_SECONDS, probe.peak_bytes + own)


def _class_forecast(
    tasks: Sequence[Task],
    cost: Cost,
    records: Sequence[Record],
    packing: Packing,
    entries: Mapping[str, Entry],
    *,
    trains: bool,
) -> ClassForecast:
    first = tasks[0]
    training, recipe = first.training, first.training.recipe
    seen = [record.epochs for record in records if (record.model, record.recipe) == (training.model, recipe)]
    mean, sd = expected_epochs(recipe, seen) if trains else (0.0, 0.0)
    least, most = epoch_bounds(recipe) if trains else (0, 0)
    return ClassForecast(
        kind=training.kind,
        source=training.source,
        trials=len(tasks),
        cost=cost,
        epochs_mean=mean,
        epochs_sd=sd,
        least_epochs=least,
        most_epochs=most,
        train_clips=first.counts.train // recipe.batch_size * recipe.batch_size,
        val_clips=first.counts.val,
        eval_clips=max(
            _clips_to_evaluate(task, None if trains else entries[task.training_id].record) for task in tasks
        ),
        share=min(1.0, packing.share(training.kind)),
        workers=packing.workers,
    )


def _clips_to_evaluate(task: Task, record: Record | None) -> int:
    if record is None:
        return task.clips_asked
    return sum(map(task.counts.of, task.outstanding(record).values()))


def probe_key(task: Task, packing: Packing) -> ProbeKey:
    """By which the probe of a task's steps is kept."""
    from rac_ray.models.shapes import weights_digest

    recipe, subject = task.training.recipe, task.subject
    steps = digest_of(
        subject.clip_shape, subject.num_classes, weights_digest(subject.build), recipe.precision, recipe.optimiser
    )
    return task.training.kind, -(-recipe.batch_size // packing.workers), steps


def compared(price: Price, seconds: float, finished: int) -> dict[str, Any]:
    """Forecast and actual wall time of a run that finished all it had to; ratio is actual over expected."""
    expected = price.forecast.wall_seconds.expected if price.forecast else None
    ratio = seconds / expected if expected and finished == len(price.expected) else None
    return {"wall_seconds": seconds, "finished": finished, "ratio": ratio}

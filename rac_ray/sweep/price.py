"""What a plan costs before it runs, from earlier records and short probes, and what it cost afterwards.

The forecast is stored as ``<storage>/<sweep>/<preset>/forecast.json`` and gets the actual figures when the run ends.
Probes are kept in ``<storage>/probes.json``: a class is probed once per machine, and not at all once it has records.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import ray

from rac_ray.data.generate import missing_clips
from rac_ray.data.trajectories import FRAME_SIZE, NUM_FRAMES
from rac_ray.ledger import Entry
from rac_ray.storage import Storage
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
from rac_ray.sweep.monitor import duration
from rac_ray.sweep.packing import Packing, TrialClass
from rac_ray.sweep.planner import Plan, parameters_of
from rac_ray.training.probe import Probe
from rac_ray.trial import Recipe, Trial

FORECAST = "forecast.json"
PROBES = "probes.json"
START_SECONDS = 15.0
"""Ray's start and the first import of everything in a trial's process."""
CLIPS_PER_SECOND = 1500.0
"""Clips that one core generates."""
OVERHEAD_SECONDS = 0.5
"""Of a trial without records, beyond training and evaluation."""


@dataclass(frozen=True)
class Pricing:
    """How a plan is priced."""

    seconds: float = 1.0
    """Time to probe each kind of step of each class that nothing else tells of; 0: no probe."""
    price_per_hour: float | None = None
    """Of the whole machine or cluster."""


@dataclass(frozen=True)
class Device:
    """What trials run on; probes and records count only for the same."""

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
    peaks: Mapping[TrialClass, float]
    """Measured peak bytes of a trial by class."""
    disk: Interval
    """Further bytes; the high end is an upper bound."""
    machine: str
    """For people: what it was priced for."""
    price_per_hour: float | None = None

    def as_dict(self) -> dict[str, Any]:
        money = self.forecast.money(self.price_per_hour).as_dict() if self.forecast and self.price_per_hour else None
        return {
            "trials": len(self.expected),
            "machine": self.machine,
            "disk_bytes": self.disk.as_dict(),
            "price_per_hour": self.price_per_hour,
            "money": money,
            **(self.forecast.as_dict() if self.forecast else {"wall_seconds": None, "busy_seconds": None}),
        }

    def lines(self) -> list[str]:
        """The price for people."""
        low, expected, high = (size / 1e6 for size in (self.disk.low, self.disk.expected, self.disk.high))
        disk = f"disk: {expected:.1f} MB more [{low:.1f}, {high:.1f}]"
        if not self.expected:
            return ["nothing is missing", disk]
        if self.forecast is None:
            return [f"{len(self.expected)} trials missing; no forecast without a probe or records", disk]
        wall, busy, hours = self.forecast.wall_seconds, self.forecast.busy_seconds, self.forecast.machine_hours
        lines = [
            f"{len(self.expected)} trials missing; expected [95% interval] on {self.machine}:",
            f"wall time: {spread(wall)}",
            f"trial time: {spread(busy)}, which fills the machine for {hours.expected:.2g} h",
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


@ray.remote
def _device_task() -> Device:
    return this_device()


def price_of(
    plan: Plan, packing: Packing, entries: Mapping[str, Entry], options: Pricing, say: Callable[[str], None]
) -> Price:
    """Price the missing trials, probing what no record and no earlier probe tells. Needs a running Ray to probe.

    Sets what the packing knows of the machine's GPU and of each class's memory.
    """
    missing = [trial for trial in plan.trials if entries[trial.trial_id].record is None]
    records = [entry.record for entry in entries.values() if entry.record is not None]
    machine = f"{packing.machine.cpus:g} CPUs" + (f" and {packing.machine.gpus:g} GPUs" if packing.machine.gpus else "")
    if not missing:
        return Price(None, {}, {}, plan.bytes_expected(entries), machine, options.price_per_hour)
    stored = Storage.at(plan.ledger.storage.above.root)
    device = ray.get(_device_task.options(num_gpus=_gpu_piece(packing)).remote()) if options.seconds else this_device()
    packing.machine, packing.trials = replace(packing.machine, gpu_memory=device.gpu_memory), len(missing)
    probes = known_probes(stored, device.name)
    costs = {_key(trial): _from_records(plan, trial, records, packing, device) for trial in missing}
    unknown = {
        (trial.model, trial.hidden_units): trial.recipe
        for trial in missing
        if costs[_key(trial)] is None and (trial.model, trial.hidden_units, trial.recipe.batch_size) not in probes
    }
    if unknown and options.seconds:
        say(f"probing {len(unknown)} of the plan's models and sizes, {options.seconds:g} s for each step")
        found = run_probes(unknown, packing, options.seconds)
        probes |= {(probe.model, probe.hidden_units, probe.batch_size): probe for probe in found}
        remember_probes(stored, device.name, probes)
    for trial in missing:
        probe = probes.get((trial.model, trial.hidden_units, trial.recipe.batch_size))
        if costs[_key(trial)] is None and probe is not None:
            per_train, per_eval = probe.seconds_per_train_clip, probe.seconds_per_eval_clip
            resident = (plan.grid.train_clips + plan.grid.val_clips) * NUM_FRAMES * FRAME_SIZE**2
            costs[_key(trial)] = Cost(per_train, per_eval, OVERHEAD_SECONDS, probe.peak_bytes + resident)
    packing.peaks = {(model, hidden): cost.bytes for (model, hidden, _), cost in costs.items() if cost is not None}
    classes = {
        key: _class_forecast(plan, [trial for trial in missing if _key(trial) == key], cost, records, packing)
        for key, cost in costs.items()
        if cost is not None
    }
    whole = len(classes) == len(costs)
    cores = max(1.0, packing.machine.cpus)
    fixed = START_SECONDS + missing_clips(plan.data, plan.dataset) / CLIPS_PER_SECOND / cores
    return Price(
        forecast=forecast(list(classes.values()), fixed) if whole else None,
        expected={
            trial.trial_id: classes[_key(trial)].seconds(classes[_key(trial)].epochs_mean)
            if whole
            else float(parameters_of(trial.model, trial.hidden_units))
            for trial in missing
        },
        peaks=packing.peaks,
        disk=plan.bytes_expected(entries),
        machine=machine,
        price_per_hour=options.price_per_hour,
    )


ClassKey = tuple[str, int, str]


def _key(trial: Trial) -> ClassKey:
    return trial.model, trial.hidden_units, trial.source


def _gpu_piece(packing: Packing) -> float:
    return 0.01 if packing.machine.gpus else 0


def _from_records(
    plan: Plan, trial: Trial, records: Sequence[Mapping[str, Any]], packing: Packing, device: Device
) -> Cost | None:
    """What finished trials of the same class, recipe and data tell, if they ran on such a device in such a group."""
    same = [
        record
        for record in records
        if (record["model"], record["hidden_units"], record["source"]) == _key(trial)
        and record["recipe"] == asdict(trial.recipe)
        and device.name in (record["device"], record["host"])
        and record["workers"] == packing.workers
    ]
    return cost_from_records(same, plan.grid.train_clips, plan.grid.val_clips)


def _class_forecast(
    plan: Plan, trials: Sequence[Trial], cost: Cost, records: Sequence[Mapping[str, Any]], packing: Packing
) -> ClassForecast:
    first = trials[0]
    seen = [r["epochs"] for r in records if r["model"] == first.model and r["recipe"] == asdict(first.recipe)]
    mean, sd = expected_epochs(first.recipe, seen)
    least, most = epoch_bounds(first.recipe)
    evaluated = [plan.dataset.clips[part] for part in plan.direction(first.source).evaluations]
    return ClassForecast(
        model=first.model,
        hidden_units=first.hidden_units,
        source=first.source,
        trials=len(trials),
        cost=cost,
        epochs_mean=mean,
        epochs_sd=sd,
        least_epochs=least,
        most_epochs=most,
        train_clips=plan.grid.train_clips // first.recipe.batch_size * first.recipe.batch_size,
        val_clips=plan.grid.val_clips,
        eval_clips=sum(evaluated),
        share=packing.share((first.model, first.hidden_units)),
        workers=packing.workers,
    )


@ray.remote(max_calls=1)
def _probe_task(classes: Sequence[tuple[TrialClass, Recipe]], seconds: float, threads: int) -> list[Probe]:
    """Probe some classes one after the other, as trials run: in a process of their own, beside others."""
    import torch

    from rac_ray.training.probe import probe

    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return [probe(model, hidden, recipe, device=device, seconds=seconds) for (model, hidden), recipe in classes]


def run_probes(classes: Mapping[TrialClass, Recipe], packing: Packing, seconds: float) -> list[Probe]:
    """Probe classes on the cluster, as many side by side as trials of one core or GPU would run."""
    machine = packing.machine
    side_by_side = int(machine.gpus or machine.cpus // packing.cores) or 1
    ordered = sorted(classes.items(), key=lambda item: parameters_of(*item[0]))
    groups = [ordered[start::side_by_side] for start in range(min(side_by_side, len(ordered)))]
    task = _probe_task.options(num_cpus=packing.cores, num_gpus=1 if machine.gpus else 0)
    found = ray.get([task.remote(group, seconds, packing.cores) for group in groups])
    return [probe for group in found for probe in group]


ProbeKey = tuple[str, int, int]


def all_probes(storage: Storage) -> dict[str, dict[ProbeKey, Probe]]:
    """Earlier probes by device and (model, hidden units, batch size)."""
    stored = storage.read_json(PROBES) if storage.exists(PROBES) else {}
    found = {device: map(Probe.from_dict, values) for device, values in stored.items()}
    return {
        device: {(probe.model, probe.hidden_units, probe.batch_size): probe for probe in probes}
        for device, probes in found.items()
    }


def known_probes(storage: Storage, device: str) -> dict[ProbeKey, Probe]:
    """Earlier probes on a device."""
    return all_probes(storage).get(device, {})


def remember_probes(storage: Storage, device: str, probes: Mapping[ProbeKey, Probe]) -> None:
    """Keep them for the next plan on this storage."""
    stored = storage.read_json(PROBES) if storage.exists(PROBES) else {}
    storage.write_json(PROBES, {**stored, device: [probe.as_dict() for probe in probes.values()]})


def compared(price: Price, seconds: float, finished: int) -> dict[str, Any]:
    """Forecast and actual wall time of a run that finished all it had to; ratio is actual over expected."""
    expected = price.forecast.wall_seconds.expected if price.forecast else None
    ratio = seconds / expected if expected and finished == len(price.expected) else None
    return {"wall_seconds": seconds, "finished": finished, "ratio": ratio}

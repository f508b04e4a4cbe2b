"""Short probes of what trainings cost: made on a cluster, and kept in ``<storage>/probes.json`` by device."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from rac_ray.store.storage import Storage
from rac_ray.sweep.packing import Packing
from rac_ray.sweep.planner import parameters_of
from rac_ray.training.probe import Probe
from rac_ray.training.task import Task

PROBES = "probes.json"
ProbeKey = tuple[str, int, str]
"""Kind, clips of one worker's step, and ``Probe.steps``."""


def _probe_group(tasks: Sequence[tuple[ProbeKey, Task]], seconds: float, threads: int) -> Iterator[Probe]:
    """Probe some kinds one after the other, as trials run: in a process of their own, beside others."""
    import torch

    from rac_ray.training.probe import probe

    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for (kind, batch, steps), task in tasks:
        recipe = replace(task.training.recipe, batch_size=batch)
        yield replace(probe(kind, task.subject, recipe, device=device, seconds=seconds), steps=steps)


def run_probes(
    tasks: Mapping[ProbeKey, Task], packing: Packing, seconds: float, say: Callable[[str], None]
) -> dict[ProbeKey, Probe]:
    """Probe kinds on the cluster, as many side by side as trials of one core or GPU would run, and say so of each."""
    import ray

    machine = packing.machine
    side_by_side = int(machine.gpus or machine.cpus // packing.cores) or 1
    ordered = sorted(tasks.items(), key=lambda item: parameters_of(item[1].subject.build))
    groups = [ordered[start::side_by_side] for start in range(min(side_by_side, len(ordered)))]
    task = ray.remote(max_calls=1, num_returns="streaming")(_probe_group)
    task = task.options(num_cpus=packing.cores, num_gpus=1 if machine.gpus else 0)
    going: list[Any] = [task.remote(group, seconds, packing.cores) for group in groups]
    found: dict[ProbeKey, Probe] = {}
    while going:
        ready: Any = ray.wait(going, num_returns=1)[0][0]
        if (measured := next(ready, None)) is None:
            going.remove(ready)
            continue
        probe: Any = ray.get(measured)
        found[probe.kind, probe.batch_size, probe.steps] = probe
        say(f"probed {probe.kind}, {len(tasks) - len(found)} left")
    return found


def known_probes(storage: Storage, device: str) -> dict[ProbeKey, Probe]:
    """Earlier probes on a device; those of version 0.1 do not count."""
    return {(probe.kind, probe.batch_size, probe.steps): probe for probe in _stored_probes(storage).get(device, ())}


def remember_probes(storage: Storage, device: str, probes: Mapping[ProbeKey, Probe]) -> None:
    """Keep them for the next plan on this storage."""
    kept = {**_stored_probes(storage), device: list(probes.values())}
    storage.write_json(PROBES, {name: [probe.as_dict() for probe in found] for name, found in kept.items()})


def _stored_probes(storage: Storage) -> dict[str, list[Probe]]:
    """What is kept, by device, without what is no probe of today's."""
    found: dict[str, list[Probe]] = {}
    for device, values in (storage.read_as(PROBES, dict[str, list[Any]]) or {}).items():
        for value in values:
            with suppress(msgspec.ValidationError):
                found.setdefault(device, []).append(msgspec.convert(value, Probe))
    return found

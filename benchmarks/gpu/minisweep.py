"""Trials through ``sweeps/ts_grid.py`` with a Ray of their own, then the sweep's results, each as a user would."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from sweeps.ts_grid import STUDY

ROOT = Path(__file__).parents[2]
KEPT = ("model", "hidden_units", "seed", "stacked", "device", "peak_bytes", "cuda_graphs", "epochs", "best_val_top1")
LAST_CHARACTERS = 4000
STUDYS = ("--optimiser", "sgd", "--schedule", "constant", "--warm-up", "0", "--clip-norm", "none", "--batch-size", "64")
"""The study's recipe in place of the demo's, whose steps neither a graph nor a stack can make."""


@dataclass(frozen=True)
class Way:
    """Of running trials, with seeds of its own, so that later runs know what earlier ones have measured."""

    seeds: tuple[int, ...]
    graphs: bool = False
    stack: int = 1


WAYS = (Way((42,)), Way((61,), graphs=True), Way((47, 53), graphs=True, stack=2))


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """A row for each command, and one per trial."""
    with tempfile.TemporaryDirectory() as scratch:
        these = ["--storage", f"{scratch}/results", "--data", f"{scratch}/data", "--preset", "demo", *STUDYS]
        these += ["--hidden-units", sizes.sweep_hidden_units, "--models", sizes.sweep_models]
        these += ["--max-epochs", str(sizes.sweep_epochs)]
        for way in WAYS:
            run = ["run", *these, *_seeds(way.seeds), "--trials-per-gpu", "auto", "--probe-seconds", "0.3"]
            run += ["--stack", str(way.stack), *(["--cuda-graphs"] if way.graphs else [])]
            run += ["--num-gpus", "0"] if device.type == "cpu" else []
            key = {"graphs": way.graphs, "stack": way.stack}
            yield tried({**key, "verb": "run"}, lambda run=run: _command(run))
            yield from ({**key, **row} for row in _trials(f"{scratch}/results", way))
        results = ["results", *these, *_seeds(seed for way in WAYS for seed in way.seeds)]
        yield tried({"verb": "results"}, lambda: _command(results))


def _seeds(seeds: Iterable[int]) -> list[str]:
    return ["--seeds", ",".join(map(str, seeds))]


def _command(arguments: list[str]) -> Row:
    began = time.monotonic()
    command = [sys.executable, str(ROOT / "sweeps/ts_grid.py"), *arguments]
    code = subprocess.run(command, env={**os.environ, "PYTHONUNBUFFERED": "1"}).returncode
    found: Row = {"exit": code, "seconds": time.monotonic() - began}
    return found if code == 0 else {**found, "error": f"exit code {code}; what it said is in log.txt"}


def _trials(storage: str, way: Way) -> Iterator[Row]:
    ledger = Ledger(Storage.at(storage).below(STUDY.name))
    for training_id, entry in ledger.scan().items():
        record = entry.record
        if record is None or entry.outstanding:
            reason = json.dumps(entry.failures, default=str)[:LAST_CHARACTERS]
            yield {"trial": training_id, "error": f"not finished; failures: {reason}"}
        elif record.seed in way.seeds:
            yield {"trial": training_id, **_of_record(record, way)}


def _of_record(record: Record, way: Way) -> Row:
    """What is kept of a trial; an error where it did not train in a stack of so many seeds."""
    seconds = {name: round(value, 3) for name, value in record.seconds.items()}
    kept = {name: getattr(record, name) for name in KEPT}
    found = {"precision": record.recipe.precision, **kept, "of_seconds": seconds}
    if record.stacked != way.stack:
        found["error"] = f"trained in a stack of {record.stacked}, not of {way.stack}"
    return found

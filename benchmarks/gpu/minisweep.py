"""Trials through ``sweeps/ts_grid.py`` with a Ray of their own, then the sweep's results, each as a user would."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from sweeps.ts_grid import STUDY

ROOT = Path(__file__).parents[2]
KEPT = ("model", "hidden_units", "device", "peak_bytes", "cuda_graphs", "epochs", "best_val_top1")
LAST_CHARACTERS = 4000


SEEDS = {False: "42", True: "61"}
"""Without and with graphs: other trials of one sweep, so that the second run knows what the first has measured."""


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """A row for each command, and one per trial."""
    with tempfile.TemporaryDirectory() as scratch:
        places = ["--storage", f"{scratch}/results", "--data", f"{scratch}/data", "--preset", "demo"]
        grid = ["--hidden-units", sizes.sweep_hidden_units, "--models", sizes.sweep_models]
        for graphs, seed in SEEDS.items():
            these = [*places, *grid, "--seeds", seed]
            run = ["run", *these, "--trials-per-gpu", "auto", "--probe-seconds", "0.3"]
            run += [*(["--cuda-graphs"] if graphs else []), *(["--num-gpus", "0"] if device.type == "cpu" else [])]
            key: Row = {"graphs": graphs}
            yield tried({**key, "verb": "run"}, lambda run=run: _command(run))
            yield from ({**key, **row} for row in _trials(f"{scratch}/results", int(seed)))
            yield tried({**key, "verb": "results"}, lambda these=these: _command(["results", *these]))


def _command(arguments: list[str]) -> Row:
    began = time.monotonic()
    command = [sys.executable, str(ROOT / "sweeps/ts_grid.py"), *arguments]
    code = subprocess.run(command, env={**os.environ, "PYTHONUNBUFFERED": "1"}).returncode
    found: Row = {"exit": code, "seconds": time.monotonic() - began}
    return found if code == 0 else {**found, "error": f"exit code {code}; what it said is in log.txt"}


def _trials(storage: str, seed: int) -> Iterator[Row]:
    ledger = Ledger(Storage.at(storage).below(STUDY.name))
    for training_id, entry in ledger.scan().items():
        record = entry.record
        if record is None or entry.outstanding:
            reason = json.dumps(entry.failures, default=str)[:LAST_CHARACTERS]
            yield {"trial": training_id, "error": f"not finished; failures: {reason}"}
        elif record.seed == seed:
            seconds = {name: round(value, 3) for name, value in record.seconds.items()}
            kept = {name: getattr(record, name) for name in KEPT}
            yield {"trial": training_id, "precision": record.recipe.precision, **kept, "of_seconds": seconds}

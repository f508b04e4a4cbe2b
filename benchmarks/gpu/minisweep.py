"""Trials through ``sweeps/ts_grid.py`` with a Ray of their own, then the sweep's results, each as a user would."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from rac_ray.ledger import Ledger
from rac_ray.storage import Storage

ROOT = Path(__file__).parents[2]
KEPT = ("model", "hidden_units", "precision_used", "device", "peak_bytes", "cuda_graphs", "epochs", "best_val_top1")
LAST_CHARACTERS = 4000


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """A row for each command, and one per trial."""
    with tempfile.TemporaryDirectory() as scratch:
        for graphs in (False, True):
            storage = f"{scratch}/graphs" if graphs else f"{scratch}/eager"
            places = ["--storage", storage, "--data", f"{scratch}/data"]
            grid = ["--preset", "demo", "--digits", "optdigits", "--seeds", sizes.sweep_seeds]
            grid += ["--hidden-units", sizes.sweep_hidden_units, "--models", sizes.sweep_models]
            more = ["--trials-per-gpu", "auto", *(["--cuda-graphs"] if graphs else [])]
            more += ["--num-gpus", "0"] if device.type == "cpu" else []
            key: Row = {"graphs": graphs}
            yield tried({**key, "verb": "run"}, lambda a=["run", *grid, *places, *more]: _command(a))
            yield tried({**key, "verb": "results"}, lambda a=["results", *grid, *places]: _command(a))
            for row in _trials(storage):
                yield {**key, **row}


def _command(arguments: list[str]) -> Row:
    began = time.monotonic()
    command = [sys.executable, str(ROOT / "sweeps/ts_grid.py"), *arguments]
    code = subprocess.run(command, env={**os.environ, "PYTHONUNBUFFERED": "1"}).returncode
    found: Row = {"exit": code, "seconds": time.monotonic() - began}
    return found if code == 0 else {**found, "error": f"exit code {code}; what it said is in log.txt"}


def _trials(storage: str) -> Iterator[Row]:
    for entry in Ledger(Storage.at(storage).below("ts_grid")).scan().values():
        record: Any = entry.record
        if record:
            seconds = {name: round(value, 3) for name, value in record["seconds"].items()}
            yield {"trial": record["trial_id"], **{name: record[name] for name in KEPT}, "of_seconds": seconds}
        else:
            yield {"trial": "unfinished", "error": json.dumps(entry.failures, default=str)[:LAST_CHARACTERS]}

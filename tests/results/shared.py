"""A finished sweep with real weights, without training: freshly built models through the writer of checkpoints."""

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import torch

from rac_ray.identity import Trial
from rac_ray.models import build_model
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.training.checkpoints import as_bytes
from tests.records import said
from tests.results.conftest import scored

COUNTS = {"2dot/train": 400, "2dot/val": 100}
MADE_FROM = {"kind": "drawn", "spec": {"seed": 3}, "clips": COUNTS, "data": "/home/me/clips"}
CONTENT = {"2dot/train": "aa" * 32, "2dot/val": "bb" * 32}


def finish(ledger: Ledger, trial: Trial, shift: float = 0.0, **changes: Any) -> Record:
    """Write a training with the weights of a new model, and what it was asked; returns the record."""
    settings = {"dataset": MADE_FROM, "content": CONTENT, "host": "my-machine", **changes}
    record = msgspec.structs.replace(scored(trial, shift), **settings)
    torch.manual_seed(trial.training.seed)
    model = build_model(record.model, record.hidden_units)
    unasked = msgspec.structs.replace(record, evaluations=[])
    ledger.trained(unasked, [{"epoch": 0, "val_top1": 0.5}], as_bytes(model.state_dict()))
    ledger.evaluated(record, pa.concat_tables(map(said, record.evaluations)))
    return record


def finished(folder: Path, trials: list[Trial]) -> list[Record]:
    """A sweep of these trials, all finished."""
    ledger = Ledger(Storage.at(folder))
    return [finish(ledger, trial, 0.05 if trial.training.seed == 42 else 0.0) for trial in trials]

"""Memory of a sweep that trains on streamed clips: flat, with a dataset of twenty object stores."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import ray
from ray._private.internal_api import memory_summary

from rac_ray.sweep.attempt import run_task
from rac_ray.training.classifier import Classifier
from tests.data.test_ahead import GREY, resident_bytes
from tests.sweep.running import run
from tests.sweep.tiny_sweep import GRID, QUICK, plan_of

STORE, CLIPS = 100_000_000, 25_000
LONG = replace(QUICK, batch_size=64, max_epochs=1)
ONE = replace(GRID, models=("cnn3d",), seeds=(3,), train_clips=CLIPS, recipes={"cnn3d": LONG})


@pytest.fixture
def small_store() -> Iterator[None]:
    ray.init("local", num_cpus=2, object_store_memory=STORE, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def weighed(driver: int, found: str, config: dict[str, Any], **given: Any) -> None:
    """A trainable: every tenth step adds to a file what the driver and all that it started have in memory."""
    original = Classifier.training_step

    def training_step(self: Classifier, batch: Any, batch_idx: int) -> Any:
        if batch_idx % 10 == 9:
            with Path(found).open("a") as lines:
                lines.write(f"{resident_bytes(driver)}\n")
        return original(self, batch, batch_idx)

    with patch.object(Classifier, "training_step", training_step):
        run_task(config, **given)


@pytest.mark.slow
@pytest.mark.usefixtures("small_store")
def test_an_epoch_of_twenty_object_stores_is_trained_in_flat_memory(tmp_path: Path) -> None:
    """2 GB of clips: nothing is spilled, and driver, trial, tasks and object store do not grow with the epoch."""
    assert CLIPS * prod(GREY) > 20 * STORE
    plan = plan_of(ONE, tmp_path / "results", tmp_path / "data", asked={"feed": ["streamed"]})
    run(plan, partial(weighed, os.getpid(), str(tmp_path / "found")))
    record = plan.ledger.record(plan.tasks[0].training_id)
    assert record is not None
    assert record.way == "streamed"
    used = [int(line) for line in (tmp_path / "found").read_text().split()]
    assert len(used) == CLIPS // 64 // 10
    assert max(used) - used[1] < STORE, used
    assert max(used[len(used) // 2 :]) - max(used[: len(used) // 2]) < 50_000_000, f"flat over the epoch: {used}"
    assert "Spilled" not in memory_summary(stats_only=True)

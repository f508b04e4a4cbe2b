"""The product's worker group with a single worker, NCCL on a GPU, gloo on a CPU: Ray Train and Lightning's DDP."""

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import ray
import torch
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from benchmarks.gpu.clips import clips
from benchmarks.gpu.fitting import TRAIN, VAL, fitted, precision_of
from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from rac_ray.identity import Recipe
from rac_ray.store.storage import Storage
from rac_ray.sweep.session import RAY_ENVIRONMENT, WORKER_ENVIRONMENT
from rac_ray.sweep.worker import group_of_workers


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """One row."""
    yield tried({"workers": 1}, lambda: _through_ray(device, sizes))


def _through_ray(device: torch.device, sizes: Sizes) -> Row:
    os.environ.update({**RAY_ENVIRONMENT, **WORKER_ENVIRONMENT})
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            began = time.monotonic()
            result = TorchTrainer(
                _loop,
                train_loop_config={"batch": sizes.batch, "hidden_units": sizes.fitted_hidden_units},
                scaling_config=ScalingConfig(num_workers=1, use_gpu=device.type == "cuda"),
                run_config=RunConfig(name="group", storage_path=scratch),
            ).fit()
            value: Any = result.return_value
            return {**value, "seconds": time.monotonic() - began}
    finally:
        ray.shutdown()


def _loop(config: dict[str, Any]) -> Row:
    batch, group = config["batch"], group_of_workers()
    precision = precision_of(torch.device(group.place.device))
    recipe = Recipe(batch_size=batch, max_epochs=2, patience=2).resolved(precision)
    parts = {TRAIN: clips("2dot", "train", 2 * batch), VAL: clips("2dot", "val", batch)}
    trained = "timesformer1", config["hidden_units"], recipe, parts
    with tempfile.TemporaryDirectory() as scratch:
        grouped = fitted(*trained, Storage.at(scratch), group.place, **group.lightning)
    backend = torch.distributed.get_backend()
    with tempfile.TemporaryDirectory() as scratch:
        alone = fitted(*trained, Storage.at(scratch), group.place)
    pairs = zip(grouped.epochs, alone.epochs, strict=True)
    apart = max(abs(one["train_loss"] - other["train_loss"]) / other["train_loss"] for one, other in pairs)
    return {"backend": backend, "device": group.place.device, "precision": recipe.precision, "loss": apart}

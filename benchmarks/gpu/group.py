"""The product's worker group with a single worker, NCCL on a GPU, gloo on a CPU: Ray Train and Lightning's DDP."""

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from typing import Any, cast

import ray
import torch
from rac_ray.training.worker import group_options
from rac_ray.trial import Recipe, Trial
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device

from benchmarks.gpu.clips import clips
from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from rac_ray.storage import Storage
from rac_ray.sweep.session import RAY_ENVIRONMENT, WORKER_ENVIRONMENT
from rac_ray.training.fit import fit


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
    batch = config["batch"]
    recipe = Recipe(batch_size=batch, max_epochs=2, patience=2)
    trial = Trial("timesformer1", config["hidden_units"], "2dot", 0, recipe, "benchmark", "optdigits")
    drawn = clips("2dot", "train", 2 * batch), clips("2dot", "val", batch)
    device = cast(torch.device, get_device())
    options = {**group_options(1), "report": lambda _row: None}
    with tempfile.TemporaryDirectory() as scratch:
        grouped = fit(trial, *drawn, Storage.at(scratch), device=device, **options)
    backend = torch.distributed.get_backend()
    with tempfile.TemporaryDirectory() as scratch:
        alone = fit(trial, *drawn, Storage.at(scratch), device=device)
    pairs = zip(grouped.epochs, alone.epochs, strict=True)
    apart = max(abs(one["train_loss"] - other["train_loss"]) / other["train_loss"] for one, other in pairs)
    return {"backend": backend, "device": str(device), "precision": grouped.precision, "loss": apart}

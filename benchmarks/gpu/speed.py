"""A training step of each model and size: plain PyTorch, ours, and ours as a CUDA graph; no loader on any side."""

import gc
from collections.abc import Iterator
from dataclasses import asdict

import torch

from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from benchmarks.gpu.steps import SIDES, Step, kernels, step_of, timed
from benchmarks.plain import PLAIN_MODELS


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """One row per size, model and side."""
    for hidden_units in sizes.timed_hidden_units:
        for model in PLAIN_MODELS:
            for side in SIDES:
                key = {"model": model, "hidden_units": hidden_units, "side": side, "batch": sizes.batch}
                yield tried(key, lambda key=key: _measured(key, device, sizes))


def _measured(key: Row, device: torch.device, sizes: Sizes) -> Row:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    step = step_of(key["side"], key["model"], key["hidden_units"], sizes.batch, sizes.resident_clips, device)
    timing = timed(step, device, sizes.timing_seconds)
    found = {**asdict(timing), "clips_per_second": 1000 * sizes.batch / timing.ms}
    return found if device.type == "cpu" else {**found, **_on_the_gpu(step, timing.ms)}


def _on_the_gpu(step: Step, ms: float) -> Row:
    peak = torch.cuda.max_memory_allocated()
    count, busy_ms = kernels(step)
    recorded = getattr(getattr(step, "__self__", None), "recorded", None)
    refused = bool(recorded and recorded.given_up)
    return {"peak_bytes": peak, "kernels": count, "busy_ms": busy_ms, "busy": busy_ms / ms, "refused": refused}

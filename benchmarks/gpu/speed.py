"""A training step of each model and size: plain PyTorch, ours, ours as a CUDA graph, and several seeds as one model.

No loader on any side.
"""

from collections.abc import Iterator
from dataclasses import asdict

import torch

from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from benchmarks.gpu.steps import SIDES, STACKED_SIDES, WARM_UP, Step, kernels, start_afresh, step_of, timed
from benchmarks.plain import PLAIN_MODELS


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """One row per size, model and side with its time; then, on a GPU, one each with its kernels.

    All times come first: once PyTorch's profiler has run in a process, each kernel is slower to start.
    """
    for kind, measure in (("time", _time), *([("kernels", _kernels)] if device.type == "cuda" else [])):
        for hidden_units in sizes.timed_hidden_units:
            for model in PLAIN_MODELS:
                for side in (*SIDES, *STACKED_SIDES):
                    key = {"kind": kind, "model": model, "hidden_units": hidden_units, "side": side}
                    key["seeds"] = sizes.stacked_seeds if side in STACKED_SIDES else 1
                    yield tried(key, lambda key=key, measure=measure: measure(key, device, sizes))


def _step(key: Row, device: torch.device, sizes: Sizes) -> Step:
    start_afresh(device)
    trained, clips = (key["side"], key["model"], key["hidden_units"]), (sizes.batch, sizes.resident_clips)
    return step_of(*trained, *clips, device, key["seeds"])


def _time(key: Row, device: torch.device, sizes: Sizes) -> Row:
    step = _step(key, device, sizes)
    timing = timed(step, device, sizes.timing_seconds)
    found = {**asdict(timing), "clips_per_second": 1000 * sizes.batch * key["seeds"] / timing.ms}
    if device.type == "cpu":
        return found
    recorded = getattr(getattr(step, "__self__", None), "recorded", None)
    refused = bool(recorded and recorded.given_up)
    return {**found, "peak_bytes": torch.cuda.max_memory_allocated(), "refused": refused}


def _kernels(key: Row, device: torch.device, sizes: Sizes) -> Row:
    step = _step(key, device, sizes)
    for _ in range(WARM_UP):
        step()
    count, busy_ms = kernels(step)
    return {"kernels": count, "busy_ms": busy_ms}

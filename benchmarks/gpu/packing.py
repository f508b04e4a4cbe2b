"""Several processes that train on one GPU at the same time: clips per second of all together, with and without MPS.

As a program (``python -m benchmarks.gpu.packing``) it is one of those processes: each line on its input is a job, each
line of its output the clips per second that it made.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.rows import Row, tried
from benchmarks.gpu.sections import Sizes
from benchmarks.gpu.steps import WARM_UP, step_of
from benchmarks.roofline import synchronise

MODELS = ("timesformer8", "convlstm")
"""Those that the study spends most of its time on."""
HIDDEN_UNITS = 8
CONTROL = "nvidia-cuda-mps-control"
"""NVIDIA's server that lets kernels of several processes run at the same time."""


def rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """One row per model, side and number of processes; then the same with MPS where it can be started."""
    yield from _all(device, sizes, {}, mps=False)
    if device.type == "cpu" or shutil.which(CONTROL) is None:
        yield {"mps": True, "skipped": f"{CONTROL} is not installed here"}
        return
    with tempfile.TemporaryDirectory() as scratch:
        environment = {"CUDA_MPS_PIPE_DIRECTORY": f"{scratch}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{scratch}/log"}
        for folder in environment.values():
            Path(folder).mkdir()
        started = subprocess.run([CONTROL, "-d"], env=os.environ | environment, capture_output=True, text=True)
        if started.returncode:
            yield {"mps": True, "skipped": f"{CONTROL} did not start: {(started.stderr or started.stdout).strip()}"}
            return
        try:
            yield from _all(device, sizes, environment, mps=True)
        finally:
            subprocess.run([CONTROL], input="quit\n", env=os.environ | environment, text=True, timeout=20, check=False)


def _all(device: torch.device, sizes: Sizes, environment: Mapping[str, str], mps: bool) -> Iterator[Row]:
    try:
        with _processes(max(sizes.processes), environment) as processes:
            for model in MODELS:
                for side in ("eager", "graphs"):
                    for count in sizes.processes:
                        job = {"side": side, "model": model, "hidden_units": HIDDEN_UNITS, "batch": sizes.batch}
                        job |= {"resident": sizes.resident_clips, "device": device.type}
                        key = {"mps": mps, "model": model, "hidden_units": HIDDEN_UNITS, "side": side}
                        group, seconds = processes[:count], sizes.packing_seconds
                        yield tried(
                            {**key, "processes": count},
                            lambda group=group, job=job, seconds=seconds: _together(group, job, seconds),
                        )
    except BrokenPipeError:
        yield {"mps": mps, "error": "a process ended before its work did"}


def _together(processes: Sequence[subprocess.Popen[str]], job: Row, seconds: float) -> Row:
    """Prepare all, then let them go at the same time."""
    _ask(processes, {**job, "seconds": 0})
    rates = _ask(processes, {**job, "seconds": seconds})
    return {"clips_per_second": sum(rates), "slowest": min(rates), "fastest": max(rates)}


def _ask(processes: Sequence[subprocess.Popen[str]], job: Row) -> list[float]:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
    answers = []
    for process in processes:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended with {process.wait()}")
        answers.append(float(line))
    return answers


@contextmanager
def _processes(count: int, environment: Mapping[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command, variables = [sys.executable, "-m", "benchmarks.gpu.packing"], {**os.environ, **environment}
    with ExitStack() as stack:
        started = [stack.enter_context(subprocess.Popen(command, env=variables, **pipes)) for _ in range(count)]
        try:
            yield started
        finally:
            for process in started:
                process.kill()


def main() -> None:
    torch.set_num_threads(1)
    key, step = None, lambda: None
    for line in sys.stdin:
        job = json.loads(line)
        seconds, device = job.pop("seconds"), torch.device(job.pop("device"))
        if key != job:
            key, step = job, step_of(**job, device=device)
            for _ in range(WARM_UP):
                step()
        synchronise(device)
        print(_rate(step, seconds, device) * job["batch"], flush=True)


def _rate(step: Any, seconds: float, device: torch.device) -> float:
    """Steps per second, synchronised every few so that none runs far ahead of its device."""
    made, began = 0, time.perf_counter()
    while (now := time.perf_counter() - began) < seconds:
        for _ in range(4):
            step()
        made += 4
        synchronise(device)
    return made / now if made else 0.0


if __name__ == "__main__":
    main()

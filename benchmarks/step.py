"""The training step alone, ours against plain PyTorch: ``make bench-step``, ``python -m benchmarks.step --help``.

From a batch of uint8 clips in memory to the optimiser's step, on one thread. Per model and size one process has both
sides and lets them take turns, with the allocator as the sweep sets it, in CPU seconds: what else the machine does
counts as little as can be. Peak memory is that of a process for each side. Beside it five seeds as one stack. What
``benchmarks.speed`` finds beyond this is the loader's and the process layout's.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.agreement import compare
from benchmarks.arguments import Parser
from benchmarks.plain import PLAIN_MODELS, build_plain
from benchmarks.run import ROOT, machine
from rac_ray.cli.exits import run_command
from rac_ray.cli.values import integer
from rac_ray.errors import DONE, FAILED
from rac_ray.identity import Recipe
from rac_ray.models import build_model
from rac_ray.models.stacked import outputs_of, stacked, together
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.sweep.options import words as listed
from rac_ray.sweep.session import WORKER_ENVIRONMENT
from rac_ray.training.classifier import to_unit_range
from rac_ray.training.optimisers import optimiser_of

SIDES = ("plain", "ours", "stack")
STACKED = 5
"""Seeds of a stack."""
PROMISED = {2: 2.0, 8: 2.0, 48: 1.3}
"""Plain time over ours, by hidden units."""
COMPARED_WORK = 256
"""Clips times hidden units of a comparison: float64 is slow on a CPU."""

Step = Callable[[], None]
Row = dict[str, Any]


def clips_of(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips of the study (N, T, 1, H, W) uint8 and labels (N,)."""
    clips = [make_clip(TemporalShapeSpec(), "2dot", "train", index) for index in range(count)]
    frames, labels = np.stack([clip.frames for clip in clips]), np.array([clip.label for clip in clips])
    return torch.from_numpy(frames[:, :, None]), torch.from_numpy(labels)


def step_of(side: str, model: str, hidden_units: int, batch: int) -> Step:
    """A training step of one of ``SIDES``; a stack's is one of each seed."""
    frames, labels = clips_of(batch)
    if side == "stack":
        return _stack_step([build_model(model, hidden_units) for _ in range(STACKED)], frames, labels)
    built = build_plain(model, hidden_units) if side == "plain" else build_model(model, hidden_units)
    optimiser = optimiser_of(built, Recipe(), on_gpu=False)

    def step() -> None:
        optimiser.zero_grad()
        nn.functional.cross_entropy(built(to_unit_range(frames)), labels).backward()
        optimiser.step()

    return step


def _stack_step(models: Sequence[nn.Module], frames: torch.Tensor, labels: torch.Tensor) -> Step:
    whole = stacked(models)
    optimiser = optimiser_of(whole, Recipe(), on_gpu=False)

    def step() -> None:
        optimiser.zero_grad()
        for places in together(frames.device, len(models)):
            (logits,) = outputs_of(whole, places, to_unit_range(frames)[None])
            nn.functional.cross_entropy(logits, labels).backward()
        optimiser.step()

    return step


def measured(model: str, hidden_units: int, batch: int, repeats: int) -> Row:
    """CPU milliseconds of a clip on each side, the median of steps taken in turns, and whether both agree."""
    steps = {side: step_of(side, model, hidden_units, batch) for side in SIDES}
    taken: dict[str, list[float]] = {side: [] for side in SIDES}
    for turn in range(repeats + 1):
        for side, step in steps.items():
            began = time.process_time()
            step()
            if turn:
                taken[side].append(time.process_time() - began)
    clips = {side: batch * (STACKED if side == "stack" else 1) for side in SIDES}
    found: Row = {side: 1000 * statistics.median(taken[side]) / clips[side] for side in SIDES}
    ratios = [plain / ours for plain, ours in zip(taken["plain"], taken["ours"], strict=True)]
    found |= {"ratio": found["plain"] / found["ours"], "ratios": [min(ratios), max(ratios)]}
    few = max(2, min(batch, COMPARED_WORK // hidden_units))
    agreement = compare(model, hidden_units, *clips_of(few), torch.float32)
    return {**found, "logits": agreement.training_logits, "agrees": agreement.holds}


def peak(side: str, model: str, hidden_units: int, batch: int) -> Row:
    """The most memory of this process in three steps."""
    step = step_of(side, model, hidden_units, batch)
    for _ in range(3):
        step()
    return {"peak_bytes": int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024}


def apart(*what: object) -> Row:
    """What a process of its own measures, on one thread, with the sweep's allocator."""
    environment = {**os.environ, **WORKER_ENVIRONMENT, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.step", "--measure", json.dumps(what)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def row_of(model: str, hidden_units: int, batch: int, repeats: int) -> Row:
    """All of one model and size."""
    found = {"model": model, "hidden_units": hidden_units, "batch": batch}
    found |= apart("measured", model, hidden_units, batch, repeats)
    for side in ("plain", "ours"):
        found[f"{side}_bytes"] = apart("peak", side, model, hidden_units, batch)["peak_bytes"]
    return found


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    head = "model | h | batch | plain, ms/clip | ours, ms/clip | plain / ours | in single steps | promised | "
    head += f"{STACKED} seeds stacked, ms/clip | plain, GB | ours, GB | logits apart | agree"
    lines = [f"| {head} |", "|---" * 13 + "|"]
    for row in rows:
        low, high = row["ratios"]
        promised = PROMISED.get(row["hidden_units"])
        cells = [
            row["model"], str(row["hidden_units"]), str(row["batch"]), f"{row['plain']:.2f}", f"{row['ours']:.2f}",
            f"{row['ratio']:.2f}", f"{low:.2f} to {high:.2f}", f"{promised:g}" if promised else "-",
            f"{row['stack']:.2f}", f"{row['plain_bytes'] / 1e9:.2f}", f"{row['ours_bytes'] / 1e9:.2f}",
            f"{row['logits']:.1e}", "yes" if row["agrees"] else "no",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 where a model does not agree with the plain one."""
    parser = Parser(prog="python -m benchmarks.step", description="The training step alone against plain PyTorch.")
    add = parser.add_argument
    add("--models", type=listed, default=list(PLAIN_MODELS), metavar="A,B", help="models (default: all)")
    add("--hidden-units", type=listed, default=["2", "8", "48"], metavar="2,8", help="default: 2,8,48")
    add("--batch-size", type=integer("--batch-size", 2), default=64, help="default: %(default)s, at h=48 a quarter")
    add("--repeats", type=integer("--repeats", 1), default=5, help="steps of each side (default: %(default)s)")
    add("--measure", help="in a process of its own: what, as JSON")
    options = parser.parse_args(arguments)
    if options.measure:
        what, *given = json.loads(options.measure)
        torch.set_num_threads(1)
        print(json.dumps({"measured": measured, "peak": peak}[what](*given)))
        return DONE
    rows = []
    for hidden_units in (integer("hidden units", 1)(text) for text in options.hidden_units):
        batch = options.batch_size if hidden_units < 48 else max(2, options.batch_size // 4)
        for model in options.models:
            print(f"{model} h={hidden_units} ..", file=sys.stderr, flush=True)
            rows.append(row_of(model, hidden_units, batch, options.repeats))
    print(f"{machine()}, {time.strftime('%Y-%m-%d')}\n\n{table(rows)}")
    return DONE if all(row["agrees"] for row in rows) else FAILED


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))

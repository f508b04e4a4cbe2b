"""Training and evaluation against plain PyTorch: ``make bench-speed``, ``python -m benchmarks.speed --help``.

Per model and number of hidden units, each in processes of its own and one after the other: the plain reference
(``benchmarks.plain``, torch's and the allocator's defaults), ours on all cores, and on a CPU ours as the sweep runs
it: a process for each core, one thread each, as many as the memory holds. Beside them: whether ours computes the same
(``benchmarks.agreement``) and what the device could do at most (``benchmarks.roofline``).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO

import numpy as np
import psutil
import torch

from benchmarks.agreement import Agreement, compare
from benchmarks.arguments import Parser
from benchmarks.measure import READY, TEST, TRAIN, Measured, Task
from benchmarks.plain import PLAIN_MODELS, build_plain, write_jpegs
from benchmarks.roofline import Rates, measured_rates, work_per_clip
from benchmarks.run import ROOT, machine
from benchmarks.speed_tables import Row, report
from rac_ray.cli.values import integer, number
from rac_ray.errors import BAD_INPUT, FAILED, BadInput, one_of
from rac_ray.models import build_model
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.sweep.options import words as listed
from rac_ray.sweep.session import WORKER_ENVIRONMENT, cores_here

HIDDEN_UNITS = (2, 8, 16, 48)
DEVICES = ("cpu", "cuda")
TEST_CLIPS = {"cpu": 512, "cuda": 4096}
"""About a test set of the study, or all that a trial is evaluated on, in whole batches."""
COMPARED_WORK = 256
"""Clips times hidden units of a comparison: float64 is slow on a CPU."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SHARE_OF_MEMORY = 0.9
"""Of what is free, for processes side by side."""


class Broken(Exception):
    """A measuring process ended without a result; told in one sentence."""


class Others:
    """How much of the machine was not ours: two threads that wait for each other suffer from any of it."""

    def __init__(self) -> None:
        self._started, self._busy, self._own = time.monotonic(), *self._seconds()

    def share(self) -> float:
        """Since the beginning; processes that we started count as ours once they have ended."""
        busy, own = self._seconds()
        all_of_it = (time.monotonic() - self._started) * (os.cpu_count() or 1)
        return max(0.0, (busy - self._busy) - (own - self._own)) / all_of_it

    @staticmethod
    def _seconds() -> tuple[float, float]:
        """Of all processes, and of this one with the children that have ended."""
        times, own = psutil.cpu_times()._asdict(), os.times()
        idle = times["idle"] + times.get("iowait", 0.0)
        guests = times.get("guest", 0.0) + times.get("guest_nice", 0.0)
        return sum(times.values()) - idle - guests, sum(own[:4])


def environment(given: Mapping[str, str], ours: bool) -> dict[str, str]:
    """A process's environment: the allocator's and torch's defaults, or what the sweep sets."""
    plain = {name: value for name, value in given.items() if name not in (*WORKER_ENVIRONMENT, *THREAD_VARIABLES)}
    return plain | WORKER_ENVIRONMENT if ours else plain


def measured(tasks: Sequence[Task]) -> list[Measured]:
    """Run tasks side by side, each in its process; they begin to train, and to evaluate, together."""
    with ExitStack() as stack:
        started = []
        for task in tasks:
            said = stack.enter_context(tempfile.TemporaryFile("w+"))
            command = [sys.executable, "-m", "benchmarks.measure", json.dumps(asdict(task))]
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(os.environ, task.side == "ours"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
            stack.callback(_end, process)
            started.append((task, process, said))
        for _ in ("training", "evaluation"):
            for each in started:
                while _line(*each) != READY:
                    continue
            for _, process, _ in started:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
        return [Measured(**json.loads(_line(*each))) for each in started]


def _line(task: Task, process: subprocess.Popen[str], said: IO[str]) -> str:
    """The next line of a process that must have one."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if line:
        return line.strip()
    said.seek(0)
    last = (said.read().strip().splitlines() or ["nothing; was its memory too small?"])[-1]
    raise Broken(f"{task.name}: ended with {process.wait()} and said: {last}")


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def make_data(folder: Path, train_clips: int, test_clips: int) -> None:
    """The training and the test set, as JPEG files for the plain side and as arrays for ours: the same pixels."""
    for split, count in ((TRAIN, train_clips), (TEST, test_clips)):
        write_jpegs(folder / split, "2dot", split, count)
        clips = [make_clip(TemporalShapeSpec(), "2dot", split, index) for index in range(count)]
        frames, labels = np.stack([clip.frames for clip in clips]), np.array([clip.label for clip in clips])
        np.savez(folder / f"{split}.npz", frames=frames, labels=labels)


def measure_row(task: Task) -> Row:
    """Everything about one model; ``task`` is that of ours on all cores."""
    device, others = torch.device(task.device), Others()
    problems: list[str] = []

    def side(tasks: Sequence[Task]) -> list[Measured]:
        try:
            return measured(tasks)
        except Broken as error:
            problems.append(str(error))
            return []

    plain, ours = side([replace(task, side="plain", threads=0)]), side([task])
    together: list[Measured] = []
    if task.device == "cpu" and ours:
        fitting = int(SHARE_OF_MEMORY * psutil.virtual_memory().available / ours[0].peak_bytes)
        together = side([replace(task, threads=1)] * max(1, min(cores_here(), fitting)))
    others_share = others.share()
    agreements = agreement_of(task)
    problems += [each.complaint() for each in agreements if not each.holds]
    return Row(
        task.model,
        task.hidden_units,
        plain[0] if plain else None,
        ours[0] if ours else None,
        together,
        agreements,
        *work_per_clip(build_plain(task.model, task.hidden_units), task.batch_size, device),
        others_share,
        problems,
    )


def agreement_of(task: Task) -> list[Agreement]:
    """Ours against plain in float32, on a GPU in 16 bits, too."""
    with np.load(Path(task.folder) / f"{TRAIN}.npz") as arrays:
        count = max(2, min(task.batch_size, COMPARED_WORK // task.hidden_units))
        frames, labels = arrays["frames"][:count, :, None], arrays["labels"][:count]
    batch = torch.from_numpy(frames).to(task.device), torch.from_numpy(labels).to(task.device)
    precisions = (torch.float32, torch.float16) if task.device == "cuda" else (torch.float32,)
    return [compare(task.model, task.hidden_units, *batch, precision) for precision in precisions]


def as_json(rows: Sequence[Row], rates: Rates, options: argparse.Namespace) -> str:
    """Everything that was measured, and under which options."""
    asked = {name: getattr(options, name) for name in ("device", "seconds", "batch_size", "clips", "cuda_graphs")}
    content = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), **asked, "rates": asdict(rates)}
    return json.dumps({**content, "rows": [asdict(row) for row in rows]}, indent=1)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; BadInput for what cannot be measured."""
    parser = Parser(prog="python -m benchmarks.speed", description="Training and evaluation against plain PyTorch.")
    add = parser.add_argument
    add("--models", type=listed, default=list(PLAIN_MODELS), metavar="A,B", help="models (default: all)")
    add("--hidden-units", type=listed, default=[*map(str, HIDDEN_UNITS)], metavar="2,8", help="default: 2,8,16,48")
    add("--seconds", type=number("--seconds"), default=5.0, help="of each measurement (default: %(default)s)")
    add("--batch-size", type=integer("--batch-size", 2), default=64, help="of training (default: %(default)s)")
    add("--clips", type=integer("--clips", 2), default=4000, help="training clips of an epoch (default: %(default)s)")
    add("--device", default=DEVICES[torch.cuda.is_available()], help="cpu or cuda (default: %(default)s)")
    add("--cuda-graphs", action="store_true", help="ours with its training steps replayed, as in a sweep")
    add("--json", metavar="FILE", help="also write everything that was measured")
    options = parser.parse_args(arguments)
    options.hidden_units = [integer("hidden units", 1)(text) for text in options.hidden_units]
    if options.device not in DEVICES:
        raise one_of("device", options.device, DEVICES)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise BadInput("device 'cuda' is not here; valid: cpu")
    if options.clips < options.batch_size:
        raise BadInput(f"--clips is {options.clips}; valid: the batch size of {options.batch_size} or more")
    for model in options.models:
        if model not in PLAIN_MODELS:
            raise one_of("model", model, PLAIN_MODELS)
        for hidden_units in options.hidden_units:
            with torch.device("meta"):
                build_model(model, hidden_units)
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return the exit code."""
    options = parsed(arguments)
    device = torch.device(options.device)
    torch.set_num_threads(cores_here())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        make_data(Path(folder), options.clips, min(TEST_CLIPS[options.device], options.clips))
        rates = measured_rates(device)
        for model in options.models:
            for hidden_units in options.hidden_units:
                print(f"{model} h={hidden_units} ..", file=sys.stderr, flush=True)
                task = Task(
                    side="ours",
                    model=model,
                    hidden_units=hidden_units,
                    batch_size=options.batch_size,
                    seconds=options.seconds,
                    device=options.device,
                    threads=cores_here(),
                    folder=folder,
                    cuda_graphs=options.cuda_graphs,
                )
                rows.append(measure_row(task))
    print(report(rows, rates, device, options.batch_size))
    if options.json:
        Path(options.json).write_text(as_json(rows, rates, options))
    problems = [problem for row in rows for problem in row.problems]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return FAILED if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)

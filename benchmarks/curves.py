"""Cost curves: ``make bench-curves`` draws clips per second and memory of training against hidden units, batch size and
the number of trials side by side (``benchmarks/cost-curves.png``, ``.svg`` and, for the figures, ``.json``).

Everything is measured by the package's own ``fit``, in processes as the sweep starts them: one thread each on a CPU.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.arguments import Parser
from benchmarks.measure import Task
from benchmarks.run import machine
from benchmarks.speed import Broken, make_data, measured
from rac_ray.cli.values import number
from rac_ray.errors import BAD_INPUT, FAILED, BadInput, one_of
from rac_ray.models import MODELS
from rac_ray.results.figures import look_of
from rac_ray.studies.temporal_shape.grid import MODELS as PAPERS
from rac_ray.sweep.options import words as listed

HERE = Path(__file__).parent
HIDDEN_UNITS = {"cpu": (2, 4, 8, 16, 32), "cuda": (2, 4, 8, 16, 24, 32, 48)}
BATCH_SIZES = {"cpu": (4, 16, 64), "cuda": (16, 64, 256, 1024)}
SIDE_BY_SIDE = {"cpu": (1, 2, 4), "cuda": (1, 2, 4, 8, 16)}
USUAL_HIDDEN_UNITS = 8
USUAL_BATCH = {"cpu": 16, "cuda": 64}
CLIPS = {"cpu": 128, "cuda": 4000}


@dataclass(frozen=True)
class Point:
    """One measurement."""

    model: str
    hidden_units: int
    batch_size: int
    processes: int
    clips_per_second: float
    """Trained, all processes together."""
    peak_bytes: int
    """Of one process: resident on a CPU, allocated by torch on a GPU."""


def measure_point(task: Task, processes: int) -> Point:
    """Train in ``processes`` processes side by side."""
    found = measured([task] * processes)
    rate, peak = sum(each.training for each in found), max(each.peak_bytes for each in found)
    return Point(task.model, task.hidden_units, task.batch_size, processes, rate, peak)


def wanted(device: str, models: Sequence[str]) -> list[tuple[str, int, int, int]]:
    """(model, hidden units, batch size, processes) of all curves; what two curves share is measured once."""
    usual = USUAL_BATCH[device]
    curves = [
        *((hidden, usual, 1) for hidden in HIDDEN_UNITS[device]),
        *((USUAL_HIDDEN_UNITS, batch, 1) for batch in BATCH_SIZES[device]),
        *((USUAL_HIDDEN_UNITS, usual, count) for count in SIDE_BY_SIDE[device]),
    ]
    return [(model, *place) for model in models for place in dict.fromkeys(curves)]


def draw(points: Sequence[Point], device: str, title: str) -> Figure:
    """Two rows (speed, memory) by three columns (hidden units, batch size, trials side by side)."""
    mpl.rcParams["svg.hashsalt"] = "rac_ray"
    figure = Figure(figsize=(11, 6), layout="constrained")
    usual = USUAL_BATCH[device]
    columns = (
        ("hidden_units", "hidden units", {"batch_size": usual, "processes": 1}),
        ("batch_size", "batch size", {"hidden_units": USUAL_HIDDEN_UNITS, "processes": 1}),
        ("processes", "trials side by side", {"hidden_units": USUAL_HIDDEN_UNITS, "batch_size": usual}),
    )
    axes = figure.subplots(2, 3, sharex="col", sharey="row")
    for (axis, said, fixed), column in zip(columns, axes.T, strict=True):
        here = [point for point in points if all(getattr(point, name) == value for name, value in fixed.items())]
        for model in dict.fromkeys(point.model for point in here):
            mine = sorted((point for point in here if point.model == model), key=lambda point: getattr(point, axis))
            places, (label, colour, marker) = [getattr(point, axis) for point in mine], look_of(model)
            memory = [point.peak_bytes * point.processes / 1e9 for point in mine]
            for row, values in zip(column, ([point.clips_per_second for point in mine], memory), strict=True):
                row.plot(places, values, color=colour, marker=marker, label=label)
        for each in column:
            _logarithmic(each, sorted({getattr(point, axis) for point in here}))
        column[1].set_xlabel(said)
    axes[0, 0].set_ylabel("trained clips/s, all trials")
    axes[1, 0].set_ylabel("peak memory of all trials, GB")
    axes[0, 0].legend()
    figure.suptitle(title, fontsize="medium")
    return figure


def _logarithmic(axes: Axes, ticks: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.grid(visible=True, which="major", alpha=0.3)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; BadInput for a model that does not exist."""
    parser = Parser(prog="python -m benchmarks.curves", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--models", type=listed, default=list(PAPERS), metavar="A,B", help="default: the paper's")
    parser.add_argument("--seconds", type=number("--seconds"), default=2.0, help="of each point (default: %(default)s)")
    parser.add_argument("--out", default=str(HERE), help="folder of the files (default: benchmarks)")
    options = parser.parse_args(arguments)
    for model in options.models:
        if model not in MODELS:
            raise one_of("model", model, MODELS)
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure, write the three files, and return the exit code."""
    options = parsed(arguments)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    points, problems = [], []
    with tempfile.TemporaryDirectory() as folder:
        clips = max(CLIPS[device], *BATCH_SIZES[device])
        make_data(Path(folder), clips, clips)
        for model, hidden_units, batch, processes in wanted(device, options.models):
            task = Task("ours", model, hidden_units, batch, options.seconds, device, 1, folder)
            try:
                points.append(measure_point(task, processes))
            except Broken as error:  # too large for the device: the curve ends there, and that is told
                problems.append(str(error))
                continue
            print(points[-1], file=sys.stderr, flush=True)
    name = torch.cuda.get_device_name() if device == "cuda" else machine()
    title = f"{name}, {time.strftime('%Y-%m-%d')}: {USUAL_HIDDEN_UNITS} hidden units, batches of {USUAL_BATCH[device]}"
    figure, out = draw(points, device, f"{title} and one trial unless told"), Path(options.out)
    figure.savefig(out / "cost-curves.png", dpi=110, metadata={"Software": None})
    figure.savefig(out / "cost-curves.svg", metadata={"Date": None})
    content = {"machine": name, "points": [asdict(point) for point in points]}
    (out / "cost-curves.json").write_text(json.dumps(content, indent=1) + "\n")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return FAILED if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)

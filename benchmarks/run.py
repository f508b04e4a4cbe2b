"""Measure the promised speeds and print them as a Markdown table: ``make bench`` (about four minutes).

Rates are clips per second on one core; ratios are of two measurements in this same run. Everything is real: the
generator with its JPEG round trip, all shards of the paper preset, the resident loader inside a fit, and trials
through Ray Tune.
"""

import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import torch
from perlin_noise import PerlinNoise

from rac_ray.data.order import Share
from rac_ray.data.resident import ResidentBatches
from rac_ray.data.shards import Clips
from rac_ray.identity import Recipe
from rac_ray.models import Builder
from rac_ray.results import load
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.studies.temporal_shape.trajectories import NUM_FRAMES
from rac_ray.sweep.planner import make_plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from rac_ray.sweep.session import WORKER_ENVIRONMENT
from rac_ray.training.device import processor_name
from rac_ray.training.fit import fit

ROOT = Path(__file__).parents[1]
Row = tuple[str, str, str]


def machine() -> str:
    """The machine, named by what matters here."""
    memory = psutil.virtual_memory().total / 2**30
    software = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{os.cpu_count()} x {processor_name()}, {memory:.0f} GiB, {software}"


def generation() -> Iterator[Row]:
    """Clips per second on one core, JPEG round trip included."""
    spec = TemporalShapeSpec()
    for domain, target in (("2dot", 1500), ("5dot", None), ("mnist", None), ("mnist_bg", 800), ("mnist_bg_half", None)):
        rates = []
        for _ in range(3):
            started = time.perf_counter()
            for index in range(600):
                make_clip(spec, domain, "train", index)
            rates.append(600 / (time.perf_counter() - started))
        yield f"generate {domain}", f"{np.median(rates):,.0f} clips/s", f"at least {target:,}" if target else ""


def noise_against_the_package() -> Row:
    """One mnist_bg clip against the noise of its twenty frames from the perlin-noise package alone."""
    started = time.perf_counter()
    for seed in range(1, 4):
        noise = PerlinNoise(octaves=9, seed=seed)
        for i in range(64):
            for j in range(64):
                noise([i / 64, j / 64])
    theirs = (time.perf_counter() - started) / 3 * NUM_FRAMES
    started = time.perf_counter()
    for index in range(300):
        make_clip(TemporalShapeSpec(), "mnist_bg", "train", index)
    ours = (time.perf_counter() - started) / 300
    return "a whole mnist_bg clip, against 20 noise frames by perlin-noise", f"{theirs / ours:,.0f} x faster", ""


def paper_shards(folder: Path) -> Iterator[Row]:
    """The real command on the paper preset's counts, with the peak memory of any one process."""
    command = f"{sys.executable} -m rac_ray.cli.command data generate {folder}"
    started = time.perf_counter()
    process = psutil.Popen(command.split(), cwd=ROOT, stdout=-3)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process))
        time.sleep(0.1)
    seconds = time.perf_counter() - started
    assert process.returncode == 0
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 1e6
    yield "all shards of the paper preset, Ray's start included", f"{seconds:.1f} s", "under 60 s"
    yield "peak private memory of driver, Ray and tasks together", f"{peak / 1e9:.2f} GB", "under 2 GB"
    yield "their size", f"{size:.0f} MB", ""


def _resident(process: psutil.Process) -> int:
    """Unique set size over a process and all of its descendants: the pages that are theirs alone."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().uss
        except psutil.Error:
            continue
    return total


def loader_share(clips: Clips) -> Iterator[Row]:
    """Seconds in the resident loader's own iterator as a share of a whole epoch, for the cheapest and another model."""
    for model, hidden_units in (("timesformer1", 2), ("cnn3d", 8)):
        recipe = Recipe(max_epochs=2, precision="32")
        shares = Share(recipe.batch_size, key=0), Share(recipe.batch_size, whole_steps=False)
        train, val = (ResidentBatches(clips, share) for share in shares)
        with tempfile.TemporaryDirectory() as scratch:
            folder, build = Storage.at(scratch), Builder(model, hidden_units)
            result = fit(build, recipe, 0, train, val, folder, device=torch.device("cpu"))
        epoch = min(row["seconds"] for row in result.epochs)
        started = time.perf_counter()
        for share in shares:
            for _ in ResidentBatches(clips, share):
                continue
        share = (time.perf_counter() - started) / epoch
        yield f"resident loader's share of an epoch, {model} h={hidden_units}", f"{100 * share:.2f} %", "under 2 %"


def ray_overhead(folder: Path) -> Iterator[Row]:
    """Trials of two epochs through Ray Tune on two CPUs: what a trial costs beyond training and evaluation."""
    recipe = Recipe(batch_size=16, max_epochs=2, patience=2)
    grid = Grid(("timesformer1",), (2,), tuple(range(12)), ("2dot",), 64, 16, 16, {"timesformer1": recipe})
    study = TemporalShape("overhead", {"all": grid}, "all")
    plan = make_plan(study, "all", str(folder / "results"), str(folder / "data"))
    said: list[tuple[float, str]] = []
    started = time.time()
    run_plan(plan, Resources(num_cpus=2), lambda line: said.append((time.time(), line)))
    begun = [when for when, line in said if " start " in line]
    done = [when for when, line in said if " done " in line]
    columns = ["seconds_total", "seconds_training", "seconds_evaluation"]
    total, training, evaluation = load(plan.ledger.storage.root).trials[columns].to_numpy(float).T
    overhead = np.sort(total - training - evaluation)
    later = overhead[:10]
    yield "Ray and set-up per trial, first of each process", f"{overhead[-1]:.2f} s", "reported"
    spread = f"{np.median(later):.2f}, {later[-1]:.2f} s"
    yield "Ray and set-up per trial, the others (median, worst)", spread, "under 1.5 s"
    busy = np.sort(training + evaluation)[:10].mean()
    between = f"{2 * (done[-1] - done[1]) / (len(done) - 2) - busy:.2f} s"
    yield "from one record to the next on a CPU, less training and evaluation", between, "under 1.5 s"
    yield "from a ready Ray to the first record", f"{done[0] - begun[0]:.1f} s", "reported"
    yield (
        "from the command to the first trial's start, Ray's start and data included",
        f"{begun[0] - started:.1f} s",
        "",
    )


def main() -> None:
    if not WORKER_ENVIRONMENT.keys() <= os.environ.keys():  # trials run in it, so the loader is measured in it
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.run"], {**os.environ, **WORKER_ENVIRONMENT})
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.set_num_threads(1)
    rows: list[Row] = [*generation(), noise_against_the_package()]
    frames = [make_clip(TemporalShapeSpec(), "2dot", "train", index) for index in range(640)]
    clips = Clips(
        np.stack([clip.frames for clip in frames]),
        np.array([clip.label for clip in frames]),
        [f"{index:06d}" for index in range(640)],
    )
    rows += loader_share(clips)
    with tempfile.TemporaryDirectory() as scratch:
        rows += paper_shards(Path(scratch) / "paper")
        rows += ray_overhead(Path(scratch))
    print(f"\n{machine()}, {time.strftime('%Y-%m-%d')}\n\n| what | measured | promised |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()

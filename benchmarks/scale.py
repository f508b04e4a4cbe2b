"""Past this machine: the study on 1 to 512 GPUs, simulated, and what breaks first: ``make bench-scale``.

A trial's epochs take what was measured on one H200 (RESULTS.md), its steps as graphs; sizes between the measured ones
lie on lines in logarithms. What a trial takes beside its epochs, and prices, are assumptions. ``--records FOLDER``
takes the times of finished trials instead, ``<storage>/<sweep>``.
"""

import random
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import pyarrow as pa

from benchmarks.arguments import Parser
from benchmarks.gpu.price import between
from benchmarks.plain_demo import trainings_of
from benchmarks.run import machine
from benchmarks.simulation import Outcome, Simulation, Site, Times
from rac_ray.cli.exits import run_command
from rac_ray.identity import Evaluation, Training, Trial
from rac_ray.store import files
from rac_ray.store.ledger import Ledger
from rac_ray.store.parquet import parquet_bytes
from rac_ray.store.record import Checkpoint, Record, evaluated, named
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.grid import PAPER
from rac_ray.sweep.forecast import epoch_bounds
from rac_ray.sweep.packing import Kind, Machine, Packing
from rac_ray.sweep.queue import Queue

EPOCHS: Mapping[str, Mapping[int, float]] = {
    "convlstm": {2: 1.505, 8: 1.739, 48: 6.224},
    "cnn3d": {2: 0.256, 8: 0.368, 48: 1.287},
    "timesformer1": {2: 0.280, 8: 0.203, 48: 0.260},
    "timesformer8": {2: 0.517, 8: 0.448, 48: 1.095},
}
"""Seconds of an epoch of the study on an H200, 4,000 clips and 1,000 for validation, through ``fit`` with graphs."""
GAIN = {1: 1.0, 2: 0.95, 4: 0.95, 8: 0.95}
"""Clips per second of so many trials on one GPU over those of one, with graphs: TimeSf-8 at h=8."""
TRIALS_PER_GPU = (1, 8)
SPOT = {"grows": True, "boot_seconds": 420.0, "losses_per_hour": 0.05, "price": 31.6, "head_price": 0.38}
ON_DEMAND = {**SPOT, "losses_per_hour": 0.0, "price": 63.3}
"""A p5en.48xlarge, eight H200, about as known in 2025; spot at half. One loss in twenty hours of a node."""
CPUS, MEMORY = 24, 141e9
"""Beside each GPU, and of it in bytes."""
TIMES = Times(driver=30.0, process=10.0, trial=0.5)
GPU_COUNTS = (1, 8, 64, 512)
SEEDS = 20
LEDGERS = (100, 1_000, 10_000)
QUEUED = 10_000
REQUESTS_PER_TRIAL = 21
"""To an object store in a trial's whole life, half of them writes; counted by the S3 server of the tests."""


def study() -> list[Training]:
    """The 400 trainings of the ``paper`` preset."""
    return trainings_of(PAPER, "16-mixed")


def recorded_epochs(folder: str) -> dict[Kind, float]:
    """Median seconds of an epoch by kind, from finished trainings."""
    found: dict[Kind, list[float]] = {}
    for entry in Ledger(Storage.at(folder)).scan().values():
        if record := entry.record:
            seconds = record.seconds["training"] / record.epochs
            found.setdefault(record.training().kind, []).append(seconds)
    return {key: statistics.median(values) for key, values in found.items()}


def work_of(trainings: Iterable[Training], epochs: Mapping[Kind, float], per_gpu: int, seed: int) -> dict[str, float]:
    """Seconds of each training beside ``per_gpu - 1`` others; early stopping anywhere between its bounds, evenly."""
    drawn, slower = random.Random(seed), per_gpu / GAIN[per_gpu]
    return {
        training.training_id: slower * epochs[training.kind] * drawn.randint(*epoch_bounds(training.recipe))
        for training in trainings
    }


def simulated(trainings: Sequence[Training], epochs: Mapping[Kind, float], site: Site, per_gpu: int) -> list[Outcome]:
    """The study once per seed: other stopping epochs, other losses."""
    return [
        Simulation(
            trainings, work_of(trainings, epochs, per_gpu, seed), site, TIMES, trials_per_gpu=per_gpu, seed=seed
        ).run()
        for seed in range(SEEDS)
    ]


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Mean and the range that holds 95 % of the seeds."""
    ordered = sorted(values)
    cut = int(0.025 * len(ordered))
    return f"{statistics.fmean(ordered):{form}} [{ordered[cut]:{form}}, {ordered[-1 - cut]:{form}}]"


def scale_table(trainings: Sequence[Training], epochs: Mapping[Kind, float]) -> str:
    """Makespan, cost and use by number of GPUs."""
    lines = [
        "| GPUs | trials per GPU | nodes | hours | longest trial, hours | USD | GPUs busy | attempts lost |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for gpus in GPU_COUNTS:
        for name, costs in (("spot", SPOT), ("on demand", ON_DEMAND)):
            for per_gpu in TRIALS_PER_GPU:
                size = min(gpus, 8)
                shares = {"price": costs["price"] * size / 8}
                site = replace(Site(gpus // size, size, CPUS * size, MEMORY), **{**costs, **shares})  # type: ignore[arg-type]
                found = simulated(trainings, epochs, site, per_gpu)
                assert all(outcome.states["done"] == len(trainings) for outcome in found)
                cells = [
                    spread([outcome.makespan / 3600 for outcome in found], ".2f"),
                    spread([outcome.longest / 3600 for outcome in found], ".2f"),
                    spread([outcome.cost for outcome in found], ".0f"),
                    spread([100 * outcome.busy for outcome in found], ".0f") + " %",
                    f"{statistics.fmean([outcome.lost for outcome in found]):.1f}",
                ]
                lines.append(f"| {gpus} | {per_gpu} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def seconds_of(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


@cache
def a_record() -> Record:
    """As long as one of the study, with six evaluations."""
    training = study()[0]
    evaluation = Evaluation("2dot", "test", "source_test", "content")
    score = evaluated(evaluation, training.training_id, 3, clips=500, correct=250, top1=0.5)
    return Record(
        study="ts_grid",
        training_id=training.training_id,
        training_version=training.version,
        **{name: getattr(training, name) for name in training.__dataclass_fields__},
        trials=[named(Trial(training))],
        selection_rule="",
        best_epoch=3,
        best_val_top1=0.5,
        epochs=5,
        selected=[Checkpoint(level=None, epoch=3, val_top1=0.5)],
        evaluations=[score] * 6,
        parameters=1000,
        classes=5,
        device="cpu",
        workers=1,
        host="here",
        python="3.11",
        commit="abc123",
        versions={},
        seconds={"total": 1.0},
        finished_at="2026-01-01T00:00:00Z",
    )


@cache
def tables() -> dict[str, bytes]:
    """Of the record: five epochs, and 500 clips of each evaluation."""
    score, clips = a_record().evaluations[0], 500 * len(a_record().evaluations)
    said = {
        "evaluation_id": [score.evaluation_id] * clips,
        "target": [score.target] * clips,
        "split": [score.split] * clips,
        "clip_id": [f"{score.part}/{index:06d}" for index in range(clips)],
        "label": [0] * clips,
        "predicted": [0] * clips,
    }
    epochs = {"epoch": [*range(5)], "val_top1": [0.5] * 5}
    return {files.EPOCHS: parquet_bytes(pa.table(epochs)), files.PREDICTIONS: parquet_bytes(pa.table(said))}


def scans(folder: Path, sizes: Sequence[int]) -> list[tuple[str, str]]:
    """Seconds to look at a ledger on this disk."""
    rows = []
    for count in sizes:
        ledger = Ledger(Storage.at(folder / str(count)))
        for number in range(count):
            place = Path(ledger.folder(f"{number:012x}").root)
            place.mkdir(parents=True)
            record = msgspec.structs.replace(a_record(), training_id=place.name)
            for name in ("trial.json", "best.ckpt"):
                (place / name).write_text("{}")
            for name, content in tables().items():
                (place / name).write_bytes(content)
            (place / "record.json").write_bytes(record.as_json())
        rows.append((f"scan of {count:,} finished trials, s", f"{seconds_of(ledger.scan):.2f}"))
    return rows


def queueing(count: int) -> list[tuple[str, str]]:
    """What a queue of so many trials costs its driver."""
    first = study()[0]
    tracemalloc.start()
    trainings = [replace(first, seed=seed) for seed in range(count)]
    queue = Queue({training.training_id: "pending" for training in trainings}, trainings, Packing(Machine(count)))
    per_trial = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()

    def hand_out_all() -> None:
        while ticket := queue.next():
            queue.started(ticket.training.training_id)

    of_next = seconds_of(hand_out_all) / count
    queue.done(trainings[0].training_id)
    return [
        (f"queue of {count:,} trials, kB of memory each", f"{per_trial / 1e3:.1f}"),
        ("handing one out, ms", f"{1e3 * of_next:.3f}"),
        ("counting their states, ms", f"{1e3 * seconds_of(queue.counts):.3f}"),
        ("whether it is over, ms", f"{1e3 * seconds_of(lambda: queue.over):.3f}"),
    ]


def requests(trial_seconds: float) -> list[tuple[str, str]]:
    """What 1,000 nodes of 8 GPUs with a trial each ask of an object store."""
    per_second = 1000 * 8 / trial_seconds * REQUESTS_PER_TRIAL
    return [
        ("median trial, s", f"{trial_seconds:.0f}"),
        ("requests per second to the object store, 8,000 trials at once", f"{per_second:,.0f}"),
        ("of them writes; S3 promises 3,500 writes and 5,500 reads per second and prefix", f"{per_second / 2:,.0f}"),
    ]


def table(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(["| what | measured |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])


def main(arguments: Sequence[str]) -> int:
    parser = Parser(prog="python -m benchmarks.scale", description="The study on more GPUs than there are.")
    parser.add_argument("--records", metavar="FOLDER", help="a sweep's folder: times of its trials instead of assumed")
    options = parser.parse_args(arguments)
    trainings = study()
    first = {training.kind: training for training in trainings}
    epochs = {kind: between(EPOCHS[t.model], t.hidden_units) for kind, t in first.items()}
    recorded = recorded_epochs(options.records) if options.records else {}
    epochs |= {key: value for key, value in recorded.items() if key in epochs}
    work = work_of(trainings, epochs, 1, 0)
    print(f"{machine()}, {time.strftime('%Y-%m-%d')}\n")
    print(f"Seconds of an epoch: {len(recorded)} of {len(epochs)} classes from records, the others from an H200:\n")
    for model in EPOCHS:
        cells = ", ".join(f"h={h} {epochs[f'{model} h={h}']:.2f}" for h in (2, 8, 16, 48))
        print(f"- {model}: {cells}")
    print(f"\nMean of {SEEDS} simulated sweeps [95 % of them], nodes booting and idle counted as up\n")
    print(scale_table(trainings, epochs))
    print(f"\nWhat breaks first at {QUEUED:,} trials and 1,000 nodes\n")
    with tempfile.TemporaryDirectory() as folder:
        print(table([*scans(Path(folder), LEDGERS), *queueing(QUEUED), *requests(statistics.median(work.values()))]))
    return 0


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))

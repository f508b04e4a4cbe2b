"""From a command to what it is for: help, a plan, a trial's first training step. ``python -m benchmarks.start``.

Each command runs in a process of its own, several times; medians stand beside the goals. The trial's clips are made
beforehand, in a folder of the benchmark's, and nothing is probed. What else runs on the machine is in the times.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.run import ROOT, machine
from rac_ray.store.files import ATTEMPT
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage

GRID, DIVES = str(ROOT / "sweeps/ts_grid.py"), str(ROOT / "sweeps/diving48.py")
PLAN = [GRID, "plan", "--preset", "demo", "--probe-seconds", "0"]
COMMANDS = {
    "ts_grid.py --help": [GRID, "--help"],
    "ts_grid.py run --help": [GRID, "run", "--help"],
    "diving48.py --help": [DIVES, "--help"],
    "rac-ray --help": ["-m", "rac_ray.cli.command", "--help"],
    "ts_grid.py plan --probe-seconds 0": PLAN,
}
TRIAL = "model=cnn3d,seed=42"
GOAL, IMPORTS_GOAL, FIRST_STEP_GOAL = 1.5, 1.0, 8.0
"""Seconds: of a command, of its imports, to the first training step."""
IMPORTED = re.compile(r"^import time:\s+(\d+) \|", re.MULTILINE)
"""Own microseconds of a module, as ``python -X importtime`` says."""


@dataclass(frozen=True)
class Times:
    """Seconds of some runs of one command."""

    wall: list[float]
    cpu: list[float]
    """Of its process and of those that it has waited for."""

    def row(self, name: str, goal: float, imports: float | None = None) -> str:
        """A line of the table: medians, and the shortest and longest run."""
        took, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        span, met = f"{min(self.wall):.2f} to {max(self.wall):.2f}", "yes" if took <= goal else "no"
        loaded = "-" if imports is None else f"{imports:.2f}"
        return f"| {name} | {took:.2f} | {span} | {cpu:.2f} | {loaded} | {goal:g} | {met} |"


def repeated(run: Callable[[], float], times: int) -> Times:
    """Run something so often that says how many seconds it took."""
    wall, cpu = [], []
    for _ in range(times):
        before = _children_cpu()
        wall.append(run())
        cpu.append(_children_cpu() - before)
    return Times(wall, cpu)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command_seconds(arguments: Sequence[str], folder: Path) -> float:
    """Wall seconds of one command of ours."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL, env=_variables(), check=True)
    return time.perf_counter() - began


def import_seconds(arguments: Sequence[str], folder: Path) -> float:
    """Seconds that a command imports, as Python itself tells."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=_variables(), check=True)
    return summed(done.stderr)


def summed(said: str) -> float:
    """Seconds of all modules in what ``-X importtime`` has printed."""
    return sum(map(int, IMPORTED.findall(said))) / 1e6


def start_seconds(storage: Path, data: Path) -> float:
    """Seconds from a command to the first training step of its only trial, which is run to its end."""
    places = ["--storage", str(storage), "--data", str(data)]
    trial = ["--preset", "demo", "--only", TRIAL, "--max-epochs", "1", "--probe-seconds", "0"]
    began = time.time()
    command = [sys.executable, GRID, *trial, *places]
    subprocess.run(command, cwd=storage.parent, stdout=sys.stderr, env=_variables(), check=True)
    return first_step_at(Ledger(Storage.at(storage / "ts_grid"))) - began


def first_step_at(ledger: Ledger) -> float:
    """When the only training of a ledger made its first step, on the clock of its files."""
    (training_id,) = ledger.training_ids()
    record = ledger.record(training_id)
    assert record is not None
    return Path(ledger.folder(training_id).root, ATTEMPT).stat().st_mtime + record.seconds["to_first_step"]


def _variables() -> dict[str, str]:
    """This checkout's package, wherever the command runs."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description="From a command to its purpose.")
    parser.add_argument("--repeats", type=int, default=7, help="runs of each command (default: 7)")
    parser.add_argument("--starts", type=int, default=3, help="starts of a trial (default: 3)")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, arguments in COMMANDS.items():
            imports = statistics.median(import_seconds(arguments, folder) for _ in range(options.repeats))
            times = repeated(lambda arguments=arguments: command_seconds(arguments, folder), options.repeats)
            rows.append(times.row(name, GOAL, imports))
        start_seconds(folder / "first", folder / "data")  # makes the clips
        numbers = iter(range(options.starts))
        starts = repeated(lambda: start_seconds(folder / str(next(numbers)), folder / "data"), options.starts)
        rows.append(starts.row("to the first training step", FIRST_STEP_GOAL))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"\n{machine()}, {time.strftime('%Y-%m-%d')}; load {load}; goal of imports {IMPORTS_GOAL:g} s\n")
    print("| what | median, s | runs | CPU, s | imports, s | goal, s | met |\n|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()

"""The demo preset end to end, plain and as it is: ``python -m benchmarks.demo`` (about ten minutes on two cores).

Two commands, each in a fresh folder, timed from their start to their end: ``benchmarks.plain_demo`` with torch's and
the allocator's defaults, and ``sweeps/ts_grid.py --preset demo``. Both tables stand beside each other; they come from
other initial weights and orders of clips, so that their means agree only within their intervals.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

import pandas as pd

from benchmarks.plain_demo import EVALUATIONS
from benchmarks.run import ROOT, machine
from benchmarks.speed import environment
from rac_ray.results import load
from rac_ray.results.statistics import interval
from sweeps.ts_grid import STUDY


def plain_demo(folder: Path) -> tuple[float, pd.DataFrame]:
    """Seconds, and a row per trial and evaluation part."""
    seconds = _timed([sys.executable, "-m", "benchmarks.plain_demo", str(folder)], environment(os.environ, ours=False))
    return seconds, pd.read_csv(folder / EVALUATIONS)


def our_demo(folder: Path) -> tuple[float, pd.DataFrame]:
    """Seconds of the real command, and a row per trial and evaluation part."""
    places = ["--storage", str(folder / "results"), "--data", str(folder / "data")]
    command = [sys.executable, str(ROOT / "sweeps/ts_grid.py"), "--preset", "demo", *places]
    seconds = _timed(command, environment(os.environ, ours=False))
    return seconds, load(folder / "results" / STUDY.name).evaluations


def _timed(command: list[str], variables: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=variables, stdout=sys.stderr, check=True)
    return time.perf_counter() - started


def side_by_side(tables: dict[str, pd.DataFrame], source: str) -> str:
    """Mean top-1 in % with its 95% interval over seeds by model and evaluation part, a column per table."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for side, evaluations in tables.items():
        chosen = evaluations.loc[evaluations["source"] == source]
        for key, rows in chosen.groupby(["model", "target", "split"], sort=False):
            model, target, split = cast(tuple[str, str, str], key)
            mean, low, high = interval([group["top1"].mean() for _, group in rows.groupby("seed")])
            shown = f"{100 * mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
            cells.setdefault((model, f"{target} {split}"), {})[side] = shown
    lines = [f"| model | evaluated on | {' | '.join(tables)} |", "|---|---|" + "---|" * len(tables)]
    for (model, part), by_side in cells.items():
        lines.append(f"| {model} | {part} | {' | '.join(by_side.get(side, '-') for side in tables)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description="The demo, plain and as it is.")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--plain-only", action="store_true", help="the plain one alone")
    only.add_argument("--ours-only", action="store_true", help="the real command alone")
    options = parser.parse_args()
    sides = {}
    with tempfile.TemporaryDirectory() as scratch:
        if not options.ours_only:
            sides["plain"] = plain_demo(Path(scratch) / "plain")
        if not options.plain_only:
            sides["ours"] = our_demo(Path(scratch) / "ours")
    print(f"\n{machine()}, {time.strftime('%Y-%m-%d')}\n")
    print("| side | wall time |\n|---|---|")
    for side, (seconds, _) in sides.items():
        print(f"| {side} | {seconds:.0f} s |")
    if len(sides) == 2:
        print(f"| plain / ours | {sides['plain'][0] / sides['ours'][0]:.2f} |")
    print(f"\n{side_by_side({side: table for side, (_, table) in sides.items()}, '2dot')}")


if __name__ == "__main__":
    main()

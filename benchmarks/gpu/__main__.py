"""``python -m benchmarks.gpu``: every section in a process of its own, within a budget; exits 3 where there is no GPU.

Writes ``rows.jsonl`` (as they come), ``gpu.json`` and ``gpu.md`` (after each section) and ``log.txt``.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.arguments import Parser
from benchmarks.gpu.report import report
from benchmarks.gpu.rows import Row, read
from benchmarks.gpu.sections import SECONDS, SECTIONS, Section, allowance, chosen, least_of, rounds
from rac_ray.cli.exits import run_command
from rac_ray.cli.values import number
from rac_ray.errors import DONE, FAILED, UNFINISHED, one_of
from rac_ray.identity import Training
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.grid import PAPER
from rac_ray.sweep.options import words as listed
from rac_ray.sweep.session import cores_here
from sweeps.ts_grid import STUDY

DEVICES = ("cuda", "cpu")
GRACE = 5.0
"""Seconds that an interrupted section has to end what it started."""
PACKAGES = ("torch", "pytorch-lightning", "ray", "numpy")


def parsed(arguments: Sequence[str]) -> Namespace:
    """The options; BadInput for a device or section that does not exist."""
    names = [section.name for section in SECTIONS]
    parser = Parser(prog="python -m benchmarks.gpu", description="What a GPU computes, how fast, and at what price.")
    add = parser.add_argument
    add("--device", default="cuda", help="cuda, or cpu: the same at tiny sizes, to rehearse (default: %(default)s)")
    add("--seconds", type=number("--seconds"), default=SECONDS, help="of all sections together (default: %(default)s)")
    add("--out", default="build/gpu", metavar="DIR", help="folder for what was measured (default: %(default)s)")
    add("--sections", type=listed, default=names, metavar="A,B", help=f"of {', '.join(names)} (default: all)")
    add("--tiny", action="store_true", help="tiny sizes on a GPU, too")
    options = parser.parse_args(arguments)
    if options.device not in DEVICES:
        raise one_of("device", options.device, DEVICES)
    options.sections = chosen(options.sections)
    return options


def machine() -> dict[str, str]:
    """Card, driver, processor and versions. Makes no CUDA context: that would stand beside those of the sections."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version,compute_mode", "--format=csv,noheader"]
    try:
        card = subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.strip()
    except OSError:
        card = ""
    return {
        "card, memory, driver, compute mode": card or "none",
        "CUDA of torch": torch.version.cuda or "none",
        **{name: version(name) for name in PACKAGES},
        "Python": platform.python_version(),
        "processors": f"{os.cpu_count()} x {platform.processor() or platform.machine()}",
        "date": time.strftime("%Y-%m-%d"),
    }


def measured(section: Section, seconds: float, beside: int, options: Namespace, rows: Path) -> str:
    """Run a section's process, one of ``beside`` at once, and end it with all that it started when its time is over.

    Returns how it ended.
    """
    size = "tiny" if options.tiny or options.device == "cpu" else "full"
    command = [sys.executable, "-m", "benchmarks.gpu.child", section.name, options.device, size, str(rows)]
    with open(rows.with_name("log.txt"), "a") as log:
        threads = {"OMP_NUM_THREADS": str(max(1, cores_here() // beside))}
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env={**threads, **os.environ}
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            end(process)
            return f"stopped after {seconds:.0f} s"
    return "done" if code == 0 else f"ended with {code}, see log.txt"


def study() -> list[Training]:
    """The study's trainings on a GPU."""
    with tempfile.TemporaryDirectory() as empty:
        tasks = STUDY.tasks(PAPER, Storage.at(empty), "16-mixed")
    return [task.training for task in tasks]


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process and all that it started, and kill what does not end by that."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def bench(options: Namespace) -> int:
    """All sections; returns the exit code."""
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA GPU is here; --device cpu rehearses the same at tiny sizes", file=sys.stderr)
        return UNFINISHED
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    rows = out / "rows.jsonl"
    rows.unlink(missing_ok=True)
    (out / "log.txt").unlink(missing_ok=True)
    here, trials = machine(), study()
    began, outcomes = time.monotonic(), list[Row]()

    def run(section: Section, beside: int, later: float) -> Row:
        started = time.monotonic()
        left = options.seconds - (started - began)
        seconds = allowance(section, left, later, options.seconds)
        if seconds is None:
            outcome = f"dropped: {left:.0f} s are left, it needs {section.least:.0f}"
        else:
            outcome = measured(section, seconds, beside, options, rows)
        taken = time.monotonic() - started
        print(f"{section.name} ({section.what}): {outcome}, {taken:.0f} s", flush=True)
        return {"name": section.name, "outcome": outcome, "seconds": taken}

    parts = rounds(options.sections)
    for place, together in enumerate(parts):
        with ThreadPoolExecutor(len(together)) as pool:
            outcomes += pool.map(partial(run, beside=len(together), later=least_of(parts[place + 1 :])), together)
        write(out, here, outcomes, list(read(rows)), report(here, outcomes, list(read(rows)), trials))
    print((out / "gpu.md").read_text())
    return exit_code(outcomes, list(read(rows)))


def write(out: Path, here: dict[str, str], outcomes: Sequence[Row], rows: Sequence[Row], markdown: str) -> None:
    """Both files, each whole or not at all."""
    content = {"machine": here, "sections": outcomes, "rows": rows}
    for name, text in (("gpu.json", json.dumps(content, indent=1)), ("gpu.md", markdown)):
        (out / f"{name}.new").write_text(text)
        (out / f"{name}.new").replace(out / name)


def exit_code(outcomes: Sequence[Row], rows: Sequence[Row]) -> int:
    """0 when every section was done and no row failed, 1 otherwise."""
    whole = all(each["outcome"] == "done" for each in outcomes)
    return DONE if whole and not any("error" in row for row in rows) else FAILED


if __name__ == "__main__":
    run_command(lambda: bench(parsed(sys.argv[1:])))

"""What loggers write to, read back by other means than they use; and records to log."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rac_ray.identity import Recipe, Training
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.training.task import Task
from tests.records import predictions_of, record_of, register, task_of

START_SECONDS = 120
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
ROWS = [
    {
        "epoch": epoch, "train_loss": 2.0 - epoch / 4, "val_loss": 1.5, "val_top1": 0.25 * epoch, "seconds": 1.0,
        "best_val_top1": 0.25 * epoch, "clips": 24, "loader_wait_share": 0.5, "gpu_memory_bytes": 0,
    }
    for epoch in range(4)
]  # fmt: skip
"""Epochs of every training; single precision tells them exactly."""
TOP1 = {"2dot/val": 0.75, "2dot/test": 0.5, "mnist/test": 0.375}


def tasks(count: int = 2) -> list[Task]:
    """Seeds of one training."""
    recipe = Recipe(precision="32", max_epochs=4)
    return [task_of(Training("timesformer1", 4, "2dot", seed, recipe, "test-data")) for seed in range(count)]


def planned(folder: Path, count: int = 2) -> tuple[Ledger, list[Training]]:
    """A sweep of a few seeds of which none has run."""
    ledger, found = Ledger(Storage.at(folder / "results/ts_grid")), tasks(count)
    register(ledger, found)
    return ledger, [task.training for task in found]


def finish(ledger: Ledger, seed: int) -> None:
    """Let a training end as one with four epochs does."""
    record = record_of(tasks(seed + 1)[seed], TOP1)
    ledger.trained(record, ROWS, b"weights")
    ledger.evaluated(record, predictions_of(record))


def tensorboard_points(folder: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Step and value of all points of each scalar, by run's folder, as TensorBoard itself reads them."""
    found = {}
    for path in sorted({each.parent for each in folder.rglob("events.out.*")}):
        events = EventAccumulator(str(path), size_guidance={"tensors": 0, "images": 0, "scalars": 0})
        events.Reload()
        scalars = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
        found[str(path.relative_to(folder))] = scalars
    return found


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def mlflow_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """Address of a real MLflow server on loopback whose runs are in a SQLite file; killed at the end."""
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"]
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [*command, *stores], stdout=log, stderr=log, env={**os.environ, **QUIET}, start_new_session=True
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < until, (folder / "server.log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False

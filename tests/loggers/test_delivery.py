"""One logger's process: told in order, stopped when it fails, never waited for beyond what was said."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from rac_ray.loggers.delivery import Delivery, Patience
from rac_ray.loggers.messages import Look
from rac_ray.loggers.process import Start
from rac_ray.loggers.protocol import Make, Sweep
from tests.loggers import diary
from tests.loggers.targets import planned

SWEEP = Sweep("ts_grid", "demo")


def delivery(make: Make, folder: Path, **patience: float) -> Delivery:
    ledger, _ = planned(folder)
    return Delivery("diary", Start(make, str(folder / "diary"), SWEEP, ledger), Patience(**patience))


def close(given: Delivery, seconds: float) -> float:
    """How long closing took that may take so many seconds."""
    began = time.monotonic()
    given.end()
    given.wait(began + seconds)
    return time.monotonic() - began


def test_what_is_put_is_written_in_its_order_and_the_logger_closed(tmp_path: Path) -> None:
    told = delivery(diary.Diary, tmp_path)
    ids = told.start.ledger.training_ids()
    for training_id in (ids[0], ids[1], ids[0]):
        told.put(Look(training_id, "running"))
    while not told.written:
        time.sleep(0.05)
    assert told._process is not None
    assert os.getpgid(told._process.pid) == told._process.pid  # Ctrl-C goes to the driver's group
    close(told, 60)
    assert (told.stopped, told.taken, told.written) == ("", 3, 3)
    lines = diary.lines_of(tmp_path / "diary")
    assert [line["what"] for line in lines] == ["made", "write", "write", "write", "close"]
    assert [line["key"] for line in lines[1:4]] == [ids[0], ids[1], ids[0]]
    assert lines[0]["title"] == "ts_grid demo"


def test_without_news_no_process_is_started(tmp_path: Path) -> None:
    told = delivery(diary.Diary, tmp_path)
    assert close(told, 60) < 1
    assert not (tmp_path / "diary").exists()


def test_one_that_raises_is_stopped_and_its_sentence_has_no_password(tmp_path: Path) -> None:
    told = delivery(diary.Raises, tmp_path)
    (training_id, _) = told.start.ledger.training_ids()
    told.put(Look(training_id, "running"))
    close(told, 60)
    assert told.stopped.startswith("RuntimeError: no room for timesformer1 h=4 2dot seed=")
    assert told.stopped.endswith("; password=***")
    told.put(Look(training_id, "running"))
    assert told.taken == 1


def test_one_that_takes_its_process_with_it_is_stopped(tmp_path: Path) -> None:
    told = delivery(diary.Dies, tmp_path)
    told.put(Look(told.start.ledger.training_ids()[0], "running"))
    close(told, 60)
    assert told.stopped == "its process ended without a word"


def test_one_that_hangs_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    told = delivery(diary.Hangs, tmp_path, answer=1.0)
    began = time.monotonic()
    told.put(Look(told.start.ledger.training_ids()[0], "running"))
    assert time.monotonic() - began < 1
    close(told, 60)
    assert told.stopped == "no answer for 1 s"
    assert told._process is not None
    assert not psutil.pid_exists(told._process.pid)


def test_the_end_is_waited_for_no_longer_than_said_and_what_is_left_is_told(tmp_path: Path) -> None:
    told = delivery(diary.Slow, tmp_path)
    for _ in range(50):
        told.put(Look(told.start.ledger.training_ids()[0], "running"))
    while not told.written:
        time.sleep(0.05)
    assert close(told, 0.5) < 20
    assert told.stopped == f"{50 - told.written} of 50 messages were not written in time"
    assert told._process is not None
    assert not psutil.pid_exists(told._process.pid)


def test_one_that_does_not_leave_is_ended(tmp_path: Path) -> None:
    told = delivery(diary.Lingers, tmp_path)
    told.put(Look(told.start.ledger.training_ids()[0], "running"))
    close(told, 60)
    assert told.stopped == ""
    assert diary.lines_of(tmp_path / "diary")[-1]["what"] == "close"
    assert told._process is not None
    assert not psutil.pid_exists(told._process.pid)


DRIVER = """
import os, signal, sys, time
from pathlib import Path
from tests.loggers import diary
from tests.loggers.test_delivery import delivery
from rac_ray.loggers.messages import Look
told = delivery(diary.Diary, Path(sys.argv[1]))
told.put(Look(told.start.ledger.training_ids()[0], "running"))
while not told.written:
    time.sleep(0.05)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_driver_that_is_killed_leaves_no_process_and_a_closed_logger(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", DRIVER, str(tmp_path)], env=environment).returncode == -9
    until = time.monotonic() + 20
    while diary.lines_of(tmp_path / "diary")[-1]["what"] != "close" and time.monotonic() < until:
        time.sleep(0.05)
    assert [line["what"] for line in diary.lines_of(tmp_path / "diary")] == ["made", "write", "close"]


def test_a_logger_that_cannot_be_sent_to_its_process_is_told(tmp_path: Path) -> None:
    lock = threading.Lock()

    class Locked(diary.Diary):
        def close(self) -> None:
            with lock:
                super().close()

    told = delivery(Locked, tmp_path)
    told.put(Look(told.start.ledger.training_ids()[0], "running"))
    close(told, 60)
    assert told.stopped == "it cannot be sent to a process of its own: TypeError: cannot pickle '_thread.lock' object"


@pytest.mark.slow
def test_a_logger_of_the_script_that_is_run_goes_to_its_process_by_value(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from rac_ray.loggers import register, LOGGERS\n"
        "from rac_ray.loggers.messages import Look\n"
        "from tests.loggers import diary\n"
        "from tests.loggers.test_delivery import close, delivery\n"
        "@register('mine')\n"
        "class Mine(diary.Diary):\n"
        "    def close(self):\n"
        "        self._add('mine was closed')\n"
        "told = delivery(LOGGERS['mine'], Path(sys.argv[1]))\n"
        "told.put(Look(told.start.ledger.training_ids()[0], 'running'))\n"
        "close(told, 60)\n"
        "assert not told.stopped, told.stopped\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, str(script), str(tmp_path)], env=environment, check=True)
    assert [line["what"] for line in diary.lines_of(tmp_path / "diary")] == ["made", "write", "mine was closed"]

"""A trial's own log file: records and warnings of its attempts, and nothing of anybody else's."""

import logging
import warnings
from pathlib import Path

import pytest

from rac_ray.store.storage import Storage
from rac_ray.sweep import trial_log
from rac_ray.sweep.trial_log import TrialLog


def test_records_and_warnings_of_all_attempts_in_order(tmp_path: Path) -> None:
    folder, logger = Storage.at(tmp_path / "trial"), logging.getLogger("rac_ray.training.something")
    logger.warning("before")
    for attempt in (1, 2):
        with TrialLog(folder) as log:
            logger.info("attempt %d", attempt)
            logging.getLogger("another.library").warning("a problem")
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                logging.captureWarnings(True)
                warnings.warn("odd", UserWarning, stacklevel=1)
            log.write()
    logger.warning("after")
    lines = folder.read_bytes("log.txt").decode().splitlines()
    told = [line.split("Z ", 1)[1] for line in lines if "Z " in line]
    assert [line for line in told if "attempt" in line or "problem" in line] == [
        "INFO rac_ray.training.something: attempt 1",
        "WARNING another.library: a problem",
        "INFO rac_ray.training.something: attempt 2",
        "WARNING another.library: a problem",
    ]
    assert sum("UserWarning: odd" in line for line in told) == 2
    assert not any("before" in line or "after" in line for line in lines)


def test_the_oldest_lines_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_log, "MOST_LINES", 3)
    folder = Storage.at(tmp_path)
    with TrialLog(folder):
        for number in range(5):
            logging.getLogger("rac_ray").info("%d", number)
    assert [line[-1] for line in folder.read_bytes("log.txt").decode().splitlines()] == ["2", "3", "4"]


def test_a_name_that_is_no_text_is_logged_all_the_same(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)
    folder.write_bytes("log.txt", b"an earlier attempt \xff\n")
    with TrialLog(folder):
        logging.getLogger("rac_ray").warning("video %s is left out", "a\udcff.mp4")
    first, second = folder.read_bytes("log.txt").decode().splitlines()
    assert first == "an earlier attempt \ufffd"
    assert second.endswith("video a\\udcff.mp4 is left out")


def test_an_exception_leaves_the_log(tmp_path: Path) -> None:
    folder = Storage.at(tmp_path)

    def fail() -> None:
        with TrialLog(folder):
            logging.getLogger("rac_ray").info("so far")
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert b"so far" in folder.read_bytes("log.txt")

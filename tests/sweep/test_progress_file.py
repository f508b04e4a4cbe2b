"""How far running trials are, from the driver's monitor to what ``status`` shows."""

from pathlib import Path

import pytest

from rac_ray.identity import Training
from rac_ray.store.storage import Storage
from rac_ray.sweep.progress_file import PROGRESS, Going, Progress, ProgressFile, progress_of
from tests.sweep.test_monitor import ROW, Clock, monitored


@pytest.fixture
def trainings(make_training) -> list[Training]:
    return [make_training(seed=seed) for seed in range(4)]


def test_words() -> None:
    assert Going(3, 20, 0.4512, 126.0).words == "epoch 3/20, best 45.1%, at most 2.1 min left"
    assert Going(0, 20, None, None).words == "epoch 0/20"
    assert Going(0, 20, None, None, evaluates=True).words == "is evaluated"


def test_what_the_driver_knows_is_what_is_read(trainings: list[Training], tmp_path: Path) -> None:
    clock, sweep = Clock(), Storage.at(tmp_path)
    monitor, queue = monitored(trainings, clock, say=lambda _line: None)
    file = ProgressFile(sweep, "me", monitor, clock)
    for training in trainings[:2]:
        assert queue.next()
        queue.started(training.training_id)
        monitor.started(training, 1, {"CPU": 1})
    monitor.epoch(trainings[0], ROW)
    file.refresh()
    assert progress_of(sweep, "me") is None, "it is not written yet"
    clock.now = 2.0
    file.refresh()
    first, second = (training.training_id for training in trainings[:2])
    going = {first: Going(1, 3, 0.5, 4.0), second: Going(0, 3, None, None)}
    assert progress_of(sweep, "me") == Progress("me", "about 8 s left", going)
    assert progress_of(sweep, "another") is None, "what a dead driver has left does not count"
    monitor.epoch(trainings[1], ROW)
    clock.now = 3.9
    file.refresh()
    assert progress_of(sweep, "me") == Progress("me", "about 8 s left", going), "it is written every two seconds"
    file.close()
    assert not sweep.exists(PROGRESS)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"driver": "me"}'])
def test_a_file_that_is_anything_else_does_not_count(content: bytes, tmp_path: Path) -> None:
    sweep = Storage.at(tmp_path)
    sweep.write_bytes(PROGRESS, content)
    assert progress_of(sweep, "me") is None


def test_a_folder_that_cannot_be_written_stops_nothing(
    trainings: list[Training], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    (tmp_path / "file").write_text("")
    monitor, _ = monitored(trainings, clock, say=lambda _line: None)
    file = ProgressFile(Storage.at(tmp_path / "file"), "me", monitor, clock)
    clock.now = 2.0
    file.refresh()
    assert "cannot be written" in caplog.text

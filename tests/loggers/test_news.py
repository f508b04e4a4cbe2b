"""From events to loggers: what is told, in which order, and what a sweep says of a logger that stopped."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rac_ray.identity import Training
from rac_ray.loggers import LOGGERS, Destination, destinations
from rac_ray.loggers.delivery import Patience
from rac_ray.loggers.news import News
from rac_ray.loggers.protocol import Sweep
from rac_ray.store.ledger import Ledger
from tests.loggers import diary
from tests.loggers.targets import ROWS, finish, mlflow_server, planned, tensorboard_points
from tests.loggers.test_mlflow import points, runs_of
from tests.records import give_up

DEMO = Sweep("ts_grid", "demo")


@pytest.fixture
def sweep(tmp_path: Path) -> tuple[Ledger, Training, Training]:
    ledger, (first, second) = planned(tmp_path)
    return ledger, first, second


@pytest.fixture
def lines() -> list[str]:
    return []


def of_diaries(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> list[Destination]:
    """Loggers of ``diary`` by the names of their classes, each with a file of its own."""
    for name in names:
        monkeypatch.setitem(LOGGERS, name, getattr(diary, name))
    return [Destination(name, str(folder / name)) for name in names]


def test_events_are_told_and_a_training_that_waits_is_not(
    sweep: tuple[Ledger, Training, Training], lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, first, second = sweep
    news = News(of_diaries(tmp_path, monkeypatch, "Diary"), DEMO, ledger, lines.append)
    for training in (first, second):
        news.state(training, "pending")
    news.state(first, "running")
    news.epoch(first, {**ROWS[0], "pid": 4})
    news.state(first, "pending")
    news.state(first, "running")
    finish(ledger, 0)
    news.state(first, "done")
    (tmp_path / "shown/figures").mkdir(parents=True)
    (tmp_path / "shown/figures/figure4.png").write_bytes(b"")
    (tmp_path / "shown/figures/figure4.svg").write_bytes(b"")
    (tmp_path / "shown/report.html").write_bytes(b"")
    news.files(str(tmp_path / "shown"), 1)
    assert news.close() == {"Diary": ""}
    told = [line for line in diary.lines_of(tmp_path / "Diary") if line["what"] in ("write", "attach")]
    assert [line.get("state") for line in told] == ["running", "running", "pending", "running", "done", None]
    assert {line["key"] for line in told[:-1]} == {first.training_id}
    assert told[1]["epochs"] == [0]
    assert told[4]["epochs"] == [0, 1, 2, 3]
    assert (told[-1]["step"], told[-1]["files"]) == (1, ["figures/figure4.png", "report.html"])
    assert lines == []


def test_one_that_fails_is_told_of_once_and_the_others_go_on(
    sweep: tuple[Ledger, Training, Training], lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, first, _ = sweep
    news = News(of_diaries(tmp_path, monkeypatch, "Raises", "Diary"), DEMO, ledger, lines.append)
    news.state(first, "running")
    until = time.monotonic() + 60
    while not lines and time.monotonic() < until:
        news.refresh()
        time.sleep(0.05)
    news.refresh()
    give_up(ledger, first.training_id)
    news.state(first, "failed")
    stopped = news.close()
    why = "RuntimeError: no room for timesformer1 h=4 2dot seed=0; password=***"
    assert stopped == {"Raises": why, "Diary": ""}
    assert lines == [
        f"Raises ({tmp_path}/Raises): logging stopped: {why}; the sweep is not touched, and "
        "`results --log Raises` writes later what is missing"
    ]
    assert [line["what"] for line in diary.lines_of(tmp_path / "Diary")] == ["made", "write", "write", "close"]


@pytest.fixture
def silent() -> Iterator[str]:
    """Address of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_never_answers_costs_a_bounded_time(
    silent: str, sweep: tuple[Ledger, Training, Training], lines: list[str], tmp_path: Path
) -> None:
    ledger, first, _ = sweep
    asked = destinations([f"mlflow={silent}", f"tensorboard={tmp_path}/board"], ledger.storage.above)
    news = News(asked, DEMO, ledger, lines.append, Patience(end=3.0))
    began = time.monotonic()
    news.state(first, "running")
    for row in ROWS:
        news.epoch(first, row)
    finish(ledger, 0)
    news.state(first, "done")
    assert time.monotonic() - began < 2
    while news.deliveries["tensorboard"].written < 6:
        time.sleep(0.05)
    began = time.monotonic()
    stopped = news.close()
    assert time.monotonic() - began < 20
    assert stopped["mlflow"] == "6 of 6 messages were not written in time"
    assert len(lines) == 1
    (scalars,) = tensorboard_points(tmp_path / "board").values()
    assert scalars["curves/val_top1"] == [(n, 0.25 * n) for n in range(4)]


@pytest.mark.slow
def test_a_server_that_is_killed_in_the_middle_gets_the_rest_from_the_records(
    sweep: tuple[Ledger, Training, Training], lines: list[str], tmp_path: Path
) -> None:
    ledger, first, second = sweep
    with mlflow_server(tmp_path) as address:
        port = int(address.rpartition(":")[2])
        asked = destinations([f"mlflow={address}"], ledger.storage.above)
        news = News(asked, DEMO, ledger, lines.append)
        news.state(first, "running")
        for row in ROWS[:2]:
            news.epoch(first, row)
        while news.deliveries["mlflow"].written < 3:
            time.sleep(0.1)
    for row in ROWS[2:]:
        news.epoch(first, row)
    finish(ledger, 0)
    news.state(first, "done")
    finish(ledger, 1)
    news.state(second, "done")
    assert "MlflowException" in news.close()["mlflow"]
    assert len(lines) == 1
    with mlflow_server(tmp_path, port):
        for _ in range(2):
            later = News(asked, DEMO, ledger, lines.append)
            later.records([first.training_id, second.training_id])
            assert later.close() == {"mlflow": ""}
        runs = runs_of(address, "ts_grid")
        assert set(runs) == {"ts_grid demo", first.name, second.name}
        for training in (first, second):
            assert points(address, runs[training.name], "val_top1") == [(n, 0.25 * n) for n in range(4)]
            assert points(address, runs[training.name], "final/top1/mnist/test") == [(0, 0.38)]

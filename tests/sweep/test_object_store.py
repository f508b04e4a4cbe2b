"""The same sweep on S3: as on a folder, to the bit, also with a server that fails for a while in the middle."""

import json
import multiprocessing
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from rac_ray.cli import command, sweep_main
from rac_ray.results import load
from rac_ray.results.figures import COMMON
from rac_ray.results.tables import Tables
from rac_ray.store.ledger import Ledger
from rac_ray.store.lock import holding
from rac_ray.store.storage import Storage
from rac_ray.sweep.planner import Plan, make_plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.object_server import CREDENTIALS, Fault, ObjectServer, object_server
from tests.records import finish, register
from tests.store.test_lock import contend
from tests.sweep.tiny_sweep import GRID, study_of, tiny_plan

STUDY = study_of(GRID)
TIMED = {
    "trials": ["seconds_to_first_step", "seconds_training", "seconds_evaluation", "seconds_total", "finished_at"],
    "epochs": ["seconds", "loader_wait_share"],
    "evaluations": [],
    "predictions": [],
}
"""Columns that the clock decides."""


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    """Credentials are in the environment before Ray starts, as on a cluster's nodes."""
    with pytest.MonkeyPatch.context() as patch, object_server() as started:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield started


@pytest.fixture(scope="module")
def undisturbed(server: ObjectServer, local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables of the same sweep on a local folder."""
    folder = tmp_path_factory.mktemp("local")
    plan = tiny_plan(folder)
    assert run_plan(plan, Resources(pause=0.1), lambda _line: None) == ""
    return load(folder / "results/tiny")


@pytest.fixture(scope="module")
def stored(undisturbed: Tables, server: ObjectServer) -> Plan:
    """The sweep, run on the server."""
    plan = plan_on(server, "whole")
    assert run_plan(plan, Resources(pause=0.1), lambda _line: None) == ""
    return plan


def plan_on(server: ObjectServer, folder: str, data: str = "data") -> Plan:
    return make_plan(STUDY, "all", server.uri(f"{folder}/results"), server.uri(data), precision="32")


def assert_same_tables(found: Tables, expected: Tables) -> None:
    assert found.trials["state"].tolist() == ["done"] * len(GRID.seeds)
    for name, columns in TIMED.items():
        frames = [getattr(tables, name).drop(columns=columns) for tables in (found, expected)]
        pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_a_sweep_on_s3_is_a_sweep_on_a_folder(stored: Plan, undisturbed: Tables) -> None:
    assert_same_tables(load(stored.ledger.storage.root), undisturbed)
    assert stored.data.exists("manifest.json")


def test_every_verb_works_on_s3(
    stored: Plan, undisturbed: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage, data = ["--storage", stored.ledger.storage.above.root], ["--data", stored.data.root]

    def verb(name: str, *arguments: str) -> str:
        places = storage if name in ("cancel", "clean") else [*storage, *data]
        with pytest.raises(SystemExit) as stopped:
            sweep_main(STUDY, [name, *arguments, *places])
        assert stopped.value.code == 0
        return capsys.readouterr().out

    trial_id = stored.trial_ids[0]
    assert verb("status").startswith("3 trials planned = 3 done + 0 failed + 0 running + 0 pending\ndriver: none\n")
    assert "3 trials planned = 3 done" in verb("plan", "--probe-seconds", "0")
    assert json.loads(verb("describe", trial_id, "--json"))["state"] == "done"
    assert verb("cancel") == "no driver runs\n"
    assert verb("clean", "--yes") == "0 files, 0.0 MB freed\n"
    verb("results", "--to", str(tmp_path / "local"))
    assert_same_tables(load(tmp_path / "local/tables"), undisturbed)
    assert len(list((tmp_path / "local/figures").iterdir())) == 2 * len(COMMON)
    with pytest.raises(SystemExit) as stopped:
        command.main(["data", "verify", stored.data.root])
    assert stopped.value.code == 0


def run_with_outage(server: ObjectServer, plan: Plan, faults: list[tuple[Fault, float]]) -> list[str]:
    """Run a plan whose storage begins to fail when the first trial has started; returns what was said."""
    lines: list[str] = []
    outage = threading.Thread(target=server.fails_for, args=(faults,))

    def say(line: str) -> None:
        lines.append(line)
        if " start " in line and not outage.ident:
            outage.start()

    assert run_plan(plan, Resources(pause=0.1), say) == ""
    outage.join()
    return lines


def assert_undisturbed(plan: Plan, lines: list[str], undisturbed: Tables) -> None:
    assert sum(" start " in line for line in lines) == 3, "nothing is trained twice"
    assert all(plan.ledger.failures(task.training_id) == [] for task in plan.tasks)
    assert_same_tables(load(plan.ledger.storage.root), undisturbed)


@pytest.mark.slow
def test_a_server_that_fails_for_seconds(stored: Plan, server: ObjectServer, undisturbed: Tables) -> None:
    plan = plan_on(server, "seconds")
    before = server.failed
    lines = run_with_outage(server, plan, [("refuse", 3.0), ("unavailable", 2.0), ("reset", 2.0)])
    assert server.failed > before
    assert_undisturbed(plan, lines, undisturbed)


@pytest.mark.slow
def test_a_server_that_fails_for_thirty_seconds(stored: Plan, server: ObjectServer, undisturbed: Tables) -> None:
    """Killed, then answering 503, then accepting and never answering; data made anew in the same run."""
    plan = plan_on(server, "thirty")
    before, started = server.failed, time.monotonic()
    lines = run_with_outage(server, plan, [("refuse", 10.0), ("unavailable", 10.0), ("hang", 10.0)])
    assert time.monotonic() - started > 30
    assert server.failed > before
    assert_undisturbed(plan, lines, undisturbed)


def test_of_several_drivers_at_once_exactly_one_holds(server: ObjectServer) -> None:
    """Real processes; an object store has no exclusive creation."""
    folder = Storage.at(server.uri("contended"))
    context = multiprocessing.get_context("spawn")
    barrier, outcomes = context.Barrier(3), context.Queue()
    processes = [context.Process(target=contend, args=(folder.root, barrier, outcomes)) for _ in range(3)]
    for process in processes:
        process.start()
    found = sorted(outcomes.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert found == ["busy", "busy", "held"]


def test_a_holder_outlives_a_silent_server(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rac_ray.store.lock.BEAT_SECONDS", 0.2)
    folder = Storage.at(server.uri("held"))
    with holding(folder, "driver.json") as lock:
        server.fails_for([("refuse", 1.0), ("unavailable", 1.0)])
        assert lock.stop_reason == ""
        before = folder.read_json("driver.json")["beats"]
        time.sleep(3.0)
        assert folder.read_json("driver.json")["beats"] > before
        assert lock.stop_reason == ""
    assert folder.sizes() == {}


def test_a_scan_of_thirty_trials_is_one_listing_and_three_reads_each(stored: Plan, server: ObjectServer) -> None:
    ledger = Ledger(Storage.at(server.uri("many")))
    first = stored.tasks[0]
    tasks = [replace(first, training=replace(first.training, seed=seed)) for seed in range(30)]
    register(ledger, tasks)
    for task in tasks:
        finish(ledger, task)
    before = server.requests.copy()
    entries = ledger.scan(tasks)
    assert {entry.state(None) for entry in entries.values()} == {"done"}
    assert dict(server.requests - before) == {"list": 1, "head": 90, "get": 90}

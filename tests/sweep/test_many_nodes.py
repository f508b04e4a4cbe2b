"""Sweeps on several nodes of one machine: nodes that go and come, a group across two, a head that is lost.

Each node has one CPU, so that two trials, or two workers of one, are never on the same.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import ray
from ray.cluster_utils import Cluster

from rac_ray.identity import Recipe
from rac_ray.results import load
from rac_ray.store.entry import Entry
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.sweep import faults
from tests.sweep.test_faults import LOCAL, SCRIPT
from tests.sweep.tiny_sweep import tiny_plan

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80_000_000}
LONG = Recipe(learning_rate=0.01, batch_size=8, max_epochs=30, patience=30)
WAIT_SECONDS = 120

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head; nobody is connected."""
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    yield cluster
    if ray.is_initialized():
        ray.shutdown()
    cluster.shutdown()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.1)


def join(address: str) -> "subprocess.Popen[bytes]":
    """A node that joins by ``ray start``, as a machine does; it leaves with the process."""
    command = f"ray start --address={address} --num-cpus=1 --object-store-memory=80000000 --disable-usage-stats --block"
    program = [str(Path(sys.executable).parent / "ray"), *command.split()[1:]]
    return subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def running(plan: Plan) -> list[Entry]:
    return [entry for entry in plan.ledger.scan().values() if entry.record is None and entry.attempt]


def assert_the_same(plan: Plan, other: Plan) -> None:
    found, expected = (load(each.ledger.storage.root) for each in (plan, other))
    assert found.trials["state"].tolist() == ["done"] * len(plan.trials)
    pd.testing.assert_frame_equal(found.evaluations, expected.evaluations, check_exact=True)
    pd.testing.assert_frame_equal(found.predictions, expected.predictions, check_exact=True)


def test_four_nodes_of_which_one_goes_and_another_comes(cluster: Cluster, tmp_path: Path) -> None:
    """The lost node's trial goes on elsewhere, the new node gets trials; the table is that of one node's run."""
    axes = {"seeds": tuple(range(14)), "recipes": {"timesformer1": LONG}}
    other, plan = (tiny_plan(tmp_path / name, tmp_path / "data", **axes) for name in ("alone", "many"))
    workers = [cluster.add_node(**NODE) for _ in range(3)]
    ray.init(address=cluster.address, log_to_driver=False)
    told: list[str] = []
    joined: list[subprocess.Popen[bytes]] = []

    def disturb() -> None:
        def victims() -> list[Entry]:
            return [entry for entry in running(plan) if entry.attempt and entry.attempt["node"] == workers[0].node_id]

        until(lambda: len(running(plan)) >= 3 and bool(victims()))
        lost = victims()[0].training_id
        cluster.remove_node(workers[0], allow_graceful=False)
        before = {node["NodeID"] for node in ray.nodes()}
        joined.append(join(str(cluster.address)))
        until(lambda: bool(new := {node["NodeID"] for node in ray.nodes()} - before) and not told.extend([lost, *new]))

    thread = threading.Thread(target=disturb)
    thread.start()
    assert run_plan(plan, Resources(pause=0.1), lambda _line: None, faults.takes_its_time) == ""
    thread.join()
    for process in joined:
        process.terminate()
        process.wait()
    lost, added = told
    assert [failure["class"] for failure in plan.ledger.failures(lost)] == ["preempted"]
    attempts = [plan.ledger.folder(task.training_id).read_json("attempt.json") for task in plan.tasks]
    assert added in {attempt["node"] for attempt in attempts}
    assert sum(attempt["attempt"] for attempt in attempts) == len(plan.trials) + 1
    assert run_plan(other, Resources(), lambda _line: None) == ""
    assert_the_same(plan, other)


def test_a_group_of_workers_across_two_nodes(cluster: Cluster, tmp_path: Path) -> None:
    """Two workers and the waiting half need three nodes; their losses are those of one worker."""
    for _ in range(2):
        cluster.add_node(**NODE)
    ray.init(address=cluster.address, log_to_driver=False)
    alone, group = (tiny_plan(tmp_path / name, tmp_path / "data", seeds=(0,)) for name in ("alone", "group"))
    assert run_plan(alone, Resources(), lambda _line: None) == ""
    assert run_plan(group, Resources(workers=2), lambda _line: None) == ""
    record = group.ledger.record(group.tasks[0].training_id)
    assert record
    assert record.workers == 2
    losses = [load(plan.ledger.storage.root).epochs["train_loss"].tolist() for plan in (alone, group)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_head_that_is_lost(tmp_path: Path) -> None:
    """With it goes the driver. A new head and the same command: what was done stays, what was begun goes on."""
    plan, other = (tiny_plan(tmp_path / name) for name in ("disturbed", "undisturbed"))

    def drive(address: str) -> "subprocess.Popen[str]":
        command = [*SCRIPT, str(tmp_path / "disturbed"), "takes_its_time"]
        environment = {**LOCAL, "PATH": str(Path(sys.executable).parent), "RAY_ADDRESS": address}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def head() -> Cluster:
        return Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})

    first = head()
    assert first.head_node
    driver = drive(str(first.address))
    until(lambda: any(entry.record for entry in plan.ledger.scan().values()) and bool(running(plan)))
    first.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
    driver.communicate(timeout=WAIT_SECONDS)
    assert driver.returncode != 0
    first.shutdown()
    done = {training_id: entry.record for training_id, entry in plan.ledger.scan().items() if entry.record}
    assert 0 < len(done) < 3
    second = head()
    try:
        said, _ = drive(str(second.address)).communicate(timeout=WAIT_SECONDS)
    finally:
        second.shutdown()
    assert "forecast: took" in said or "done" in said, said
    after = {training_id: entry.record for training_id, entry in plan.ledger.scan().items()}
    assert {training_id: after[training_id] for training_id in done} == done, "a finished trial was trained again"
    ray.init("local", num_cpus=1, object_store_memory=80_000_000, include_dashboard=False, log_to_driver=False)
    assert run_plan(other, Resources(), lambda _line: None) == ""
    ray.shutdown()
    assert_the_same(plan, other)

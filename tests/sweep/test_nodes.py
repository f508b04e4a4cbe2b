"""A node that is lost while it trains, on a cluster of two."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from ray.cluster_utils import Cluster

from rac_ray.identity import Recipe
from rac_ray.results import load
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.clusters import two_nodes
from tests.sweep import faults
from tests.sweep.tiny_sweep import tiny_plan

LONG = Recipe(learning_rate=0.01, batch_size=8, max_epochs=12, patience=12)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with two_nodes(head_cpus=1) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_node_lost_while_it_trains(cluster: Cluster, tmp_path: Path) -> None:
    """Its trial goes on elsewhere, on the account of lost nodes; the table is that of an undisturbed run."""
    axes = {"seeds": (0, 1), "recipes": {"timesformer1": LONG}}
    other, plan = (tiny_plan(tmp_path / name, tmp_path / "data", **axes) for name in ("undisturbed", "disturbed"))
    resources = Resources(pause=0.1, budgets=Budgets(preempted=1, code=0))
    assert run_plan(other, resources, lambda _line: None) == ""
    (worker,) = cluster.worker_nodes
    lost: list[str] = []
    thread = threading.Thread(target=remove_when_it_trains, args=(cluster, worker, plan, lost))
    thread.start()
    lines: list[str] = []
    assert run_plan(plan, resources, lines.append, faults.takes_its_time) == ""
    thread.join()
    assert len(lost) == 1
    (failure,) = plan.ledger.failures(lost[0])
    assert (failure["class"], failure["retry"]) == ("preempted", True)
    assert sum(", attempt 2" in line for line in lines) == 1
    found, expected = (load(each.ledger.storage.root) for each in (plan, other))
    pd.testing.assert_frame_equal(found.evaluations, expected.evaluations, check_exact=True)
    pd.testing.assert_frame_equal(found.predictions, expected.predictions, check_exact=True)
    assert found.trials["state"].tolist() == ["done", "done"]


def remove_when_it_trains(cluster: Cluster, worker, plan: Plan, lost: list[str]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        for entry in plan.ledger.scan().values():
            if entry.attempt and entry.attempt["node"] == worker.node_id:
                time.sleep(1.0)
                cluster.remove_node(worker, allow_graceful=False)
                lost.append(entry.training_id)
                return
        time.sleep(0.05)

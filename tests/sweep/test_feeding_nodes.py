"""A node that is lost in the middle of an epoch of streamed clips, on a cluster of two."""

import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from rac_ray.training.watchdog import StallLimits
from tests.clusters import two_nodes
from tests.sweep import faults
from tests.sweep.running import assert_each_clip_once, outcome
from tests.sweep.test_feeding import ONE
from tests.sweep.tiny_sweep import plan_of


def remove_midway(cluster: Cluster, folder: Path, trainings: int) -> None:
    """Without a word to anyone; what trains on the other node goes on then."""
    deadline = time.monotonic() + 120
    while len(list((folder / "waiting").iterdir())) < trainings:
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    time.sleep(2.0)  # what was asked for is made, some of it there
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    time.sleep(2.0)  # what trained there has ended
    (folder / "gone").touch()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other_cpus", "seeds", "lost"),
    [
        pytest.param(1, (3,), 0, id="clips"),
        pytest.param(3, (3,), 1, id="clips-and-the-training"),
        pytest.param(2, (3, 4), 1, id="one-of-two-trainings"),
    ],
)
def test_a_node_lost_in_the_middle_of_a_streamed_epoch_costs_no_clip(
    other_cpus: int, seeds: tuple[int, ...], lost: int, tmp_path: Path
) -> None:
    """What it had made is made again, what trained there goes on from the middle of the epoch, when there is room.

    Ray puts a training where most is left. The two cores of the other node have room for one that reads.
    """
    grid = replace(ONE, seeds=seeds)
    undisturbed, plan = (
        plan_of(grid, tmp_path / name, tmp_path / "data", asked={"feed": ["streamed"]}) for name in ("one", "other")
    )
    for name in ("diary", "made", "waiting"):
        (tmp_path / name).mkdir()
    resources = Resources(pause=0.1, stall=StallLimits(floor_seconds=60))
    with two_nodes(head_cpus=2, other_cpus=other_cpus) as cluster:
        run_plan(undisturbed, resources, lambda _line: None)
        (node,) = cluster.worker_nodes
        thread = threading.Thread(target=remove_midway, args=(cluster, tmp_path, len(seeds)))
        thread.start()
        run_plan(plan, resources, lambda _line: None, partial(faults.loses_a_node_midway, str(tmp_path)))
        thread.join()
        assert not cluster.worker_nodes
    failures = [failure["class"] for task in plan.tasks for failure in plan.ledger.failures(task.training_id)]
    assert failures == ["preempted"] * lost
    assert outcome(plan) == outcome(undisturbed)
    for task in plan.tasks:
        assert_each_clip_once(tmp_path / "diary" / task.training_id, 64)
    pieces = {path.name: set(path.read_text().splitlines()) for path in (tmp_path / "made").iterdir()}
    again = pieces.pop(node.node_id).intersection(set().union(*pieces.values()))
    assert any("2dot/train" in piece for piece in again), "no piece of an epoch is like another: it was lost"

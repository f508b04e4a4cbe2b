"""Trainings of a worker group of two, fed in the different ways: the same bits, and what happens when a rank dies."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
import ray

from rac_ray.sweep.planner import Plan
from tests.sweep import faults
from tests.sweep.running import assert_each_clip_once, data, outcome, run  # noqa: F401 - a fixture
from tests.sweep.tiny_sweep import GRID, plan_of

pytestmark = pytest.mark.slow

ONE = replace(GRID, models=("cnn3d",), seeds=(3,), train_clips=64, val_clips=16)


@pytest.fixture(scope="module", autouse=True)
def three_cpus() -> Iterator[None]:
    """Two for the workers, one for the tasks that make clips."""
    ray.init("local", num_cpus=3, object_store_memory=200_000_000, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def undisturbed(three_cpus: None, data: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Plan]:  # noqa: F811
    """A finished plan of one training of two workers, fed in a way."""

    @cache
    def made(feed: str) -> Plan:
        plan = plan_of(ONE, tmp_path_factory.mktemp(feed), Path(data), asked={"feed": [feed]})
        run(plan, workers=2)
        return plan

    return made


def test_a_group_with_streamed_clips_trains_to_the_bits_of_resident_ones(undisturbed: Callable[[str], Plan]) -> None:
    plans = {feed: undisturbed(feed) for feed in ("resident", "streamed")}
    assert outcome(plans["streamed"]) == outcome(plans["resident"])
    for feed, plan in plans.items():
        record = plan.ledger.record(plan.tasks[0].training_id)
        assert record is not None
        assert (record.way, record.workers) == (feed, 2)


@pytest.mark.parametrize(("feed", "doomed"), [("streamed", 1), ("streamed", 0), ("resident", 1), ("online", 1)])
def test_a_rank_that_dies_in_the_middle_of_an_epoch_costs_no_clip(
    feed: str, doomed: int, undisturbed: Callable[[str], Plan], tmp_path: Path
) -> None:
    """SIGKILL to one of two: both go on from a checkpoint in the middle of the epoch, to the bits of no kill."""
    expected = undisturbed(feed)
    (diary := tmp_path / "diary").mkdir()
    plan = plan_of(ONE, tmp_path / "disturbed", Path(expected.data.root), asked={"feed": [feed]})
    run(plan, partial(faults.kills_a_rank_midway, str(diary), doomed), workers=2)
    assert outcome(plan) == outcome(expected)
    assert sorted(path.name for path in diary.iterdir()) == ["1-0", "1-1", "2-0", "2-1"]
    for rank in range(2):
        taken_up = json.loads((diary / f"2-{rank}").read_text().splitlines()[0])
        assert (taken_up["epoch"], taken_up["step"]) == (1, 4), "the killed step, no earlier one"
    assert_each_clip_once(diary, 64)
    (failure,) = plan.ledger.failures(plan.tasks[0].training_id)
    assert failure["class"] == "preempted", failure["reason"]

"""The three ways in which clips reach trainings, in real sweeps: the same bits, and what happens when a feed breaks."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from rac_ray.sweep.planner import Plan
from tests.sweep import faults
from tests.sweep.running import assert_each_clip_once, data, outcome, run  # noqa: F401 - a fixture
from tests.sweep.tiny_sweep import GRID, plan_of

pytestmark = pytest.mark.usefixtures("local_ray")

ONE = replace(GRID, models=("cnn3d",), seeds=(3,), train_clips=64, val_clips=16)


@pytest.fixture
def make(tmp_path: Path, data: str) -> Callable[..., Plan]:  # noqa: F811
    """A plan of one training, fed in a way."""

    def made(feed: str, **changes: Any) -> Plan:
        return plan_of(replace(ONE, **changes), tmp_path / feed, Path(data), asked={"feed": [feed]})

    return made


@pytest.fixture(scope="module")
def undisturbed(data: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:  # noqa: F811
    """What that training comes to if nothing happens to it; each way is run once."""

    @cache
    def of(feed: str) -> dict[str, Any]:
        plan = plan_of(ONE, tmp_path_factory.mktemp("undisturbed"), Path(data), asked={"feed": [feed]})
        run(plan)
        assert way(plan) == feed
        return outcome(plan)

    return of


def way(plan: Plan) -> str:
    record = plan.ledger.record(plan.tasks[0].training_id)
    assert record is not None
    return record.way


def test_streamed_clips_train_to_the_bits_of_resident_ones(undisturbed: Callable[[str], dict[str, Any]]) -> None:
    assert undisturbed("streamed") == undisturbed("resident")


def test_drawn_clips_train_to_the_same_bits_again(
    make: Callable[..., Plan], undisturbed: Callable[[str], dict[str, Any]]
) -> None:
    drawn = make("online")
    run(drawn)
    assert outcome(drawn) == undisturbed("online")
    record = drawn.ledger.record(drawn.tasks[0].training_id)
    assert record is not None
    assert record.content.keys() == {"2dot/val", *(each.part for each in record.evaluations)}
    assert not list(Path(drawn.data.root).rglob("*endless*"))


@pytest.mark.parametrize(
    "feed",
    [
        pytest.param("resident", marks=pytest.mark.slow),
        "streamed",
        pytest.param("online", marks=pytest.mark.slow),
    ],
)
def test_a_kill_in_the_middle_of_an_epoch_skips_and_repeats_no_clip(
    feed: str, make: Callable[..., Plan], undisturbed: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    """The trial goes on from a checkpoint in the middle of the epoch, to the same bits."""
    (diary := tmp_path / "diary").mkdir()
    plan = make(feed)
    run(plan, partial(faults.kills_itself_midway, str(diary)))
    assert outcome(plan) == undisturbed(feed)
    first, second = sorted(diary.iterdir())
    begun = [json.loads(line) for line in first.read_text().splitlines()]
    taken_up = json.loads(second.read_text().splitlines()[0])
    assert (begun[-1]["epoch"], begun[-1]["step"]) == (1, 4)
    assert (taken_up["epoch"], taken_up["step"]) == (1, 4), "the killed step, no earlier one"
    assert_each_clip_once(diary, 64)
    (failure,) = plan.ledger.failures(plan.tasks[0].training_id)
    assert failure["class"] == "preempted"


@pytest.mark.parametrize("harm", ["damages", pytest.param("deletes", marks=pytest.mark.slow)])
def test_a_shard_that_goes_or_rots_is_a_failure_of_the_data(
    harm: str, undisturbed: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    """The sentence names it; the next run makes it again and the trial goes on, to the bits of an undisturbed one."""
    plan = plan_of(ONE, tmp_path / "results", tmp_path / "data", asked={"feed": ["streamed"]})
    lines = run(plan, partial(faults.harms_a_shard, harm, plan.data.root))
    training_id = plan.tasks[0].training_id
    failures = plan.ledger.failures(training_id)
    assert [failure["class"] for failure in failures] == ["data", "data"]
    words = {"deletes": "is gone", "damages": "is damaged"}[harm]
    assert f"2dot/train-00000-of-00001.parquet {words}" in failures[0]["reason"]
    assert "1 failed" in lines[-1]
    run(replace(plan, retry_failed=True))
    assert outcome(plan) == undisturbed("streamed")

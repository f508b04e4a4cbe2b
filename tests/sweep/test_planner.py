from dataclasses import replace
from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.models import MODELS
from rac_ray.sweep.planner import Plan, Sweep, make_plan, parameters_of
from rac_ray.trial import PAPER_HIDDEN_UNITS, PAPER_SEEDS, Grid

PAPER = Grid(tuple(MODELS), PAPER_HIDDEN_UNITS, PAPER_SEEDS, ("2dot", "mnist_bg"), digits="optdigits")
SWEEP = Sweep("study", {"paper": PAPER}, "paper", "")


def plan_of(tmp_path: Path, grid: Grid = PAPER) -> Plan:
    return make_plan(SWEEP, "paper", grid, str(tmp_path / "results"), str(tmp_path / "data"))


def test_the_study_is_400_trials_and_planning_writes_nothing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert len({trial.trial_id for trial in plan.trials}) == 400
    assert plan.dataset.clips == {
        "2dot/train": 4000, "2dot/val": 1000, "2dot/test": 500, "5dot/test": 500, "mnist/test": 500,
        "mnist_bg/test": 500, "mnist_bg_half/test": 500, "mnist_bg_half/train": 4000, "mnist_bg_half/val": 1000,
    }  # fmt: skip
    lines = plan.lines()
    assert len(lines) == 401
    assert lines[-1].startswith("400 trials planned = 0 done + 0 failed + 400 pending; digits=optdigits; at most ")
    assert list(tmp_path.iterdir()) == []


def test_states_add_up_and_missing_is_what_is_not_done(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, PAPER.narrowed(models=["cnn3d"], hidden_units=[2, 4], seeds=[0, 1], sources=["2dot"]))
    plan.ledger.register(plan.trials)
    plan.ledger.folder(plan.trials[0].trial_id).write_json("record.json", {})
    plan.ledger.fail(plan.trials[1].trial_id, {"reason": "x"})
    states = plan.states()
    assert sorted(states.values()) == ["done", "failed", "pending", "pending"]
    assert [trial.hidden_units for trial in plan.missing()] == [4, 4, 2]
    assert plan.lines()[-1].startswith("4 trials planned = 1 done + 1 failed + 2 pending")


def test_a_source_alone_has_the_same_trials_as_in_company(tmp_path: Path) -> None:
    alone = {trial.trial_id for trial in plan_of(tmp_path, PAPER.narrowed(sources=["2dot"])).trials}
    assert len(alone) == 200
    assert alone < {trial.trial_id for trial in plan_of(tmp_path).trials}


def test_other_data_are_other_trials(tmp_path: Path) -> None:
    ids = [{t.trial_id for t in plan_of(tmp_path, grid).trials} for grid in (PAPER, replace(PAPER, test_clips=499))]
    assert not ids[0] & ids[1]


def test_the_bound_on_disk_covers_data_and_checkpoints(tmp_path: Path) -> None:
    grid = PAPER.narrowed(models=["timesformer8"], hidden_units=[48], seeds=[0], sources=["2dot"])
    clips = 4000 + 1000 + 5 * 500
    assert plan_of(tmp_path, grid).bytes_needed() == clips * 90_000 + 500_000 + 16 * 8_968_709
    assert parameters_of("convlstm", 8) == 14_613


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"sources": ["3dot"]}, "unknown source domain '3dot'; valid: 2dot, mnist_bg"),
        ({"models": ["rnn"]}, "unknown model 'rnn'; valid: convlstm, cnn3d, timesformer1, timesformer8"),
        ({"hidden_units": [3]}, "hidden units of a TimeSformer are 3; valid: even numbers"),
    ],
)
def test_bad_grids_are_named(axes: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        plan_of(tmp_path, PAPER.narrowed(**axes))


def test_too_few_clips_for_a_batch(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="63 training clips do not fill one batch of 64"):
        plan_of(tmp_path, replace(PAPER, train_clips=63))

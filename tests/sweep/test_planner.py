from dataclasses import replace
from pathlib import Path

import pytest
from rac_ray.selection import Selection

from rac_ray.data.temporal_shape import DOMAINS
from rac_ray.errors import BadInput
from rac_ray.identity import PAPER_HIDDEN_UNITS, PAPER_SEEDS, Grid
from rac_ray.models import MODELS
from rac_ray.sweep.planner import Plan, Sweep, make_plan, parameters_of
from tests.test_ledger import finish, give_up

PAPER = Grid(tuple(MODELS), PAPER_HIDDEN_UNITS, PAPER_SEEDS, ("2dot", "mnist_bg"), digits="optdigits")
SMALL = PAPER.narrowed(models=["cnn3d"], hidden_units=[2, 4], seeds=[0, 1], sources=["2dot"])
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
    assert set(plan.states().values()) == {"pending"}
    assert list(tmp_path.iterdir()) == []


def test_states_add_up(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SMALL)
    plan.ledger.register(plan.trials)
    plan.ledger.folder(plan.trials[0].trial_id).write_json("record.json", {"whole": True})
    give_up(plan.ledger, plan.trials[1].trial_id)
    assert list(plan.states().values()) == ["done", "failed", "pending", "pending"]
    assert list(plan.entries()) == plan.trial_ids


def test_only_narrows_a_plan_and_moves_no_id(tmp_path: Path) -> None:
    ids = set(plan_of(tmp_path).trial_ids)
    plan = only(tmp_path, "model=convlstm|cnn3d,hidden_units<=8,source=2dot", PAPER)
    assert len(plan.trials) == 2 * 4 * 5
    assert set(plan.trial_ids) < ids
    assert "mnist_bg_half/train" not in plan.dataset.clips


def test_only_by_state(tmp_path: Path) -> None:
    whole = plan_of(tmp_path, SMALL)
    give_up(whole.ledger, whole.trials[2].trial_id)
    assert only(tmp_path, "state=failed", SMALL).trials == [whole.trials[2]]
    assert len(only(tmp_path, "state!=failed", SMALL).trials) == 3
    assert only(tmp_path, f"trial_id={whole.trials[1].trial_id[:5]}", SMALL).trials == [whole.trials[1]]


def test_only_that_leaves_nothing_says_what_there_is(tmp_path: Path) -> None:
    sentence = "--only 'model=rnn,h>4' leaves none of the 4 planned trials; they have model cnn3d; hidden_units 2, 4"
    with pytest.raises(BadInput) as error:
        only(tmp_path, "model=rnn,h>4", SMALL)
    assert str(error.value) == sentence


def only(tmp_path: Path, text: str, grid: Grid) -> Plan:
    places = str(tmp_path / "results"), str(tmp_path / "data")
    return make_plan(SWEEP, "paper", grid, *places, only=Selection.parse(text))


def test_finished_trials_of_other_sweeps_and_presets_are_taken_over(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SMALL)
    other = make_plan(replace(SWEEP, name="another"), "p", SMALL, str(tmp_path / "results"), str(tmp_path / "data"))
    assert other.trial_ids == plan.trial_ids
    for trial in other.trials[:2]:
        finish(other.ledger, trial.trial_id)
    finish(plan.ledger, plan.trials[0].trial_id)
    assert plan.elsewhere(plan.entries()) == {plan.trials[1].trial_id: other.ledger}
    assert plan.adopt() == 1
    assert plan.adopt() == 0
    assert list(plan.states().values()) == ["done", "done", "pending", "pending"]


def test_a_source_alone_has_the_same_trials_as_in_company(tmp_path: Path) -> None:
    alone = {trial.trial_id for trial in plan_of(tmp_path, PAPER.narrowed(sources=["2dot"])).trials}
    assert len(alone) == 200
    assert alone < {trial.trial_id for trial in plan_of(tmp_path).trials}


def test_other_data_are_other_trials(tmp_path: Path) -> None:
    ids = [{t.trial_id for t in plan_of(tmp_path, grid).trials} for grid in (PAPER, replace(PAPER, test_clips=499))]
    assert not ids[0] & ids[1]


def test_without_paired_clips_ids_are_what_they_were_and_with_them_others(tmp_path: Path) -> None:
    without = plan_of(tmp_path)
    pinned = [(trial.source, trial.data, trial.trial_id) for trial in without.trials[::200]]
    assert pinned == [
        ("2dot", "6894a9500b6050d6", "10f6052141cf"),
        ("mnist_bg", "1020c6b72d3500aa", "e285da9d7ac7"),
    ]
    ids = [{t.trial_id for t in plan_of(tmp_path, replace(PAPER, paired_clips=n)).trials} for n in (0, 400, 500)]
    assert ids[0] == set(without.trial_ids)
    assert len(ids[0] | ids[1] | ids[2]) == 3 * 400


def test_paired_clips_are_planned_for_all_domains_and_counted(tmp_path: Path) -> None:
    grid = replace(PAPER, paired_clips=400)
    without, plan = plan_of(tmp_path), plan_of(tmp_path, grid)
    more = {f"{domain}/paired": 400 for domain in DOMAINS}
    assert plan.dataset.clips == {**without.dataset.clips, **more}
    assert [len(plan.direction(source).evaluations) for source in grid.sources] == [6 + 5, 5 + 4]
    assert plan.bytes_needed(plan.entries()) - without.bytes_needed(without.entries()) == 5 * 400 * 90_000
    expected = [each.bytes_expected(each.entries()).expected for each in (without, plan)]
    assert expected[1] - expected[0] == 200 * (5 + 4) * 400 * 32 + 5 * 400 * 10_000
    alone = plan_of(tmp_path, grid.narrowed(sources=["mnist_bg"]))
    assert alone.trials == plan.trials[200:]
    assert set(alone.dataset.clips) == {*alone.direction("mnist_bg").parts}
    assert "mnist_bg/paired" not in alone.dataset.clips


def test_the_bound_on_disk_covers_data_and_checkpoints(tmp_path: Path) -> None:
    grid = PAPER.narrowed(models=["timesformer8"], hidden_units=[48], seeds=[0], sources=["2dot"])
    clips = 4000 + 1000 + 5 * 500
    plan = plan_of(tmp_path, grid)
    assert plan.bytes_needed(plan.entries()) == clips * 90_000 + 500_000 + 16 * 8_968_709
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


def test_a_negative_number_of_paired_clips_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="2dot/paired is to hold -1 clips; valid: 1 or more"):
        plan_of(tmp_path, replace(PAPER, paired_clips=-1))

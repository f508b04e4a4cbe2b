from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rac_ray.errors import BadInput
from rac_ray.identity import Trial
from rac_ray.models import MODELS, Builder
from rac_ray.studies.temporal_shape.domains import DIRECTIONS, DOMAINS
from rac_ray.studies.temporal_shape.grid import MODELS as PAPERS
from rac_ray.studies.temporal_shape.grid import PAPER_HIDDEN_UNITS, PAPER_SEEDS, PRESETS, Grid
from rac_ray.studies.temporal_shape.study import planned_dataset
from rac_ray.sweep import planner
from rac_ray.sweep.feeds import bytes_by_key
from rac_ray.sweep.only import Only
from rac_ray.sweep.planner import Plan, chosen, make_plan, parameters_of
from rac_ray.sweep.remembered import last_options, remember_options
from rac_ray.training.selection import Selection
from tests.records import finish, give_up, record_of, register
from tests.studies.temporal_shape.idx import drawn, folder_of
from tests.sweep import tiny_sweep
from tests.sweep.tiny_sweep import study_of

PAPER = Grid(PAPERS, PAPER_HIDDEN_UNITS, PAPER_SEEDS, ("2dot", "mnist_bg"))
SMALL = replace(PAPER, models=("cnn3d",), hidden_units=(2, 4), seeds=(0, 1), sources=("2dot",))


def plan_of(tmp_path: Path, grid: Grid = PAPER, **options: Any) -> Plan:
    return tiny_sweep.plan_of(grid, tmp_path / "results", tmp_path / "data", **options)


def clips_of(plan: Plan) -> dict[str, int]:
    return dict(planned_dataset(plan.parts[0].grid, plan.tasks).clips)


def states_of(plan: Plan) -> list[str]:
    return list(plan.states(plan.entries(), None).values())


def training_ids(plan: Plan) -> list[str]:
    return [task.training_id for task in plan.tasks]


def evaluation_ids(plan: Plan) -> set[str]:
    """Of the first epoch's checkpoints."""
    return {each.evaluation_id(task.training_id, 0) for task in plan.tasks for each in task.evaluations}


def test_the_study_is_400_trials_and_planning_writes_nothing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert len(set(plan.trial_ids)) == len(plan.tasks) == 400
    assert clips_of(plan) == {
        "2dot/train": 4000, "2dot/val": 1000, "2dot/test": 500, "5dot/test": 500, "mnist/test": 500,
        "mnist_bg/test": 500, "mnist_bg_half/test": 500, "mnist_bg_half/train": 4000, "mnist_bg_half/val": 1000,
    }  # fmt: skip
    assert set(states_of(plan)) == {"pending"}
    assert list(tmp_path.iterdir()) == []


def test_states_add_up(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SMALL)
    register(plan.ledger, plan.tasks)
    finish(plan.ledger, plan.tasks[0])
    give_up(plan.ledger, plan.tasks[1].training_id)
    assert states_of(plan) == ["done", "failed", "pending", "pending"]
    assert list(plan.entries()) == plan.trial_ids


@pytest.mark.parametrize(("reached", "expected"), [(True, "done"), (False, "unreached")])
def test_a_level_that_was_never_reached_is_a_state_and_no_failure(reached: bool, expected: str, tmp_path: Path) -> None:
    """Nothing is left to run of its training, and nothing to retry."""
    whole = plan_of(tmp_path, SMALL)
    training = whole.tasks[0].training
    trials = tuple(Trial(training, letter, level) for letter, level in (("a", 0.3), ("b", 0.9)))
    task = replace(whole.tasks[0], selection=Selection((0.3, 0.9)), trials=trials)
    plan = replace(whole, tasks=(task,))
    assert plan.trial_ids == [trial.trial_id for trial in trials]
    assert len({*plan.trial_ids, training.training_id}) == 3
    low, high = record_of(task).selected
    finish(plan.ledger, task, selected=[low, msgspec.structs.replace(high, reached=reached)], best_val_top1=0.5)
    (entry,) = plan.entries().values()
    assert states_of(plan) == ["done", expected]
    sentence = "" if reached else "never reached a validation top-1 of 0.9: 0.5000 at best"
    assert [entry.reason_of(trial, None) for trial in trials] == ["", sentence]
    assert entry.state(None) == "done"
    assert not plan.missing(plan.entries())
    assert only_of(plan, "state=unreached") == ([] if reached else [trials[1]])


def only_of(plan: Plan, text: str) -> list[Trial]:
    """What a filter leaves of a plan's trials."""
    try:
        return [trial for task in chosen(plan.tasks, Only.parse(text), plan.ledger) for trial in task.asked]
    except BadInput:
        return []


def test_only_narrows_a_plan_and_moves_no_id(tmp_path: Path) -> None:
    ids = set(plan_of(tmp_path).trial_ids)
    plan = only(tmp_path, "model=convlstm|cnn3d,hidden_units<=8,source=2dot", PAPER)
    assert len(plan.trials) == 2 * 4 * 5
    assert set(plan.trial_ids) < ids
    assert "mnist_bg_half/train" not in clips_of(plan)


def test_only_by_state(tmp_path: Path) -> None:
    whole = plan_of(tmp_path, SMALL)
    give_up(whole.ledger, whole.trial_ids[2])
    assert only(tmp_path, "state=failed", SMALL).trials == [whole.trials[2]]
    assert len(only(tmp_path, "state!=failed", SMALL).trials) == 3
    assert only(tmp_path, f"trial_id={whole.trial_ids[1][:5]}", SMALL).trials == [whole.trials[1]]


def test_only_that_leaves_nothing_says_what_there_is(tmp_path: Path) -> None:
    sentence = "--only 'model=rnn,h>4' leaves none of 4 planned trials; they have model cnn3d; hidden_units 2, 4"
    with pytest.raises(BadInput) as error:
        only(tmp_path, "model=rnn,h>4", SMALL)
    assert str(error.value) == sentence


def only(tmp_path: Path, text: str, grid: Grid) -> Plan:
    return plan_of(tmp_path, grid, only=Only.parse(text))


def test_finished_trials_of_other_sweeps_and_presets_are_taken_over(tmp_path: Path) -> None:
    plan, other = plan_of(tmp_path, SMALL), plan_of(tmp_path, SMALL, name="another")
    assert other.trial_ids == plan.trial_ids
    for task in other.tasks[:2]:
        finish(other.ledger, task)
    finish(plan.ledger, plan.tasks[0])
    assert plan.elsewhere(plan.entries()) == {plan.trial_ids[1]: other.ledger}
    assert plan.adopt() == 1
    assert plan.adopt() == 0
    assert states_of(plan) == ["done", "done", "pending", "pending"]


def test_a_training_that_another_sweep_evaluated_elsewhere_is_taken_over_and_evaluated_here(tmp_path: Path) -> None:
    plan, other = plan_of(tmp_path, SMALL), plan_of(tmp_path, replace(SMALL, test_clips=400), name="another")
    finish(other.ledger, other.tasks[0])
    assert plan.adopt() == 1
    assert states_of(plan) == ["pending"] * 4
    entry = next(iter(plan.entries().values()))
    assert entry.outstanding == 5, "the five test sets; the validation clips are the same"
    assert entry.reason(None) == "trained; 5 evaluations are missing"


def test_a_source_alone_has_the_same_trials_as_in_company(tmp_path: Path) -> None:
    alone = set(plan_of(tmp_path, replace(PAPER, sources=("2dot",))).trial_ids)
    assert len(alone) == 200
    assert alone < set(plan_of(tmp_path).trial_ids)


@pytest.mark.parametrize("change", [{"train_clips": 3999}, {"val_clips": 999}])
def test_other_clips_to_train_or_validate_on_are_other_trainings(change: dict[str, int], tmp_path: Path) -> None:
    plan, other = plan_of(tmp_path, SMALL), plan_of(tmp_path, replace(SMALL, **change))
    assert not set(training_ids(plan)) & set(training_ids(other))


@pytest.mark.parametrize(
    ("change", "kept", "more"), [({"paired_clips": 400}, 6, 5), ({"test_clips": 499}, 1, 5)], ids=["paired", "test"]
)
def test_other_clips_to_evaluate_on_are_the_same_trainings(
    change: dict[str, int], kept: int, more: int, tmp_path: Path
) -> None:
    """Their evaluations are others; those that look at the same clips stay."""
    plan, other = plan_of(tmp_path, SMALL), plan_of(tmp_path, replace(SMALL, **change))
    assert training_ids(plan) == training_ids(other)
    before, after = evaluation_ids(plan), evaluation_ids(other)
    assert (len(before & after), len(after - before)) == (4 * kept, 4 * more)


def test_one_more_target_domain_changes_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, direction = plan_of(tmp_path, SMALL), DIRECTIONS["2dot"]
    fewer = tuple(target for target in direction.targets if target != "mnist")
    monkeypatch.setitem(DIRECTIONS, "2dot", replace(direction, targets=fewer))
    before = plan_of(tmp_path, SMALL)
    assert training_ids(before) == training_ids(plan)
    assert evaluation_ids(before) < evaluation_ids(plan)
    for task in before.tasks:
        finish(before.ledger, task)
    assert set(states_of(before)) == {"done"}
    assert {entry.outstanding for entry in plan.entries().values()} == {1}


def test_other_symbols_are_one_more_evaluation_each_and_change_no_training(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    folders = [folder_of(tmp_path / name, drawn(3)) for name in ("EMNIST", "usps")]
    more = plan_of(tmp_path, asked={"digits": ",".join(folders)})
    assert training_ids(more) == training_ids(plan)
    assert evaluation_ids(plan) < evaluation_ids(more)
    assert len(evaluation_ids(more) - evaluation_ids(plan)) == 400 * 2
    assert [(each.part, each.role) for each in more.tasks[0].evaluations[-2:]] == [
        ("emnist/test", "target"),
        ("usps/test", "target"),
    ]
    assert clips_of(more) == {**clips_of(plan), "emnist/test": 500, "usps/test": 500}
    folder_of(tmp_path / "usps", drawn(3, seed=1))
    others = evaluation_ids(plan_of(tmp_path, asked={"digits": ",".join(folders)})) - evaluation_ids(more)
    assert len(others) == 400


def test_factors_are_one_more_evaluation_each_of_trainings_that_stay_what_they_are(tmp_path: Path) -> None:
    """A factor of paired clips is two, and no preset has any."""
    plan, more = plan_of(tmp_path), plan_of(tmp_path, asked={"factors": "drift,size7"})
    assert training_ids(more) == training_ids(plan)
    assert len(evaluation_ids(more) - evaluation_ids(plan)) == 200 * 2 + 200
    assert [each.part for each in more.tasks[0].evaluations[-2:]] == ["2dot_drift/test", "2dot_size7/test"]
    assert more.tasks[200].evaluations[-1].part == "mnist_bg_half_drift/test"
    added = dict.fromkeys(["2dot_drift/test", "2dot_size7/test", "mnist_bg_half_drift/test"], 500)
    assert clips_of(more) == {**clips_of(plan), **added}
    assert evaluation_ids(plan_of(tmp_path, asked={"factors": ""})) == evaluation_ids(plan)
    paired = [plan_of(tmp_path, replace(SMALL, paired_clips=8), asked=asked) for asked in ({}, {"factors": "drift"})]
    assert [len(each.tasks[0].evaluations) for each in paired] == [11, 13]
    assert all(not preset.factors for preset in PRESETS.values())
    remember_options(more, {"factors": "drift,size7", "seeds": [1]})
    last = last_options(study_of(PAPER), "all", str(tmp_path / "results"))
    assert last == {"factors": "drift,size7", "precision": "32"}
    for spec, left in (("released", {"drift", "static"}), ("paper", {"drift", "flicker"})):
        asked = {"factors": "flicker,static,drift", "spec": [spec], "source": ["mnist_bg"]}
        parts = {each.target for each in plan_of(tmp_path, asked=asked).tasks[0].evaluations}
        assert parts - set(DOMAINS) == {f"mnist_bg_half_{factor}" for factor in left}


def test_longer_clips_are_asked_of_the_models_that_take_them(tmp_path: Path) -> None:
    plan, more = plan_of(tmp_path), plan_of(tmp_path, asked={"factors": "long40"})
    assert training_ids(more) == training_ids(plan)
    asked = {task.training.model: {each.target for each in task.evaluations} for task in more.tasks[:200]}
    assert {model for model, targets in asked.items() if "2dot_long40" in targets} == set(PAPERS) - {"cnn3d"}
    assert len(evaluation_ids(more) - evaluation_ids(plan)) == 2 * 3 * 10 * 5
    subject = more.tasks[0].subject
    assert (subject.shape_of("2dot_long40/test"), subject.shape_of("2dot/test")) == ((40, 1, 64, 64), (20, 1, 64, 64))
    assert subject.clip_shape == (20, 1, 64, 64)
    alone = {"factors": "all", "models": ["cnn3d"], "source": ["2dot"]}
    assert not any("long" in part for part in clips_of(plan_of(tmp_path, asked=alone)))
    with pytest.raises(BadInput, match=r"^factor long40 has longer clips, which cnn3d cannot take; valid: static, "):
        plan_of(tmp_path, asked={**alone, "factors": "long40"})
    assert bytes_by_key(more.tasks)[subject.key("2dot_long40/test")] == 500 * 40 * 64 * 64


def test_precision_is_in_the_id_as_it_was_resolved(tmp_path: Path) -> None:
    plain, half = (plan_of(tmp_path, SMALL, precision=precision) for precision in ("32", "16-mixed"))
    assert not set(training_ids(plain)) & set(training_ids(half))
    assert {task.training.recipe.precision for task in half.tasks} == {"16-mixed"}
    told = replace(SMALL, recipes={"cnn3d": replace(SMALL.recipe("cnn3d"), precision="32")})
    assert training_ids(plan_of(tmp_path, told, precision="16-mixed")) == training_ids(plain)


def test_without_a_word_precision_is_what_it_was_in_the_last_run_or_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def precision() -> str:
        return plan_of(tmp_path, SMALL, precision=None).tasks[0].training.recipe.precision

    for gpus, expected in ((0, "32"), (2, "16-mixed")):
        monkeypatch.setattr(planner, "local_gpus", lambda gpus=gpus: gpus)
        assert precision() == expected
    remember_options(plan_of(tmp_path, SMALL, precision="bf16-mixed"), {"digits": "/sets/emnist", "seeds": [1]})
    assert precision() == "bf16-mixed"
    study, storage = study_of(SMALL), str(tmp_path / "results")
    assert last_options(study, "all", storage) == {"digits": "/sets/emnist", "precision": "bf16-mixed"}


def test_ids_are_what_they_were(tmp_path: Path) -> None:
    """Whoever changes them raises TRAINING_VERSION, or has trained everything for nothing."""
    plan = plan_of(tmp_path)
    pinned = [(task.training.source, task.training.data, task.training_id) for task in plan.tasks[::200]]
    assert pinned == [
        ("2dot", "51d1ac86283c3d88", "9abf80af6631"),
        ("mnist_bg", "2f5b27663ca2b30f", "7e2c3de6cc79"),
    ]
    first = plan.tasks[0].evaluations
    assert [each.evaluation_id(plan.tasks[0].training_id, 3) for each in first[:2]] == [
        "b2fb5ff3c349",
        "a92df1a7ef97",
    ]


def test_paired_clips_are_planned_for_all_domains_and_counted(tmp_path: Path) -> None:
    grid = replace(PAPER, paired_clips=400)
    without, plan = plan_of(tmp_path), plan_of(tmp_path, grid)
    more = {f"{domain}/paired": 400 for domain in DOMAINS}
    assert clips_of(plan) == {**clips_of(without), **more}
    assert [len(task.evaluations) for task in plan.tasks[::200]] == [6 + 5, 5 + 4]
    per_clip = 32 + 5 * 4
    of_trials = 200 * (5 + 4) * 400 * per_clip
    assert plan.bytes_needed(plan.entries()) - without.bytes_needed(without.entries()) == 5 * 400 * 90_000 + of_trials
    expected = [each.bytes_expected(each.entries()).expected for each in (without, plan)]
    assert expected[1] - expected[0] == of_trials + 5 * 400 * 10_000
    alone = plan_of(tmp_path, replace(grid, sources=("mnist_bg",)))
    assert alone.trials == plan.trials[200:]
    assert set(clips_of(alone)) == {"mnist_bg_half/train", "mnist_bg_half/val", *parts_of(alone)}
    assert "mnist_bg/paired" not in clips_of(alone)


def parts_of(plan: Plan) -> set[str]:
    return {each.part for task in plan.tasks for each in task.evaluations}


def test_the_bound_on_disk_covers_data_checkpoints_and_predictions(tmp_path: Path) -> None:
    grid = replace(PAPER, models=("timesformer8",), hidden_units=(48,), seeds=(0,), sources=("2dot",))
    clips = 4000 + 1000 + 5 * 500
    plan = plan_of(tmp_path, grid)
    predictions = (1000 + 5 * 500) * (32 + 5 * 4)
    assert plan.bytes_needed(plan.entries()) == clips * 90_000 + 500_000 + 16 * 8_968_709 + predictions
    assert parameters_of(Builder("convlstm", 8)) == 14_613


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"source": ["3dot"]}, "unknown source domain '3dot'; valid: 2dot, mnist_bg"),
        (
            {"models": ["rnn"]},
            f"unknown model 'rnn'; valid: {', '.join(MODELS)}",
        ),
        ({"hidden_units": [3]}, "hidden units of a TimeSformer are 3; valid: even numbers"),
        ({"seeds": []}, "--seeds names nothing; give one value or more"),
    ],
)
def test_bad_grids_are_named(axes: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        plan_of(tmp_path, asked=axes)


def test_what_is_asked_for_replaces_the_presets_and_counts_once(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, asked={"models": ["cnn3d"], "hidden_units": [4, 2, 4], "seeds": [0], "source": ["2dot"]})
    assert [trial.name for trial in plan.trials] == ["cnn3d h=4 2dot seed=0", "cnn3d h=2 2dot seed=0"]


def test_an_unknown_preset_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown preset 'demo'; valid: all"):
        make_plan(study_of(SMALL), "demo", str(tmp_path), str(tmp_path))


def test_too_few_clips_for_a_batch(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="63 training clips do not fill one batch of 64"):
        plan_of(tmp_path, replace(PAPER, train_clips=63))


def test_a_negative_number_of_paired_clips_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="2dot/paired is to hold -1 clips; valid: 1 or more"):
        plan_of(tmp_path, replace(PAPER, paired_clips=-1))

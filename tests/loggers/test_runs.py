"""What loggers are told of a training, from its records."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from rac_ray.identity import Training, Trial
from rac_ray.loggers.runs import curve_points, planned_run, read_run
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Checkpoint
from tests.loggers.targets import ROWS, TOP1, finish, planned, tasks
from tests.records import give_up, predictions_of, record_of


@pytest.fixture
def sweep(tmp_path: Path) -> tuple[Ledger, Training]:
    ledger, (training, _) = planned(tmp_path)
    return ledger, training


def test_a_training_that_nobody_has_begun_is_no_run(sweep: tuple[Ledger, Training]) -> None:
    ledger, training = sweep
    assert read_run(ledger, training.training_id, None, None) is None
    assert read_run(ledger, training.training_id, "pending", None) is None


def test_one_that_runs_has_its_recipe_as_parameters(sweep: tuple[Ledger, Training]) -> None:
    ledger, training = sweep
    run = read_run(ledger, training.training_id, "running", None)
    assert run is not None
    assert run == replace(planned_run(ledger, training.training_id), notes=run.notes, epochs=[])
    assert (run.key, run.name, run.state) == (training.training_id, "timesformer1 h=4 2dot seed=0", "running")
    some = {"model": "timesformer1", "hidden_units": 4, "source": "2dot", "seed": 0, "recipe.learning_rate": 0.001}
    assert {name: run.parameters[name] for name in some} == some
    assert "recipe.stop_at" not in run.parameters
    assert (run.finals, run.over) == ({}, False)


def test_one_that_is_done_has_its_epochs_and_what_it_came_to(sweep: tuple[Ledger, Training]) -> None:
    ledger, training = sweep
    finish(ledger, 0)
    run = read_run(ledger, training.training_id, None, None)
    assert run is not None
    assert (run.state, run.over) == ("done", True)
    assert run.epochs == ROWS
    assert run.finals == {
        "final/best_epoch": 3.0,
        "final/best_val_top1": 0.75,
        "final/epochs": 5.0,
        "final/parameters": 4000.0,
        "final/peak_bytes": 0.0,
        "final/seconds/to_first_step": 0.5,
        "final/seconds/training": 9.0,
        "final/seconds/evaluation": 1.0,
        "final/seconds/total": 10.6,
        "final/top1/2dot/val": 0.75,
        "final/top1/2dot/test": 0.5,
        "final/top1/mnist/test": 0.38,  # of 100 clips
        "final/robustness_ratio/mnist/test": 0.38 / 0.75,
        "final/chance_corrected_ratio/mnist/test": (0.38 - 0.2) / (0.75 - 0.2),
        "final/ratio_to_source_test/mnist/test": 0.38 / 0.5,
    }
    assert run.ended is not None
    assert run.began == run.ended - 10.6
    assert run.notes["selection_rule"] == "highest source-validation top-1, first epoch on ties"


def test_one_that_failed_says_why_without_a_password(sweep: tuple[Ledger, Training]) -> None:
    ledger, training = sweep
    give_up(ledger, training.training_id)
    run = read_run(ledger, training.training_id, None, None)
    assert run is not None
    assert (run.state, run.notes["reason"], run.notes["attempt"]) == ("failed", "code: broken", "1")


def test_one_whose_driver_is_gone_waits_and_one_of_a_living_driver_runs(sweep: tuple[Ledger, Training]) -> None:
    ledger, training = sweep
    ledger.begin(training.training_id, 1, "a driver")
    states = [read_run(ledger, training.training_id, None, driver) for driver in (None, "a driver")]
    assert [run and run.state for run in states] == ["pending", "running"]


def test_trials_at_levels_are_told_apart_and_one_that_was_never_reached_is_named(
    sweep: tuple[Ledger, Training],
) -> None:
    ledger, training = sweep
    (task, _) = tasks()
    task = replace(task, trials=tuple(Trial(training, "c", level) for level in (0.5, 0.9)))
    record = record_of(task, TOP1)
    reached = Checkpoint(level=0.5, epoch=3, val_top1=0.5)
    record = msgspec.structs.replace(
        record, selected=[reached, Checkpoint(level=0.9, epoch=3, val_top1=0.75, reached=False)]
    )
    ledger.trained(record, ROWS, b"weights")
    ledger.evaluated(record, predictions_of(record))
    run = read_run(ledger, training.training_id, "done", None)
    assert run is not None
    assert (run.state, run.notes["unreached"]) == ("done", "c level 0.9")
    assert run.finals["final/c level 0.5/robustness_ratio/mnist/test"] == 0.38 / 0.5
    assert not any("0.9" in name for name in run.finals)


def test_points_are_the_finite_values_of_known_curves() -> None:
    row = {"epoch": 2, "train_loss": math.nan, "val_top1": 0.5, "pid": 7, "training_id": "a", "clips": None}
    assert curve_points(row) == {"epoch": 2, "val_top1": 0.5}

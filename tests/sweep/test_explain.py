"""What a trial differs in from the nearest finished one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from rac_ray.identity import Training, Trial
from rac_ray.store.entry import Entry
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.sweep.explain import described, description, differences, finished_trials, nearest
from tests.records import finish, record_of, register, task_of

EMPTY = {"trial.json": 500}


def plain(training: Training) -> dict[str, Any]:
    return Trial(training).as_dict()


def recorded(training: Training) -> Record:
    return record_of(task_of(training), {"2dot/val": 0.5}, seconds={"total": 12.0})


def finished(training: Training) -> dict[str, Any]:
    """A finished trial's plain values, as ``finished_trials`` has them."""
    record = recorded(training)
    return {**msgspec.to_builtins(record), **msgspec.to_builtins(record.trials[0])}


def test_an_attempt_that_does_not_say_where_it_runs(make_training, tmp_path: Path) -> None:
    """As one of an older version, or one whose file was changed."""
    training, sweep = make_training(), Ledger(Storage.at(tmp_path))
    register(sweep, [task_of(training)])
    sweep.begin(training.training_id, 1, "driver", host="here")
    entry = sweep.scan()[training.training_id]
    lines = described(description(Trial(training), entry, "driver", (), ()), "folder")
    assert lines[1] == "state: running (attempt 1 is running)"
    assert not any(line.startswith("running: ") for line in lines)


def test_each_component_is_named(make_training) -> None:
    training = make_training()
    other = replace(training, data="elsewhere", recipe=replace(training.recipe, learning_rate=0.5))
    found = differences(plain(training), {**plain(other), "training_version": 1})
    assert found == {
        "data": ("test-data", "elsewhere"),
        "training_version": (2, 1),
        "recipe.learning_rate": (0.01, 0.5),
    }
    assert differences(plain(training), plain(training)) == {}
    assert differences(plain(training), finished(training)) == {}


def test_variants_are_components_and_older_records_are_of_the_studys_own(make_training) -> None:
    training = make_training()
    paper, released = (replace(training, variants={"spec": spec}) for spec in ("paper", "released"))
    assert differences(plain(paper), finished(training)) == {"spec": ("paper", "released")}
    assert differences(plain(released), finished(training)) == {}
    assert differences(plain(released), plain(paper)) == {"spec": ("released", "paper")}


def test_a_recipe_field_that_one_version_does_not_have(make_training) -> None:
    trial = plain(make_training())
    older = {**trial, "recipe": {name: value for name, value in trial["recipe"].items() if name != "momentum"}}
    assert differences(trial, older) == {"recipe.momentum": (0.9, None)}
    assert differences(older, trial) == {"recipe.momentum": (None, 0.9)}


def test_a_changed_recipe_is_nearer_than_another_seed(make_training) -> None:
    training = make_training(seed=3)
    changed = replace(training, data="new", recipe=replace(training.recipe, patience=9, max_epochs=9))
    other_seed = replace(training, seed=4)
    assert nearest(plain(training), [plain(other_seed), plain(changed)]) == plain(changed)
    assert nearest(plain(training), [plain(training)]) is None


def test_trials_of_one_training_are_told_apart(make_training) -> None:
    training = make_training()
    one, other = (Trial(training, letter, level) for letter, level in (("a", 0.3), ("b", 0.5)))
    assert differences(one.as_dict(), other.as_dict()) == {"experiment": ("a", "b"), "level": (0.3, 0.5)}
    assert nearest(one.as_dict(), [one.as_dict(), other.as_dict()]) == other.as_dict()


def test_finished_trials_are_read_from_a_ledger(make_task, tmp_path: Path) -> None:
    ledger, done, new = Ledger(Storage.at(tmp_path)), make_task(seed=1), make_task(seed=2)
    register(ledger, [done, new])
    finish(ledger, done)
    (found,) = finished_trials(ledger)
    assert (found["trial_id"], found["model"], found["recipe"]["patience"]) == (done.training_id, "timesformer1", 3)


def test_a_description_for_people(make_training) -> None:
    training = make_training(seed=3)
    near = replace(training, recipe=replace(training.recipe, learning_rate=0.5))
    failure = {"attempt": 1, "class": "code", "reason": "KeyError: 'x'", "retry": False}
    entry = Entry(training.training_id, {**EMPTY, "failure-001.json": 700}, None, None, (failure,))
    about = description(Trial(training), entry, None, [failure], [finished(near)])
    assert about["state"] == "failed"
    assert described(about, "/results/x") == [
        f"{training.training_id}  timesformer1 h=4 2dot seed=3",
        "state: failed (code: KeyError: 'x')",
        "attempt 1 failed: code: KeyError: 'x' (given up)",
        "made of: data test-data, training_version 2, recipe.learning_rate 0.01, recipe.momentum 0.9, "
        "recipe.weight_decay 1e-05, recipe.batch_size 8, recipe.max_epochs 3, recipe.patience 3, "
        "recipe.stop_at None, recipe.precision 32, recipe.optimiser sgd, recipe.schedule constant, recipe.warm_up 0.0, "
        "recipe.label_smoothing 0.0, recipe.clip_norm None, recipe.normalisation batch",
        f"nearest finished trial {near.training_id} differs in recipe.learning_rate 0.01 (there 0.5)",
        "files: /results/x (0.0 MB: failure-001.json, trial.json)",
    ]


def test_a_finished_and_a_running_trial(make_training) -> None:
    training = make_training()
    trial = Trial(training)
    done = Entry(training.training_id, {**EMPTY, "record.json": 900}, recorded(training))
    lines = described(description(trial, done, None, [], [finished(training)]), "/f")
    assert lines[1:3] == ["state: done", "result: val top-1 0.500 in epoch 4, 12 s"]
    assert lines[-2] == "nearest finished trial: there is none on this storage"
    attempt = {"attempt": 2, "driver": "token", "host": "node3", "pid": 77, "began_at": "2026-01-01T00:00:00Z"}
    running = Entry(training.training_id, EMPTY, None, attempt)
    lines = described(description(trial, running, "token", [], []), "/f")
    assert lines[1:3] == [
        "state: running (attempt 2 is running)",
        "running: on node3, process 77, since 2026-01-01T00:00:00Z",
    ]


def test_a_trial_that_is_not_planned_any_more(make_training, tmp_path: Path) -> None:
    """It is known by its plain values alone."""
    task, ledger = task_of(make_training(seed=9)), Ledger(Storage.at(tmp_path))
    register(ledger, [task])
    values = {"trial_id": task.training_id, **ledger.trial(task.training_id)}
    lines = described(description(values, ledger.scan()[task.training_id], None, [], []), "/f")
    assert lines[:2] == [f"{task.training_id}  {task.training_id}", "state: pending (has not run)"]

"""What a trial differs in from the nearest finished one."""

from dataclasses import replace

from rac_ray.ledger import Entry
from rac_ray.sweep.explain import described, description, differences, nearest

EMPTY = {"trial.json": 500}


def finished(trial, **changes):
    return {
        **trial.as_dict(),
        **changes,
        "best_val_top1": 0.5,
        "best_epoch": 1,
        "seconds": {"total": 12.0},
    }


def test_each_component_is_named(make_trial) -> None:
    trial = make_trial()
    other = replace(trial, data="elsewhere", recipe=replace(trial.recipe, learning_rate=0.5))
    found = differences(trial.as_dict(), {**other.as_dict(), "training_version": 0})
    assert found == {
        "data": ("test-data", "elsewhere"),
        "training_version": (1, 0),
        "recipe.learning_rate": (0.01, 0.5),
    }
    assert differences(trial.as_dict(), trial.as_dict()) == {}


def test_a_recipe_field_that_one_version_does_not_have(make_trial) -> None:
    trial = make_trial().as_dict()
    older = {**trial, "recipe": {name: value for name, value in trial["recipe"].items() if name != "momentum"}}
    assert differences(trial, older) == {"recipe.momentum": (0.9, None)}
    assert differences(older, trial) == {"recipe.momentum": (None, 0.9)}


def test_a_changed_recipe_is_nearer_than_another_seed(make_trial) -> None:
    trial = make_trial(seed=3)
    changed = replace(trial, data="new", recipe=replace(trial.recipe, patience=9, max_epochs=9))
    other_seed = replace(trial, seed=4)
    assert nearest(trial.as_dict(), [other_seed.as_dict(), changed.as_dict()]) == changed.as_dict()
    assert nearest(trial.as_dict(), [trial.as_dict()]) is None


def test_a_description_for_people(make_trial) -> None:
    trial = make_trial(seed=3)
    near = replace(trial, recipe=replace(trial.recipe, learning_rate=0.5))
    failure = {"attempt": 1, "class": "code", "reason": "KeyError: 'x'", "retry": False}
    entry = Entry(trial.trial_id, {**EMPTY, "failure-001.json": 700}, None, None, (failure,))
    about = description(trial.as_dict(), entry, None, [failure], [finished(near)])
    assert about["state"] == "failed"
    assert described(about, "/results/x") == [
        f"{trial.trial_id}  timesformer1 h=4 2dot seed=3",
        "state: failed (code: KeyError: 'x')",
        "attempt 1 failed: code: KeyError: 'x' (given up)",
        "made of: data test-data, training_version 1, recipe.learning_rate 0.01, recipe.momentum 0.9, "
        "recipe.weight_decay 1e-05, recipe.batch_size 8, recipe.max_epochs 3, recipe.patience 3, recipe.precision auto",
        f"nearest finished trial {near.trial_id} differs in recipe.learning_rate 0.01 (there 0.5)",
        "files: /results/x (0.0 MB: failure-001.json, trial.json)",
    ]


def test_a_finished_and_a_running_trial(make_trial) -> None:
    trial = make_trial()
    done = Entry(trial.trial_id, {**EMPTY, "record.json": 900}, finished(trial))
    lines = described(description(trial.as_dict(), done, None, [], [finished(trial)]), "/f")
    assert lines[1:3] == ["state: done", "result: val top-1 0.500 in epoch 1, 12 s"]
    assert lines[-2] == "nearest finished trial: there is none on this storage"
    attempt = {"attempt": 2, "driver": "token", "host": "node3", "pid": 77, "began_at": "2026-01-01T00:00:00Z"}
    running = Entry(trial.trial_id, EMPTY, None, attempt)
    lines = described(description(trial.as_dict(), running, "token", [], []), "/f")
    assert lines[1:3] == [
        "state: running (attempt 2 is running)",
        "running: on node3, process 77, since 2026-01-01T00:00:00Z",
    ]

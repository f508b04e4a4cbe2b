"""The one reader of records: what the writer wrote, schema 1 as what it is, and anything else as damaged."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from rac_ray.identity import Evaluation, Recipe, Training, Trial
from rac_ray.store.record import Checkpoint, Damaged, Record, evaluated, named, read_record, with_trials
from tests.records import CLIPS, EPOCH, record_of, task_of

TRAINING = Training("cnn3d", 4, "2dot", 42, Recipe(precision="32"), "feed", about={"digits": "optdigits"})
TARGET = Evaluation("5dot", "test", "target", "cafe")
TASK = replace(task_of(TRAINING), evaluations=(TARGET,))


def record(**changes: Any) -> Record:
    return record_of(TASK, **changes)


def scored(evaluation: Evaluation, epoch: int = EPOCH, correct: int = 60) -> Any:
    return evaluated(evaluation, TRAINING.training_id, epoch, clips=CLIPS, correct=correct, top1=correct / CLIPS)


def test_what_is_written_is_read() -> None:
    whole = record(kept=[(0, 0.25), (2, 0.5)])
    assert read_record(whole.as_json()) == whole
    assert read_record(whole.as_json()).training() == TRAINING
    assert json.loads(whole.as_json())["schema"] == 2


def test_of_each_part_the_newest_content_counts_or_the_one_that_is_wanted() -> None:
    newer = Evaluation("5dot", "test", "target", "beef")
    whole = record(evaluations=[scored(TARGET), scored(newer, correct=9), scored(newer, epoch=EPOCH + 1, correct=1)])
    (trial,) = whole.trials
    assert [each.correct for each in whole.evaluations_of(trial)] == [9]
    assert [each.correct for each in whole.evaluations_of(trial, {"5dot/test": "cafe"})] == [60]
    assert whole.evaluations_of(trial, {"5dot/test": "other"}) == []


def test_a_trial_has_what_was_edited_in_its_way() -> None:
    edited = Evaluation("5dot", "test", "target", "beef", "codec=no")
    whole = record(evaluations=[scored(TARGET), scored(edited, correct=9)])
    whole = with_trials(read_record(whole.as_json()), [Trial(TRAINING, variant="codec=no")])
    contents = {"5dot/test": "cafe", "5dot codec=no/test": "beef"}
    for wanted in (None, contents):
        found = [[each.correct for each in whole.evaluations_of(trial, wanted)] for trial in whole.trials]
        assert found == [[60], [9]]


def test_what_older_versions_did_not_tell_is_left_open() -> None:
    value = json.loads(record(variants={"spec": "paper"}).as_json())
    assert value.pop("variants") == {"spec": "paper"}
    assert value["evaluations"][0].pop("variant") == ""
    old = read_record(json.dumps(value).encode())
    assert (old.variants, old.evaluations[0].variant) == ({}, "")


def test_a_level_that_was_not_reached_has_no_evaluations() -> None:
    low, high = Trial(TRAINING, "a", 0.4), Trial(TRAINING, "b", 0.9)
    selected = [
        Checkpoint(level=0.4, epoch=EPOCH, val_top1=0.41),
        Checkpoint(level=0.9, epoch=EPOCH, val_top1=0.41, reached=False),
    ]
    whole = record(selected=selected, trials=[named(low)])
    assert with_trials(whole, [low]) == whole
    whole = with_trials(whole, [high])
    assert [trial.experiment for trial in whole.trials] == ["a", "b"]
    assert [len(whole.evaluations_of(trial)) for trial in whole.trials] == [1, 0]
    assert whole.checkpoint(None) is None


OLD: dict[str, Any] = {
    "schema": 1, "model": "cnn3d", "hidden_units": 4, "source": "2dot", "seed": 0, "data": "feed",
    "digits": "optdigits", "trial_id": "5b4808eefb30", "training_version": 1, "selection_rule": "best",
    "recipe": {"learning_rate": 0.001, "momentum": 0.9, "weight_decay": 1e-5, "batch_size": 64, "max_epochs": 100,
               "patience": 10, "precision": "auto"},
    "best_epoch": 1, "best_val_top1": 0.5, "epochs": 3, "parameters": 3573, "classes": 5,
    "evaluations": [{"target": "2dot", "split": "val", "role": "source_val", "clips": 10, "correct": 5, "top1": 0.5}],
    "content": {"2dot/val": "ab"}, "dataset": None, "precision_used": "32", "device": "cpu", "workers": 1,
    "per_worker": {"CPU": 1}, "cuda_graphs": False, "attempt": 1, "host": "here", "python": "3.11", "commit": "abc",
    "versions": {"torch": "2.13.0"}, "peak_bytes": 1, "seconds": {"total": 1.0}, "finished_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


def test_a_record_of_version_0_1_is_one_trial_and_keeps_its_id_and_version() -> None:
    whole = read_record(json.dumps(OLD).encode())
    assert (whole.study, whole.schema, whole.training_version) == ("temporal_shape", 1, 1)
    assert (whole.training_id, whole.trials[0].trial_id) == ("5b4808eefb30", "5b4808eefb30")
    assert (whole.recipe.precision, whole.about) == ("32", {"digits": "optdigits"})
    (evaluation,) = whole.evaluations_of(whole.trials[0], {"2dot/val": "whatever is planned now"})
    assert (evaluation.correct, evaluation.epoch) == (5, 1)


def test_a_record_of_diving48s_version_0_1_has_its_level() -> None:
    old = {**OLD, "source": "original", "experiment": "c", "size": "cnn3d-4x128", "level": 0.383, "digits": "none"}
    whole = read_record(json.dumps(old).encode())
    assert (whole.study, whole.size, whole.about) == ("diving48", "cnn3d-4x128", {})
    (trial,) = whole.trials
    assert (trial.experiment, trial.level) == ("c", 0.383)
    assert len(whole.evaluations_of(trial)) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x00\xff", b"{}", b"[]", b'"x"', b"null", b"7", b'{"schema": 2}', b'{"schema": 1}', b'{"schema": "2"}',
        record().as_json()[:-20], record().as_json().replace(b'"epochs": 5', b'"epochs": "5"'),
        json.dumps({**OLD, "evaluations": [3]}).encode(), json.dumps({**OLD, "recipe": []}).encode(),
    ],
)  # fmt: skip
def test_anything_else_is_damaged(content: bytes) -> None:
    with pytest.raises(Damaged, match=r"record\.json (is not a record|has schema)"):
        read_record(content)


@pytest.mark.parametrize(
    ("there", "other"),
    [
        ('"best_val_top1": 0.5', '"best_val_top1": NaN'), ('"best_val_top1": 0.5', '"best_val_top1": 1e999'),
        ('"best_val_top1": 0.5', '"best_val_top1": Infinity'), ('"best_val_top1": 0.5', '"best_val_top1": 7'),
        ('"classes": 5', '"classes": 0'), ('"epochs": 5', '"epochs": 0'), ('"epochs": 5', f'"epochs": {10**30}'),
        ('"clips": 100', '"clips": 0'), ('"correct": 60', '"correct": -1'), ('"total": 10.6', '"sum": 10.6'),
        ('"batch_size": 64', '"batch_size": 0'), ('"precision": "32"', '"precision": "auto"'),
        ('"finished_at": "2026-01-01T00:00:00Z"', '"finished_at": "now"'), ('"classes": 5', '"classes": 65537'),
        ('"seed": 42', f'"seed": {2**63}'), ('"patience": 10', f'"patience": {10**10}'),
        ('"total": 10.6', '"total": 1e300'),
        ('"training_version": 2', f'"training_version": {2**64}'), ('"source": "2dot"', '"source": "../2dot"'),
        ('"correct": 60', '"correct": 61'), ('"split": "test"', '"split": "te\\nst"'),
        (f'"trial_id": "{TRAINING.training_id}"', '"trial_id": "../x"'),
    ],
)  # fmt: skip
def test_values_that_no_record_has_are_damage(there: str, other: str) -> None:
    text = record(evaluations=[scored(TARGET)]).as_json().decode()
    assert text.count(there) == 1
    with pytest.raises(Damaged, match=r"record\.json is not a record"):
        read_record(text.replace(there, other).encode())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_record_is_written_that_cannot_be_read(value: float) -> None:
    with pytest.raises(Damaged, match=r"record\.json is not a record"):
        record(seconds={"total": value}).as_json()


def test_a_later_schema_is_named() -> None:
    later = json.dumps({"schema": 3}).encode()
    with pytest.raises(Damaged, match="has schema 3; valid: 1 and 2"):
        read_record(later)

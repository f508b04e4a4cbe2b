"""What a finished training has yet to be asked."""

from dataclasses import replace

import msgspec
import pytest

from rac_ray.identity import Evaluation, Trial
from rac_ray.store.record import Checkpoint
from rac_ray.training.task import Counts
from tests.records import CLIPS, record_of

NEW = Evaluation("5dot", "test", "target", "content of 5dot/test")


def test_clips_of_evaluations_are_counted(make_task) -> None:
    task = make_task()
    assert task.counts.of(task.evaluations) == 3 * CLIPS
    assert task.counts.of([]) == 0
    counts = Counts(train=9, val=9, evaluated={"mnist/test": 7, "2dot/val": 2})
    assert counts.of(task.evaluations[:1]) == 2


def test_without_a_name_a_task_serves_the_trial_of_the_best_checkpoint(make_task) -> None:
    task = make_task()
    assert task.asked == (Trial(task.training),)
    named = Trial(task.training, "a", 0.4)
    assert replace(task, trials=(named,)).asked == (named,)


def test_only_what_is_new_is_outstanding(make_task) -> None:
    task = make_task()
    record = record_of(task)
    assert task.outstanding(record) == {}
    assert replace(task, evaluations=(*task.evaluations, NEW)).outstanding(record) == {3: [NEW]}
    changed = replace(task.evaluations[0], content="other pixels")
    assert replace(task, evaluations=(changed, *task.evaluations[1:])).outstanding(record) == {3: [changed]}
    trained = msgspec.structs.replace(record, evaluations=[])
    assert task.outstanding(trained) == {3: list(task.evaluations)}


def test_trials_of_another_variant_are_asked_about_their_clips(make_task) -> None:
    task = make_task()
    edited = replace(task.evaluations[-1], variant="codec=no")
    counts = replace(task.counts, evaluated={**task.counts.evaluated, edited.part: CLIPS})
    plain, other = Trial(task.training), Trial(task.training, variant="codec=no")
    both = replace(task, evaluations=(*task.evaluations, edited), counts=counts, trials=(plain, other))
    assert both.evaluations_of(plain) == list(task.evaluations)
    assert both.evaluations_of(other) == [*task.evaluations[:2], edited]
    assert both.clips_asked == 4 * CLIPS
    assert both.outstanding(record_of(task)) == {3: [edited]}
    assert replace(both, trials=(plain,)).outstanding(record_of(task)) == {}


def test_another_training_has_the_same_trials(make_task, make_training) -> None:
    task = make_task()
    task = replace(task, trials=(Trial(task.training, "a", 0.4), Trial(task.training, variant="tuned")))
    other = task.with_training(make_training(seed=7))
    assert other.training.seed == 7
    assert [(t.training, t.experiment, t.level, t.variant) for t in other.trials] == [
        (other.training, "a", 0.4, ""), (other.training, "", None, "tuned"),
    ]  # fmt: skip


@pytest.mark.parametrize("reached", [True, False])
def test_levels_are_asked_of_their_checkpoints_once(make_task, reached: bool) -> None:
    """Two trials share a checkpoint; one level was not reached, and of one the record knows nothing yet."""
    task = make_task()
    levels = (0.4, 0.42, 0.9, 0.6)
    wanted = replace(task, trials=tuple(Trial(task.training, f"{level}", level) for level in levels))
    selected = [
        Checkpoint(level=0.4, epoch=1, val_top1=0.41),
        Checkpoint(level=0.42, epoch=1, val_top1=0.41),
        Checkpoint(level=0.9, epoch=5, val_top1=0.7, reached=reached),
    ]
    record = record_of(task, selected=selected)
    everything = list(task.evaluations)
    expected = {1: everything, -1: everything} | ({5: everything} if reached else {})
    assert wanted.outstanding(record) == expected

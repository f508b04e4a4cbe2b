"""The weights that a finished training is asked by."""

from dataclasses import replace

import msgspec

from rac_ray.store.record import Checkpoint
from rac_ray.training.weights import checkpoint_file, has_weights, knowing_levels
from tests.records import asking, chosen, record_of


def test_weights_of_kept_epochs_have_files_of_their_own(make_task) -> None:
    record = record_of(make_task(), kept=[(1, 0.5), (3, 0.7)])
    assert [checkpoint_file(record, epoch) for epoch in (1, 2, 3)] == [
        "level-epoch-0001.ckpt",
        "best.ckpt",
        "level-epoch-0003.ckpt",
    ]


def test_levels_that_are_asked_for_later_stand_on_what_was_kept(make_task) -> None:
    task = make_task()
    record = record_of(
        asking(task, 0.5),
        kept=[(0, 0.2), (1, 0.5), (3, 0.7)],
        selected=[Checkpoint(level=0.5, epoch=1, val_top1=0.5)],
        best_val_top1=0.7,
    )
    assert knowing_levels(record, asking(task, 0.5)) is record
    wider = knowing_levels(record, asking(task, 0.9, 0.5, 0.3, None))
    first = (0.5, 1, 0.5, True)
    assert chosen(wider) == [first, (0.9, 3, 0.7, False), (0.3, 0, 0.2, True), (None, 3, 0.7, True)]
    assert knowing_levels(wider, asking(task, None, 0.3)) is wider
    assert msgspec.structs.replace(wider, selected=record.selected) == record


def test_a_training_for_its_best_epoch_alone_offers_that_epoch(make_task) -> None:
    task = make_task()
    record = knowing_levels(record_of(task, best_val_top1=0.5), asking(task, 0.45, 0.9))
    assert chosen(record)[1:] == [(0.45, 3, 0.5, True), (0.9, 3, 0.5, False)]
    assert checkpoint_file(record, 3) == "best.ckpt"


def test_weights_are_needed_of_what_is_yet_to_be_asked(make_task) -> None:
    """The best ones always: they are what a training leaves."""
    task = make_task()
    record, levels = record_of(task, kept=[(1, 0.5), (3, 0.7)]), ["level-epoch-0001.ckpt"]
    assert not has_weights(None, ["best.ckpt"], task)
    assert not has_weights(record, levels, task)
    assert has_weights(record, ["best.ckpt"], task)
    wider = asking(task, None, 0.5)
    assert not has_weights(record, ["best.ckpt"], wider)
    assert has_weights(record, ["best.ckpt", *levels], wider)
    assert not has_weights(record, levels, replace(wider, trials=wider.trials[1:]))

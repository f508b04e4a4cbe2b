"""Evaluations of trainings that are there: new ones, missing ones, and those of weights that are gone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from rac_ray import Where, api
from rac_ray.data.feed import Opening
from rac_ray.data.feeding import ClipFeeds
from rac_ray.errors import BadInput
from rac_ray.identity import Trial
from rac_ray.store.files import BEST_CHECKPOINT
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.domains import make_clip
from rac_ray.studies.temporal_shape.rendering import clip_source, rendered_parts
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.studies.temporal_shape.symbols import all_symbols
from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.planner import Plan
from rac_ray.training.checkpoints import weights_in
from rac_ray.training.selection import Selection
from tests.records import finish
from tests.studies.temporal_shape.idx import drawn, folder_of
from tests.sweep import faults
from tests.sweep.running import GRID, QUICK, data, plan_of, predictions_of, records_of, run
from tests.sweep.tiny_sweep import study_of

__all__ = ["data", "plan_of"]

pytestmark = pytest.mark.usefixtures("local_ray")


def files_of(plan: Plan, name: str) -> dict[str, bytes]:
    """A file of each training, by training id."""
    return {task.training_id: plan.ledger.folder(task.training_id).read_bytes(name) for task in plan.tasks}


def test_one_more_evaluation_of_a_finished_sweep_trains_nothing(plan_of: Callable[..., Plan]) -> None:
    """A training step would raise."""
    plan = plan_of()
    run(plan)
    before = {name: files_of(plan, name) for name in ("epochs.parquet", "best.ckpt")}
    tables, records = predictions_of(plan), records_of(plan)
    more = plan_of(paired_clips=6)
    assert more.trial_ids == plan.trial_ids
    assert set(more.states(more.entries(), None).values()) == {"pending"}
    lines = run(more, faults.trains_nothing)
    assert sum(" done   " in line for line in lines) == 4
    assert {name: files_of(plan, name) for name in before} == before
    for each in (plan, more):
        assert set(each.states(each.entries(), None).values()) == {"done"}
    for training_id, record in records_of(more).items():
        old = records[training_id]
        assert record.evaluations[: len(old.evaluations)] == old.evaluations
        assert [each.clips for each in record.evaluations[len(old.evaluations) :]] == [6] * 5
        assert {each.role for each in record.evaluations[len(old.evaluations) :]} == {"paired"}
        predictions = more.ledger.table(training_id, "predictions")
        assert predictions.slice(0, len(tables[training_id])).equals(tables[training_id])
        assert len(predictions) == len(tables[training_id]) + 5 * 6
        assert more.ledger.failures(training_id) == []
        assert not more.ledger.folder(training_id).exists("last.ckpt")
        assert (record.epochs, record.attempt, record.seconds["training"]) == (
            old.epochs,
            old.attempt,
            old.seconds["training"],
        )


@pytest.mark.slow
def test_other_symbols_on_a_finished_sweep_train_nothing(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """A training step would raise."""
    few = {"models": ("cnn3d",), "seeds": (0,)}
    plan = plan_of(**few)
    run(plan)
    (old,) = records_of(plan).values()
    folder = folder_of(tmp_path / "Kannada", drawn(4))
    more = plan_of(**few, symbols=all_symbols([folder]))
    assert more.trial_ids == plan.trial_ids
    assert set(more.states(more.entries(), None).values()) == {"pending"}
    assert sum(" done   " in line for line in run(more, faults.trains_nothing)) == 1
    (new,) = records_of(more).values()
    assert new.evaluations[:-1] == old.evaluations
    added = new.evaluations[-1]
    assert (added.part, added.role, added.clips, new.epochs) == ("kannada/test", "target", 8, old.epochs)
    assert set(plan.states(plan.entries(), None).values()) == {"done"}


def test_a_factor_on_a_finished_sweep_trains_nothing_and_is_asked_its_own_clips(plan_of: Callable[..., Plan]) -> None:
    """A training step would raise. The floor has no time, and so one answer to a clip, however its frames are shown."""
    few = {"models": ("bag",), "hidden_units": (8,), "seeds": (0,), "recipes": {"bag": QUICK}}
    plan = plan_of(**few)
    run(plan)
    before, (old,) = {name: files_of(plan, name) for name in ("epochs.parquet", "best.ckpt")}, records_of(plan).values()
    more = plan_of(**few, factors=("contrast50", "shuffled"))
    assert more.trial_ids == plan.trial_ids
    assert set(more.states(more.entries(), None).values()) == {"pending"}
    assert sum(" done   " in line for line in run(more, faults.trains_nothing)) == 1
    assert {name: files_of(more, name) for name in before} == before
    (new,) = records_of(more).values()
    assert new.evaluations[:-2] == old.evaluations
    added = [(each.part, each.role, each.clips) for each in new.evaluations[-2:]]
    assert added == [("2dot_contrast50/test", "target", 8), ("2dot_shuffled/test", "target", 8)]
    assert set(plan.states(plan.entries(), None).values()) == {"done"}
    (table,) = predictions_of(more).values()
    found = table.to_pandas().query("split == 'test'").sort_values("clip_id").groupby("target")
    logits = {target: np.stack(rows["logits"].tolist()) for target, rows in found}
    np.testing.assert_allclose(logits["2dot_shuffled"], logits["2dot"], atol=1e-5)
    assert not np.allclose(logits["2dot_contrast50"], logits["2dot"], atol=1e-3)
    assert len(np.unique(logits["2dot"], axis=0)) == 8
    assert {target: rows["label"].tolist() for target, rows in found}["2dot_shuffled"] == [
        *found.get_group("2dot")["label"]
    ]
    clips = clip_source([new])
    for name in ("contrast50", "shuffled"):
        shown = make_clip(GRID.spec, f"2dot_{name}", "test", 5).frames
        np.testing.assert_array_equal(clips(f"2dot_{name}/test/000005"), shown)


def test_longer_clips_are_asked_of_a_finished_sweeps_models_of_any_length(
    plan_of: Callable[..., Plan], data: str, tmp_path: Path
) -> None:
    """A training step would raise. A 3D CNN has nothing to do; the other one says the same of streamed clips."""
    few = {"seeds": (0,)}
    run(plan_of(**few))
    more = plan_of(**few, factors=("long40",))
    states = more.states(more.entries(), None)
    assert [states[trial.trial_id] for trial in more.trials] == ["pending", "done"]
    assert sum(" done   " in line for line in run(more, faults.trains_nothing)) == 1
    transformer, cnn = (records_of(more)[task.training_id] for task in more.tasks)
    assert (len(cnn.evaluations), len(transformer.evaluations)) == (6, 7)
    added = transformer.evaluations[-1]
    assert (added.part, added.role, added.clips) == ("2dot_long40/test", "target", 8)
    for record in (transformer, cnn):
        assert rendered_parts(record).keys() == record.content.keys()
    assert clip_source([transformer])("2dot_long40/test/000003").shape == (40, 64, 64)
    grid = replace(GRID, **few, factors=("long40",))
    shown = api.results(study_of(grid), where=Where(str(tmp_path / "results"), data)).analysis.sheets
    accuracy, ratios = (
        next(sheet.shown for sheet in shown if sheet.name == name) for name in ("figure3-2dot", "robustness-2dot")
    )
    said = dict(zip(accuracy["model"], accuracy["2Dot long40 test"], strict=True))
    assert (said["3D CNN"], said["TimeSf-1"]) == ("-", f"{100 * added.top1:.1f}*"), "who was not asked is not at chance"
    said = dict(zip(ratios["model"], ratios["2Dot long40"], strict=True))
    assert (said["3D CNN"], said["TimeSf-1"]) == ("-", "at chance"), "neither has learned, and one was not asked"
    task, model = more.tasks[0], TemporalShape().built(transformer)
    model.load_state_dict(weights_in(more.ledger.folder(task.training_id), BEST_CHECKPOINT))
    asked = ClipFeeds(task.subject, Opening(0, 8)).asked("2dot_long40/test")
    ((clips, _),) = asked.batches
    assert clips.shape == (8, 40, 1, 64, 64)
    table = more.ledger.table(task.training_id, "predictions").to_pandas().query("target == '2dot_long40'")
    with torch.inference_mode():
        said = model.eval()(clips / 255)
    np.testing.assert_allclose(np.stack(table.sort_values("clip_id")["logits"].tolist()), said, atol=1e-5)


def test_records_say_of_each_model_what_it_was_asked(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """Of two models one alone takes longer clips, whichever comes first."""
    plan = plan_of(seeds=(0,), factors=("long40",))
    run(replace(plan, ledger=Ledger(Storage.at(tmp_path / "fresh/tiny"))))
    records = Ledger(Storage.at(tmp_path / "fresh/tiny")).records([task.training_id for task in plan.tasks])
    for record in records.values():
        read = {*record.content}
        assert {*(record.dataset or {})["clips"]} == read, record.model
        assert TemporalShape().again(record)[0].num_classes == 5
    assert len({"2dot_long40/test" in record.content for record in records.values()}) == 2


def test_new_evaluations_are_those_of_a_sweep_that_had_them_from_the_start(
    plan_of: Callable[..., Plan], tmp_path: Path
) -> None:
    few = {"models": ("cnn3d",), "seeds": (5,)}
    run(plan_of(**few))
    grown, whole = plan_of(**few, paired_clips=6), plan_of(**few, paired_clips=6)
    run(grown, faults.trains_nothing)
    whole = replace(whole, ledger=Ledger(Storage.at(tmp_path / "whole/tiny")))
    run(whole)
    order = [("evaluation_id", "ascending"), ("clip_id", "ascending")]
    found, expected = (next(iter(predictions_of(each).values())).sort_by(order) for each in (grown, whole))
    assert found.equals(expected)


def test_weights_that_were_deleted_are_trained_again_to_the_same_predictions(plan_of: Callable[..., Plan]) -> None:
    """What was evaluated before and is not wanted now goes with the old weights."""
    few = {"models": ("timesformer1",), "seeds": (0,)}
    plan = plan_of(**few)
    run(plan)
    (before,) = predictions_of(plan).values()
    plan.ledger.folder(plan.tasks[0].training_id).delete("best.ckpt")
    assert not any(" start " in line for line in run(plan)), "nothing is missing, and nobody needs the weights"
    more = plan_of(**few, paired_clips=6)
    (entry,) = more.entries().values()
    assert entry.reason(None) == "trained; 5 evaluations are missing, and its weights: it is trained again"
    lines = run(more)
    assert any("1 trial is missing (1 without weights: trained again)" in line for line in lines)
    (start,) = [line for line in lines if " start " in line]
    assert start.endswith(", attempt 2"), "it is not only evaluated"
    assert sum(" done   " in line for line in lines) == 1
    assert more.ledger.folder(more.tasks[0].training_id).exists("best.ckpt")
    (after,) = predictions_of(more).values()
    assert after.slice(0, len(before)).equals(before)
    assert len(after) == len(before) + 5 * 6


def test_weights_that_are_damaged_are_dropped_and_trained_again(plan_of: Callable[..., Plan]) -> None:
    few = {"models": ("cnn3d",), "seeds": (0,)}
    plan = plan_of(**few)
    run(plan)
    (before,), (task,) = predictions_of(plan).values(), plan.tasks
    folder = plan.ledger.folder(task.training_id)
    folder.write_bytes("best.ckpt", folder.read_bytes("best.ckpt")[:-100])
    more = plan_of(**few, paired_clips=6)
    lines = run(more)
    (failure,) = more.ledger.failures(task.training_id)
    assert failure["reason"].startswith(f"DamagedCheckpoint: {folder.address('best.ckpt')} is damaged: it holds no")
    assert failure["reason"].endswith("; it was dropped, to be trained again")
    assert (failure["class"], failure["retry"]) == ("data", True)
    assert sum(" done   " in line for line in lines) == 1
    (after,) = predictions_of(more).values()
    assert after.slice(0, len(before)).equals(before)
    assert len(after) == len(before) + 5 * 6


@pytest.mark.slow
def test_a_run_killed_between_training_and_evaluation_goes_on_with_the_evaluation(
    plan_of: Callable[..., Plan], tmp_path: Path
) -> None:
    few = {"models": ("cnn3d",), "seeds": (0,)}
    plan = plan_of(**few)
    lines = run(plan, faults.kills_itself_before_the_evaluation)
    (training_id,) = (task.training_id for task in plan.tasks)
    assert [failure["class"] for failure in plan.ledger.failures(training_id)] == ["preempted"]
    assert sum(", attempt 2" in line for line in lines) == 1
    assert set(plan.states(plan.entries(), None).values()) == {"done"}
    undisturbed = replace(plan, ledger=Ledger(Storage.at(tmp_path / "undisturbed/tiny")))
    run(undisturbed)
    for name in ("epochs", "predictions"):
        found, expected = (each.ledger.table(training_id, name) for each in (plan, undisturbed))
        timed = [column for column in ("seconds", "loader_wait_share") if column in found.column_names]
        assert found.drop_columns(timed).equals(expected.drop_columns(timed))


def test_a_record_without_evaluations_is_evaluated_and_not_trained(plan_of: Callable[..., Plan]) -> None:
    """As a driver leaves it that was killed between the two."""
    plan = plan_of(models=("cnn3d",), seeds=(0,))
    run(plan)
    (task,) = plan.tasks
    record, (before,) = records_of(plan)[task.training_id], predictions_of(plan).values()
    folder = plan.ledger.folder(task.training_id)
    folder.write_bytes("record.json", msgspec.structs.replace(record, evaluations=[]).as_json())
    assert plan.entries()[task.training_id].reason(None) == "trained; 6 evaluations are missing"
    (start,) = [line for line in run(plan, faults.trains_nothing) if " start " in line]
    assert start == f"{task.training_id} start  {task.training.name}, to be evaluated"
    (after,) = predictions_of(plan).values()
    assert after.equals(before)
    assert records_of(plan)[task.training_id].evaluations == record.evaluations


def test_a_damaged_training_is_left_alone_until_it_is_retried(plan_of: Callable[..., Plan]) -> None:
    """Without its predictions it is only evaluated again, without its curves it is trained again."""
    plan = plan_of(models=("cnn3d",), seeds=(0,))
    run(plan)
    (task,) = plan.tasks
    folder, (before,) = plan.ledger.folder(task.training_id), predictions_of(plan).values()
    retried = replace(plan, retry_failed=True)
    for name, trainable in (("predictions.parquet", faults.trains_nothing), ("epochs.parquet", run_task)):
        folder.write_bytes(name, b"nothing")
        assert set(plan.states(plan.entries(), None).values()) == {"failed"}
        assert sum(" start " in line for line in run(plan)) == 0
        assert sum(" start " in line for line in run(retried, trainable)) == 1
        assert set(plan.states(plan.entries(), None).values()) == {"done"}
        (after,) = predictions_of(plan).values()
        assert after.equals(before)


def test_a_folder_in_a_tables_place_is_not_deleted(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of(models=("cnn3d",), seeds=(0,))
    finish(plan.ledger, plan.tasks[0])
    folder = plan.ledger.folder(plan.tasks[0].training_id)
    folder.delete("predictions.parquet")
    folder.write_bytes("predictions.parquet/mine", b"")
    with pytest.raises(BadInput, match=r"predictions\.parquet is a folder, where a table should be"):
        run(replace(plan, retry_failed=True))
    assert folder.exists("predictions.parquet/mine")


@pytest.mark.slow
def test_the_best_checkpoint_and_further_levels_are_asked_for_after_a_training_for_levels(
    plan_of: Callable[..., Plan],
) -> None:
    """Every checkpoint that a level could need was kept, the best one too."""
    plan = plan_of(models=("cnn3d",), seeds=(0,))
    (task,) = plan.tasks

    def at(*levels: float) -> Plan:
        trials = tuple(Trial(task.training, f"{level:g}", level) for level in levels)
        return replace(plan, tasks=(replace(task, selection=Selection(levels), trials=trials),))

    run(at(0.02, 0.98))
    (record,) = records_of(plan).values()
    assert [(each.level, each.reached) for each in record.selected] == [(0.02, True), (0.98, False)]
    for each, levels in ((plan, [0.02, 0.98, None]), (at(0.04, 0.98), [0.02, 0.98, None, 0.04])):
        assert set(each.states(each.entries(), None).values()) - {"unreached"} == {"pending"}
        assert sum(" done   " in line for line in run(each, faults.trains_nothing)) == 1
        (record,) = records_of(plan).values()
        assert [chosen.level for chosen in record.selected] == levels
        assert "pending" not in each.states(each.entries(), None).values()
    best = record.checkpoint(None)
    assert best
    assert (best.epoch, best.val_top1) == (record.best_epoch, record.best_val_top1)


def test_weights_that_come_anew_are_not_told_of_by_an_old_record(
    plan_of: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of it, the training is not done: its old predictions are gone."""
    plan = plan_of(models=("cnn3d",), seeds=(0,))
    (task,) = plan.tasks
    record = finish(plan.ledger, task)
    plan.ledger.folder(task.training_id).delete("best.ckpt")
    monkeypatch.setattr(Storage, "write_bytes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plan.ledger.trained(record, [{"epoch": 0, "val_top1": 0.5}], b"weights")
    assert set(plan.states(plan.entries(), None).values()) == {"pending"}

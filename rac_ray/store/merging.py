"""Finished trainings of another sweep's ledger, checked and taken into this one: how machines share a sweep."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rac_ray.identity import TRAINING_VERSION, Evaluation
from rac_ray.store.files import PREDICTIONS
from rac_ray.store.ledger import Ledger
from rac_ray.store.made_from import with_parts
from rac_ray.store.record import Evaluated, Record


@dataclass(frozen=True)
class Merged:
    """What became of each finished training of the other ledger, by training id."""

    copied: tuple[str, ...]
    """Those that were not finished here."""
    added: Mapping[str, int]
    """Evaluations that only the other had, of trainings that both have."""
    same: tuple[str, ...]
    """Those that are here already, with all that the other has."""
    kept: Mapping[str, str]
    """Those that both have with other results, as two kinds of processor give them: what differs. Ours stay."""
    refused: Mapping[str, str]
    """Those that are not what their ids say: why."""


def merge(into: Ledger, other: Ledger, study: str) -> Merged:
    """Take in what is finished in ``other``, of the study with this name; what is finished here is never changed."""
    copied: list[str] = []
    same: list[str] = []
    added, kept, refused = dict[str, int](), dict[str, str](), dict[str, str]()
    for training_id, entry in sorted(other.scan().items()):
        theirs, ours = entry.record, into.entry(training_id).record
        if theirs is None:
            refused |= {training_id: f"damaged: {entry.damaged}"} if entry.damaged else {}
        elif reason := wrong(other, theirs, study):
            refused[training_id] = reason
        elif ours is None:
            into.adopt(other, training_id, theirs)
            copied.append(training_id)
        elif difference := _difference(ours, theirs):
            kept[training_id] = difference
        elif new := _unknown(ours, theirs):
            _add(into, ours, other, theirs, new)
            added[training_id] = len(new)
        else:
            same.append(training_id)
    return Merged(tuple(copied), added, tuple(same), kept, refused)


def wrong(ledger: Ledger, record: Record, study: str) -> str:
    """Why a training is not what it says it is; empty where it is: ids are digests, and predictions can be counted."""
    if record.study != study:
        return f"it is of the study {record.study!r}; valid: {study!r}"
    if record.training_version == TRAINING_VERSION and record.training().training_id != record.training_id:
        return f"its settings are those of {record.training().training_id}"
    if isinstance(tables := ledger.read_tables(record), str):
        return f"damaged: {tables}"
    checked = [each for each in record.evaluations if each.evaluation_id]
    counted = _counted(tables[PREDICTIONS]) if checked else {}
    for each in checked:
        asked = Evaluation(each.target, each.split, each.role, each.content, each.variant)
        if each.evaluation_id != asked.evaluation_id(record.training_id, each.epoch):
            return f"its evaluation {each.evaluation_id} is not that of {each.part}"
        clips, correct = counted.get(each.evaluation_id, (0, 0))
        if (clips, correct) != (each.clips, each.correct):
            said = f"{each.correct} of {each.clips} clips in its record, {correct} of {clips} in its predictions"
            return f"{each.part}: {said}"
    return ""


def _counted(predictions: pa.Table) -> dict[str, tuple[int, int]]:
    """Clips, and how many are right, of each evaluation."""
    right = pc.equal(predictions["label"], predictions["predicted"])  # pyright: ignore[reportAttributeAccessIssue]
    rows = predictions.select(["evaluation_id"]).append_column("right", right.cast(pa.int64()))
    counts = rows.group_by("evaluation_id").aggregate([("right", "count"), ("right", "sum")])
    return {row["evaluation_id"]: (row["right_count"], row["right_sum"]) for row in counts.to_pylist()}


def _difference(ours: Record, theirs: Record) -> str:
    """What two trainings of one id came to, where that is not the same."""
    if (ours.best_epoch, ours.best_val_top1) != (theirs.best_epoch, theirs.best_val_top1):
        return f"best validation top-1 {ours.best_val_top1:.4f} here, {theirs.best_val_top1:.4f} there"
    known = {each.evaluation_id: each for each in ours.evaluations}
    for each in theirs.evaluations:
        mine = known.get(each.evaluation_id)
        if mine is not None and mine.correct != each.correct:
            return f"{each.part}: {mine.correct} of {each.clips} clips here, {each.correct} there"
    return ""


def _unknown(ours: Record, theirs: Record) -> list[Evaluated]:
    known = {each.evaluation_id for each in ours.evaluations}
    return [each for each in theirs.evaluations if each.evaluation_id not in known]


def _add(into: Ledger, ours: Record, other: Ledger, theirs: Record, new: list[Evaluated]) -> None:
    """Evaluations with their predictions, the trials and checkpoints that they are of, and the clips that were shown:
    of those that both tell of ours stay, but for the parts of new evaluations, which are a record's newest."""
    trials = {each.trial_id: each for each in (*theirs.trials, *ours.trials)}
    selected = {each.level: each for each in (*theirs.selected, *ours.selected)}
    parts = {each.part for each in new}
    content = {part: digest for part, digest in theirs.content.items() if part in parts}
    record = msgspec.structs.replace(
        ours,
        evaluations=[*ours.evaluations, *new],
        trials=[*trials.values()],
        selected=[*selected.values()],
        content={**theirs.content, **ours.content, **content},
        dataset=with_parts(ours.dataset, theirs.dataset, parts),
    )
    rows = other.table(ours.training_id, "predictions")
    wanted = pa.array([each.evaluation_id for each in new], pa.string())
    is_new = pc.is_in(rows["evaluation_id"], wanted)  # pyright: ignore[reportAttributeAccessIssue]
    into.evaluated(record, rows.filter(is_new))

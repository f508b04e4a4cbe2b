"""Finished trainings of another sweep's ledger, checked and taken into this one: how machines share a sweep."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rac_ray.identity import TRAINING_VERSION, Evaluation
from rac_ray.store.files import BEST_CHECKPOINT, PREDICTIONS, level_file
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
    """Those that are here already, with all results that the other has."""
    kept: Mapping[str, str]
    """Those that both have with other results, as two kinds of processor give them: what differs. Ours stay."""
    refused: Mapping[str, str]
    """Those that are not what their ids say: why."""
    weights: tuple[str, ...] = ()
    """Those that were here without their weights, which came."""


def merge(into: Ledger, other: Ledger, study: str) -> Merged:
    """Take in what is finished in ``other``, of the study with this name; what is finished here is never changed."""
    copied: list[str] = []
    same: list[str] = []
    weights: list[str] = []
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
        else:
            if new := _unknown(ours, theirs):
                ours = _add(into, ours, other, theirs, new)
                added[training_id] = len(new)
            else:
                same.append(training_id)
            weights += [training_id] if _with_weights(into, ours, other) else []
    return Merged(tuple(copied), added, tuple(same), kept, refused, tuple(weights))


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


def _add(into: Ledger, ours: Record, other: Ledger, theirs: Record, new: list[Evaluated]) -> Record:
    """Evaluations with their predictions, the trials and checkpoints that they are of, and the clips that were shown:
    of those that both tell of ours stay, but for the parts of new evaluations, which are a record's newest.

    Returns the record. It has the epochs that theirs kept, too, but for the best one: ours has its weights as such.
    """
    trials = {each.trial_id: each for each in (*theirs.trials, *ours.trials)}
    selected = {each.level: each for each in (*theirs.selected, *ours.selected)}
    epochs = {**dict(theirs.kept), **dict(ours.kept)}
    if ours.best_epoch not in dict(ours.kept):
        epochs.pop(ours.best_epoch, None)
    parts = {each.part for each in new}
    content = {part: digest for part, digest in theirs.content.items() if part in parts}
    record = msgspec.structs.replace(
        ours,
        evaluations=[*ours.evaluations, *new],
        trials=[*trials.values()],
        selected=[*selected.values()],
        kept=sorted(epochs.items()),
        content={**theirs.content, **ours.content, **content},
        dataset=with_parts(ours.dataset, theirs.dataset, parts),
    )
    rows = other.table(ours.training_id, "predictions")
    wanted = pa.array([each.evaluation_id for each in new], pa.string())
    is_new = pc.is_in(rows["evaluation_id"], wanted)  # pyright: ignore[reportAttributeAccessIssue]
    into.evaluated(record, rows.filter(is_new))
    return record


def _with_weights(into: Ledger, ours: Record, other: Ledger) -> bool:
    """Copy the weights that ours lacks, of a training that came to the same there; whether there were any.

    Only where none are lacking then: what has its best weights is not trained again. These come last.
    """
    source, destination = other.folder(ours.training_id), into.folder(ours.training_id)
    needed = {BEST_CHECKPOINT, *(level_file(epoch) for epoch, _ in ours.kept)}
    lacking = needed.difference(destination.names())
    if not lacking or not lacking.issubset(source.names()):
        return False
    for name in sorted(lacking, reverse=True):
        destination.write_bytes(name, source.read_bytes(name))
    return True

"""Records as trainings leave them, without training: for tests of everything that reads them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pyarrow as pa

from rac_ray.data.subject import ShardSubject
from rac_ray.identity import Evaluation, Training, Trial
from rac_ray.models import Builder
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Checkpoint, Evaluated, Record, evaluated, named
from rac_ray.store.storage import Storage
from rac_ray.training.selection import Selection
from rac_ray.training.task import Counts, Task

BROKEN = {"class": "code", "reason": "broken", "traceback": ""}
CLIPS = 100
EPOCH = 3
"""The best one of every record."""
ROLES = {"2dot/val": "source_val", "2dot/test": "source_test", "mnist/test": "target"}
SECONDS = {"to_first_step": 0.5, "training": 9.0, "evaluation": 1.0, "total": 10.6}


def task_of(training: Training) -> Task:
    """A training on 2dot, to be evaluated on three parts."""
    build, shape = Builder(training.model, training.hidden_units), (20, 1, 64, 64)
    subject: Any = ShardSubject(build, "2dot/train", "2dot/val", 5, shape, Storage("/nowhere"))
    named = ((*part.split("/"), part, role) for part, role in ROLES.items())
    evaluations = tuple(Evaluation(domain, split, role, f"content of {part}") for domain, split, part, role in named)
    counts = Counts(train=CLIPS, val=CLIPS, evaluated=dict.fromkeys(ROLES, CLIPS))
    return Task(training, subject, evaluations, counts, trained_on=("2dot/train", "2dot/val"))


def record_of(task: Task, top1: Mapping[str, float] | None = None, **changes: Any) -> Record:
    """Of a finished task, with all its evaluations: ``top1`` by ``domain/split`` of CLIPS clips (others: 0.5)."""
    training, scores = task.training, top1 or {}
    val = next((scores.get(e.part, 0.5) for e in task.evaluations if e.role == "source_val"), 0.5)
    selected = [Checkpoint(level=trial.level, epoch=EPOCH, val_top1=val) for trial in task.asked]
    record = Record(
        study="ts_grid",
        training_id=training.training_id,
        training_version=training.version,
        **{name: getattr(training, name) for name in training.__dataclass_fields__},
        trials=[named(trial) for trial in task.asked],
        selection_rule=task.selection.rule,
        best_epoch=EPOCH,
        best_val_top1=val,
        epochs=5,
        selected=selected,
        evaluations=[_scored(task, each.part, scores.get(each.part, 0.5)) for each in task.evaluations],
        parameters=1000 * training.hidden_units,
        classes=5,
        device="cpu",
        workers=1,
        host="here",
        python="3.11.0",
        commit="abc123",
        versions={"torch": "2.13.0", "ray": "2.60.0"},
        seconds=SECONDS,
        finished_at="2026-01-01T00:00:00Z",
    )
    return msgspec.structs.replace(record, **changes)


def _scored(task: Task, part: str, top1: float) -> Evaluated:
    evaluation = next(each for each in task.evaluations if each.part == part)
    correct = round(CLIPS * top1)
    return evaluated(evaluation, task.training_id, EPOCH, clips=CLIPS, correct=correct, top1=correct / CLIPS)


def predictions_of(record: Record) -> pa.Table:
    """CLIPS clips for each evaluation, of which the first ones are right."""
    return pa.concat_tables(map(said, record.evaluations))


def said(evaluation: Evaluated) -> pa.Table:
    """Predictions for CLIPS clips of the classes in turn; the first ``correct`` ones are right, the others one off."""
    labels = [index % 5 for index in range(CLIPS)]
    predicted = [(label + (index >= evaluation.correct)) % 5 for index, label in enumerate(labels)]
    return pa.table(
        {
            "evaluation_id": [evaluation.evaluation_id] * CLIPS,
            "target": [evaluation.target] * CLIPS,
            "split": [evaluation.split] * CLIPS,
            "clip_id": [f"{evaluation.part}/{index:06d}" for index in range(CLIPS)],
            "label": pa.array(labels, pa.int8()),
            "predicted": pa.array(predicted, pa.int8()),
        }
    )


def finish(ledger: Ledger, task: Task, **changes: Any) -> Record:
    """Write what a finished task leaves; returns its record, in which ``changes`` replace fields."""
    return written(ledger, record_of(task, **changes))


def written(ledger: Ledger, record: Record) -> Record:
    """Write a record with the tables of which it tells."""
    ledger.trained(msgspec.structs.replace(record, evaluations=[]), [{"epoch": 0, "val_top1": 0.5}], b"weights")
    ledger.evaluated(record, predictions_of(record) if record.evaluations else None)
    return record


def asking(task: Task, *levels: float | None) -> Task:
    """The task with a trial of each level; None: of its best checkpoint."""
    trials = tuple(Trial(task.training, str(level), level) for level in levels)
    return replace(task, trials=trials, selection=Selection(tuple(level for level in levels if level is not None)))


def chosen(record: Record) -> list[tuple[float | None, int, float, bool]]:
    """What a record has of each checkpoint that was chosen: level, epoch, validation top-1, whether it was reached."""
    return [(each.level, each.epoch, each.val_top1, each.reached) for each in record.selected]


def register(ledger: Ledger, tasks: Sequence[Task]) -> None:
    """Write down what is planned."""
    ledger.register(tasks, ledger.scan(tasks), "ts_grid")


def give_up(ledger: Ledger, training_id: str, attempt: int = 1) -> None:
    """Let an attempt fail for good."""
    ledger.fail(training_id, attempt, BROKEN)
    ledger.decide(training_id, attempt, retry=False)


@dataclass(frozen=True)
class Living(Storage):
    """The folder of a sweep in which something happens while its files are read."""

    reading: Callable[[str, Callable[[], bytes]], bytes] = lambda _, read: read()
    """Given a file's name and what reads it; returns what was read."""

    def below(self, *parts: str) -> "Living":
        return Living(self.address(*parts), self.retry_seconds, self.reading)

    def read_bytes(self, name: str) -> bytes:
        return self.reading(name, lambda: super(Living, self).read_bytes(name))


def moving_on(ledger: Ledger, record: Record, before: str = "", after: str = "") -> Ledger:
    """The ledger of a sweep whose driver writes down a further look at a training while others read: before or after
    the first reading of a file of some name."""
    awaited = [record]

    def reading(name: str, read: Callable[[], bytes]) -> bytes:
        file = name.rpartition("/")[2]
        if file == before and awaited:
            ledger.evaluated(awaited.pop(), predictions_of(record))
        content = read()
        if file == after and awaited:
            ledger.evaluated(awaited.pop(), predictions_of(record))
        return content

    return Ledger(Living(ledger.storage.root, reading=reading))

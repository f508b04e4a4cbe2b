"""A capsule checked: its records against ids and predictions, all that follows from them, some trials trained again."""

import logging
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rac_ray.errors import DONE, FAILED, BadInput
from rac_ray.identity import Evaluation
from rac_ray.results.capsule import DERIVED, RECORDS, Replay, derive_again
from rac_ray.results.tables import Tables
from rac_ray.store.ledger import Ledger
from rac_ray.store.merging import wrong
from rac_ray.store.record import Evaluated, Record
from rac_ray.store.storage import Storage

if TYPE_CHECKING:
    from rac_ray.studies.study import Study

_TOLERANCE = 0.05
"""Top-1 by which a trial that was trained again may differ on any evaluation set: on the hardware of the record a CPU
gives the same bits, other hardware rounds otherwise and learns something slightly else."""
SHOWN_LINES = 10


@dataclass(frozen=True)
class Retrained:
    """A trial of a capsule, trained once more."""

    name: str
    """The trial's."""
    differences: dict[str, float]
    """Top-1 now minus then, by ``domain/split``."""
    same_predictions: float
    """Share of clips of which the predicted class is the same."""
    seconds: float

    @property
    def agrees(self) -> bool:
        return all(abs(each) <= _TOLERANCE for each in self.differences.values())

    def line(self) -> str:
        """The same for people."""
        worst = max(self.differences.items(), key=lambda item: abs(item[1]))
        said = "agrees" if self.agrees else "DIFFERENT"
        differs = f"top-1 differs by at most {worst[1]:+.3f} ({worst[0]})"
        same = f"{100 * self.same_predictions:.2f}% of predictions the same"
        return f"{said} {self.name}: {same}, {differs}, {self.seconds:.0f} s"


@dataclass(frozen=True)
class Replayed:
    """What came of a capsule."""

    derived: Replay
    trainings: int
    """Finished ones."""
    wrong: Mapping[str, str]
    """Those that are not what their ids and predictions say, and why, by id."""
    retrained: Sequence[Retrained]

    @property
    def code(self) -> int:
        bad = self.derived.different or self.wrong or not all(each.agrees for each in self.retrained)
        return FAILED if bad else DONE

    def value(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        found = self.derived
        return {
            "folder": str(found.folder / "derived"),
            "same": [*found.same],
            "different": [*found.different],
            "environment": [*found.environment],
            "trainings": self.trainings,
            "wrong": dict(self.wrong),
            "retrained": [{**asdict(each), "agrees": each.agrees} for each in self.retrained],
        }

    def lines(self) -> list[str]:
        found, whole = self.derived, self.trainings - len(self.wrong)
        files, changes = len(found.same) + len(found.different), found.environment
        said = f"the environment differs in {len(changes)} lines: {'; '.join(changes[:SHOWN_LINES])}"
        return [
            f"{len(found.same)} of {files} tables and figures are the same to the byte",
            *(f"DIFFERENT {name}" for name in found.different),
            f"{whole} of {self.trainings} finished trainings are what their ids and predictions say",
            *(f"WRONG {training_id}: {why}" for training_id, why in self.wrong.items()),
            *([said] if changes else []),
            f"derived again: {found.folder / DERIVED}",
            *(each.line() for each in self.retrained),
        ]


def replay_capsule(
    path: Path, folder: Path | None, retrain: int, seed: int, study_of: "Callable[[Tables], Study]"
) -> Replayed:
    """Check a capsule's records, derive its outputs again, and train ``retrain`` of its trials again.

    ``study_of`` tells of which study the records are. Raises BadInput as ``derive_again`` does, and where trials cannot
    be trained again here.
    """
    if not path.is_file():
        raise BadInput(f"there is no capsule at {str(path)!r}; valid: a file that results --capsule has packed")
    if folder is None:  # made when there is something to unpack
        folder = path.absolute().with_name(f"{path.name.partition('.')[0]}-replayed-{secrets.token_hex(4)}")
    derived = derive_again(path, folder, study_of)
    ledger = Ledger(Storage.at(folder / RECORDS))
    records, found = [], dict[str, str]()
    for training_id, entry in sorted(ledger.scan().items()):
        if entry.record is not None and entry.record.evaluations:
            records.append(entry.record)
        reason = wrong(ledger, entry.record, entry.record.study) if entry.record else entry.damaged
        found |= {training_id: reason} if reason else {}
    whole = [record for record in records if record.training_id not in found]
    retrained = _retrained(derived.study, ledger, whole, retrain, seed)
    return Replayed(derived, len(whole) + len(found), found, retrained)


def _retrained(study: "Study", ledger: Ledger, records: Sequence[Record], count: int, seed: int) -> list[Retrained]:
    """``count`` finished trainings, drawn at random, trained again; BadInput when there are too few, or no clips."""
    if len(records) < count:
        raise BadInput(f"--retrain {count}: the capsule has {len(records)} finished trials; valid: at most so many")
    chosen = np.random.default_rng(seed).choice(len(records), size=count, replace=False)
    return [_train_again(study, ledger, records[number]) for number in chosen]


def _train_again(study: "Study", ledger: Ledger, record: Record) -> Retrained:
    import torch

    from rac_ray.data.feed import Place
    from rac_ray.training.evaluate import evaluate
    from rac_ray.training.fit import fit

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    began = time.monotonic()
    try:
        subject, feeds = study.again(record)
    except BadInput as error:
        own = "models and studies of a script are known to the verb replay of that script"
        raise BadInput(f"{record.training().name} cannot be trained again here: {error}; {own}") from error
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe = record.recipe if device.type == "cuda" else replace(record.recipe, precision="32")
    with tempfile.TemporaryDirectory(prefix="rac_ray-") as scratch:
        where = Storage.at(scratch)
        result = fit(
            subject.build, recipe, record.seed, feeds.train(), feeds.val(), where, device=device, scaled=subject.scaled
        )
    before = {each.part: each for each in record.evaluations_of(record.trials[0])}
    asked = [Evaluation(e.target, e.split, e.role, e.content, e.variant) for e in before.values()]
    place = Place(device=device.type)
    now = evaluate(result.model, feeds, asked, place=place, precision=recipe.precision, scaled=subject.scaled)
    said = _said_then(ledger, record, before.values())
    same = [int(cls) == said[clip] for each in now for clip, cls in zip(each.clip_ids, each.predicted, strict=True)]
    differences = {
        each.evaluation.part: each.correct / len(each.labels) - before[each.evaluation.part].top1 for each in now
    }
    return Retrained(record.training().name, differences, float(np.mean(same)), time.monotonic() - began)


def _said_then(ledger: Ledger, record: Record, evaluations: Iterable[Evaluated]) -> dict[str, int]:
    """Predicted class by clip id in some evaluations of a training; its table may have others of the same clips."""
    then = ledger.table(record.training_id, "predictions").to_pydict()
    wanted = {each.evaluation_id for each in evaluations}
    ids = then.get("evaluation_id") or [""] * len(then["clip_id"])  # as schema 1 has it
    rows = zip(ids, then["clip_id"], then["predicted"], strict=True)
    return {clip_id: predicted for evaluation_id, clip_id, predicted in rows if evaluation_id in wanted}

"""A capsule derived again, and some of its trials trained again, on this machine."""

import logging
import secrets
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rac_ray.errors import DONE, FAILED, BadInput
from rac_ray.identity import Evaluation
from rac_ray.results.capsule import RECORDS, derive_again
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.studies import study_named, study_of

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


def replay_capsule(path: Path, folder: Path | None, retrain: int | None, seed: int) -> int:
    """Derive a capsule's outputs again and say which differ; train ``retrain`` of its trials again; the exit code."""
    if folder is None:  # made when there is something to unpack
        folder = path.absolute().with_name(f"{path.name.partition('.')[0]}-replayed-{secrets.token_hex(4)}")
    found = derive_again(path, folder, study_of)
    print(f"{len(found.same)} of {len(found.same) + len(found.different)} tables and figures are the same to the byte")
    for name in found.different:
        print(f"DIFFERENT {name}")
    if found.environment:
        print(
            f"the environment differs in {len(found.environment)} lines: {'; '.join(found.environment[:SHOWN_LINES])}"
        )
    print(f"derived again: {found.folder / 'derived'}")
    retrained = list(_retrained(folder, retrain, seed)) if retrain else []
    for each in retrained:
        worst = max(each.differences.items(), key=lambda item: abs(item[1]))
        said = "agrees" if each.agrees else "DIFFERENT"
        print(
            f"{said} {each.name}: {100 * each.same_predictions:.2f}% of predictions the same, top-1 differs by at most "
            f"{worst[1]:+.3f} ({worst[0]}), {each.seconds:.0f} s"
        )
    return FAILED if found.different or not all(each.agrees for each in retrained) else DONE


def _retrained(folder: Path, count: int, seed: int) -> "list[Retrained]":
    """``count`` finished trainings, drawn at random, trained again; BadInput when there are too few, or no clips."""
    ledger = Ledger(Storage.at(folder / RECORDS))
    records = [entry.record for _, entry in sorted(ledger.scan().items()) if entry.record is not None]
    if len(records) < count:
        raise BadInput(f"--retrain {count}: the capsule has {len(records)} finished trials; valid: at most so many")
    chosen = np.random.default_rng(seed).choice(len(records), size=count, replace=False)
    return [_train_again(ledger, records[number]) for number in chosen]


def _train_again(ledger: Ledger, record: Record) -> Retrained:
    import torch

    from rac_ray.data.feed import Place
    from rac_ray.training.evaluate import evaluate
    from rac_ray.training.fit import fit

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    began = time.monotonic()
    subject, feeds = study_named(record.study).again(record)
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
    then = ledger.table(record.training_id, "predictions").to_pydict()
    said = dict(zip(then["clip_id"], then["predicted"], strict=True))
    same = [int(cls) == said[clip] for each in now for clip, cls in zip(each.clip_ids, each.predicted, strict=True)]
    differences = {
        each.evaluation.part: each.correct / len(each.labels) - before[each.evaluation.part].top1 for each in now
    }
    return Retrained(record.training().name, differences, float(np.mean(same)), time.monotonic() - began)

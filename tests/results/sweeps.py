"""Finished sweeps in folders, without training: records of models that are right in so many clips."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from rac_ray.identity import Evaluation, Recipe, Training, Trial
from rac_ray.store.files import RECORD
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.training.task import Counts, Task
from tests.records import CLIPS, give_up, record_of, written

HOME, SEEDS, SIZES = 0.8, (0, 42, 61), (2, 4)
"""Top-1 on the source, unless somebody says otherwise."""
TARGETS = ("5dot", "mnist")


def write_sweep(
    folder: Path,
    models: Mapping[str, float],
    *,
    home: float = HOME,
    seeds: Sequence[int] = SEEDS,
    sizes: Sequence[int] = SIZES,
    source: str = "2dot",
    targets: Sequence[str] = TARGETS,
    content: str = "clips",
    data: str = "feed",
    recipe: Mapping[str, Any] = MappingProxyType({}),
    **changes: Any,
) -> Path:
    """A sweep's folder of models with their top-1 on every target; ``changes`` replace fields of all records."""
    ledger = Ledger(Storage.at(folder))
    roles = {f"{source}/val": "source_val", f"{source}/test": "source_test"}
    roles |= {f"{target}/test": "target" for target in targets}
    asked = tuple(Evaluation(part.split("/")[0], part.split("/")[1], role, content) for part, role in roles.items())
    tasks = []
    for (model, top1), size, seed in product(models.items(), sizes, seeds):
        trial = Trial(Training(model, size, source, seed, Recipe(precision="32", **recipe), data))
        counts = Counts(CLIPS, CLIPS, dict.fromkeys(roles, CLIPS))
        task = Task(trial.training, cast(Any, None), asked, counts, trials=(trial,))
        scores = {part: top1 if role == "target" else home for part, role in roles.items()}
        tasks.append((task, record_of(task, scores, **changes)))
    ledger.register([task for task, _ in tasks], ledger.scan([task for task, _ in tasks]), "ts_grid")
    for _, record in tasks:
        written(ledger, record)
    return folder


def unfinished(folder: Path, model: str, *, failed: Sequence[int] = (), not_run: Sequence[int] = ()) -> Path:
    """The sweep as if a model's trials under these seeds had failed, or had not run."""
    ledger = Ledger(Storage.at(folder))
    for training_id in ledger.training_ids():
        (trial,) = ledger.trial(training_id)["trials"]
        if trial["model"] == model and trial["seed"] in (*failed, *not_run):
            ledger.folder(training_id).delete(RECORD)
            if trial["seed"] in failed:
                give_up(ledger, training_id)
    return folder

"""Diving48's experiments as trials and trainings, validated before anything runs. Starts no Ray.

Experiments a to h compare the same models at several levels of validation accuracy. So one training per size and seed
keeps a checkpoint for each of its levels, and leaves one trial per experiment.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rac_ray.data.diving_domains import domain_frames
from rac_ray.data.manifest import require_manifest
from rac_ray.data.shape_texture import DOMAINS
from rac_ray.errors import BadInput, one_of
from rac_ray.ledger import LAST_CHECKPOINT, Entry, Ledger
from rac_ray.models.diving48 import EXPERIMENTS, SIZES, Experiment, Size
from rac_ray.storage import Storage
from rac_ray.training.levels import OUTCOME, PREDICTIONS, PREFIX
from rac_ray.trial import Recipe, Trial

SOURCE = "original"
WHILE_RUNNING = (OUTCOME, PREDICTIONS, LAST_CHECKPOINT, PREFIX)
"""Beginnings of the names of what a training needs until its trials have their copies."""
RECIPE = Recipe(learning_rate=0.001, momentum=0.9, weight_decay=1e-5, batch_size=64, max_epochs=500, patience=30)
"""The study's: eight clips on each of eight GPUs (facts.md 3.2)."""


@dataclass(frozen=True)
class DivingGrid:
    """Which experiments, at which sizes, from how many seeds; the defaults are the study's."""

    experiments: Mapping[str, Experiment] = field(default_factory=lambda: EXPERIMENTS)
    only: tuple[str, ...] = ()
    """Experiments that are asked for; none: all."""
    sizes: Mapping[str, Size] = field(default_factory=lambda: SIZES)
    seeds: tuple[int, ...] = (42,)
    """The study has one."""
    recipe: Recipe = RECIPE
    domains: tuple[str, ...] = tuple(DOMAINS)
    validation: str = "authors"
    flip_validation: bool = False
    stop_when_passed: bool = False
    codec: bool = True
    """Whether edited domains, and the control, go through an MPEG-4 encoder, as the authors' files did."""

    @property
    def asked(self) -> tuple[str, ...]:
        """Letters of the experiments that are asked for."""
        return self.only or tuple(self.experiments)


@dataclass(frozen=True)
class Training:
    """One size and seed, with the trials that it serves, whether they are asked for or not."""

    trial: Trial
    """The training itself, of no experiment; its id names its folder."""
    trials: tuple[Trial, ...]
    levels: Mapping[str, float]
    """Validation top-1 by experiment."""


@dataclass(frozen=True)
class TrainingLedger(Ledger):
    """Of trainings; their attempts and failures are written down for the trials that they serve, too."""

    kind: str = "trainings"
    served: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids of the trials that a training has yet to serve, by the training's."""

    @property
    def trials(self) -> Ledger:
        """Of what the trainings serve."""
        return Ledger(self.storage)

    def while_running(self, names: Collection[str]) -> list[str]:
        """First what says that a training is over, last the levels, without which its checkpoint would be of no use."""
        return [name for begin in WHILE_RUNNING for name in names if name.startswith(begin)]

    def begin(self, trial_id: str, attempt: int, driver: str, **who: Any) -> None:
        super().begin(trial_id, attempt, driver, **who)
        for served in self.served[trial_id]:
            self.trials.begin(served, attempt, driver, **who)

    def fail(self, trial_id: str, attempt: int, failure: Mapping[str, Any]) -> None:
        super().fail(trial_id, attempt, failure)
        for served in self.served[trial_id]:
            self.trials.fail(served, attempt, failure)

    def decide(self, trial_id: str, attempt: int, retry: bool) -> None:
        super().decide(trial_id, attempt, retry)
        for served in self.served[trial_id]:
            self.trials.decide(served, attempt, retry)


@dataclass(frozen=True)
class DivingPlan:
    """A validated grid on shards, masks and a storage."""

    name: str
    preset: str
    grid: DivingGrid
    trainings: tuple[Training, ...]
    """That the trials which are asked for need."""
    data: Storage
    masks: str | None
    published: Path | None
    ledger: Ledger
    retry_failed: bool = False
    """Whether trials that were given up are run again."""

    @property
    def title(self) -> str:
        return f"{self.name} {self.preset}"

    @property
    def trials(self) -> list[Trial]:
        """Those that are asked for."""
        return [trial for training in self.trainings for trial in self.asked(training)]

    @property
    def trial_ids(self) -> list[str]:
        return [trial.trial_id for trial in self.trials]

    @property
    def folder(self) -> Storage:
        """Where the preset's tables and figures are."""
        return self.ledger.storage.below(self.preset)

    def asked(self, training: Training) -> list[Trial]:
        """The trials of a training that are asked for."""
        return [trial for trial in training.trials if trial.experiment in self.grid.asked]

    def entries(self) -> dict[str, Entry]:
        """What the ledger holds of each trial that is asked for."""
        return self.ledger.scan(self.trial_ids)

    def looks(self) -> list[tuple[Ledger, dict[str, Entry]]]:
        """At the trials, and at the trainings that serve them."""
        trainings = TrainingLedger(self.ledger.storage)
        ids = [training.trial.trial_id for training in self.trainings]
        return [(self.ledger, self.entries()), (trainings, trainings.scan(ids))]


def make_diving_plan(
    name: str,
    preset: str,
    grid: DivingGrid,
    storage: str,
    data: str,
    masks: str | None = None,
    published: Path | None = None,
) -> DivingPlan:
    """Validate what can be known before compute is spent; writes nothing. Raises BadInput.

    The trainings are those that ``grid.only``, or all experiments, need; each has the levels of all its experiments,
    so that asking for one and later for the others trains nothing twice.
    """
    root = Storage.at(data)
    manifest = require_manifest(root)
    if "val" not in manifest:
        raise BadInput(f"data folder {root.root!r} has no clips of Diving48; choose another with --data")
    if grid.validation not in manifest["val"]:
        raise one_of("validation split", grid.validation, manifest["val"])
    for domain in grid.domains:
        domain_frames(domain, masks=masks, published=published)
    made_from = _made_from(manifest, grid, masks, published)
    trainings = []
    for (model, name_of_size), levels in _levels(grid).items():
        size = grid.sizes[name_of_size]
        built = [size.architecture, size.hidden_units, dict(size.options)]
        built += [max(levels.values())] if grid.stop_when_passed else []
        by_level = {letter: _digest_of(made_from, built, level) for letter, level in levels.items()}
        for seed in grid.seeds:
            trial = Trial(
                model, size.hidden_units, SOURCE, seed, grid.recipe, _digest_of(*by_level.values()), "none", "",
                name_of_size,
            )  # fmt: skip
            served = tuple(replace(trial, data=data, experiment=letter) for letter, data in by_level.items())
            trainings.append(Training(trial, served, levels))
    needed = tuple(each for each in trainings if set(grid.asked) & set(each.levels))
    ledger = Ledger(Storage.at(storage).below(name))
    return DivingPlan(name, preset, grid, needed, root, masks, published, ledger)


def _levels(grid: DivingGrid) -> dict[tuple[str, str], dict[str, float]]:
    """Levels by experiment of each (model, size)."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for letter, experiment in grid.experiments.items():
        for pair in experiment.sizes.items():
            found.setdefault(pair, {})[letter] = experiment.top1
    return found


def _made_from(manifest: Mapping[str, Any], grid: DivingGrid, masks: str | None, published: Path | None) -> list[Any]:
    """The clips, how they are split and edited, and when training ends."""
    shards = [shard["sha256"] for split in manifest["splits"].values() for shard in split["shards"]]
    edited = [_digest(masks), published is not None, grid.codec, list(grid.domains)]
    return [manifest["identity"], shards, edited, [grid.validation, grid.flip_validation, grid.stop_when_passed]]


def _digest_of(*parts: Any) -> str:
    """16 hex digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _digest(masks: str | None) -> str | None:
    """Of a file of masks, or of all in a folder."""
    if masks is None:
        return None
    parent, _, name = masks.rstrip("/").rpartition("/")
    folder = Storage.at(parent or ".")
    names = [name] if name.endswith(".parquet") else [f"{name}/{each}" for each in sorted(folder.names(name))]
    return hashlib.sha256(b"".join(folder.read_bytes(each) for each in names)).hexdigest()


def narrowed(grid: DivingGrid, experiments: list[str] | None, seeds: list[int] | None) -> DivingGrid:
    """The grid that asks for some experiments or seeds only; BadInput for an unknown experiment."""
    for letter in experiments or ():
        if letter not in grid.experiments:
            raise one_of("experiment", letter, grid.experiments)
    if seeds is not None and not seeds:
        raise BadInput("--seeds names nothing; give one value or more")
    only = tuple(dict.fromkeys(experiments)) if experiments else grid.only
    return replace(grid, only=only, seeds=tuple(dict.fromkeys(seeds)) if seeds else grid.seeds)

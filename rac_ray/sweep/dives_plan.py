"""Diving48's experiments as trials and trainings, validated before anything runs. Starts no Ray.

Experiments a to h compare the same models at several levels of validation accuracy. So one training per size and seed
keeps a checkpoint for each of its levels, and leaves one trial per experiment.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rac_ray.data.diving_domains import domain_frames
from rac_ray.data.manifest import require_manifest
from rac_ray.data.shape_texture import DOMAINS
from rac_ray.errors import BadInput, one_of
from rac_ray.ledger import Ledger
from rac_ray.models.diving48 import EXPERIMENTS, SIZES, Experiment, Size
from rac_ray.storage import Storage
from rac_ray.trial import Recipe, Trial

SOURCE = "original"
TRAININGS = "trainings"
RECIPE = Recipe(learning_rate=0.001, momentum=0.9, weight_decay=1e-5, batch_size=64, max_epochs=500, patience=30)
"""The study's: eight clips on each of eight GPUs (facts.md 3.2)."""


@dataclass(frozen=True)
class DivingGrid:
    """Which experiments, at which sizes, from how many seeds; the defaults are the study's."""

    experiments: Mapping[str, Experiment] = field(default_factory=lambda: EXPERIMENTS)
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


@dataclass(frozen=True)
class Training:
    """One size and seed, with the trials that it serves."""

    size: str
    seed: int
    trials: tuple[Trial, ...]
    levels: Mapping[str, float]
    """Validation top-1 by experiment."""

    @property
    def training_id(self) -> str:
        return hashlib.sha256("".join(sorted(trial.trial_id for trial in self.trials)).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class DivingPlan:
    """A validated grid on shards, masks and a storage."""

    grid: DivingGrid
    trainings: tuple[Training, ...]
    data: Storage
    masks: str | None
    published: Path | None
    ledger: Ledger

    @property
    def trials(self) -> list[Trial]:
        return [trial for training in self.trainings for trial in training.trials]

    def folder(self, training: Training) -> Storage:
        return self.ledger.storage.below(TRAININGS, training.training_id)


def make_diving_plan(
    name: str, grid: DivingGrid, storage: str, data: str, masks: str | None = None, published: Path | None = None
) -> DivingPlan:
    """Validate what can be known before compute is spent; writes nothing. Raises BadInput."""
    root = Storage.at(data)
    manifest = require_manifest(root)
    if grid.validation not in manifest["val"]:
        raise one_of("validation split", grid.validation, manifest["val"])
    for domain in grid.domains:
        domain_frames(domain, masks=masks, published=published)
    fingerprint = _fingerprint(manifest, grid, masks, published)
    by_size: dict[tuple[str, int], list[tuple[Trial, float]]] = {}
    for letter, experiment in grid.experiments.items():
        for model, size in experiment.sizes.items():
            for seed in grid.seeds:
                hidden = grid.sizes[size].hidden_units
                trial = Trial(model, hidden, SOURCE, seed, grid.recipe, fingerprint, "none", letter, size)
                by_size.setdefault((size, seed), []).append((trial, experiment.top1))
    trainings = tuple(
        Training(size, seed, tuple(t for t, _ in found), {t.experiment: level for t, level in found})
        for (size, seed), found in by_size.items()
    )
    return DivingPlan(grid, trainings, root, masks, published, Ledger(Storage.at(storage).below(name)))


def _fingerprint(manifest: Mapping[str, Any], grid: DivingGrid, masks: str | None, published: Path | None) -> str:
    """16 hex digits over the clips, how they are split, and what the domains are made from."""
    shards = [shard["sha256"] for split in manifest["splits"].values() for shard in split["shards"]]
    made_from = [_digest(masks), published is not None, grid.codec, list(grid.domains)]
    how = [grid.validation, grid.flip_validation, grid.stop_when_passed]
    text = json.dumps([manifest["identity"], shards, made_from, how], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(masks: str | None) -> str | None:
    """Of a file of masks, or of all in a folder."""
    if masks is None:
        return None
    parent, _, name = masks.rstrip("/").rpartition("/")
    folder = Storage.at(parent or ".")
    names = [name] if name.endswith(".parquet") else [f"{name}/{each}" for each in sorted(folder.names(name))]
    return hashlib.sha256(b"".join(folder.read_bytes(each) for each in names)).hexdigest()


def narrowed(grid: DivingGrid, experiments: list[str] | None, seeds: list[int] | None) -> DivingGrid:
    """The grid with some experiments or seeds only; BadInput for an unknown experiment."""
    for letter in experiments or ():
        if letter not in grid.experiments:
            raise one_of("experiment", letter, grid.experiments)
    chosen = {letter: grid.experiments[letter] for letter in experiments} if experiments else grid.experiments
    if seeds is not None and not seeds:
        raise BadInput("--seeds names nothing; give one value or more")
    return replace(grid, experiments=chosen, seeds=tuple(dict.fromkeys(seeds)) if seeds else grid.seeds)

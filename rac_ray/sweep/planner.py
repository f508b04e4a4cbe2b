"""What a sweep will do, before anything runs: its trials, its data, its disk. Starts no Ray."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import torch

from rac_ray.data.digits import Digits, load_digits
from rac_ray.data.generate import BYTES_PER_CLIP, check_folder, missing_clips
from rac_ray.data.manifest import read_manifest
from rac_ray.data.shards import DatasetSpec
from rac_ray.data.temporal_shape import DIRECTIONS, TemporalShapeSpec
from rac_ray.errors import BadInput, one_of
from rac_ray.ledger import Ledger, State
from rac_ray.models import build_model, count_parameters
from rac_ray.storage import Storage
from rac_ray.trial import Grid, Trial

BYTES_PER_TRIAL = 500_000
"""Record, predictions and epochs of a trial, generously; its checkpoints come on top."""
BYTES_PER_PARAMETER = 16
"""Of checkpoints: best weights once on their own; weights, momentum and best weights in the running one."""


@dataclass(frozen=True)
class Sweep:
    """A named study: its presets, and where its results go. Scripts in ``sweeps/`` declare one and run it."""

    name: str
    presets: Mapping[str, Grid]
    default_preset: str
    description: str
    spec: TemporalShapeSpec = field(default_factory=TemporalShapeSpec)


@dataclass(frozen=True)
class Plan:
    """A validated grid on a storage and a data folder."""

    sweep: Sweep
    preset: str
    grid: Grid
    trials: list[Trial]
    dataset: DatasetSpec
    digits: Digits
    data: Storage
    ledger: Ledger

    def states(self) -> dict[str, State]:
        """State by trial id; planned = done + failed + pending holds by construction."""
        return self.ledger.states(self.trials)

    def missing(self) -> list[Trial]:
        """Trials without a record, largest models first so that the tail of the sweep is short."""
        states = self.states()
        missing = [trial for trial in self.trials if states[trial.trial_id] != "done"]
        return sorted(missing, key=lambda trial: -trial.hidden_units)

    def bytes_needed(self) -> int:
        """Upper bound on disk for the data that is missing and the results of the trials that are."""
        results = sum(
            BYTES_PER_TRIAL + BYTES_PER_PARAMETER * parameters_of(trial.model, trial.hidden_units)
            for trial in self.missing()
        )
        return missing_clips(self.data, self.dataset) * BYTES_PER_CLIP + results

    def lines(self) -> list[str]:
        """The plan for people: one line per trial, then the sums."""
        states = self.states()
        rows = [f"{trial.trial_id}  {states[trial.trial_id]:<8} {trial.name}" for trial in self.trials]
        counts = {state: list(states.values()).count(state) for state in ("done", "failed", "pending")}
        return [
            *rows,
            f"{len(self.trials)} trials planned = "
            + " + ".join(f"{count} {state}" for state, count in counts.items())
            + f"; digits={self.digits.source}; at most {self.bytes_needed() / 1e6:.0f} MB more on disk",
        ]


@lru_cache
def parameters_of(model: str, hidden_units: int) -> int:
    """Trainable parameters, counted without allocating any."""
    with torch.device("meta"):
        return count_parameters(build_model(model, hidden_units))


def dataset_for(grid: Grid, spec: TemporalShapeSpec, digits: Digits) -> DatasetSpec:
    """The clips that a grid's sources train and are evaluated on."""
    sizes = {"train": grid.train_clips, "val": grid.val_clips, "test": grid.test_clips}
    parts = dict.fromkeys(part for source in grid.sources for part in DIRECTIONS[source].parts)
    return DatasetSpec(spec, digits.source, digits.digest, {part: sizes[part.partition("/")[2]] for part in parts})


def check_sources(grid: Grid) -> None:
    """Raise BadInput for a source domain that is none."""
    for source in grid.sources:
        if source not in DIRECTIONS:
            raise one_of("source domain", source, DIRECTIONS)


def check_grid(grid: Grid) -> None:
    """Raise BadInput for a source, model or number of hidden units that does not exist, and for too few clips."""
    check_sources(grid)
    for model in grid.models:
        for hidden_units in grid.hidden_units:
            parameters_of(model, hidden_units)
        batch_size = grid.recipe(model).batch_size
        if grid.train_clips < batch_size:
            raise BadInput(f"{grid.train_clips} training clips do not fill one batch of {batch_size}")


def digits_for(grid: Grid, data: Storage) -> Digits:
    """The grid's digits; ``auto`` stays with what the data folder was made from."""
    manifest = read_manifest(data)
    made_from = manifest["identity"]["digits"]["source"] if manifest else "auto"
    return load_digits(made_from if grid.digits == "auto" else grid.digits)


def make_plan(sweep: Sweep, preset: str, grid: Grid, storage: str, data: str) -> Plan:
    """Validate everything that can be known before compute is spent. Raises BadInput; writes nothing."""
    check_grid(grid)
    data_root, ledger = Storage.at(data), Ledger(Storage.at(storage).below(sweep.name))
    digits = digits_for(grid, data_root)
    dataset = dataset_for(grid, sweep.spec, digits)
    check_folder(data_root, dataset)
    fingerprints = {source: dataset.fingerprint(DIRECTIONS[source].parts) for source in grid.sources}
    trials = grid.trials(fingerprints, digits.source)
    return Plan(sweep, preset, grid, trials, dataset, digits, data_root, ledger)

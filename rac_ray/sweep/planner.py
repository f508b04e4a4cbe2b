"""What a sweep will do, before anything runs: its trials, its data, its disk. Starts no Ray."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache

from rac_ray.data.digits import Digits, load_digits
from rac_ray.data.generate import BYTES_PER_CLIP, check_folder, missing_clips
from rac_ray.data.manifest import read_manifest
from rac_ray.data.shards import DatasetSpec
from rac_ray.data.temporal_shape import DIRECTIONS, PAIRED, Direction, TemporalShapeSpec
from rac_ray.errors import BadInput, one_of
from rac_ray.ledger import Entry, Ledger, State
from rac_ray.selection import Selection
from rac_ray.storage import Storage
from rac_ray.sweep.forecast import Interval
from rac_ray.trial import Grid, Trial

BYTES_PER_TRIAL = 500_000
"""Record, predictions and epochs of a trial, generously; its checkpoints come on top."""
WEIGHT_BYTES, PREDICTION_BYTES, RECORD_BYTES = 4, 32, 10_000
"""What a finished trial was seen to take, by parameter, by evaluated clip, and for the rest."""
CLIP_BYTES = (1_000, 10_000)
"""A clip's least and usual size in a shard: a dot on black, and the mean over the study's domains."""
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
    """A validated grid, or what ``--only`` leaves of it, on a storage and a data folder."""

    sweep: Sweep
    preset: str
    grid: Grid
    trials: list[Trial]
    dataset: DatasetSpec
    digits: Digits
    data: Storage
    ledger: Ledger
    retry_failed: bool = False
    """Whether trials that were given up are run again."""

    @property
    def title(self) -> str:
        return f"{self.sweep.name} {self.preset}"

    @property
    def folder(self) -> Storage:
        """Where the preset's tables, figures and forecast are."""
        return self.ledger.storage.below(self.preset)

    @property
    def trial_ids(self) -> list[str]:
        return [trial.trial_id for trial in self.trials]

    def direction(self, source: str) -> Direction:
        """What trials of a source read of the plan's clips."""
        return DIRECTIONS[source].within(self.dataset.clips)

    def entries(self) -> dict[str, Entry]:
        """What the ledger holds of each planned trial, in the plan's order."""
        return self.ledger.scan(self.trial_ids)

    def looks(self) -> list[tuple[Ledger, dict[str, Entry]]]:
        """At every ledger that the plan's runs keep."""
        return [(self.ledger, self.entries())]

    def states(self) -> dict[str, State]:
        """State by trial id; each planned trial is in exactly one."""
        return self.ledger.states(self.trials)

    def elsewhere(self, entries: Mapping[str, Entry]) -> dict[str, Ledger]:
        """Other sweeps' ledgers on the same storage that have finished trials of this plan, by trial id."""
        missing = [trial_id for trial_id, entry in entries.items() if entry.record is None]
        found: dict[str, Ledger] = {}
        for other in self.ledger.others() if missing else []:
            there = set(other.trial_ids())
            known = other.scan([trial_id for trial_id in missing if trial_id in there and trial_id not in found])
            found |= {trial_id: other for trial_id, entry in known.items() if entry.record is not None}
        return found

    def adopt(self) -> int:
        """Take over what other sweeps on the same storage have finished; returns how many trials."""
        found = self.elsewhere(self.entries())
        for trial_id, other in found.items():
            self.ledger.adopt(other, trial_id)
        return len(found)

    def bytes_of(self, trial: Trial) -> int:
        """Upper bound on what a trial takes on disk."""
        return BYTES_PER_TRIAL + BYTES_PER_PARAMETER * parameters_of(trial.model, trial.hidden_units)

    def bytes_expected(self, entries: Mapping[str, Entry]) -> Interval:
        """Further disk: as finished trials took, or from weights and predictions; at most ``bytes_needed``."""
        finished = [sum(entry.sizes.values()) for entry in entries.values() if entry.record is not None]
        missing = [trial for trial in self.trials if entries[trial.trial_id].record is None]
        weights = sum(WEIGHT_BYTES * parameters_of(trial.model, trial.hidden_units) for trial in missing)
        evaluated = sum(self.dataset.clips[part] for t in missing for part in self.direction(t.source).evaluations)
        guess = weights + evaluated * PREDICTION_BYTES + len(missing) * RECORD_BYTES
        expected = sum(finished) / len(finished) * len(missing) if finished else guess
        clips = missing_clips(self.data, self.dataset)
        high = self.bytes_needed(entries)
        return Interval(min(high, weights + clips * CLIP_BYTES[0]), min(high, expected + clips * CLIP_BYTES[1]), high)

    def bytes_needed(self, entries: Mapping[str, Entry]) -> int:
        """Upper bound on disk for the data that is missing and the results of the trials that are."""
        results = sum(self.bytes_of(trial) for trial in self.trials if entries[trial.trial_id].record is None)
        return missing_clips(self.data, self.dataset) * BYTES_PER_CLIP + results


@lru_cache
def parameters_of(model: str, hidden_units: int) -> int:
    """Trainable parameters, counted without allocating any."""
    import torch

    from rac_ray.models import build_model, count_parameters

    with torch.device("meta"):
        return count_parameters(build_model(model, hidden_units))


def dataset_for(grid: Grid, spec: TemporalShapeSpec, digits: Digits) -> DatasetSpec:
    """The clips that a grid's sources train and are evaluated on."""
    sizes = {"train": grid.train_clips, "val": grid.val_clips, "test": grid.test_clips, PAIRED: grid.paired_clips}
    directions = [replace(DIRECTIONS[source], paired=grid.paired_clips != 0) for source in grid.sources]
    parts = dict.fromkeys(part for direction in directions for part in direction.parts)
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


def make_plan(sweep: Sweep, preset: str, grid: Grid, storage: str, data: str, only: Selection | None = None) -> Plan:
    """Validate everything that can be known before compute is spent. Raises BadInput; writes nothing."""
    check_grid(grid)
    data_root, ledger = Storage.at(data), Ledger(Storage.at(storage).below(sweep.name))
    digits = digits_for(grid, data_root)
    alone = {source: dataset_for(grid.narrowed(sources=[source]), sweep.spec, digits) for source in grid.sources}
    trials = grid.trials({source: each.fingerprint(each.clips) for source, each in alone.items()}, digits.source)
    if only is not None:
        trials = selected(trials, only, ledger)
    sources = dict.fromkeys(trial.source for trial in trials)
    dataset = dataset_for(grid.narrowed(sources=sources), sweep.spec, digits)
    check_folder(data_root, dataset)
    return Plan(sweep, preset, grid, trials, dataset, digits, data_root, ledger)


def selected(trials: list[Trial], only: Selection, ledger: Ledger) -> list[Trial]:
    """The trials that a filter leaves; BadInput when it leaves none."""
    states = ledger.states(trials) if only.needs_state else {}
    rows = [{**asdict(trial), "trial_id": trial.trial_id, "state": states.get(trial.trial_id)} for trial in trials]
    chosen = [trial for trial, row in zip(trials, rows, strict=True) if only.holds(row)]
    if not chosen:
        fields = dict.fromkeys(condition.field for condition in only.conditions if condition.field != "trial_id")
        have = "; ".join(f"{name} {', '.join(str(v) for v in dict.fromkeys(r[name] for r in rows))}" for name in fields)
        raise BadInput(f"--only {only.text!r} leaves none of the {len(trials)} planned trials; they have {have or '-'}")
    return chosen

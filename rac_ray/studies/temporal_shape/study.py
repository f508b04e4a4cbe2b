"""Temporal Shape as a study (Broomé et al., WACV 2023, sections 3.2 and 4.1). Loads neither Ray nor torch by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rac_ray.counted import counted
from rac_ray.data.dataset import Say
from rac_ray.data.manifest import part_keys
from rac_ray.errors import BadInput
from rac_ray.identity import Evaluation, Recipe, Training, digest_of
from rac_ray.results.paper import Drawn
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.studies.study import COMMAND, MissingData, Study
from rac_ray.studies.temporal_shape.asked import check_sources, factors_of, take_any_length
from rac_ray.studies.temporal_shape.claims import PRINTED, READINGS, TEMPORAL_SHAPE
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.domains import DIRECTIONS, LONG, PAIRED, Direction, frames_of
from rac_ray.studies.temporal_shape.endless import EndlessClips
from rac_ray.studies.temporal_shape.facts import FACTS
from rac_ray.studies.temporal_shape.grid import FURTHER_MODELS, MODELS, PRESETS, Grid
from rac_ray.studies.temporal_shape.rendering import clip_source, rendered_parts
from rac_ray.studies.temporal_shape.results import DRAWN, NAMED, QUESTION, shape_names
from rac_ray.studies.temporal_shape.spec import SPECS
from rac_ray.studies.temporal_shape.symbols import all_symbols
from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE, LABEL_NAMES, NUM_FRAMES
from rac_ray.sweep.axes import with_normalisation
from rac_ray.sweep.feeds import FEED, ONLINE, STORED
from rac_ray.sweep.forecast import Interval
from rac_ray.sweep.options import Option, integers, named, places, with_axes, words
from rac_ray.sweep.planner import parameters_of
from rac_ray.training.task import Counts, Task

if TYPE_CHECKING:
    from rac_ray.data.source import Source
    from rac_ray.data.subject import ShardSubject

DESCRIPTION = f"""Temporal Shape: does the way a video model handles time decide how it stands domain shift?

Broomé et al., "Recur, Attend or Convolve? On Whether Temporal Modeling Matters for Cross-Domain Robustness in
Action Recognition", WACV 2023, sections 3.2 and 4.1.

    {COMMAND} run --preset demo      12 trials on few clips, about 5 minutes on two cores
    {COMMAND} run --preset laptop    a small real study: 72 trials, about 10 hours on two cores
    {COMMAND} run --preset paper     the study: 10 h x 4 models x 5 seeds x 2 sources = 400 trials
"""
CLIP_BYTES = (1_000, 10_000)
"""A clip's least and usual size in a shard: a dot on black, and the mean over the study's domains."""
CLIPS_PER_SECOND = 1500.0
"""Clips that one core generates."""
REFERENCE = Path(__file__).with_name("reference.tar.zst")
"""A capsule of what has been run of the preset laptop; what it says is in docs/findings.md."""
OURS = (*MODELS, *FURTHER_MODELS)
"""Models whose names say what they are; of any other one trainings are known by the shapes of its weights, too."""
OWN = "own"
"""What a spec without a name is called."""
AXES = {"source": "sources", "models": "models", "hidden_units": "hidden_units", "seeds": "seeds"}
"""Options that replace a field of the grid, by name."""


@dataclass(frozen=True)
class TemporalShape(Study):
    """Trials over models, hidden units, seeds and source domains, on generated clips."""

    name: str = "ts_grid"
    presets: Mapping[str, Grid] = field(default_factory=lambda: PRESETS)
    default_preset: str = "paper"
    description: str = DESCRIPTION
    reference: Path | None = REFERENCE

    options = (
        Option("source", words, "source domains"),
        Option("models", words, f"models: {', '.join(MODELS)}; also {', '.join(FURTHER_MODELS)}, or your own"),
        Option("hidden_units", integers("hidden units"), "hidden units per layer, or head; TimeSformer: even"),
        Option("seeds", integers("seed"), "seeds; 0 is one like any other"),
        Option("digits", places, "folders of other symbols, IDX images as EMNIST's; each is one more target domain"),
        Option("factors", named, "what further target domains change of the source's, as in drift,reversed; or all"),
        Option(
            "spec", words, "clips as released, as the paper's text reads, or of seven shapes: released, paper, seven"
        ),
    )
    variants = {"spec": tuple(SPECS), FEED: (STORED, ONLINE)}  # noqa: RUF012

    def narrowed(self, grid: Grid, asked: Mapping[str, Any]) -> Grid:
        """The grid with some axes, its spec, its factors or its further symbols replaced.

        Raises BadInput for an axis without values, a factor that is none, and a folder that has no symbols.
        """
        folders, factors, spec, feed = (asked.get(name) for name in ("digits", "factors", "spec", FEED))
        symbols = grid.symbols if folders is None else all_symbols(words(folders))
        endless = feed == ONLINE if feed else grid.endless
        spec = SPECS[spec] if spec else grid.spec
        narrowed = replace(with_axes(grid, AXES, asked), symbols=symbols, spec=spec, endless=endless)
        if factors is None:
            return narrowed
        return replace(narrowed, factors=factors_of(narrowed.sources, narrowed.models, words(factors), spec))

    def values(self, grid: Grid) -> Mapping[str, str]:
        """The name of the spec, and whether training clips are stored or drawn."""
        spec = next((name for name, spec in SPECS.items() if spec == grid.spec), OWN)
        return {"spec": spec, FEED: ONLINE if grid.endless else STORED}

    def folder(self, grid: Grid, data: Storage) -> Storage:
        """The released clips, and those of a spec of one's own, lie in the preset's folder, others below it."""
        name = self.values(grid)["spec"]
        return data if name in (*self.variants["spec"][:1], OWN) else data.below(f"spec-{name}")

    def tasks(self, grid: Grid, data: Storage, precision: str) -> list[Task]:
        """One task per source, model, hidden units and seed, seeds innermost. Raises BadInput."""
        from rac_ray.models.shapes import weights_digest

        check_grid(grid)
        dataset = dataset_of(grid)
        dataset.require_own(data)
        tasks = []
        for name, model in product(grid.sources, grid.models):
            direction = direction_of(grid, name, [model])
            shared = self._shared(grid, dataset, direction)
            drawn = partial(EndlessClips, dataset, direction.trained_on, grid.train_clips) if grid.endless else None
            content, recipe = trained_content(grid, dataset, direction), grid.recipe(model).resolved(precision)
            for hidden in grid.hidden_units:
                subject = subject_of(model, hidden, direction, data, drawn, grid.spec.shapes)
                options = {} if model in OURS else {"weights": weights_digest(subject.build)}
                for seed in grid.seeds:
                    training = Training(model, hidden, name, seed, recipe, content, options=options)
                    tasks.append(Task(training, subject, **shared))
        return tasks

    def _shared(self, grid: Grid, dataset: GeneratedClips, direction: Direction) -> dict[str, Any]:
        """What all tasks of a model and a source have in common."""
        evaluations = []
        for part, role in direction.evaluations.items():
            target, split = part.split("/")
            evaluations.append(Evaluation(target, split, role, dataset.fingerprint([part])))
        evaluated = {part: dataset.clips[part] for part in direction.evaluations}
        return {
            "evaluations": tuple(evaluations),
            "counts": Counts(grid.train_clips, grid.val_clips, evaluated),
            "trained_on": (direction.val,) if grid.endless else (direction.train, direction.val),
        }

    def prepare(self, grid: Grid, data: Storage, tasks: Sequence[Task], say: Say) -> None:
        """Make the shards that are missing."""
        from rac_ray.data.generate import generate

        made = generate(data, planned_dataset(grid, tasks), say).made
        say(f"data {data.root}: {counted(made, 'shard')} made")

    def missing(self, grid: Grid, data: Storage, tasks: Sequence[Task]) -> MissingData:
        """Of the shards that the tasks read."""
        from rac_ray.data.generate import missing_clips

        dataset = planned_dataset(grid, tasks)
        clips = missing_clips(data, dataset)
        low, usual = (clips * each for each in CLIP_BYTES)
        return MissingData(clips / CLIPS_PER_SECOND, Interval(low, usual, clips * dataset.clip_bytes))

    def content(self, grid: Grid, data: Storage, tasks: Sequence[Task]) -> Mapping[str, str]:
        """From the manifest."""
        return part_keys(data, planned_dataset(grid, tasks).clips)

    def made_from(self, grid: Grid, data: Storage, task: Task) -> dict[str, Any]:
        """Spec, digits and counts; of clips that are drawn for an epoch, how many they are."""
        dataset = planned_dataset(grid, [task])
        direction = direction_of(grid, task.training.source, [task.training.model])
        parts = [part for part in direction.parts if part in dataset.clips]
        return {**dataset.as_dict(parts), **({"endless": grid.train_clips} if grid.endless else {})}

    # Results

    question = QUESTION
    domains = NAMED
    claims = TEMPORAL_SHAPE
    readings = READINGS
    printed_numbers = PRINTED
    facts = FACTS

    def class_names(self, classes: int) -> list[str]:
        """Circle, spiral, line, rectangle, arc."""
        return shape_names(classes)

    def drawn_in_paper(self, source: str) -> Drawn:
        """Figures 3 and 4."""
        return DRAWN.get(source, Drawn())

    def clips(self, records: Sequence[Record]) -> Callable[[str], NDArray[np.uint8]]:
        """Rendered again."""
        return clip_source(records)

    def again(self, record: Record) -> tuple[Any, Any]:
        """Rendered again."""
        from rac_ray.data.feed import Opening
        from rac_ray.data.feeding import ClipFeeds

        clips = rendered_parts(record, record.content)
        if untold := [each.part for each in record.evaluations if each.part not in clips]:
            raise BadInput(f"trial {record.training_id} does not say what {untold[0]} was made from")
        direction, dataset = DIRECTIONS[record.source].within(clips), record.dataset or {}
        drawn = None
        if "endless" in dataset:
            drawn = partial(EndlessClips, GeneratedClips.from_dict(dataset), direction.trained_on, dataset["endless"])
        subject = subject_of(record.model, record.hidden_units, direction, Storage(""), drawn, record.classes)
        if record.recipe.normalisation != Recipe.normalisation:
            subject = replace(subject, build=with_normalisation(subject.build, record.training()))
        return subject, ClipFeeds(subject, Opening(record.seed, record.recipe.batch_size, clips=clips))


def check_grid(grid: Grid) -> None:
    """Raise BadInput for a source, model or number of hidden units that does not exist."""
    from rac_ray.models import Builder

    check_sources(grid.sources)
    for model in grid.models:
        for hidden_units in grid.hidden_units:
            parameters_of(Builder(model, hidden_units))


def direction_of(grid: Grid, source: str, models: Sequence[str] | None = None) -> Direction:
    """What trials of a source read, of the grid's models or of some, with counterfactual clips and further domains if
    the grid has any. Clips of another length are left out where none of the models takes them."""
    also = tuple(symbols.name for symbols in grid.symbols)
    taken = [each for each in grid.factors if each not in LONG or take_any_length(models or grid.models)]
    direction = DIRECTIONS[source].with_factors(taken, grid.spec)
    return replace(direction, paired=grid.paired_clips != 0, also=also)


def dataset_of(grid: Grid) -> GeneratedClips:
    """The clips that a grid's sources train and are evaluated on."""
    sizes = {"train": grid.train_clips, "val": grid.val_clips, "test": grid.test_clips, PAIRED: grid.paired_clips}
    parts = dict.fromkeys(part for source in grid.sources for part in direction_of(grid, source).parts)
    stored = {part: sizes[split] for part in parts if (split := part.partition("/")[2]) != "train" or not grid.endless}
    return GeneratedClips(grid.spec, stored, grid.symbols)


def trained_content(grid: Grid, dataset: GeneratedClips, direction: Direction) -> str:
    """Digest of what is trained and validated on; training clips that are drawn follow from it and the seed."""
    if not grid.endless:
        return dataset.fingerprint([direction.train, direction.val])
    val = dataset.fingerprint([direction.val])
    return digest_of(dataset.identity(), direction.trained_on, grid.train_clips, "endless", val)


def planned_dataset(grid: Grid, tasks: Sequence[Task]) -> GeneratedClips:
    """The clips that some tasks of a grid read."""
    sources = tuple(dict.fromkeys(task.training.source for task in tasks))
    models = tuple(dict.fromkeys(task.training.model for task in tasks))
    return dataset_of(replace(grid, sources=sources, models=models))


def subject_of(
    model: str,
    hidden_units: int,
    direction: Direction,
    data: Storage,
    drawn: "Callable[[int, Storage | None], Source] | None" = None,
    classes: int = len(LABEL_NAMES),
) -> "ShardSubject":
    """A model with the parts that it trains and validates on."""
    from rac_ray.data.subject import ShardSubject
    from rac_ray.models import Builder

    shape = (NUM_FRAMES, 1, FRAME_SIZE, FRAME_SIZE)
    build = Builder(model, hidden_units).with_options(num_classes=classes)
    lengths = {part: frames_of(part) for part in direction.evaluations if frames_of(part) != NUM_FRAMES}
    return ShardSubject(build, direction.train, direction.val, classes, shape, data, drawn, lengths)

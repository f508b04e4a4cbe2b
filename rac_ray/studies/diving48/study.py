"""Diving48 as a study (Broomé et al., WACV 2023, sections 3.3 and 4.2). Loads neither Ray nor torch by itself."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rac_ray.data.dataset import Say
from rac_ray.data.manifest import require_manifest, shard_contents
from rac_ray.data.masks import placed, require_made_of
from rac_ray.errors import BadInput, one_of
from rac_ray.identity import Evaluation, Training, Trial, digest_of
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.claims import DIVING48
from rac_ray.studies.diving48.domains import Published, Rendered, domain_frames
from rac_ray.studies.diving48.facts import FACTS
from rac_ray.studies.diving48.grid import PRESETS, DivingGrid
from rac_ray.studies.diving48.lists import SPLITS
from rac_ray.studies.diving48.naming import NAMED, QUESTION
from rac_ray.studies.diving48.published import PRINTED
from rac_ray.studies.diving48.shape_texture import DOMAINS, RENDERING
from rac_ray.studies.diving48.sizes import CHANNELS, FRAME_SIZE, NUM_FRAMES
from rac_ray.studies.study import COMMAND, Study
from rac_ray.sweep.options import Option, integers, place, with_axes, words
from rac_ray.training.selection import Selection
from rac_ray.training.task import Counts, Task

if TYPE_CHECKING:
    from rac_ray.data.jpegs import Render
    from rac_ray.results.analysis import Analysis
    from rac_ray.results.figures import Draw
    from rac_ray.results.sheet import Sheet
    from rac_ray.store.record import Record
    from rac_ray.training.probe import Probe

DESCRIPTION = f"""Diving48: is what a video model has learned shape, or texture?

Broomé et al., "Recur, Attend or Convolve? On Whether Temporal Modeling Matters for Cross-Domain Robustness in
Action Recognition", WACV 2023, sections 3.3 and 4.2: experiments a to h.

    {COMMAND} run --preset demo       drawn figures instead of divers, and small models
    {COMMAND} run --preset paper --masks data/masks          the study, on eight GPUs, three seeds
    {COMMAND} run --seeds 42 --masks data/masks              the one seed that it had itself
    {COMMAND} run --experiment c --masks data/masks          one of its experiments
"""
SOURCE = "original"
"""The source domain."""
YES_OR_NO = ("yes", "no")
MAKE = "`rac-ray diving48 decode` makes it of the videos; the preset demo needs none"
"""How a folder comes by this study's clips."""


@dataclass(frozen=True)
class Diving48(Study):
    """Trainings by size and seed, each of which serves the experiments that compare its model."""

    name: str = "diving48"
    presets: Mapping[str, DivingGrid] = field(default_factory=lambda: PRESETS)
    default_preset: str = "paper"
    description: str = DESCRIPTION

    options = (
        Option("experiment", words, "experiments, as in c or a,b (default: the preset's)"),
        Option("seeds", integers("seed"), "seeds (default: the preset's)"),
        Option("masks", place, "masks of the test clips, a Parquet file or a folder of them"),
        Option("published", place, "folder of the authors' modified videos, instead of masks"),
        Option("validation", words, "how validation clips are cut from the train list: authors, grouped"),
        Option("flip_validation", words, "whether validation clips are mirrored at random, too: yes, no"),
        Option("codec", words, "whether edited clips go through the authors' encoder: yes, no"),
    )
    variants = {"validation": tuple(SPLITS), "flip_validation": YES_OR_NO}  # noqa: RUF012
    edits = {"codec": YES_OR_NO}  # noqa: RUF012

    probe_seconds = 0.0
    """A step of the study's sizes takes minutes on a CPU, and memory that few machines have; ``assumed`` counts it."""

    def narrowed(self, grid: DivingGrid, asked: Mapping[str, Any]) -> DivingGrid:
        """The grid that asks for some experiments, seeds or variants only; BadInput for an unknown experiment."""
        for letter in asked.get("experiment") or ():
            if letter not in grid.experiments:
                raise one_of("experiment", letter, grid.experiments)
        changes: dict[str, Any] = {}
        if asked.get("experiment"):
            changes["only"] = tuple(dict.fromkeys(asked["experiment"]))
        changes |= {name: place(asked[name]) for name in ("masks", "published") if asked.get(name)}
        if asked.get("validation"):
            changes["validation"] = asked["validation"]
        if asked.get("flip_validation"):
            changes["flip_validation"] = asked["flip_validation"] == "yes"
        if asked.get("codec"):
            changes["codecs"] = tuple(value == "yes" for value in asked["codec"])
        return replace(with_axes(grid, {"seeds": "seeds"}, asked), **changes)

    def values(self, grid: DivingGrid) -> Mapping[str, str]:
        """How validation clips are cut and mirrored."""
        return {"validation": grid.validation, "flip_validation": YES_OR_NO[not grid.flip_validation]}

    def workers(self, grid: DivingGrid) -> int:
        """The study's eight, or what the preset says."""
        return grid.workers

    def data_folder(self, preset: str) -> str:
        """The study's clips are the same for all presets; drawn ones are a preset's own."""
        return f"{self.name}-{preset}" if self.presets[preset].drawn else self.name

    def tasks(self, grid: DivingGrid, data: Storage, precision: str) -> list[Task]:
        """One task per size and seed, with a trial for each experiment and codec that is asked for.

        Each has the levels of all its experiments, so that asking for one and later for the others trains nothing
        twice.
        """
        from rac_ray.studies.diving48.feed import DivingSubject
        from rac_ray.studies.diving48.models import builder

        root = require_manifest(data, MAKE)
        if "val" not in root:
            raise BadInput(f"data folder {data.root!r} has no clips of Diving48; choose another with --data")
        if grid.validation not in root["val"]:
            raise one_of("validation split", grid.validation, root["val"])
        evaluations, frames = evaluations_of(root, grid, masks_of(grid, data))
        left_out = root["splits"]["train"].get("left_out", {})
        val = sum(clip_id not in left_out for clip_id in root["val"][grid.validation])
        train, test = (root["splits"][split]["clips"] for split in ("train", "test"))
        counts = Counts(train - val, val, {e.part: val if e.split == "val" else test for e in evaluations})
        content = trained_content(root, grid)
        tasks = []
        for (model, name), levels in levels_of(grid).items():
            size, recipe = grid.sizes[name], grid.recipe.resolved(precision)
            build = builder(size)
            subject = DivingSubject(build, data, frames, grid.validation, grid.flip_validation)
            options = {"architecture": size.architecture, **size.options}
            for seed in grid.seeds:
                training = Training(model, size.hidden_units, SOURCE, seed, recipe, content, name, options)
                asked = {letter: levels[letter] for letter in levels if letter in grid.asked}
                trials = tuple(
                    Trial(training, letter, level, variant_of(codec))
                    for codec in grid.codecs
                    for letter, level in asked.items()
                )
                if trials:
                    selection = Selection(tuple(sorted(set(levels.values()))))
                    tasks.append(Task(training, subject, evaluations, counts, selection=selection, trials=trials))
        return tasks

    def provides(self, grid: DivingGrid) -> bool:
        """Where clips are drawn."""
        return grid.drawn is not None

    def provide(self, grid: DivingGrid, data: Storage, say: Say) -> None:
        """Draw, encode and decode the clips of a grid that has none of Diving48's."""
        if grid.drawn is None:
            return
        from rac_ray.data.generate import generate
        from rac_ray.studies.diving48.dataset import OfficialVideos
        from rac_ray.studies.diving48.synthetic import write_dives

        if not data.is_local:
            raise BadInput(f"--data {data.root!r} is no folder; clips are drawn to one only")
        official = Path(data.root, "official")
        write_dives(official, data.below("masks"), train=grid.drawn.train, test=grid.drawn.test)
        generate(data, OfficialVideos.at(official), say)

    def prepare(self, grid: DivingGrid, data: Storage, tasks: Sequence[Task], say: Say) -> None:
        """Nothing: the clips were there when the tasks were made."""

    def assumed(self, task: Task) -> "Probe":
        """From counted operations and a stated speed."""
        from rac_ray.studies.diving48.price import assumed_probe

        return assumed_probe(task)

    def notes(self, grid: DivingGrid, tasks: Sequence[Task]) -> list[str]:
        """Operations and memory of each size."""
        from rac_ray.studies.diving48.price import notes

        return notes(tasks)

    # Results

    question = QUESTION
    domains = NAMED
    claims = DIVING48
    printed_numbers = PRINTED
    facts = FACTS
    printed = ("figure3", "diving48", "attributes")

    def class_names(self, classes: int) -> list[str]:
        """Takeoff, somersaults, twists, position."""
        from rac_ray.studies.diving48.results import dive_names

        return dive_names(classes)

    def clip_shape(self, record: "Record") -> Sequence[int]:
        """That of all clips, which are resized for the models."""
        return NUM_FRAMES, CHANNELS, FRAME_SIZE, FRAME_SIZE

    def sheets(self, analysis: "Analysis") -> "list[Sheet]":
        """Tables 1 to 7."""
        from rac_ray.studies.diving48.results import diving_sheets

        return diving_sheets(analysis)

    def figures(self, source: str) -> "Mapping[str, Draw]":
        """Figures 5 and 6, and table 1 drawn."""
        from rac_ray.studies.diving48.results import DIVING_FIGURES

        return DIVING_FIGURES


def levels_of(grid: DivingGrid) -> dict[tuple[str, str], dict[str, float]]:
    """Levels by experiment of each (model, size)."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for letter, experiment in grid.experiments.items():
        for pair in experiment.sizes.items():
            found.setdefault(pair, {})[letter] = experiment.top1
    return found


def trained_content(manifest: Mapping[str, Any], grid: DivingGrid) -> str:
    """Digest of the clips trained and validated on, and of how they are cut and mirrored."""
    val = manifest["val"][grid.validation]
    return digest_of(manifest["identity"], manifest["splits"]["train"]["content"], val, grid.flip_validation)


def evaluations_of(
    manifest: Mapping[str, Any], grid: DivingGrid, masks: str | None
) -> tuple[tuple[Evaluation, ...], dict[str, Any]]:
    """What checkpoints are asked, with what makes the frames of each part.

    Raises BadInput for missing masks, for those of other clips than the test part has now, for a folder without
    published videos, and for an unknown domain.
    """
    published = Path(grid.published) if grid.published else None
    train, test = (digest_of(manifest["identity"], manifest["splits"][split]["content"]) for split in ("train", "test"))
    val = Evaluation(SOURCE, "val", "source_val", digest_of(train, manifest["val"][grid.validation]))
    found = [val]
    frames: dict[str, Render | None] = {}
    if SOURCE in grid.domains:
        found.append(Evaluation(SOURCE, "test", "source_test", digest_of(test)))
        frames[f"{SOURCE}/test"] = None
    made_by = digest_of_masks(masks, manifest) if masks else None
    for codec in grid.codecs:
        videos = published if codec else None  # the authors' went through it
        for domain in grid.domains:
            if domain != SOURCE:
                made = domain_frames(domain, masks=masks, published=videos, codec=codec)
                if isinstance(made, Published):
                    made.require_folder()
                version = [RENDERING] if isinstance(made, Rendered) else []
                by = made_by if DOMAINS[domain].keep != "all" else None
                content = digest_of(test, domain, by, videos is not None, codec, *version)
                target = Evaluation(domain, "test", "target", content, variant_of(codec))
                frames[target.part] = made
                found.append(target)
    return tuple(found), frames


def variant_of(codec: bool) -> str:
    """What trials and evaluations of edited clips say that did not go through the authors' encoder."""
    return "" if codec else "codec=no"


def masks_of(grid: DivingGrid, data: Storage) -> str | None:
    """Those of the grid, or of the clips that were drawn."""
    return data.below("masks", "masks.parquet").root if grid.drawn and not grid.masks else grid.masks


def digest_of_masks(masks: str, manifest: Mapping[str, Any]) -> str:
    """Of a file of masks, or of those in a folder that are of test clips: no others are edited."""
    folder, _ = placed(masks)
    files = require_made_of(masks, shard_contents(manifest, ["test"]), whole=True)
    return hashlib.sha256(b"".join(folder.read_bytes(each) for each in files)).hexdigest()

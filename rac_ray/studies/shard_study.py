"""What studies of your own clips have in common: the plan follows from the manifest of the data folder.

Models train on the source domain and are asked about it and about the target domains. Loads neither Ray nor torch by
itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rac_ray.data.dataset import Say
from rac_ray.data.manifest import part_keys, read_split, require_manifest
from rac_ray.data.shards import channels_last
from rac_ray.errors import BadInput
from rac_ray.identity import Evaluation, Recipe, Training, digest_of
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.studies.study import Study
from rac_ray.sweep.options import Option, integers, with_axes, words
from rac_ray.training.task import Counts, Task

if TYPE_CHECKING:
    from rac_ray.models import Builder

FIRST_LOOK = Recipe(learning_rate=0.003, batch_size=16, max_epochs=30, patience=10)
"""For a first look at a few hundred clips."""
ROLES = {"val": "source_val", "test": "source_test"}
"""Of the source's splits that checkpoints are asked about."""
GRID_OPTIONS = (
    Option("source", str, "domain to train on (default: the preset's)"),
    Option("targets", words, "domains to be asked about (default: the preset's, or all others)"),
    Option("models", words, "models: those of rac_ray, and those that the script registers"),
    Option("hidden_units", integers("hidden units"), "hidden units per layer, or head; TimeSformer: even"),
    Option("seeds", integers("seed"), "seeds; 0 is one like any other"),
)
AXES = {"targets": "targets", "models": "models", "hidden_units": "hidden_units", "seeds": "seeds"}
"""Options that replace a field of the grid, by name."""


@dataclass(frozen=True, kw_only=True)
class ShardGrid(ABC):
    """A Cartesian grid of trials, and the size of a clip."""

    source: str
    """Domain that is trained on."""
    targets: tuple[str, ...] = ()
    """Domains that checkpoints are asked about; none named: all others that there are."""
    models: tuple[str, ...] = ("convlstm", "cnn3d", "timesformer8")
    hidden_units: tuple[int, ...] = (4, 8)
    seeds: tuple[int, ...] = (42, 61)
    recipe: Recipe = FIRST_LOOK
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """By model, where one needs another recipe."""
    num_frames: int = 16
    """Of a clip."""
    frame_size: int = 64
    """Side of the frames that models see, in pixels."""

    def __post_init__(self) -> None:
        for name in ("num_frames", "frame_size"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}; valid: 1 or more")

    @property
    @abstractmethod
    def clip_shape(self) -> tuple[int, int, int, int]:
        """(T, C, H, W) of a clip."""


@dataclass(frozen=True)
class ShardStudy(Study):
    """Trials over models, hidden units and seeds, on clips that ``provide`` has brought to the data folder."""

    name: str
    presets: Mapping[str, Any]
    default_preset: str
    description: str = ""
    _class_names: dict[int, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By their number, of the clips that were planned last."""

    place_option = ""
    """The option, and field of a grid, that says where the clips come from."""

    def narrowed(self, grid: Any, asked: Mapping[str, Any]) -> Any:
        """The grid with some fields replaced. Raises BadInput for an axis without values and for unknown models."""
        from rac_ray.sweep.planner import parameters_of

        given = {name: asked[name] for name in (self.place_option, "source") if asked.get(name)}
        narrowed = replace(with_axes(grid, AXES, asked), **given)
        for model in narrowed.models:
            for hidden_units in narrowed.hidden_units:
                parameters_of(_model(narrowed, model, hidden_units, classes=2))
        return narrowed

    def provides(self, grid: ShardGrid) -> bool:
        """Always: the folder may have changed."""
        return True

    def prepare(self, grid: ShardGrid, data: Storage, tasks: Sequence[Task], say: Say) -> None:
        """Nothing: the clips were there when the tasks were made."""

    def tasks(self, grid: ShardGrid, data: Storage, precision: str) -> list[Task]:
        """One task per model, hidden units and seed, seeds innermost, on the clips that ``provide`` has brought."""
        from rac_ray.data.subject import ShardSubject
        from rac_ray.models.shapes import weights_digest

        manifest = self._manifest(grid, data)
        splits, identity = manifest["splits"], self._identity(grid, manifest)
        classes, shape = identity["classes"], grid.clip_shape
        self._class_names[len(classes)] = classes
        evaluations = self._evaluations(grid, manifest)
        train, val = (f"{grid.source}/{split}" for split in ("train", "val"))
        content = digest_of(identity, splits[train]["content"], splits[val]["content"])
        counts = Counts(
            splits[train]["clips"], splits[val]["clips"], {e.part: splits[e.part]["clips"] for e in evaluations}
        )
        tasks = []
        for model in grid.models:
            recipe = grid.recipes.get(model, grid.recipe).resolved(precision)
            for hidden in grid.hidden_units:
                build = _model(grid, model, hidden, len(classes))
                subject = ShardSubject(build, train, val, len(classes), shape, data)
                options = {"weights": weights_digest(build)}
                for seed in grid.seeds:
                    training = Training(model, hidden, grid.source, seed, recipe, content, options=options)
                    tasks.append(Task(training, subject, evaluations, counts, (train, val)))
        return tasks

    def about(self, grid: ShardGrid, data: Storage) -> Mapping[str, str]:
        """The names of the classes."""
        return {"classes": ", ".join(self._identity(grid, self._manifest(grid, data))["classes"])}

    def content(self, grid: ShardGrid, data: Storage, tasks: Sequence[Task]) -> Mapping[str, str]:
        """From the manifest."""
        return part_keys(data, {part for task in tasks for part in (*task.trained_on, *task.counts.evaluated)})

    def made_from(self, grid: ShardGrid, data: Storage, task: Task) -> dict[str, Any]:
        """Size and classes, and where the clips are, so that reports can show them; a bucket's address is kept to
        ourselves."""
        own = {**self._identity(grid, self._manifest(grid, data)), "clip_shape": list(grid.clip_shape)}
        return {**own, **({"data": data.root} if data.is_local else {})}

    @abstractmethod
    def _manifest(self, grid: Any, data: Storage) -> dict[str, Any]:
        """The data folder's, once it has the clips of the grid. Raises BadInput before."""

    def _identity(self, grid: Any, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        """What decides the clips' size and labels, with the names of the source's ``classes``."""
        return manifest["identity"]

    def _evaluations(self, grid: ShardGrid, manifest: Mapping[str, Any]) -> tuple[Evaluation, ...]:
        """The source's validation and test clips, and the targets in the order of their names or of the grid."""
        splits, identity = manifest["splits"], self._identity(grid, manifest)
        asked = {f"{grid.source}/{split}": role for split, role in ROLES.items()}
        asked |= {f"{target}/test": "target" for target in grid.targets or targets_in(splits, grid.source)}
        found = []
        for part in (part for part in asked if part in splits):
            domain, split = part.split("/")
            found.append(Evaluation(domain, split, asked[part], digest_of(identity, splits[part]["content"])))
        return tuple(found)

    # Results

    def class_names(self, classes: int) -> list[str]:
        """Those of the clips, once there is a plan."""
        return self._class_names.get(classes) or super().class_names(classes)

    def clips(self, records: Sequence[Record]) -> Callable[[str], NDArray[np.uint8]]:
        """From the shards that were read, as long as they hold the same clips."""
        return clips_in_shards(records)


def targets_in(parts: Mapping[str, Any], source: str) -> list[str]:
    """The domains other than the source that have test clips, in the order of their names."""
    return sorted(part.removesuffix("/test") for part in parts if part.endswith("/test") and part != f"{source}/test")


def _model(grid: ShardGrid, model: str, hidden_units: int, classes: int) -> "Builder":
    """A model for a grid's clips, yet to be built. Raises BadInput for one that nobody has registered."""
    from rac_ray.models import Builder

    frames, channels, size, _ = grid.clip_shape
    sizes = {"num_frames": frames, "frame_size": size, "channels": channels, "num_classes": classes}
    return Builder(model, hidden_units).with_options(**sizes)


SHOWN = ("target", "source_test")
"""Roles of evaluation sets whose clips are shown."""


def clips_in_shards(records: Sequence[Record], roles: Collection[str] = SHOWN) -> Callable[[str], NDArray[np.uint8]]:
    """Clip id (``domain/split/...``) to frames (T, H, W, 3) uint8, or (T, H, W) of grey clips, of the evaluation sets
    with one of these roles.

    Raises BadInput when the shards are gone, or hold other clips by now than the trainings of ``records`` were asked;
    the clips of a domain that is no longer there are told of when one of them is asked for.
    """
    wanted: dict[tuple[str, str], set[str]] = {}
    for record in records:
        data = (record.dataset or {}).get("data")
        if not data:
            raise BadInput(f"trial {record.training_id} does not say where its clips are")
        for part in {each.part for each in record.evaluations if each.role in roles}:
            wanted.setdefault((data, part), set()).add(record.content[part])
    found: dict[str, NDArray[np.uint8]] = {}
    for (data, part), contents in sorted(wanted.items()):
        root = Storage.at(data)
        entry = require_manifest(root)["splits"].get(part)
        if entry and contents != {entry["content"]}:
            raise BadInput(
                f"data folder {data!r} has other clips of {part} now than those on which the trials were tested"
            )
        clips = read_split(root, part) if entry else None
        found |= dict(zip(clips.clip_ids, channels_last(clips.frames), strict=True)) if clips else {}

    def frames_of(clip_id: str) -> NDArray[np.uint8]:
        if clip_id not in found:
            raise BadInput(f"clip {clip_id!r} is no longer in its data folder")
        return found[clip_id]

    return frames_of

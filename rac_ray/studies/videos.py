"""A study of your own videos: folders of labelled videos, one a domain, as ``DOMAIN/CLASS/FILE.mp4``.

Models train on the source domain and are asked about it and about the target domains. Loads neither Ray nor torch by
itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rac_ray.data.dataset import Say
from rac_ray.data.manifest import part_keys, read_manifest, read_split, require_manifest
from rac_ray.data.video_folder import arranged
from rac_ray.errors import BadInput
from rac_ray.identity import Evaluation, Recipe, Training, digest_of
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.studies.study import Study
from rac_ray.sweep.options import Option, integers, place, with_axes, words
from rac_ray.training.task import Counts, Task

if TYPE_CHECKING:
    from rac_ray.models import Builder

FIRST_LOOK = Recipe(learning_rate=0.003, batch_size=16, max_epochs=30, patience=10)
"""For a first look at a few hundred videos."""
ROLES = {"val": "source_val", "test": "source_test"}
"""Of the source's splits that checkpoints are asked about."""
VIDEO_AXES = {"targets": "targets", "models": "models", "hidden_units": "hidden_units", "seeds": "seeds"}
"""Options that replace a field of the grid, by name."""


@dataclass(frozen=True, kw_only=True)
class VideoGrid:
    """A Cartesian grid of trials, and how videos become clips."""

    source: str
    """Domain that is trained on."""
    targets: tuple[str, ...] = ()
    """Domains that checkpoints are asked about; none named: all others that the folder has."""
    videos: str = "videos"
    """Folder of the domains' folders; all machines of a cluster have to see it."""
    models: tuple[str, ...] = ("convlstm", "cnn3d", "timesformer8")
    hidden_units: tuple[int, ...] = (4, 8)
    seeds: tuple[int, ...] = (42, 61)
    recipe: Recipe = FIRST_LOOK
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """By model, where one needs another recipe."""
    num_frames: int = 16
    """Of a clip, evenly spaced over its video."""
    frame_size: int = 64
    """Side of the frames that models see, in pixels; the aspect of the videos is not kept."""
    shares: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Of the source's videos that are for training, validation and testing."""

    def __post_init__(self) -> None:
        for name in ("num_frames", "frame_size"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} is {getattr(self, name)}; valid: 1 or more")
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise BadInput(f"shares of train, val and test are {self.shares}; valid: above 0, together 1")


@dataclass(frozen=True)
class VideoStudy(Study):
    """Trials over models, hidden units and seeds, on the videos of a folder."""

    name: str
    presets: Mapping[str, VideoGrid]
    default_preset: str
    description: str = ""
    _class_names: dict[int, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By their number, of the clips that were planned last."""

    options = (
        Option("videos", place, "folder of videos, DOMAIN/CLASS/*.mp4 (default: the preset's)"),
        Option("source", str, "domain to train on (default: the preset's)"),
        Option("targets", words, "domains to be asked about (default: the preset's, or all others)"),
        Option("models", words, "models: those of rac_ray, and those that the script registers"),
        Option("hidden_units", integers("hidden units"), "hidden units per layer; TimeSformer: per head, even"),
        Option("seeds", integers("seed"), "seeds; 0 is one like any other"),
    )

    def narrowed(self, grid: VideoGrid, asked: Mapping[str, Any]) -> VideoGrid:
        """The grid with some fields replaced. Raises BadInput for an axis without values and for unknown models."""
        from rac_ray.sweep.planner import parameters_of

        given = {name: asked[name] for name in ("videos", "source") if asked.get(name)}
        narrowed = replace(with_axes(grid, VIDEO_AXES, asked), **given)
        for model in narrowed.models:
            for hidden_units in narrowed.hidden_units:
                parameters_of(video_model(narrowed, model, hidden_units, classes=2))
        return narrowed

    def provides(self, grid: VideoGrid) -> bool:
        """Always: the folder may have changed."""
        return True

    def provide(self, grid: VideoGrid, data: Storage, say: Say) -> None:
        """Decode the videos that are new, to clips."""
        from rac_ray.data.generate import generate
        from rac_ray.data.videos import LabelledVideos

        folder = Path(grid.videos).expanduser().absolute()
        arrangement = arranged(folder, grid.source, grid.targets, grid.shares)
        dataset = LabelledVideos(folder, arrangement, grid.num_frames, grid.frame_size)
        left_out = generate(data, dataset, say).left_out
        said = ", ".join(f"{part} {len(videos)}" for part, videos in arrangement.parts.items())
        say(f"data {data.root}: videos of {said}; {len(left_out)} of them left out")

    def prepare(self, grid: VideoGrid, data: Storage, tasks: Sequence[Task], say: Say) -> None:
        """Nothing: the clips were there when the tasks were made."""

    def tasks(self, grid: VideoGrid, data: Storage, precision: str) -> list[Task]:
        """One task per model, hidden units and seed, seeds innermost, on the clips that ``provide`` has made."""
        from rac_ray.data.subject import ShardSubject
        from rac_ray.data.videos import rgb_shape

        manifest = self._manifest(grid, data)
        splits, classes = manifest["splits"], manifest["identity"]["classes"]
        self._class_names[len(classes)] = classes
        evaluations = _evaluations(grid, manifest)
        train, val = (f"{grid.source}/{split}" for split in ("train", "val"))
        content = digest_of(manifest["identity"], splits[train]["content"], splits[val]["content"])
        counts = Counts(
            splits[train]["clips"], splits[val]["clips"], {e.part: splits[e.part]["clips"] for e in evaluations}
        )
        shape = rgb_shape(grid.num_frames, grid.frame_size)
        tasks = []
        for model in grid.models:
            recipe = grid.recipes.get(model, grid.recipe).resolved(precision)
            for hidden in grid.hidden_units:
                build = video_model(grid, model, hidden, len(classes))
                subject = ShardSubject(build, train, val, len(classes), shape, data)
                options = {"weights": _weights_of(build)}
                for seed in grid.seeds:
                    training = Training(model, hidden, grid.source, seed, recipe, content, options=options)
                    tasks.append(Task(training, subject, evaluations, counts, (train, val)))
        return tasks

    def about(self, grid: VideoGrid, data: Storage) -> Mapping[str, str]:
        """The names of the classes."""
        return {"classes": ", ".join(self._manifest(grid, data)["identity"]["classes"])}

    def content(self, grid: VideoGrid, data: Storage, tasks: Sequence[Task]) -> Mapping[str, str]:
        """From the manifest."""
        return part_keys(data, {part for task in tasks for part in (*task.trained_on, *task.counts.evaluated)})

    def made_from(self, grid: VideoGrid, data: Storage, task: Task) -> dict[str, Any] | None:
        """Where the clips are, so that reports can show them; a bucket's address is kept to ourselves."""
        identity = self._manifest(grid, data)["identity"]
        return {**identity, "data": data.root} if data.is_local else None

    def _manifest(self, grid: VideoGrid, data: Storage) -> dict[str, Any]:
        """The data folder's, once it has the clips of the grid. Raises BadInput before."""
        manifest = read_manifest(data)
        parts = [f"{grid.source}/train", *(f"{target}/test" for target in grid.targets)]
        lacking = [part for part in parts if part not in (manifest or {"splits": {}})["splits"]]
        if manifest is None or lacking:
            raise BadInput(f"data folder {data.root!r} has no clips of {lacking[0]} yet; the verb `run` makes them")
        return manifest

    # Results

    def class_names(self, classes: int) -> list[str]:
        """Those of the folders, once there is a plan."""
        return self._class_names.get(classes) or super().class_names(classes)

    def clips(self, records: Sequence[Record]) -> Callable[[str], NDArray[np.uint8]]:
        """From the shards that were read, as long as they hold the same clips."""
        return clips_in_shards(records)


def _evaluations(grid: VideoGrid, manifest: Mapping[str, Any]) -> tuple[Evaluation, ...]:
    """The source's validation and test clips, and the targets in the order of their names or of the grid."""
    splits = manifest["splits"]
    known = sorted({part.partition("/")[0] for part in splits} - {grid.source})
    asked = {f"{grid.source}/{split}": role for split, role in ROLES.items()}
    asked |= {f"{target}/test": "target" for target in grid.targets or known}
    found = []
    for part, role in asked.items():
        domain, split = part.split("/")
        found.append(Evaluation(domain, split, role, digest_of(manifest["identity"], splits[part]["content"])))
    return tuple(found)


def video_model(grid: VideoGrid, model: str, hidden_units: int, classes: int) -> "Builder":
    """A model for a grid's clips, yet to be built. Raises BadInput for one that nobody has registered."""
    from rac_ray.data.videos import RGB
    from rac_ray.models import Builder

    sizes = {"num_frames": grid.num_frames, "frame_size": grid.frame_size, "channels": RGB, "num_classes": classes}
    return Builder(model, hidden_units).with_options(**sizes)


@lru_cache(maxsize=4096)
def _weights_of(build: Callable[[], Any]) -> str:
    """Digest of the names and shapes of a model's weights: an own model may change under its name."""
    import torch

    with torch.device("meta"):
        return digest_of([[name, list(tensor.shape)] for name, tensor in build().state_dict().items()])


def clips_in_shards(records: Sequence[Record], role: str = "target") -> Callable[[str], NDArray[np.uint8]]:
    """Clip id (``domain/split/class/file``) to frames (T, H, W, 3) uint8, of the evaluation sets of this role.

    Raises BadInput when the shards are gone, or hold other clips by now than the trainings of ``records`` were asked;
    the clips of a domain that is no longer there are told of when one of them is asked for.
    """
    wanted: dict[tuple[str, str], set[str]] = {}
    for record in records:
        if not record.dataset:
            raise BadInput(f"trial {record.training_id} does not say where its clips are")
        for part in {each.part for each in record.evaluations if each.role == role}:
            wanted.setdefault((record.dataset["data"], part), set()).add(record.content[part])
    found: dict[str, NDArray[np.uint8]] = {}
    for (data, part), contents in sorted(wanted.items()):
        root = Storage.at(data)
        entry = require_manifest(root)["splits"].get(part)
        if entry and contents != {entry["content"]}:
            raise BadInput(f"data folder {data!r} has other clips of {part} by now than trials were asked")
        clips = read_split(root, part) if entry else None
        found |= dict(zip(clips.clip_ids, clips.frames.transpose(0, 1, 3, 4, 2), strict=True)) if clips else {}

    def frames_of(clip_id: str) -> NDArray[np.uint8]:
        if clip_id not in found:
            raise BadInput(f"clip {clip_id!r} is no longer in its data folder")
        return found[clip_id]

    return frames_of

"""A study of your own videos: folders of labelled videos, one a domain, as ``DOMAIN/CLASS/FILE.mp4``.

Models train on the source domain and are asked about it and about the target domains. Loads neither Ray nor torch by
itself.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rac_ray.data.dataset import Say
from rac_ray.data.manifest import read_manifest
from rac_ray.data.video_folder import arranged
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.shard_study import GRID_OPTIONS, ShardGrid, ShardStudy
from rac_ray.sweep.options import Option, place


@dataclass(frozen=True, kw_only=True)
class VideoGrid(ShardGrid):
    """A Cartesian grid of trials, and how videos become clips.

    ``num_frames`` are evenly spaced over a video; the aspect of the videos is not kept.
    """

    videos: str = "videos"
    """Folder of the domains' folders; all machines of a cluster have to see it."""
    shares: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Of the source's videos that are for training, validation and testing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise BadInput(f"shares of train, val and test are {self.shares}; valid: above 0, together 1")

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """(T, C, H, W) of a clip, in colour."""
        from rac_ray.data.videos import rgb_shape

        return rgb_shape(self.num_frames, self.frame_size)


class VideoStudy(ShardStudy):
    """Trials over models, hidden units and seeds, on the videos of a folder."""

    place_option = "videos"
    options = (
        Option("videos", place, "folder of videos, DOMAIN/CLASS/*.mp4 (default: the preset's)"),
        *GRID_OPTIONS,
    )

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

    def _manifest(self, grid: VideoGrid, data: Storage) -> dict[str, Any]:
        manifest = read_manifest(data)
        parts = [f"{grid.source}/train", *(f"{target}/test" for target in grid.targets)]
        lacking = [part for part in parts if part not in (manifest or {"splits": {}})["splits"]]
        if manifest is None or lacking:
            raise BadInput(f"data folder {data.root!r} has no clips of {lacking[0]} yet; the verb `run` makes them")
        return manifest

"""Where the frames of a Diving48 domain come from: rendered from masks when they are loaded, or the authors' videos.

What is here goes to ``streaming.StreamedBatches(render=...)``: it is pickled to Ray's tasks as paths, and each process
reads the masks once.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from rac_ray.data.decoder import Decoder, Frames, Rejected, decoded_frames
from rac_ray.data.masks import HEIGHT, WIDTH, FrameMasks, MaskTable, placed
from rac_ray.errors import BadInput, one_of
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.shape_texture import DOMAINS, published_video, render
from rac_ray.studies.diving48.sizes import NUM_FRAMES

NOBODY = FrameMasks(*[np.zeros((0, HEIGHT, WIDTH), np.bool_)] * 2)
"""The masks of a frame without anybody."""


@dataclass(frozen=True)
class Rendered:
    """Frames of a domain from a clip's own frames and its masks."""

    domain: str
    masks: tuple[Storage, str] | None
    """Folder, and in it the name of a file of masks or of a folder of such files; None for a domain that has them all.
    """
    codec: bool = False
    """Through the encoder of the authors' files."""

    def __call__(self, clip_id: str, frames: Frames) -> Frames:
        """Frames (T, H, W, 3) uint8 of any size to (T, 369, 492, 3); BadInput for a clip without masks."""
        count = len(frames)
        masks = _table(*self.masks).clip(clip_id, count, HEIGHT, WIDTH) if self.masks else [NOBODY] * count
        return render(self.domain, frames, masks, codec=self.codec)


@dataclass(frozen=True)
class Published:
    """Frames of a domain from the authors' own modified videos (facts.md section 4)."""

    domain: str
    folder: Path

    def require_folder(self) -> None:
        """Raise BadInput where there is no folder of the domain's videos."""
        place = self.folder / DOMAINS[self.domain].published
        if not place.is_dir():
            raise BadInput(f"there are no published videos of domain {self.domain!r}: {str(place)!r} is no folder")

    def __call__(self, clip_id: str, frames: Frames) -> Frames:
        """Frames (32, 369, 492, 3) uint8 of a clip's video; ``frames``, the clip's own, are not used.

        Raises BadInput when the video is not there, cannot be decoded whole, or is no clip of 32 frames.
        """
        path = published_video(self.folder, self.domain, clip_id)
        with Decoder(NUM_FRAMES) as decoder:
            found = decoder.decode(path)
        if isinstance(found, Rejected):
            raise BadInput(f"published video {str(path)!r} {found.reason}")
        if found.frames_in_video != NUM_FRAMES:
            raise BadInput(f"published video {str(path)!r} has {found.frames_in_video} frames; valid: {NUM_FRAMES}")
        return decoded_frames(found.jpegs)


def domain_frames(
    domain: str, *, masks: str | None = None, published: Path | None = None, codec: bool = False
) -> Rendered | Published | None:
    """What makes a domain's frames: None for ``original``, which is as the shards have it.

    ``masks`` is the path or URI of a file, or folder, of masks; ``published`` the folder of the authors' videos, which
    then count instead. ``control`` needs neither. Raises BadInput for an unknown domain and for one whose masks are
    missing.
    """
    if domain not in DOMAINS:
        raise one_of("domain of Diving48", domain, DOMAINS)
    if domain == "original":
        return None
    if published is not None and DOMAINS[domain].published:
        return Published(domain, published)
    if DOMAINS[domain].keep == "all":
        return Rendered(domain, None, codec)
    if masks is None and codec:
        raise BadInput(f"domain {domain!r} needs masks, or the folder of the published videos")
    if masks is None:
        raise BadInput(f"domain {domain!r} needs masks: published videos went through the encoder")
    return Rendered(domain, placed(masks), codec)


@lru_cache(maxsize=2)
def _table(folder: Storage, name: str) -> MaskTable:
    return MaskTable.read(folder, name)

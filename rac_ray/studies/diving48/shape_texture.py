"""Diving48's modified domains from instance masks: shape (S1, S2), texture (T), and a control (facts.md section 4).

Frames are rendered at the size at which the masks were made, 369 x 492 pixels. S1 keeps the two best-scored divers'
silhouettes sharp before a blurred frame, S2 the support of their masks, nearly their boxes; T fills the support of all
with the mean colour of ImageNet. ``control`` is unedited. As with the authors, frames are floats in [0, 1] until all is
done, and are then truncated, not rounded, to whole grey levels. Their files went through an MPEG-4 encoder: ``codec``
sends any domain through one. Both happen to the control, too, so that only the edit tells it from the other domains.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from rac_ray.counted import counted
from rac_ray.data.decoder import Frames
from rac_ray.data.masks import HEIGHT, WIDTH, FrameMasks
from rac_ray.errors import BadInput, needs_extra, one_of
from rac_ray.store.storage import Storage

KERNEL, SIGMA = 55, 15.0
"""Of the Gaussian blur, in pixels."""
FILL = (124, 117, 104)
"""RGB: ImageNet's mean times 255, rounded up."""
SHAPE_INSTANCES = 2
"""Divers that S1 and S2 keep, by score: a synchronised dive has two."""
FRAMES_PER_SECOND = 5
"""Of the authors' modified videos."""
RENDERING = 2
"""Raised whenever the same frames and masks give other pixels; it is in the digest of what is rendered. 1: rounded."""

Floats = NDArray[np.float32]
"""A frame (H, W, 3) in [0, 1]."""


@dataclass(frozen=True)
class Edit:
    """How a domain's frames are made."""

    keep: Literal["all", "diver", "background"]
    """What stays sharp and unpainted."""
    mask: Literal["shape", "support"] = "support"
    instances: int | None = None
    """So many of the best-scored instances count; None: all."""
    published: str = ""
    """Folder name of the authors' own videos of it."""


DOMAINS: Mapping[str, Edit] = {
    "original": Edit("all"),
    "control": Edit("all"),
    "s1": Edit("diver", "shape", SHAPE_INSTANCES, "blurbg_04mask"),
    "s2": Edit("diver", "support", SHAPE_INSTANCES, "blurbg_0mask"),
    "t": Edit("background", "support", None, "masked_divers_all_masks"),
}
"""A new domain is one row. ``original`` is what models train on; ``control`` is the same clip, for ``codec``."""


def resized(frame: Frames) -> Floats:
    """A frame (H, W, 3) uint8 at the masks' size, in [0, 1]: PyTorch's bilinear, no antialiasing, as the authors'."""
    import torch
    from torch.nn.functional import interpolate

    pixels = torch.tensor(frame).permute(2, 0, 1)[None].float().div(255)
    return interpolate(pixels, size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False)[0].permute(1, 2, 0).numpy()


def whole(frame: Floats) -> Frames:
    """Grey levels of a frame in [0, 1], truncated as the authors' cast does it."""
    return (frame * np.float32(255)).astype(np.uint8)


def render(domain: str, frames: Frames, masks: Sequence[FrameMasks], *, codec: bool = False) -> Frames:
    """Frames (T, 369, 492, 3) of a clip in another domain, from its frames of any size and its masks.

    Without a detection S1 and S2 blur the whole frame and T leaves it as it is. Raises BadInput for an unknown domain
    and for masks of another number of frames.
    """
    if domain not in DOMAINS:
        raise one_of("domain of Diving48", domain, DOMAINS)
    if len(frames) != len(masks):
        raise BadInput(f"{counted(len(masks), 'frame')} of masks for a clip of {len(frames)}")
    edit = DOMAINS[domain]
    edited = np.stack([EDITS[edit.keep](resized(f), _union(edit, m)) for f, m in zip(frames, masks, strict=True)])
    return reencoded(edited) if codec else edited


def _union(edit: Edit, masks: FrameMasks) -> NDArray[np.bool_]:
    """(H, W): where any of the instances that count is."""
    return getattr(masks, edit.mask)[: edit.instances].any(axis=0)


def _untouched(frame: Floats, _mask: NDArray[np.bool_]) -> Frames:
    return whole(frame)


def _diver_kept(frame: Floats, mask: NDArray[np.bool_]) -> Frames:
    blurred = cv2.GaussianBlur(frame, (KERNEL, KERNEL), SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return whole(np.where(mask[..., None], frame, blurred))


def _diver_filled(frame: Floats, mask: NDArray[np.bool_]) -> Frames:
    return np.where(mask[..., None], np.array(FILL, np.uint8), whole(frame))


EDITS: Mapping[str, Callable[[Floats, NDArray[np.bool_]], Frames]] = {
    "all": _untouched,
    "diver": _diver_kept,
    "background": _diver_filled,
}


def reencoded(frames: Frames) -> Frames:
    """Frames as they come back from an MPEG-4 file (yuv420p, five frames per second), as the authors' modified videos.

    Raises BadInput when the encoder does not give back every frame.
    """
    with needs_extra("diving48"):
        import av
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: Any = container.add_stream("mpeg4", rate=FRAMES_PER_SECOND)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as written:
        back = [frame.to_ndarray(format="rgb24") for frame in written.decode(video=0)]
    if len(back) != len(frames):
        raise BadInput(f"{len(back)} of {len(frames)} frames came back from the MPEG-4 encoder")
    return np.asarray(np.stack(back), np.uint8)


def published_video(folder: Path, domain: str, video_id: str) -> Path:
    """Where the authors' own modified video of a clip lies below ``folder``; BadInput when it is not there."""
    if not DOMAINS.get(domain, Edit("all")).published:
        raise one_of("published domain", domain, [name for name, edit in DOMAINS.items() if edit.published])
    path = folder / DOMAINS[domain].published / f"{video_id}_cropped.mp4"
    if not path.is_file():
        raise BadInput(f"there is no published video {str(path)!r}")
    return path


def write_sheet(folder: Storage, name: str, frames: Frames, masks: Sequence[FrameMasks], columns: int = 6) -> None:
    """A PNG with a row per domain and ``columns`` frames spread over the clip (the paper's Figure 1, unmoving)."""
    chosen = np.linspace(0, len(frames) - 1, columns).round().astype(int)
    some = [masks[place] for place in chosen]
    rows = {domain: render(domain, frames[chosen], some) for domain in DOMAINS}
    sheet = Image.fromarray(np.vstack([np.hstack(list(row)) for row in rows.values()]))
    draw = ImageDraw.Draw(sheet)
    for number, domain in enumerate(rows):
        draw.text((6, number * HEIGHT + 4), domain, fill=(255, 255, 0), font_size=28)
    sink = io.BytesIO()
    sheet.resize((sheet.width // 3, sheet.height // 3)).save(sink, format="png")
    folder.write_bytes(name, sink.getvalue())

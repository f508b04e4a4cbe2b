"""Masks of all clips of Diving48's shards by Ray Data: tasks read clips, actors that hold the network segment them.

Beside GPUs the tasks run on the CPUs, ahead of the actors; on CPUs alone Ray Data runs both in the actors.

``<out>/<shard's name>`` has the masks of one shard and is written, atomically, when its last clip is done; it says of
which pixels. Shards are skipped whose file is there and is of the pixels that they have now. ``segmentation.json`` says
which weights made the masks, so that no folder mixes two.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from rac_ray.counted import about_left, counted
from rac_ray.data.decoder import decoded_frames
from rac_ray.data.manifest import require_manifest, shard_contents
from rac_ray.data.masks import HEIGHT, SCHEMA, WIDTH, made_of, rows_of, write_masks
from rac_ray.data.reading import quiet_and_ordered
from rac_ray.data.source import StoredClip, places
from rac_ray.errors import BadInput
from rac_ray.segmentation.finetune import image_tensor
from rac_ray.segmentation.network import checkpoint_bytes, digest, parsed_checkpoint
from rac_ray.store.storage import Storage

STAMP = "segmentation.json"
FRAMES_PER_STEP = 4
"""Frames that the network sees at once."""
CPU_SHARE = 0.5
"""Share of a core for an actor without a GPU and for a task that reads a clip: one core is enough for both."""

MaskRow = dict[str, Any]


@dataclass(frozen=True)
class SegmentationSummary:
    """Counts of what a run of the network made."""

    shards: int
    """Shards that were wanted."""
    made: int
    """Shards of those that were made now."""
    clips: int
    """Clips that were segmented now."""
    instances: int
    """Divers that were found now."""


def segment_clips(
    data: Storage,
    out: Storage,
    checkpoint: str,
    say: Callable[[str], None] = lambda _line: None,
    *,
    splits: Collection[str] | None = None,
    frames_per_step: int = FRAMES_PER_STEP,
    actors: int | None = None,
) -> SegmentationSummary:
    """Write the masks of all clips of ``splits`` (None: all) that ``out`` lacks or has of other pixels; needs a Ray.

    There is an actor per GPU, or per CPU where there are none, or ``actors``. Raises BadInput for data without a
    manifest, unknown splits, weights that cannot be read, an ``out`` of other weights or data, and numbers below 1.
    """
    require_positive(frames_per_step, actors)
    content = checkpoint_bytes(checkpoint)
    loaded = parsed_checkpoint(content, checkpoint)
    loaded.network()
    manifest = require_manifest(data)
    names = list(manifest["splits"]) if splits is None else list(splits)
    stamp = {
        "weights": digest(content),
        "data": manifest["identity"],
        "min_size": loaded.min_size,
        "max_size": loaded.max_size,
    }
    by_shard: dict[str, list[StoredClip]] = {}
    for name in names:
        for place in places(data, name):
            by_shard.setdefault(place.file, []).append(place)
    require_same(out, stamp)
    contents = shard_contents(manifest, names)
    wanted = {name: by_shard[name] for name in _lacking(out, {name: contents[name] for name in by_shard}, say)}
    if not wanted:
        return SegmentationSummary(len(by_shard), 0, 0, 0)
    out.write_json(STAMP, stamp)
    clips = [clip for each in wanted.values() for clip in each]
    rows = _segmented(data, clips, ray.put(content), frames_per_step, actors)
    instances = _written(rows, wanted, contents, out, say)
    return SegmentationSummary(len(by_shard), len(wanted), len(clips), instances)


def require_positive(frames_per_step: int, actors: int | None) -> None:
    """Raise BadInput for numbers below 1."""
    for what, number in (("frames per step", frames_per_step), ("actors", 1 if actors is None else actors)):
        if number < 1:
            raise BadInput(f"{what}: {number}; valid: 1 or more")


class Segmenter:
    """An actor's network; called with a batch of one clip."""

    def __init__(self, content: "ray.ObjectRef[bytes]", frames_per_step: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = parsed_checkpoint(ray.get(content), "the checkpoint").network().to(self.device)
        self.frames_per_step = frames_per_step

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Clips with their frames to the rows of their masks, a list per clip."""
        masks = []
        for clip_id, pixels, shape in zip(
            batch["clip_id"].to_pylist(), batch["frames"].to_pylist(), batch["shape"].to_pylist(), strict=True
        ):
            frames = np.frombuffer(pixels, np.uint8).reshape(shape)
            masks.append(segmented(self.network, clip_id, frames, self.device, self.frames_per_step))
        kind = pa.list_(pa.struct(list(SCHEMA)))
        return pa.table({"clip_id": batch["clip_id"], "file": batch["file"], "masks": pa.array(masks, kind)})


def segmented(
    network: nn.Module, clip_id: str, frames: NDArray[np.uint8], device: torch.device, frames_per_step: int
) -> list[MaskRow]:
    """``masks.rows_of`` all frames (T, H, W, 3) of a clip, at 369 x 492 pixels."""
    rows: list[MaskRow] = []
    for first in range(0, len(frames), frames_per_step):
        some = torch.stack([image_tensor(frame) for frame in frames[first : first + frames_per_step]])
        with torch.inference_mode():
            found = network(list(resized_tensors(some.to(device))))
        for offset, said in enumerate(found):
            soft, scores, boxes = (said[name].cpu().numpy() for name in ("masks", "scores", "boxes"))
            rows += rows_of(clip_id, first + offset, soft[:, 0], scores.tolist(), boxes)
    return rows


def resized_tensors(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [0, 1] at 369 x 492, bilinear without antialiasing, as the authors resized tensors."""
    return interpolate(images, (HEIGHT, WIDTH), mode="bilinear", align_corners=False, antialias=False)


def _segmented(
    data: Storage,
    clips: Sequence[StoredClip],
    content: "ray.ObjectRef[bytes]",
    frames_per_step: int,
    actors: int | None,
) -> Iterator[MaskRow]:
    """A row per clip, in the order of ``clips``: clip_id, file, masks."""
    import ray.data

    quiet_and_ordered()
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    count = actors or gpus or max(1, int(resources.get("CPU", 1)))
    items = [{"clip_id": clip.clip_id, "file": clip.file, "row": clip.row} for clip in clips]
    pipeline = (
        ray.data.from_items(items, override_num_blocks=len(items))
        .map_batches(partial(_with_frames, data), batch_size=None, batch_format="pyarrow", num_cpus=CPU_SHARE)
        .map_batches(
            cast(Any, Segmenter),
            fn_constructor_args=(content, frames_per_step),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(count, len(clips))),
            num_gpus=1 if gpus else 0,
            num_cpus=0 if gpus else CPU_SHARE,
        )
    )
    options: Any = {"batch_size": None, "batch_format": "pyarrow"}
    for batch in pipeline.iter_batches(**options):
        yield from cast(pa.Table, batch).to_pylist()


def _with_frames(data: Storage, items: pa.Table) -> pa.Table:
    """Clips with their frames as bytes, of ``shape`` (T, H, W, 3)."""
    cv2.setNumThreads(1)
    clips = []
    for item in items.to_pylist():
        system, path = data.resolve(item["file"])
        with system.open_input_file(path) as stream:
            row = pq.ParquetFile(stream).read_row_group(item["row"], columns=["frames"])
        clips.append(decoded_frames(row["frames"][0].as_py()))
    columns = {
        "frames": pa.array([clip.tobytes() for clip in clips], pa.large_binary()),
        "shape": pa.array([list(clip.shape) for clip in clips], pa.list_(pa.int32())),
    }
    return pa.table({"clip_id": items["clip_id"], "file": items["file"], **columns})


def _lacking(out: Storage, contents: Mapping[str, str], say: Callable[[str], None]) -> list[str]:
    """The shards, contents by name, whose masks are not there, or are of other pixels or damaged, which is told."""
    there, lacking = set(out.names()), []
    for name, content in contents.items():
        try:
            fits = name in there and made_of(out, name) == (name, content)
        except BadInput:
            fits = False
        if not fits:
            lacking.append(name)
        if name in there and not fits:
            say(f"masks {out.address(name)} are not of the clips that {name} has now; they are made again")
    return lacking


def _written(
    rows: Iterator[MaskRow],
    wanted: Mapping[str, list[StoredClip]],
    contents: Mapping[str, str],
    out: Storage,
    say: Callable[[str], None],
) -> int:
    """Write each shard's masks when it is whole and tell of it, with the rate and the time left; counts instances."""
    began, done, instances, total = time.monotonic(), 0, 0, sum(map(len, wanted.values()))
    pending: dict[str, dict[str, list[MaskRow]]] = {name: {} for name in wanted}
    for row in rows:
        clips = pending[row["file"]]
        clips[row["clip_id"]] = row["masks"]
        done += 1
        if len(clips) < len(wanted[row["file"]]):
            continue
        masks = [mask for each in pending.pop(row["file"]).values() for mask in each]
        write_masks(out, row["file"], masks, clips, (row["file"], contents[row["file"]]))
        instances += len(masks)
        rate = done / (time.monotonic() - began)
        left = about_left((total - done) / rate) if pending else "none left"
        found = counted(len(masks), "instance", spec=",")
        say(f"masks {done:,}/{total:,} clips: {row['file']}, {found}; {rate:.2f} clips/s, {left}")
    return instances


def require_same(out: Storage, stamp: Mapping[str, Any]) -> None:
    """Raise BadInput for a folder of masks that something else than ``stamp`` made, or that nobody knows what made."""
    if not out.exists(STAMP):
        return
    found = out.read_as(STAMP, dict[str, Any])
    if found is None:
        raise BadInput(f"{out.address(STAMP)}, which says what made these masks, is damaged; choose another folder")
    different = next((name for name, value in stamp.items() if found.get(name) != value), None)
    if different is not None:
        raise BadInput(f"{out.root!r} holds masks made with other {different}; choose another folder")

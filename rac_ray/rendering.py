"""A finished trial's clips, rendered again from what its record says of them: no shards are needed."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rac_ray.data.digits import Digits, load_digits
from rac_ray.data.manifest import content_hash
from rac_ray.data.shards import Clips, DatasetSpec, clip_id_of, report_on
from rac_ray.data.temporal_shape import make_clip
from rac_ray.errors import BadInput


def clip_source(record: Mapping[str, Any]) -> Callable[[str], NDArray[np.uint8]]:
    """Clip id (``domain/split/number``) to frames (T, H, W) uint8, as the trial of ``record`` saw them.

    Raises BadInput when the record does not say what its clips were made from, or the same digits cannot be had.
    """
    dataset, digits = _source_of(record)

    def frames_of(clip_id: str) -> NDArray[np.uint8]:
        domain, split, number = clip_id.split("/")
        return make_clip(dataset.shape, domain, split, int(number), digits).frames

    return frames_of


def rendered_parts(record: Mapping[str, Any]) -> dict[str, Clips]:
    """Every ``domain/split`` that the trial of ``record`` read, in memory.

    Raises BadInput as ``clip_source`` does, and when any pixel is another one than the trial saw.
    """
    dataset, digits = _source_of(record)
    parts = {part: _rendered(dataset, digits, part) for part in dataset.clips}
    for part, clips in parts.items():
        if content_hash([report_on(b"", clips).clip_digests]) != record["content"][part]:
            raise BadInput(f"{part} is rendered with other pixels here than trial {record['trial_id']} saw")
    return parts


def _rendered(dataset: DatasetSpec, digits: Digits, part: str) -> Clips:
    domain, _, split = part.partition("/")
    clips = [make_clip(dataset.shape, domain, split, index, digits) for index in range(dataset.clips[part])]
    return Clips(
        np.stack([clip.frames for clip in clips]),
        np.array([clip.label for clip in clips], np.int64),
        [clip_id_of(domain, split, index) for index in range(len(clips))],
    )


def _source_of(record: Mapping[str, Any]) -> tuple[DatasetSpec, Digits]:
    if not record.get("dataset"):
        raise BadInput(f"trial {record['trial_id']} does not say what its clips were made from")
    dataset = DatasetSpec.from_dict(record["dataset"])
    digits = load_digits(dataset.digits_source)
    if digits.digest != dataset.digits_digest:
        raise BadInput(f"the digits here ({digits.source}) are other ones than those of trial {record['trial_id']}")
    return dataset, digits

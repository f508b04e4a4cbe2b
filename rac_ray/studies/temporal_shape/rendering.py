"""A finished training's clips, rendered again from what its record says of them: no shards are needed."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from rac_ray.data.manifest import content_hash
from rac_ray.data.shards import Clips, clip_digests
from rac_ray.errors import BadInput
from rac_ray.store.record import Record
from rac_ray.studies.temporal_shape.dataset import GeneratedClips, clip_id_of

SHOWN = ("target", "source_test")
"""Roles of evaluation sets whose clips are shown."""


def clip_source(records: Sequence[Record], roles: Collection[str] = SHOWN) -> Callable[[str], NDArray[np.uint8]]:
    """Clip id (``domain/split/number``) to frames (T, H, W) uint8, of the evaluation sets with one of these roles.

    Raises BadInput when the trainings of ``records`` were not all asked the same clips, and as ``rendered_parts`` does;
    a domain of further symbols that cannot be had is told when one of its clips is asked for.
    """
    asked: dict[str, Record] = {}
    for record in records:
        for part in dict.fromkeys(each.part for each in record.evaluations if each.role in roles):
            first = asked.setdefault(part, record)
            if record.content.get(part) != first.content.get(part):
                raise BadInput(f"trials were tested on different clips of {part}: {record.training_id} and another one")
    sources = {part: _frames_of_part(record, part) for part, record in asked.items()}

    def frames_of(clip_id: str) -> NDArray[np.uint8]:
        part, _, number = clip_id.rpartition("/")
        return sources[part]()[int(number)]

    return frames_of


def _frames_of_part(record: Record, part: str) -> Callable[[], NDArray[np.uint8]]:
    """What gives the frames (N, T, H, W) of a part, or says why they cannot be had.

    Raises BadInput at once for a part of the study's own domains.
    """
    dataset = _source_of(record)
    asked = max(each.clips for each in record.evaluations if each.part == part)
    if not 0 < dataset.clips.get(part, 0) <= asked or part not in record.content:
        return partial(_refuse, f"trial {record.training_id} does not say what {part} was made from")
    try:
        frames = _rendered_as_seen(record, dataset, part).frames
    except BadInput as error:
        if dataset.symbols_of(part) is None:
            raise
        return partial(_refuse, str(error))
    return lambda: frames


def _refuse(sentence: str) -> NDArray[np.uint8]:
    raise BadInput(sentence)


def rendered_parts(record: Record, parts: Collection[str] | None = None) -> dict[str, Clips]:
    """Every ``domain/split`` that the training of ``record`` read, or some of them, in memory.

    Raises BadInput when the record does not say what its clips were made from, when the same symbols cannot be had, and
    when any pixel is another one than the training saw.
    """
    dataset = _source_of(record)
    chosen = [part for part in dataset.clips if parts is None or part in parts]
    return {part: _rendered_as_seen(record, dataset, part) for part in chosen}


def _rendered_as_seen(record: Record, dataset: GeneratedClips, part: str) -> Clips:
    clips = _rendered(dataset, part)
    if content_hash([clip_digests(clips)]) != record.content.get(part):
        raise BadInput(f"{part} is rendered with other pixels here than trial {record.training_id} saw")
    return clips


def _rendered(dataset: GeneratedClips, part: str) -> Clips:
    clips = [dataset.clip(part, index) for index in range(dataset.clips[part])]
    return Clips(
        np.stack([clip.frames for clip in clips]),
        np.array([clip.label for clip in clips], np.int64),
        [clip_id_of(part, index) for index in range(len(clips))],
    )


def _source_of(record: Record) -> GeneratedClips:
    if not record.dataset:
        raise BadInput(f"trial {record.training_id} does not say what its clips were made from")
    try:
        return GeneratedClips.from_dict(record.dataset)
    except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise BadInput(f"trial {record.training_id} does not say in full what its clips were made from") from error

"""A finished training's clips, rendered again from what its record says of them: no shards are needed."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from rac_ray.data.manifest import content_hash
from rac_ray.data.shards import Clips, clip_digests
from rac_ray.errors import BadInput
from rac_ray.store.record import Record
from rac_ray.studies.temporal_shape.dataset import GeneratedClips, clip_id_of
from rac_ray.studies.temporal_shape.digits import Digits, load_digits
from rac_ray.studies.temporal_shape.domains import make_clip


def clip_source(records: Sequence[Record], role: str = "target") -> Callable[[str], NDArray[np.uint8]]:
    """Clip id (``domain/split/number``) to frames (T, H, W) uint8, of the evaluation sets that have this role.

    Raises BadInput when the trainings of ``records`` were not all asked the same clips, and as ``rendered_parts`` does.
    """
    asked: dict[str, Record] = {}
    for record in records:
        for part in dict.fromkeys(each.part for each in record.evaluations if each.role == role):
            first = asked.setdefault(part, record)
            if record.content.get(part) != first.content.get(part):
                raise BadInput(f"trials were asked different clips as {part}: {record.training_id} and another one")
    rendered = {part: rendered_parts(record, [part])[part] for part, record in asked.items()}

    def frames_of(clip_id: str) -> NDArray[np.uint8]:
        part, _, number = clip_id.rpartition("/")
        return rendered[part].frames[int(number)]

    return frames_of


def rendered_parts(record: Record, parts: Collection[str] | None = None) -> dict[str, Clips]:
    """Every ``domain/split`` that the training of ``record`` read, or some of them, in memory.

    Raises BadInput when the record does not say what its clips were made from, when the same digits cannot be had, and
    when any pixel is another one than the training saw.
    """
    dataset, digits = _source_of(record)
    chosen = [part for part in dataset.clips if parts is None or part in parts]
    found = {part: _rendered(dataset, digits, part) for part in chosen}
    for part, clips in found.items():
        if content_hash([clip_digests(clips)]) != record.content[part]:
            raise BadInput(f"{part} is rendered with other pixels here than trial {record.training_id} saw")
    return found


def _rendered(dataset: GeneratedClips, digits: Digits, part: str) -> Clips:
    domain, _, split = part.partition("/")
    clips = [make_clip(dataset.shape, domain, split, index, digits) for index in range(dataset.clips[part])]
    return Clips(
        np.stack([clip.frames for clip in clips]),
        np.array([clip.label for clip in clips], np.int64),
        [clip_id_of(part, index) for index in range(len(clips))],
    )


def _source_of(record: Record) -> tuple[GeneratedClips, Digits]:
    if not record.dataset:
        raise BadInput(f"trial {record.training_id} does not say what its clips were made from")
    dataset = GeneratedClips.from_dict(record.dataset)
    digits = load_digits(dataset.digits_source)
    if digits.digest != dataset.digits_digest:
        raise BadInput(f"the digits here ({digits.source}) are other ones than those of trial {record.training_id}")
    return dataset, digits

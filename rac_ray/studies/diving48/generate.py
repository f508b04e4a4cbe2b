"""Decode Diving48 to shards with Ray: one task, one shard; only missing ones; the manifest last."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray

from rac_ray.data.decoder import SECONDS
from rac_ray.data.generate import GENERATOR, clear_temporaries
from rac_ray.data.manifest import MANIFEST, read_manifest
from rac_ray.data.tasks import paced
from rac_ray.errors import BadInput
from rac_ray.store.lock import waiting_for
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.lists import FILES, SPLITS, Annotation, read_annotations
from rac_ray.studies.diving48.shards import (
    CLIPS_PER_SHARD,
    ShardFacts,
    VideoShard,
    VideoSpec,
    hash_of,
    make_shard,
    read_shard,
    shards_of,
)


@dataclass(frozen=True)
class Outcome:
    """What came of decoding."""

    clips: int
    """In shards, made now or before."""
    made: int
    """Shards that were made now."""
    quarantine: dict[str, str]
    """Reason by clip id."""


def decode_videos(
    folder: Path,
    root: Storage,
    say: Callable[[str], None] = lambda _line: None,
    *,
    seconds: float = SECONDS,
    clips_per_shard: int = CLIPS_PER_SHARD,
    again: bool = False,
) -> Outcome:
    """Bring ``root`` to hold the clips of a download; needs a running Ray, whose machines see ``folder``.

    Shards that are there are kept; with ``again`` those that have quarantined clips are made anew. One generator at a
    time works on a folder, a second one waits. Raises BadInput for lists that cannot be read and for a folder of other
    clips.
    """
    lists = {split: read_annotations(folder, split) for split in FILES}
    spec = VideoSpec(hash_of(lists.values()))
    manifest = read_manifest(root)
    if manifest is not None and manifest["identity"] != spec.identity():
        raise BadInput(f"{root.root!r} holds other clips than the lists in {str(folder)!r}; choose another folder")
    shards = [shard for split, clips in lists.items() for shard in shards_of(split, clips, clips_per_shard)]
    with waiting_for(root, GENERATOR, say):
        clear_temporaries(root)
        there = set(root.names())
        facts = {s.name: read_shard(root, spec, s) for s in shards if s.name in there}
        wanted = [s for s in shards if s.name not in facts or (again and facts[s.name].quarantine)]
        facts |= _made(folder, root, spec, wanted, seconds, say)
        root.write_json(MANIFEST, _manifest(spec, lists, shards, facts))
    quarantine = {clip_id: why for each in facts.values() for clip_id, why in each.quarantine.items()}
    return Outcome(sum(each.rows for each in facts.values()), len(wanted), quarantine)


def _made(
    folder: Path,
    root: Storage,
    spec: VideoSpec,
    shards: list[VideoShard],
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, ShardFacts]:
    """Make shards by Ray tasks and tell of each, with the rate and the time left."""
    pending = {_shard_task.remote(folder, root, spec, shard, seconds): shard for shard in shards}
    facts: dict[str, ShardFacts] = {}
    for shard, found, come, pace in paced(pending, lambda shard: len(shard.clips), "clips"):
        facts[shard.name] = found
        put_aside = f", {len(found.quarantine)} quarantined" if found.quarantine else ""
        say(f"data {come}: {shard.name}{put_aside}; {pace}")
    return facts


@ray.remote(num_cpus=1, max_retries=2)
def _shard_task(folder: Path, root: Storage, spec: VideoSpec, shard: VideoShard, seconds: float) -> ShardFacts:
    return make_shard(folder, root, spec, shard, seconds)


def _manifest(
    spec: VideoSpec, lists: dict[str, list[Annotation]], shards: list[VideoShard], facts: dict[str, ShardFacts]
) -> dict[str, Any]:
    """What is in the folder, with the clips of ``val`` of each way to cut the official train list."""
    splits = {}
    for split in lists:
        mine = [facts[shard.name] for shard in shards if shard.split == split]
        splits[split] = {
            "clips": sum(each.rows for each in mine),
            "shards": [{name: value for name, value in asdict(each).items() if name != "quarantine"} for each in mine],
            "quarantine": {clip_id: why for each in mine for clip_id, why in each.quarantine.items()},
        }
    val = {name: sorted(clip.video_id for clip in cut(lists["train"])["val"]) for name, cut in SPLITS.items()}
    return {"identity": spec.identity(), "splits": splits, "val": val}

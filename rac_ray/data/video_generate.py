"""Decode a folder of labelled videos to shards with Ray: one task, one shard; only what is missing; the manifest last.

The manifest has the parts of one arrangement, and of target domains that were decoded before and are still there.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ray

from rac_ray.data.decoder import SECONDS
from rac_ray.data.generate import GENERATOR, clear_temporaries
from rac_ray.data.manifest import MANIFEST, damaged_files, read_manifest, spec_differences, split_entry
from rac_ray.data.tasks import paced
from rac_ray.data.video_folder import Arrangement, LabelledVideo, listing
from rac_ray.data.video_shards import ClipSpec, Decodings, ShardOfVideos, pieces_of, shard_of
from rac_ray.errors import BadInput
from rac_ray.store.lock import waiting_for
from rac_ray.store.storage import Storage


def decode_folder(
    folder: Path,
    root: Storage,
    spec: ClipSpec,
    arrangement: Arrangement,
    say: Callable[[str], None],
    *,
    seconds: float = SECONDS,
) -> dict[str, str]:
    """Bring ``root`` to hold the clips of an arrangement; needs a running Ray, whose machines see ``folder``.

    Returns the videos that are left out, with their reasons. Parts whose files nobody has touched are kept as they
    are. One generator at a time works on a folder of shards, a second one waits. Raises BadInput for shards of other
    frames or classes, where no decoder is installed, for a disk without room, and for a class that is left without
    clips.
    """
    with waiting_for(root, GENERATOR, say):
        manifest = read_manifest(root) or {"identity": spec.identity(), "splits": {}}
        differing = spec_differences(manifest["identity"], spec.identity())
        if differing:
            raise BadInput(f"data folder {root.root!r} has {', '.join(differing)}; choose another with --data")
        before = manifest["splits"]
        wanted = {part: pieces_of(part, videos) for part, videos in arrangement.parts.items()}
        for name in damaged_files(root, manifest, wanted):
            say(f"data {root.address(name)} is damaged; it is made again")
            root.delete(name)
        there = {part: before[part] for part in wanted if part in before}
        kept = {part: entry for part, entry in there.items() if _whole(root, entry, arrangement.parts[part])}
        entries = kept | _made(folder, root, spec, {p: s for p, s in wanted.items() if p not in kept}, seconds, say)
        left_out = {path: why for entry in entries.values() for path, why in entry["left_out"].items()}
        arrangement.require_clips(left_out)
        old = {part: entry for part, entry in before.items() if _still_there(folder, arrangement, part, entry)}
        root.write_json(MANIFEST, {"identity": spec.identity(), "splits": {**old, **_with_roles(entries, arrangement)}})
    return left_out


def _whole(root: Storage, entry: Mapping[str, Any], videos: Sequence[LabelledVideo]) -> bool:
    """Whether a part was made of these very files, and all of its shards are there."""
    return entry["videos"] == listing(videos) and all(root.exists(shard["file"]) for shard in entry["shards"])


def _still_there(folder: Path, arrangement: Arrangement, part: str, entry: Mapping[str, Any]) -> bool:
    domain = part.partition("/")[0]
    return entry["role"] == "target" and domain != arrangement.source and (folder / domain).is_dir()


def _with_roles(entries: Mapping[str, dict[str, Any]], arrangement: Arrangement) -> dict[str, dict[str, Any]]:
    of_source = f"{arrangement.source}/"
    return {part: {**e, "role": "source" if part.startswith(of_source) else "target"} for part, e in entries.items()}


def _made(
    folder: Path,
    root: Storage,
    spec: ClipSpec,
    parts: Mapping[str, list[ShardOfVideos]],
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """The manifest's entries of parts, whose shards are made where they are not there."""
    if not parts:
        return {}
    if find_spec("av") is None:
        raise BadInput("decoding videos needs PyAV; install it with `pip install 'rac-ray[videos]'`")
    clear_temporaries(root)
    pieces = [piece for each in parts.values() for piece in each]
    root.require_room(math.prod(spec.shape) * sum(len(piece.videos) for piece in pieces))
    found = _decodings(folder, root, spec, pieces, seconds, say)
    return {part: _entry(each, [found[piece.shard.name] for piece in each]) for part, each in parts.items()}


def _entry(pieces: list[ShardOfVideos], decodings: list[Decodings]) -> dict[str, Any]:
    videos: list[LabelledVideo] = [video for piece in pieces for video in piece.videos]
    return {
        **split_entry([piece.shard for piece in pieces], [each.report for each in decodings]),
        "videos": listing(videos),
        "left_out": {path: why for each in decodings for path, why in each.left_out.items()},
    }


def _decodings(
    folder: Path, root: Storage, spec: ClipSpec, pieces: list[ShardOfVideos], seconds: float, say: Callable[[str], None]
) -> dict[str, Decodings]:
    """What came of each shard by its name, by Ray tasks, told of with the rate and the time left."""
    pending = {_shard_task.remote(folder, root, spec, piece, seconds): piece for piece in pieces}
    found: dict[str, Decodings] = {}
    for piece, decodings, come, pace in paced(pending, lambda piece: len(piece.videos), "videos"):
        found[piece.shard.name] = decodings
        say(f"data {come}: {piece.shard.name}; {pace}")
        for path, reason in decodings.left_out.items():
            say(f"data {path} {reason}; it is left out")
    return found


@ray.remote(num_cpus=1, max_retries=2)
def _shard_task(folder: Path, root: Storage, spec: ClipSpec, piece: ShardOfVideos, seconds: float) -> Decodings:
    import cv2

    cv2.setNumThreads(1)
    return shard_of(folder, root, spec, piece, seconds)

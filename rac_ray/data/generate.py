"""Make the shards of a dataset with Ray: one task, one shard; only missing shards; the manifest last."""

from collections.abc import Callable
from pathlib import Path

import ray
from ray.exceptions import RayTaskError

from rac_ray.data.digits import Digits
from rac_ray.data.manifest import MANIFEST, damaged_files, read_manifest, require_same_dataset, split_entry
from rac_ray.data.shards import DatasetSpec, Shard, ShardReport, make_shard, read_shard, shards_of
from rac_ray.errors import BadInput
from rac_ray.storage import TEMPORARY_MARK, Storage

BYTES_PER_CLIP = 90_000
"""Upper bound on disk: a clip's 81,920 pixel bytes and its latents, uncompressed."""


def check_folder(root: Storage, dataset: DatasetSpec) -> None:
    """Raise BadInput, before anything is computed, for a folder of another spec or with a damaged shard."""
    manifest = read_manifest(root)
    if manifest is None:
        return
    require_same_dataset(manifest, dataset, root)
    damaged = damaged_files(root, manifest, dataset.clips)
    if damaged:
        raise BadInput(f"shard {root.root}/{damaged[0]} is corrupt; delete it to have it made again")


def missing_clips(root: Storage, dataset: DatasetSpec) -> int:
    """How many clips are still to be made."""
    every = [shard for part, clips in dataset.clips.items() for shard in shards_of(part, clips)]
    return sum(shard.rows for shard in every if not root.exists(shard.name))


def generate(
    root: Storage, dataset: DatasetSpec, digits: Digits, say: Callable[[str], None] = lambda _line: None
) -> int:
    """Bring ``root`` to hold ``dataset``; returns how many shards had to be made.

    Needs a running Ray. Shards that are there are read and kept; domains that the folder has beyond this dataset
    stay. Raises BadInput for a folder of another spec and for corrupt shards.
    """
    check_folder(root, dataset)
    manifest = read_manifest(root) or {"identity": dataset.identity(), "splits": {}}
    parts = {part: shards_of(part, clips) for part, clips in dataset.clips.items()}
    incomplete = {
        part: shards
        for part, shards in parts.items()
        if part not in manifest["splits"] or not all(root.exists(shard.name) for shard in shards)
    }
    if not incomplete:
        return 0
    _clear_temporaries(root)
    made = sum(not root.exists(shard.name) for shards in incomplete.values() for shard in shards)
    shared_digits = ray.put(digits)
    pending = {
        _shard_task.remote(root, dataset, shard, shared_digits): shard
        for shards in incomplete.values()
        for shard in shards
    }
    reports: dict[Shard, ShardReport] = {}
    while pending:
        finished, _ = ray.wait(list(pending), num_returns=1)
        for reference in finished:
            shard = pending.pop(reference)
            reports[shard] = _result_of(reference)
            say(f"data {len(reports)}/{len(reports) + len(pending)} shards: {shard.name}, {shard.rows} clips")
    for part, shards in incomplete.items():
        entry = split_entry(shards, [reports[shard] for shard in shards])
        promised = manifest["splits"].get(part, entry)["content"]
        if entry["content"] != promised:
            raise BadInput(
                f"{part} was made again with other pixels than {root.root}/{MANIFEST} promises, "
                "by other library versions; choose another folder"
            )
        manifest["splits"][part] = entry
    root.write_json(MANIFEST, manifest)
    return made


@ray.remote(num_cpus=1, max_retries=2)
def _shard_task(root: Storage, dataset: DatasetSpec, shard: Shard, digits: Digits) -> ShardReport:
    import cv2

    cv2.setNumThreads(1)
    return read_shard(root, dataset, shard) if root.exists(shard.name) else make_shard(root, dataset, shard, digits)


def _result_of(reference: "ray.ObjectRef[ShardReport]") -> ShardReport:
    try:
        return ray.get(reference)
    except RayTaskError as error:
        cause = error.as_instanceof_cause()
        raise cause if isinstance(cause, BadInput | OSError) else error from error


def _clear_temporaries(root: Storage) -> None:
    """Remove what a killed run left under temporary names."""
    if root.is_local:
        for left in Path(root.root).rglob(f"*{TEMPORARY_MARK}*"):
            left.unlink(missing_ok=True)

"""Make the shards of a dataset with Ray: one task, one shard; only missing shards; the manifest last."""

from collections.abc import Callable
from pathlib import Path

import ray
from ray.exceptions import RayTaskError

from rac_ray.data.manifest import MANIFEST, damaged_files, read_manifest, require_same_dataset, split_entry
from rac_ray.data.shards import DatasetSpec, Shard, ShardReport, make_shard, read_shard, shards_of
from rac_ray.data.tasks import as_finished
from rac_ray.errors import BadInput
from rac_ray.store.lock import waiting_for
from rac_ray.store.storage import TEMPORARY_MARK, Storage
from rac_ray.studies.temporal_shape.digits import Digits

GENERATOR = "generator.json"
"""Names who is making shards in a data folder."""
BYTES_PER_CLIP = 90_000
"""Upper bound on disk: a clip's 81,920 pixel bytes and its latents, uncompressed."""


def check_folder(root: Storage, dataset: DatasetSpec) -> None:
    """Raise BadInput, before anything is computed, for a folder of another spec."""
    manifest = read_manifest(root)
    if manifest is not None:
        require_same_dataset(manifest, dataset, root)


def missing_clips(root: Storage, dataset: DatasetSpec) -> int:
    """How many clips are still to be made."""
    every = [shard for part, clips in dataset.clips.items() for shard in shards_of(part, clips)]
    return sum(shard.rows for shard in every if not root.exists(shard.name))


def generate(
    root: Storage,
    dataset: DatasetSpec,
    digits: Callable[[], Digits],
    say: Callable[[str], None] = lambda _line: None,
) -> int:
    """Bring ``root`` to hold ``dataset``; returns how many shards had to be made.

    ``digits`` loads them, when something is to be made.

    Needs a running Ray. Shards that are there are read and kept, damaged ones are dropped and made again; domains
    that the folder has beyond this dataset stay. One generator at a time works on a folder, a second one waits.
    Raises BadInput for a folder of another spec.
    """
    check_folder(root, dataset)
    if not missing_clips(root, dataset) and not damaged(root, dataset) and not unlisted(root, dataset):
        return 0
    with waiting_for(root, GENERATOR, say):
        check_folder(root, dataset)
        for name in damaged(root, dataset):
            say(f"data {root.address(name)} is damaged; it is made again")
            root.delete(name)
        return _make_missing(root, dataset, digits(), say)


def damaged(root: Storage, dataset: DatasetSpec) -> list[str]:
    manifest = read_manifest(root)
    return damaged_files(root, manifest, dataset.clips) if manifest else []


def unlisted(root: Storage, dataset: DatasetSpec) -> list[str]:
    """Parts of the dataset that the manifest does not have."""
    manifest = read_manifest(root) or {"splits": {}}
    return [part for part in dataset.clips if part not in manifest["splits"]]


def _make_missing(root: Storage, dataset: DatasetSpec, digits: Digits, say: Callable[[str], None]) -> int:
    manifest = read_manifest(root) or {"identity": dataset.identity(), "splits": {}}
    new = unlisted(root, dataset)
    parts = {part: shards_of(part, clips) for part, clips in dataset.clips.items()}
    incomplete = {
        part: shards
        for part, shards in parts.items()
        if part in new or not all(root.exists(shard.name) for shard in shards)
    }
    clear_temporaries(root)
    made = sum(not root.exists(shard.name) for shards in incomplete.values() for shard in shards)
    reports = _reports(root, dataset, digits, [shard for shards in incomplete.values() for shard in shards], say)
    for part, shards in incomplete.items():
        entry = split_entry(shards, [reports[shard] for shard in shards])
        promised = manifest["splits"].get(part, entry)["content"]
        if entry["content"] != promised:
            raise BadInput(
                f"{part} was made again with other pixels than {root.address(MANIFEST)} promises, "
                "by other library versions; choose another folder"
            )
        manifest["splits"][part] = entry
    root.write_json(MANIFEST, manifest)
    return made


def _reports(
    root: Storage, dataset: DatasetSpec, digits: Digits, shards: list[Shard], say: Callable[[str], None]
) -> dict[Shard, ShardReport]:
    """Make, or read, each shard by a Ray task."""
    shared_digits = ray.put(digits)
    pending = {_shard_task.remote(root, dataset, shard, shared_digits): shard for shard in shards}
    reports: dict[Shard, ShardReport] = {}
    for shard, reference in as_finished(pending):
        reports[shard] = _result_of(reference)
        say(f"data {len(reports)}/{len(reports) + len(pending)} shards: {shard.name}, {shard.rows} clips")
    return reports


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


def clear_temporaries(root: Storage) -> None:
    """Remove what a killed run left under temporary names."""
    if root.is_local:
        for left in Path(root.root).rglob(f"*{TEMPORARY_MARK}*"):
            left.unlink(missing_ok=True)

"""A data folder's ``manifest.json``, written last: its spec, every file's SHA-256, every split's hash over pixels.

What the manifest claims can be recomputed from the shards; ``verify`` does. The manifest of clips that lie
elsewhere, in files that somebody else wrote (``parquet_folder``), has their folder's address as its ``root``.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from rac_ray.counted import counted
from rac_ray.data.parquet_rows import rows_of
from rac_ray.data.shards import Clips, Shard, ShardReport, clip_digests, clips_of, metadata_of, report_on
from rac_ray.errors import BadInput
from rac_ray.store.parquet import NO_TABLE, TEXT, WHOLE, Kind, in_short
from rac_ray.store.storage import UNREADABLE, Storage

MANIFEST = "manifest.json"
MAKE = "a sweep, or a verb of `rac-ray`, makes its clips"
"""How a folder comes by clips, of whatever study."""


SHARD_COLUMNS: Mapping[str, Kind] = {
    "clip_id": TEXT,
    "label": WHOLE,
    "frames": (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), "pixels"),
}
"""What is read of a shard of raw pixels."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _File(msgspec.Struct):
    """A shard, as far as the code relies on it; it may say more."""

    file: Annotated[str, msgspec.Meta(pattern=r"\A[^\x00]+\Z")]
    rows: Count = 0
    sha256: str = ""
    content: str = ""
    made_of: str = ""
    videos: str = ""


class _Split(msgspec.Struct):
    """A part of the clips."""

    clips: Count
    content: str
    shards: list[_File]
    class_counts: dict[str, Count] = {}
    left_out: dict[str, str] = {}
    tried: dict[str, str] = {}


class _Identity(msgspec.Struct):
    """What clips were made from, as far as every study tells it in one way."""

    clip_shape: list[Count] = []
    classes: list[str] = []


class _Manifest(msgspec.Struct):
    """What every manifest has, and what those of clips that lie elsewhere have."""

    identity: _Identity
    splits: dict[str, _Split]
    root: Annotated[str, msgspec.Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    files: dict[str, tuple[int, int]] = {}
    label_names: dict[Count, str] = {}

    def __post_init__(self) -> None:
        if self.root is not msgspec.UNSET and not (self.identity.clip_shape and self.label_names):
            raise ValueError("it has a root, and neither the shape nor the labels of clips")


def read_split(root: Storage, part: str) -> Clips:
    """Read all shards of ``domain/split`` that the manifest names, with plain pyarrow."""
    manifest = read_manifest(root)
    if manifest is None or part not in manifest["splits"]:
        raise BadInput(f"data folder {root.root!r} has no {part}; {MAKE}")
    if is_elsewhere(manifest):
        folder, shape = clips_root(root, manifest), manifest["identity"]["clip_shape"]
        return clips_of(
            (table for file in files_of(manifest, [part]) for table in rows_of(folder, file, [part])), shape
        )
    return clips_of(_columns(root, file, ["clip_id", "label", "frames"]) for file in files_of(manifest, [part]))


def _columns(root: Storage, file: str, columns: list[str]) -> pa.Table:
    """Some columns of a shard. Raises BadInput for one that is not there, or cannot be read."""
    content = root.read_if_there(file)
    if content is None:
        raise BadInput(f"shard {root.address(file)} is missing; {MAKE}")
    try:
        table = pq.read_table(pa.BufferReader(content), columns=columns, page_checksum_verification=True)
        table.validate(full=True)
    except NO_TABLE as error:
        raise BadInput(f"shard {root.address(file)} is damaged ({in_short(error)}); delete it, and {MAKE}") from error
    for column in columns:
        fits, said = SHARD_COLUMNS[column]
        if column not in table.column_names or table[column].null_count or not fits(table[column].type):
            raise BadInput(f"shard {root.address(file)} has no column {column!r} of {said}; delete it, and {MAKE}")
    return table


def is_elsewhere(manifest: Mapping[str, Any]) -> bool:
    """Whether the clips lie in files that somebody else wrote, which may hold several parts each."""
    return "root" in manifest


def clips_root(root: Storage, manifest: Mapping[str, Any]) -> Storage:
    """The folder that the files of a manifest in ``root`` are in."""
    return Storage.at(manifest["root"]) if is_elsewhere(manifest) else root


def files_of(manifest: Mapping[str, Any], parts: Iterable[str]) -> list[str]:
    """The files, each once, that hold clips of the parts; their paths below ``clips_root``."""
    return list(dict.fromkeys(entry["file"] for part in parts for entry in manifest["splits"][part]["shards"]))


def label_names(root: Storage, part: str) -> list[str]:
    """Names of the classes of a part that the folder has, by label."""
    manifest = require_manifest(root)
    if is_elsewhere(manifest):
        names = {int(label): name for label, name in manifest["label_names"].items()}
        return [names.get(label, str(label)) for label in range(max(names) + 1)]
    shard = manifest["splits"][part]["shards"][0]["file"]
    names = metadata_of(_columns(root, shard, ["label"])).get("labels")
    if not names:
        raise BadInput(f"shard {root.address(shard)} does not name its labels; delete it, and {MAKE}")
    return names


def content_hash(clip_digests: Iterable[bytes]) -> str:
    """Hash over the labels and decoded pixels of a split, of its shards' clip digests in order."""
    return hashlib.sha256(b"".join(clip_digests)).hexdigest()


def split_entry(shards: Sequence[Shard], reports: Sequence[ShardReport], made_of: Sequence[str] = ()) -> dict[str, Any]:
    """The manifest's entry for one split, with the digests of what its shards were made of, where there are any."""
    return {
        **_summary(reports),
        "shards": [
            {"file": shard.name, "rows": report.rows, "bytes": report.size, "sha256": report.sha256}
            | {"content": content_hash([report.clip_digests])}
            | ({"made_of": source} if source else {})
            | ({"videos": report.videos} if report.videos else {})
            for shard, report, source in zip(shards, reports, made_of or [""] * len(shards), strict=True)
        ],
    }


def _summary(reports: Sequence[ShardReport]) -> dict[str, Any]:
    """What a split has, and what it lacks."""
    counts: Counter[str] = Counter()
    for report in reports:
        counts.update(report.class_counts)
    tried = {name: what for report in reports for name, what in report.tried.items()}
    return {
        "clips": sum(report.rows for report in reports),
        "content": content_hash(report.clip_digests for report in reports),
        "class_counts": dict(counts),
        "left_out": {name: why for report in reports for name, why in report.left_out.items()},
        **({"tried": tried} if tried else {}),
    }


def shard_contents(manifest: Mapping[str, Any], parts: Iterable[str]) -> dict[str, str]:
    """The hash over labels and pixels of each shard of some parts, by its file."""
    return {shard["file"]: shard.get("content", "") for part in parts for shard in manifest["splits"][part]["shards"]}


def read_manifest(root: Storage) -> dict[str, Any] | None:
    """The manifest, or None when the folder has none; BadInput when it is not readable."""
    content = root.read_if_there(MANIFEST)
    if content is None:
        return None
    try:
        value = msgspec.json.decode(content, type=dict[str, Any])
        msgspec.convert(value, _Manifest, str_keys=True)
    except UNREADABLE as error:
        raise BadInput(f"{root.address(MANIFEST)} is corrupt ({error}); delete it to have it made again") from error
    return value


def require_manifest(root: Storage, make: str = MAKE) -> dict[str, Any]:
    """The manifest; BadInput when the folder has none, with how to ``make`` it."""
    manifest = read_manifest(root)
    if manifest is None:
        raise BadInput(f"data folder {root.root!r} has no manifest; {make}")
    return manifest


def part_keys(root: Storage, parts: Iterable[str]) -> dict[str, str]:
    """The hash over decoded pixels of each part: the name under which a process keeps it resident."""
    manifest = require_manifest(root)
    return {part: manifest["splits"][part]["content"] for part in parts}


def spec_differences(identity: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What a folder's clips were made from in other ways than is wanted, as in ``spec.seed 1 instead of 0``."""
    have, want = _flat(identity), _flat(wanted)
    return [f"{key} {have.get(key)!r} instead of {want[key]!r}" for key in want if have.get(key) != want[key]]


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    items: dict[str, Any] = {}
    for key, inner in value.items():
        items |= _flat(inner, f"{prefix}{key}.") if isinstance(inner, Mapping) else {f"{prefix}{key}": inner}
    return items


def damaged_files(root: Storage, manifest: Mapping[str, Any], parts: Iterable[str]) -> list[str]:
    """Files of the manifest that are there but have another SHA-256 (missing ones are not damaged)."""
    return [
        entry["file"]
        for part in parts
        for entry in manifest["splits"].get(part, {"shards": []})["shards"]
        if root.exists(entry["file"]) and hashlib.sha256(root.read_bytes(entry["file"])).hexdigest() != entry["sha256"]
    ]


def verify(root: Storage) -> list[str]:
    """Recompute everything the manifest claims; returns one sentence per problem, none when all is well.

    Raises BadInput where there is no manifest.
    """
    manifest = require_manifest(root)
    if is_elsewhere(manifest):
        return _differing(root, manifest)
    problems = []
    for part, entry in manifest["splits"].items():
        reports = []
        for shard in entry["shards"]:
            if not root.exists(shard["file"]):
                problems.append(f"{shard['file']}: missing")
                continue
            content = root.read_bytes(shard["file"])
            if hashlib.sha256(content).hexdigest() != shard["sha256"]:
                problems.append(f"{shard['file']}: SHA-256 differs from the manifest's")
                continue
            reports.append(report_on(content, pq.read_table(io.BytesIO(content))))
            if reports[-1].rows != shard["rows"]:
                problems.append(
                    f"{shard['file']}: {counted(reports[-1].rows, 'clip')}, the manifest says {shard['rows']}"
                )
        if len(reports) == len(entry["shards"]):
            found = _summary(reports)
            differing = [key for key in found if key in entry and found[key] != entry[key]]
            problems += [f"{part}: {key} is {found[key]}, the manifest says {entry[key]}" for key in differing]
    return problems


def _differing(root: Storage, manifest: Mapping[str, Any]) -> list[str]:
    """Of the parts of clips that lie elsewhere, those that are not what they were."""
    folder = clips_root(root, manifest)
    gone = [f"{file}: missing" for file in manifest["files"] if not folder.exists(file)]
    return gone or [
        f"{part}: content differs from the manifest's"
        for part, entry in manifest["splits"].items()
        if content_hash([clip_digests(read_split(root, part))]) != entry["content"]
    ]

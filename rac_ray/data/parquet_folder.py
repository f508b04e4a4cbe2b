"""A folder of Parquet files that somebody else wrote, as clips of a study: checked, and indexed in a manifest.

The files stay where they are and as they are. The manifest lies in the study's own data folder; its ``root`` is the
folder of the files, its ``files`` their sizes and times: while these stay, the index counts. What is cheap is checked
first: all footers, then all columns but the frames, then the frames, with a Ray task for each file.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rac_ray.counted import counted
from rac_ray.data.dataset import Say
from rac_ray.data.manifest import MANIFEST, content_hash, read_manifest
from rac_ray.data.parquet_checks import NAME_COLUMN, readable, require_frames, require_rows, require_schema
from rac_ray.data.parquet_rows import COLUMNS, named, parts_in, row_group, row_groups
from rac_ray.data.shards import Clips, clip_digests, pixels_of
from rac_ray.errors import BadInput
from rac_ray.store.storage import FILES_AT_ONCE, Storage

KIND = "parquet_clips"
INDEX_FORMAT = 1
"""Raised whenever the same files give another index."""
DIGEST_BYTES = 32
LARGE_GROUP, GOOD_GROUP = 256_000_000, 16_000_000
"""Bytes of frames in a row group: more than the first are told of, the second are what is advised."""

Shape = tuple[int, int, int, int]
Check = Callable[[Mapping[str, Any]], None]
"""Raises BadInput for parts, as in a manifest's ``splits``, that a study cannot use."""
Result = TypeVar("Result")


class FoundRow(NamedTuple):
    """One clip."""

    name: str
    """As of ``parquet_rows.named``."""
    label: int
    file: str
    row: int
    """Counted from 0 over the whole file."""


def indexed(data: Storage, folder: Storage, shape: Shape, check: Check, say: Say) -> dict[str, Any]:
    """The manifest in ``data`` of the clips (T, C, H, W) in ``folder``, made anew where files are not as they were.

    Needs a running Ray. Raises BadInput, naming file, row and column, for whatever is wrong with a file, and as
    ``check`` does.
    """
    files, known = files_in(folder), read_manifest(data)
    if known and known["identity"].get("kind") != KIND:
        raise BadInput(f"data folder {data.root!r} has clips of its own; choose another one for the index with --data")
    if known and is_index_of(known, folder, shape) and known["files"] == files:
        check(known["splits"])
        say(f"data {data.root}: the index of {counted(len(files), 'file')} in {folder.root} is up to date")
        return known
    tables = _columns(folder, files, shape, say)
    parts, names = _parts(folder, tables), _label_names(folder, tables)
    splits = {part: _entry(rows, names) for part, rows in parts.items()}
    check(splits)
    digests = _digests(folder, {file: table.num_rows for file, table in tables.items()}, shape, say)
    for part, rows in parts.items():
        places = ((row.file, row.row * DIGEST_BYTES) for row in rows)
        splits[part]["content"] = content_hash(digests[file][at : at + DIGEST_BYTES] for file, at in places)
    index = {"root": folder.root, "files": files, "identity": _identity(shape), "label_names": names, "splits": splits}
    data.write_json(MANIFEST, index)
    clips = sum(len(rows) for rows in parts.values())
    what = f"{counted(clips, 'clip', spec=',')} of {counted(len(files), 'file')} in {folder.root}"
    say(f"data {data.root}: indexed {what}")
    return index


def is_index_of(manifest: Mapping[str, Any], folder: Storage, shape: Shape) -> bool:
    """Whether a manifest is the index of the clips of this shape in this folder."""
    return manifest.get("root") == folder.root and manifest["identity"] == _identity(shape)


def _identity(shape: Shape) -> dict[str, Any]:
    return {"kind": KIND, "format": INDEX_FORMAT, "clip_shape": list(shape)}


def files_in(folder: Storage) -> dict[str, list[int]]:
    """Size and time of each Parquet file below a folder, in the order of their names.

    Files and folders whose names begin with a point or an underscore are left alone, as pyarrow does. Raises BadInput
    where there are none, and for a file in place of a folder.
    """
    try:
        stamps = folder.stamps()
    except NotADirectoryError as error:
        raise BadInput(f"folder of clips {folder.root!r} is a file; valid: the folder that it is in") from error
    seen = [name for name in stamps if not any(piece.startswith((".", "_")) for piece in name.split("/"))]
    found = {name: list(stamps[name]) for name in sorted(seen) if name.endswith(".parquet")}
    if not found:
        raise BadInput(f"folder of clips {folder.root!r} has no Parquet file; valid: one with files *.parquet in it")
    return found


def _columns(folder: Storage, files: Iterable[str], shape: Shape, say: Say) -> dict[str, pa.Table]:
    """All columns but the frames of each file, which are as they have to be; no footer is worse than another's rows."""
    footers = _of_each(folder, files, lambda file: (file.schema_arrow, _largest_group(file)))
    for file, (schema, _) in footers.items():
        require_schema(folder.address(file), schema, shape)
    _tell_of_large_groups({folder.address(file): rows for file, (_, rows) in footers.items()}, shape, say)
    wanted = [*COLUMNS[:-1], NAME_COLUMN]
    tables = _of_each(folder, files, lambda file: file.read([c for c in wanted if c in file.schema_arrow.names]))
    for file, table in tables.items():
        require_rows(folder.address(file), table)
    return tables


def _of_each(folder: Storage, files: Iterable[str], read: Callable[[pq.ParquetFile], Result]) -> dict[str, Result]:
    """What is read from each file, side by side."""

    def one(file: str) -> tuple[str, Result]:
        with readable(folder.address(file)):
            return file, folder.read_parquet(file, read)

    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        return dict(pool.map(one, files))


def _largest_group(file: pq.ParquetFile) -> int:
    """Rows of the largest row group."""
    return max((file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)), default=0)


def _tell_of_large_groups(rows: Mapping[str, int], shape: Shape, say: Say) -> None:
    place = max(rows, key=lambda place: rows[place])
    clip = math.prod(shape)
    if rows[place] * clip > LARGE_GROUP:
        say(
            f"data {place} has row groups of up to {rows[place]:,} clips ({rows[place] * clip / 1e6:,.0f} MB): where "
            f"clips are streamed, a whole row group is decoded for each one; files with row groups of "
            f"{counted(max(1, GOOD_GROUP // clip), 'clip is', 'clips are')} read faster"
        )


def _parts(folder: Storage, tables: Mapping[str, pa.Table]) -> dict[str, list[FoundRow]]:
    """The clips of each ``domain/split`` in the order of their names. Raises BadInput for one that is there twice."""
    parts: dict[str, dict[str, FoundRow]] = {}
    for file, table in tables.items():
        columns = parts_in(table), table["clip_id"].to_pylist(), table["label"].to_pylist()
        for row, (part, clip_id, label) in enumerate(zip(*columns, strict=True)):
            found = FoundRow(named(part, clip_id), label, file, row)
            other = parts.setdefault(part, {}).setdefault(found.name, found)
            if other is not found:
                raise BadInput(
                    f"{folder.address(file)} row {row}, column 'clip_id': {clip_id!r} is also in "
                    f"{folder.address(other.file)} row {other.row}; valid: once in {part}"
                )
    return {part: [rows[name] for name in sorted(rows)] for part, rows in sorted(parts.items())}


def _label_names(folder: Storage, tables: Mapping[str, pa.Table]) -> dict[str, str]:
    """Name by label, as text: that of ``label_name``, or the number. Raises BadInput where names and labels differ."""
    names, labels = dict[int, str](), dict[str, int]()
    for file, table in tables.items():
        told = table[NAME_COLUMN].to_pylist() if NAME_COLUMN in table.column_names else [None] * len(table)
        for row, (label, name) in enumerate(zip(table["label"].to_pylist(), told, strict=True)):
            if name is None:
                continue
            where = f"{folder.address(file)} row {row}, column {NAME_COLUMN!r}: {name!r}"
            if names.setdefault(label, name) != name:
                raise BadInput(f"{where} for label {label}; valid: {names[label]!r}, as in rows before")
            if labels.setdefault(name, label) != label:
                raise BadInput(f"{where} for label {label} is the name of label {labels[name]}; valid: another name")
    found = {label for table in tables.values() for label in table["label"].unique().to_pylist()}
    return {str(label): names.get(label, str(label)) for label in sorted(found)}


def _entry(rows: Sequence[FoundRow], names: Mapping[str, str]) -> dict[str, Any]:
    """A part's entry in the manifest, without its content: with the first place of each label."""
    labels = Counter(row.label for row in rows)
    places: dict[int, FoundRow] = {}
    for row in rows:
        places.setdefault(row.label, row)
    return {
        "clips": len(rows),
        "class_counts": {names[str(label)]: labels[label] for label in sorted(labels)},
        "labels": {str(label): [places[label].file, places[label].row] for label in sorted(labels)},
        "left_out": {},
        "shards": [{"file": file, "rows": count} for file, count in sorted(Counter(row.file for row in rows).items())],
    }


def _digests(folder: Storage, rows: Mapping[str, int], shape: Shape, say: Say) -> dict[str, bytes]:
    """32 bytes for each clip of each file, in the order of its rows; a Ray task for each file."""
    import ray

    from rac_ray.data.tasks import paced

    task = ray.remote(num_cpus=1, max_retries=2)(digests_of)
    pending: dict[Any, str] = {task.remote(folder, file, shape): file for file in rows}
    found = {}
    for file, digests, come, pace in paced(pending, lambda file: rows[file], "clips"):
        found[file] = digests
        say(f"data {come} read: {file}; {pace}")
    return found


def digests_of(folder: Storage, file: str, shape: Shape) -> bytes:
    """SHA-256 over label and pixels of each clip of a file. Raises BadInput for clips that have not the shape."""
    place, found, first = folder.address(file), [], 0
    with readable(place):
        for number in row_groups(folder, file):
            for batch in row_group(folder, file, number, ["label", "frames"]).to_batches():
                frames = batch.column("frames")
                require_frames(place, frames, shape, first)
                labels = batch.column("label").to_numpy().astype(np.int64)
                found.append(clip_digests(Clips(pixels_of(frames, shape), labels, [])))
                first += len(batch)
    return b"".join(found)

"""Clips of Parquet files that somebody else wrote, read where the files lie.

A file may hold clips of several ``domain/split`` parts, in any order; whatever types its columns have, what is read has
those of ``READ``.
"""

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa

from rac_ray.store.storage import Storage

READ = pa.schema(
    [
        ("clip_id", pa.string()),
        ("domain", pa.string()),
        ("split", pa.string()),
        ("label", pa.int64()),
        ("frames", pa.large_binary()),
    ]
)
COLUMNS = tuple(READ.names)
"""That a file has to have."""


def named(part: str, clip_id: str) -> str:
    """A clip's id below ``domain/split``, where it does not begin so already: reports know clips by their ids alone."""
    return clip_id if clip_id.startswith(f"{part}/") else f"{part}/{clip_id}"


def parts_in(table: pa.Table) -> list[str]:
    """``domain/split`` of each row."""
    domains, splits = table["domain"].to_pylist(), table["split"].to_pylist()
    return [f"{domain}/{split}" for domain, split in zip(domains, splits, strict=True)]


def row_group(folder: Storage, file: str, number: int, columns: Sequence[str]) -> pa.Table:
    """Some columns of a row group."""
    return folder.read_parquet(file, lambda opened: opened.read_row_group(number, list(columns)))


def row_groups(folder: Storage, file: str) -> range:
    """Numbers of a file's row groups."""
    return range(folder.read_parquet(file, lambda opened: opened.num_row_groups))


def rows_of(folder: Storage, file: str, parts: Collection[str]) -> Iterator[pa.Table]:
    """The clips of ``parts``, ids as of ``named``, in tables of READ: one for each row group that has any.

    Frames of row groups without any are not read.
    """
    for number in row_groups(folder, file):
        found = parts_in(row_group(folder, file, number, ["domain", "split"]))
        wanted = [part in parts for part in found]
        if not any(wanted):
            continue
        table = row_group(folder, file, number, COLUMNS).select(COLUMNS).replace_schema_metadata().cast(READ)
        ids = [named(part, clip_id) for part, clip_id in zip(found, table["clip_id"].to_pylist(), strict=True)]
        table = table.set_column(0, "clip_id", pa.array(ids, pa.string()))
        yield table if all(wanted) else table.filter(pa.array(wanted))

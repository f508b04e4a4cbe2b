"""The tables of a finished training: as files, from files, and what is wrong with one that is not what it should be."""

import io
from collections.abc import Callable, Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from rac_ray.store.files import EPOCHS, PREDICTIONS
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage

TAIL_BYTES = 65_536
"""What is read of a table that is only looked at: its end, which tells of columns and rows."""
FOOTER_BYTES = 8
"""The last ones of a file: how long that end is, and four letters."""
FEW, SMALL = 100, 64_000_000
"""Trainings, and bytes of their tables, up to which these are quick to read: half a second of one core."""
NO_TABLE = (pa.ArrowException, OSError, ValueError)
"""What pyarrow raises for bytes that are no table."""
Kind = tuple[Callable[[pa.DataType], bool], str]


def _is_number(kind: pa.DataType) -> bool:
    return types.is_integer(kind) or types.is_floating(kind)


def _is_text(kind: pa.DataType) -> bool:
    return types.is_string(kind) or types.is_large_string(kind)


NUMBERS: Kind = (_is_number, "numbers")
WHOLE: Kind = (types.is_integer, "whole numbers")
TEXT: Kind = (_is_text, "text")
OF_EPOCHS: Mapping[str, Kind] = {"epoch": WHOLE, "val_top1": NUMBERS}
"""Columns that every ``epochs.parquet`` has; the others are numbers, too."""
OF_PREDICTIONS: Mapping[str, Kind] = {
    "target": TEXT, "split": TEXT, "clip_id": TEXT, "label": WHOLE, "predicted": WHOLE,
}  # fmt: skip
"""Columns that every ``predictions.parquet`` has; all but those of schema 1 have ``evaluation_id``, most ``logits``."""


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file, with a checksum of each page."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def tables_of(record: Record) -> list[str]:
    """The files of a finished training's tables: predictions once a checkpoint was asked something."""
    return [EPOCHS, PREDICTIONS] if record.evaluations else [EPOCHS]


def quick_to_read(found: Collection[tuple[Mapping[str, int], Record]]) -> bool:
    """Whether every look at these trainings, each the sizes of its files and its record, can read all their tables."""
    told = sum(sizes.get(name, 0) for sizes, record in found for name in tables_of(record))
    return len(found) <= FEW and told <= SMALL


def wrong_ends(folder: Storage, sizes: Mapping[str, int], record: Record) -> str:
    """Why one of a training's tables is not whole, as far as their ends show, given the sizes of its files; empty
    where nothing shows."""
    return next(filter(None, (_wrong_end(folder, name, sizes, record) for name in tables_of(record))), "")


def read_table(folder: Storage, name: str, record: Record) -> pa.Table | str:
    """One table of a training, or why it is not whole."""
    content = folder.read_if_there(name)
    if content is None:
        return _absent(folder, name)
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        table.validate(full=True)
    except NO_TABLE as error:
        return f"{name} cannot be read: {in_short(error)}"
    return _wrong_columns(name, table.schema, record) or _wrong_rows(name, table, record) or table


def _wrong_end(folder: Storage, name: str, sizes: Mapping[str, int], record: Record) -> str:
    if name not in sizes:
        return _absent(folder, name)
    try:
        tail = folder.read_tail(name, TAIL_BYTES)
        footer = int.from_bytes(tail[-FOOTER_BYTES:-4], "little") + FOOTER_BYTES
        if len(tail) < footer <= sizes[name]:
            tail = folder.read_bytes(name)
    except FileNotFoundError:
        return _absent(folder, name)
    try:
        file = pq.ParquetFile(pa.BufferReader(tail))
        schema, rows = file.schema_arrow, file.metadata.num_rows
    except NO_TABLE as error:
        return f"{name} is not a Parquet file: {in_short(error)}"
    return _wrong_columns(name, schema, record) or _too_few(name, rows, _rows_wanted(name, record))


def _absent(folder: Storage, name: str) -> str:
    return f"{name} is a folder" if folder.is_folder(name) else f"{name} is missing"


def in_short(error: BaseException) -> str:
    """The beginning of an error's text, in one line."""
    return " ".join(str(error).split())[:200]


def _rows_wanted(name: str, record: Record) -> int:
    return 1 if name == EPOCHS else sum(each.clips for each in record.evaluations)


def _too_few(name: str, rows: int, wanted: int) -> str:
    return f"{name} has {rows} rows, {wanted} are wanted" if rows < wanted else ""


def _wrong_columns(name: str, schema: pa.Schema, record: Record) -> str:
    of_evaluations = {"evaluation_id": TEXT} if record.schema > 1 else {}
    needed = OF_EPOCHS if name == EPOCHS else {**OF_PREDICTIONS, **of_evaluations}
    if missing := [column for column in needed if schema.names.count(column) != 1]:
        return f"{name} has no column {missing[0]!r}"
    kinds = {**dict.fromkeys(schema.names if name == EPOCHS else (), NUMBERS), **needed}
    for column, (fits, said) in kinds.items():
        if schema.names.count(column) > 1 or not fits(schema.field(column).type):
            return f"column {column!r} of {name} does not hold {said}"
    logits = pa.list_(pa.float32(), record.classes)
    if name != EPOCHS and "logits" in schema.names and schema.field("logits").type != logits:
        return f"column 'logits' of {name} does not hold {record.classes} numbers for each clip"
    return ""


def _wrong_rows(name: str, table: pa.Table, record: Record) -> str:
    if name == EPOCHS:
        return _too_few(name, len(table), 1) or _without_values(name, table, OF_EPOCHS)
    if empty := _without_values(name, table, OF_PREDICTIONS):
        return empty
    for column in ("label", "predicted") if len(table) else ():
        ends = pc.min_max(table[column]).as_py()  # pyright: ignore[reportAttributeAccessIssue]
        if ends["min"] < 0 or ends["max"] >= record.classes:
            return f"column {column!r} of {name} has {ends['min']} to {ends['max']}; valid: 0 to {record.classes - 1}"
    if "evaluation_id" not in table.column_names:
        return _too_few(name, len(table), _rows_wanted(name, record))
    counted = table["evaluation_id"].value_counts()
    rows = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    short = (_too_few(name, rows.get(each.evaluation_id, 0), each.clips) for each in record.evaluations)
    return next(filter(None, short), "")


def _without_values(name: str, table: pa.Table, columns: Mapping[str, Kind]) -> str:
    empty = [column for column in columns if table[column].null_count]
    return f"column {empty[0]!r} of {name} has rows without a value" if empty else ""

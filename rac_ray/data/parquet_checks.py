"""What a Parquet file of clips that somebody else wrote has to be; each mistake is one sentence with file, row, column.

Rows are counted from 0 over the whole file. A place is the file's address.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from rac_ray.data.parquet_rows import COLUMNS
from rac_ray.data.shards import metadata_of, sizes_of
from rac_ray.data.video_folder import RESERVED
from rac_ray.errors import BadInput

SPLITS = ("train", "val", "test")
NAME_COLUMN = "label_name"
"""That a file may have: the names of its labels."""


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner)


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


TYPES: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "clip_id": (_is_text, "a string"),
    "domain": (_is_text, "a string"),
    "split": (_is_text, "a string"),
    "label": (pa.types.is_integer, "an integer"),
    NAME_COLUMN: (_is_text, "a string"),
    "frames": (_is_bytes, "binary or large_binary, the bytes of uint8 pixels"),
}
"""By column: whether a type will do, and which ones will."""


@contextmanager
def readable(place: str) -> Iterator[None]:
    """Raises BadInput for a file that is damaged or is no Parquet file."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadInput(f"{place} cannot be read ({reason}); valid: a whole Parquet file") from error


def require_schema(place: str, schema: pa.Schema, shape: Sequence[int]) -> None:
    """Raise BadInput for a column that is missing or of a wrong type, and for metadata of rac_ray's own about clips of
    another shape than (T, C, H, W).
    """
    for column in COLUMNS:
        if column not in schema.names:
            raise BadInput(f"{place} has no column {column!r}; valid: {', '.join(COLUMNS)}")
    for column, (fits, valid) in TYPES.items():
        if column in schema.names and not fits(kind := schema.field(column).type):
            raise BadInput(f"{place}: column {column!r} is {kind}; valid: {valid}")
    told = metadata_of(schema.empty_table()).get("frames_shape")
    grey = (shape[0], *shape[2:]) if shape[1] == 1 else shape
    if told and tuple(told) not in (tuple(shape), tuple(grey)):
        raise BadInput(f"{place}: its metadata says clips of {tuple(told)}; valid: {tuple(shape)}, as the grid says")


def require_rows(place: str, table: pa.Table) -> None:
    """Raise BadInput for a row without a value, of an unknown split, with a negative label or a domain's name that
    would mean something else; ``table`` has all columns but the frames.
    """
    for column in (name for name in COLUMNS if name in table.column_names):
        require_values(place, column, table[column])
    _require(place, table, "split", lambda split: split in SPLITS, ", ".join(SPLITS))
    _require(place, table, "label", lambda label: label >= 0, "0 or more")
    without = f"a name without any of the characters {RESERVED}"
    _require(place, table, "domain", lambda domain: domain != "" and not set(RESERVED) & set(domain), without)


def _require(place: str, table: pa.Table, column: str, good: Callable[[Any], bool], valid: str) -> None:
    """Raise BadInput for the first row with a value that is not good."""
    values = table[column].to_pylist()
    bad = {value for value in set(values) if not good(value)}
    if bad:
        row = next(row for row, value in enumerate(values) if value in bad)
        raise BadInput(f"{place} row {row}, column {column!r}: {values[row]!r}; valid: {valid}")


def require_values(place: str, column: str, values: pa.ChunkedArray | pa.Array, first_row: int = 0) -> None:
    """Raise BadInput for the first row of a column that has no value; ``first_row`` is the number of ``values[0]``."""
    if values.null_count:
        row = first_row + values.is_null().to_pylist().index(True)
        raise BadInput(f"{place} row {row}, column {column!r}: there is no value; valid: {TYPES[column][1]}")


def require_frames(place: str, frames: pa.Array, shape: Sequence[int], first_row: int = 0) -> None:
    """Raise BadInput for the first clip that is missing or has not the bytes of (T, C, H, W)."""
    require_values(place, "frames", frames, first_row)
    size, of_frame, sizes = math.prod(shape), math.prod(shape[1:]), sizes_of(frames)
    others = np.flatnonzero(sizes != size)
    if not len(others):
        return
    found, rest = divmod(int(sizes[others[0]]), of_frame)
    pixels = " x ".join(map(str, shape[1:]))
    bytes_found, valid = f"{sizes[others[0]]:,} bytes", f"{shape[0]} frames"
    told = bytes_found if rest else f"{bytes_found} are {found} frames of {pixels}"
    valid = f"{size:,} bytes, {valid} of {pixels}" if rest else valid
    raise BadInput(f"{place} row {first_row + others[0]}, column 'frames': {told}; valid: {valid}")

"""W&B's files of a run, read back: a log of records in blocks, as LevelDB writes it."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportAttributeAccessIssue]

HEADER = 7
"""Bytes before the first record, and of each record's own head: checksum, length, kind."""
BLOCK = 32768
"""Bytes of a block; a record that does not fit goes on in the next one."""
WHOLE, LAST = 1, 4


def records_in(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a run's history and updates of its summary: their kind, and values by name.

    A file that ends in the middle of a record, as a killed process leaves it, ends before that one.
    """
    for content in _contents(path.read_bytes()):
        record = Record.FromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "history":
            yield kind, _values(record.history.item)
        elif kind == "summary":
            yield kind, _values(record.summary.update)


def _values(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _contents(log: bytes) -> Iterator[bytes]:
    at, parts = HEADER, []
    while at + HEADER <= len(log):
        if BLOCK - at % BLOCK < HEADER:  # no head fits in what is left of the block
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", log, at)
        at += HEADER
        if not kind or at + length > len(log):
            return
        parts.append(log[at : at + length])
        at += length
        if kind in (WHOLE, LAST):
            yield b"".join(parts)
            parts = []

"""Rows that a section leaves behind, each written as soon as it is there; one that fails says why, the next follows."""

import json
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def tried(key: Row, measure: Callable[[], Row]) -> Row:
    """``key`` and what ``measure`` found; or ``key``, the error in one line, and its traceback."""
    try:
        return {**key, **measure()}
    except Exception as error:  # noqa: BLE001 - whatever a device does, the other rows are still worth having
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return {**key, "error": reason, "traceback": traceback.format_exc()}


def append(path: Path, section: str, rows: Iterable[Row]) -> None:
    """Write each row to ``path``, a line of JSON, before the next is measured."""
    for row in rows:
        with open(path, "a") as sink:
            sink.write(json.dumps({"section": section, **row}) + "\n")


def read(path: Path) -> Iterator[Row]:
    """All rows so far."""
    if path.exists():
        for line in path.read_text().splitlines():
            yield json.loads(line)

"""Clips as other people have them: rows with the documented columns, written by pandas, DuckDB or Hugging Face."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SHAPE = (8, 3, 16, 16)
"""(T, C, H, W)"""
PARTS = {"day/train": 8, "day/val": 4, "day/test": 4, "night/test": 6, "fog/test": 2}
DOMAINS = ("day", "night", "fog")
NAMES = ("dark", "bright")

Row = dict[str, Any]


def rows_of(parts: Mapping[str, int] = PARTS, shape: Sequence[int] = SHAPE) -> list[Row]:
    """Clips of two classes that are told apart by their brightness, the parts mixed."""
    rng, rows = np.random.default_rng(7), []
    for part, count in parts.items():
        domain, split = part.split("/")
        for number in range(count):
            label = number % 2
            frames = rng.integers(100 * label, 100 * label + 100, shape, np.uint8)
            named = {"clip_id": f"c{number:03d}", "domain": domain, "split": split, "label": label}
            rows.append({**named, "label_name": NAMES[label], "frames": frames.tobytes()})
    return [rows[place] for place in rng.permutation(len(rows))]


def by_pandas(rows: Sequence[Row], path: Path, **options: Any) -> Path:
    """With a further column, and labels of 64 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(list(rows)).assign(remark="a column more").to_parquet(path, **options)
    return path


def by_duckdb(rows: Sequence[Row], path: Path) -> Path:
    """With labels of 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clips = pd.DataFrame(list(rows))
    with duckdb.connect() as connection:
        connection.register("clips", clips)
        connection.execute(f"copy (select * replace (label::tinyint as label) from clips) to '{path}' (format parquet)")
    return path


def by_datasets(rows: Sequence[Row], path: Path) -> Path:
    """As ``Dataset.to_parquet`` of datasets 5.2 writes them: its features are in the metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {"label": {"names": list(NAMES), "_type": "ClassLabel"}, "frames": {"dtype": "binary", "_type": "Value"}}
    metadata = {"huggingface": json.dumps({"info": {"features": kinds}})}
    pq.write_table(pa.Table.from_pylist(list(rows)).replace_schema_metadata(metadata), path)
    return path


def write_folder(folder: Path, rows: Sequence[Row]) -> Path:
    """A third of the rows by each of the three, in files of different depth."""
    third = len(rows) // 3
    by_pandas(rows[:third], folder / "by pandas.parquet", row_group_size=3)
    by_duckdb(rows[third : 2 * third], folder / "more/duck.parquet")
    by_datasets(rows[2 * third :], folder / "more/train-00000-of-00001.parquet")
    (folder / "more/readme.txt").write_text("no clips")
    (folder / "_temporary").mkdir()
    (folder / "_temporary/half.parquet").write_bytes(b"PAR1")
    return folder

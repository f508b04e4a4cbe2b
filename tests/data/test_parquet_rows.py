"""Clips read from files of other people: the wanted parts, in one shape and type."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from rac_ray.data.parquet_rows import READ, named, rows_of
from rac_ray.data.shards import clips_of
from rac_ray.store.storage import Storage
from tests.data import parquet_clips
from tests.data.parquet_clips import SHAPE, by_duckdb, by_pandas


def test_names_of_clips_are_unique_over_all_parts() -> None:
    assert named("day/test", "a") == "day/test/a"
    assert named("day/test", "day/test/a") == "day/test/a"
    assert named("day/test", "night/test/a") == "day/test/night/test/a"


def test_tables_have_one_type_whoever_wrote_the_file(tmp_path: Path) -> None:
    rows = parquet_clips.rows_of()
    by_pandas(rows, tmp_path / "a.parquet", row_group_size=3)
    by_duckdb(rows, tmp_path / "b.parquet")
    of_enums = pd.DataFrame(rows).astype({"domain": "category", "split": "category", "label": "uint64"})
    of_enums.to_parquet(tmp_path / "c.parquet")
    wanted = [row for row in rows if (row["domain"], row["split"]) in {("day", "val"), ("night", "test")}]
    expected = [
        {**{name: row[name] for name in READ.names}, "clip_id": f"{row['domain']}/{row['split']}/{row['clip_id']}"}
        for row in wanted
    ]
    for file in ("a.parquet", "b.parquet", "c.parquet"):
        tables = list(rows_of(Storage.at(tmp_path), file, {"day/val", "night/test"}))
        assert {table.schema for table in tables} == {READ}
        assert pa.concat_tables(tables).to_pylist() == expected
        assert all(len(table) for table in tables)
        assert clips_of(tables, SHAPE).frames.shape == (10, *SHAPE)

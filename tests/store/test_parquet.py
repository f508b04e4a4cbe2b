"""What is wrong with tables of finished trainings, as their ends tell and as a whole."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rac_ray.identity import Training, Trial
from rac_ray.store.parquet import TAIL_BYTES, parquet_bytes, quick_to_read, read_table, wrong_ends
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from tests.records import CLIPS, predictions_of, record_of
from tests.results.conftest import task_of

EPOCHS = pa.table({"epoch": [0, 1], "val_top1": [0.5, 0.6], "train_loss": [1.0, 0.9]})
Change = Callable[[pa.Table], pa.Table]


@pytest.fixture
def record(make_training: Callable[..., Training]) -> Record:
    return record_of(task_of(Trial(make_training())))


@pytest.fixture
def folder(tmp_path: Path, record: Record) -> Storage:
    folder = Storage.at(tmp_path)
    folder.write_bytes("epochs.parquet", parquet_bytes(EPOCHS))
    folder.write_bytes("predictions.parquet", parquet_bytes(predictions_of(record)))
    return folder


def test_tables_of_a_record_are_whole(folder: Storage, record: Record) -> None:
    assert wrong_ends(folder, folder.sizes(), record) == ""
    assert read_table(folder, "epochs.parquet", record) == EPOCHS
    assert read_table(folder, "predictions.parquet", record) == predictions_of(record)


def test_predictions_are_wanted_once_a_checkpoint_was_asked(folder: Storage, record: Record) -> None:
    folder.delete("predictions.parquet")
    assert wrong_ends(folder, folder.sizes(), record) == "predictions.parquet is missing"
    assert wrong_ends(folder, folder.sizes(), msgspec.structs.replace(record, evaluations=[])) == ""


def test_a_long_end_is_read_whole(folder: Storage, record: Record) -> None:
    """Its columns alone take more than what is looked at first."""
    wide = pa.table({"epoch": [0], "val_top1": [0.5], **{f"column {number}": [0.5] for number in range(1000)}})
    folder.write_bytes("epochs.parquet", parquet_bytes(wide))
    assert folder.sizes()["epochs.parquet"] > 2 * TAIL_BYTES
    assert wrong_ends(folder, folder.sizes(), record) == ""


@pytest.mark.parametrize(
    ("trainings", "sizes", "quick"),
    [
        (0, {}, True),
        (100, {"epochs.parquet": 1_000, "predictions.parquet": 639_000, "best.ckpt": 10**9}, True),
        (100, {"epochs.parquet": 1_000, "predictions.parquet": 639_001}, False),
        (101, {"epochs.parquet": 1_000, "predictions.parquet": 1_000}, False),
    ],
)
def test_few_and_small_tables_are_quick_to_read(
    trainings: int, sizes: dict[str, int], quick: bool, record: Record
) -> None:
    assert quick_to_read([(sizes, record)] * trainings) is quick


def replaced(name: str, values: object) -> Change:
    """The column holds other values."""
    return lambda table: table.set_column(table.column_names.index(name), name, pa.array(values))


LOGITS = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(4 * CLIPS * 3, np.float32)), 3)
COLUMNS: list[tuple[str, Change, str]] = [
    ("epochs", lambda table: table.drop_columns(["val_top1"]), "epochs.parquet has no column 'val_top1'"),
    ("epochs", replaced("train_loss", ["a", "b"]), "column 'train_loss' of epochs.parquet does not hold numbers"),
    ("epochs", replaced("epoch", [0.5, 1.5]), "column 'epoch' of epochs.parquet does not hold whole numbers"),
    ("epochs", lambda table: table.slice(0, 0), "epochs.parquet has 0 rows, 1 are wanted"),
    ("predictions", lambda table: table.drop_columns(["label"]), "predictions.parquet has no column 'label'"),
    (
        "predictions",
        replaced("target", [0] * 4 * CLIPS),
        "column 'target' of predictions.parquet does not hold text",
    ),
    (
        "predictions",
        lambda table: table.append_column("logits", LOGITS),
        "column 'logits' of predictions.parquet does not hold 5 numbers for each clip",
    ),
    (
        "predictions",
        lambda table: table.drop_columns(["evaluation_id"]),
        "predictions.parquet has no column 'evaluation_id'",
    ),
    ("predictions", lambda table: table.slice(1), "predictions.parquet has 399 rows, 400 are wanted"),
    ("predictions", lambda _: EPOCHS, "predictions.parquet has no column 'target'"),
]
"""What the end of a table tells."""
ROWS: list[tuple[str, Change, str]] = [
    ("epochs", replaced("val_top1", [0.5, None]), "column 'val_top1' of epochs.parquet has rows without a value"),
    (
        "predictions",
        replaced("label", [5] * 4 * CLIPS),
        "column 'label' of predictions.parquet has 5 to 5; valid: 0 to 4",
    ),
]
"""What only its rows tell."""


@pytest.mark.parametrize(("name", "change", "said"), COLUMNS)
def test_other_columns_types_and_numbers_of_rows_are_told(
    name: str, change: Change, said: str, folder: Storage, record: Record
) -> None:
    path = f"{name}.parquet"
    table = read_table(folder, path, record)
    assert isinstance(table, pa.Table)
    folder.write_bytes(path, parquet_bytes(change(table)))
    assert wrong_ends(folder, folder.sizes(), record) == said
    assert isinstance(read_table(folder, path, record), str)


@pytest.mark.parametrize(("name", "change", "said"), ROWS)
def test_values_that_cannot_be_are_told(name: str, change: Change, said: str, folder: Storage, record: Record) -> None:
    path = f"{name}.parquet"
    table = read_table(folder, path, record)
    assert isinstance(table, pa.Table)
    folder.write_bytes(path, parquet_bytes(change(table)))
    assert read_table(folder, path, record) == said


def test_clips_of_one_evaluation_do_not_stand_for_those_of_another(folder: Storage, record: Record) -> None:
    table = predictions_of(record)
    folder.write_bytes("predictions.parquet", parquet_bytes(pa.concat_tables([table.slice(0, CLIPS)] * 4)))
    assert wrong_ends(folder, folder.sizes(), record) == ""
    assert read_table(folder, "predictions.parquet", record) == "predictions.parquet has 0 rows, 100 are wanted"


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", bytes(range(256)) * 40, b"PAR1" + bytes(200) + b"\xff\xff\xff\x7fPAR1"]
)
def test_bytes_that_are_no_table(content: bytes, folder: Storage, record: Record) -> None:
    folder.write_bytes("epochs.parquet", content)
    assert wrong_ends(folder, folder.sizes(), record).startswith("epochs.parquet is not a Parquet file: ")
    assert str(read_table(folder, "epochs.parquet", record)).startswith("epochs.parquet cannot be read: ")


def test_bytes_all_over_a_table_count(folder: Storage, record: Record) -> None:
    """Torn anywhere, a table is told of, or is the same."""
    whole = folder.read_bytes("epochs.parquet")
    for place in range(0, len(whole), 7):
        folder.write_bytes("epochs.parquet", whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        found = read_table(folder, "epochs.parquet", record)
        assert isinstance(found, str) or found.equals(EPOCHS), place

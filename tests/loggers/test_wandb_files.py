"""The log of W&B's files: whole, over several blocks, and cut off."""

from pathlib import Path

import pytest
import wandb

from rac_ray.loggers.wandb_files import BLOCK, records_in

ROWS = 300


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of more than two blocks, some of whose records go over their ends."""
    folder = tmp_path_factory.mktemp("wandb")
    settings = wandb.Settings(mode="offline", silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(project="p", id="abc", dir=str(folder), settings=settings)
    for number in range(ROWS):
        run.log({"number": number, "text": "x" * number})
    run.finish()
    wandb.teardown()
    (found,) = folder.rglob("run-abc.wandb")
    return found


def rows(path: Path) -> list[tuple[int, str]]:
    return [(row["number"], row["text"]) for kind, row in records_in(path) if kind == "history"]


def test_every_row_is_read_back_over_the_ends_of_blocks(file: Path) -> None:
    assert file.stat().st_size > 2 * BLOCK
    assert rows(file) == [(number, "x" * number) for number in range(ROWS)]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_a_file_that_was_cut_off_has_the_rows_before(share: float, file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    (tmp_path / "cut").write_bytes(content[: int(share * len(content))])
    found = rows(tmp_path / "cut")
    assert found == [(number, "x" * number) for number in range(len(found))]
    assert share <= len(found) / ROWS + 0.5
    assert len(found) < ROWS

"""W&B without a server: what is in its files is what a later `wandb sync` uploads."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import wandb

from rac_ray.loggers.protocol import Run, Sweep
from rac_ray.loggers.wandb import WandB
from rac_ray.loggers.wandb_files import records_in

RUN = Run("0123456789ab", "cnn3d h=2 2dot seed=0", "running", {"model": "cnn3d", "recipe.learning_rate": 0.5})
SWEEP = Sweep("ts_grid", "demo")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the files go."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb.teardown()
    yield tmp_path / "wandb"
    wandb.teardown()


def tell(*runs: Run) -> None:
    """Write runs, as one process of a logger does from its beginning to its end."""
    logger = WandB("", SWEEP)
    for run in runs:
        logger.write(run)
    logger.close()


def attach(step: int, path: Path) -> None:
    logger = WandB("", SWEEP)
    logger.attach(step, {"figures/a.png": path})
    logger.close()


def epoch(number: int) -> dict[str, float]:
    return {"epoch": number, "val_top1": number / 3}


def files_of(folder: Path, key: str = RUN.key) -> list[Path]:
    return sorted(folder.glob(f"offline-run-*-{key}*/run-{key}.wandb"))


def points(folder: Path) -> list[tuple[int, float]]:
    """Epoch and validation top-1 of all rows of the run's history, in all of its files."""
    rows = [row for path in files_of(folder) for kind, row in records_in(path) if kind == "history"]
    return [(row["epoch"], row["val_top1"]) for row in rows]


def summary(folder: Path, key: str = RUN.key) -> dict[str, object]:
    updates = [row for path in files_of(folder, key) for kind, row in records_in(path) if kind == "summary"]
    return {name: value for row in updates for name, value in row.items()}


def test_epochs_are_history_and_what_it_came_to_is_the_summary(folder: Path) -> None:
    done = replace(RUN, state="done", finals={"final/top1/mnist/test": 0.375}, notes={"reason": ""})
    tell(*(replace(RUN, epochs=[epoch(number)]) for number in range(3)), done)
    assert points(folder) == [(0, 0.0), (1, 1 / 3), (2, 2 / 3)]
    found = summary(folder)
    assert (found["state"], found["final/top1/mnist/test"]) == ("done", 0.375)


def test_what_is_told_again_is_not_written_again_by_anyone(folder: Path) -> None:
    tell(replace(RUN, epochs=[epoch(0), epoch(1)]), replace(RUN, epochs=[epoch(1), epoch(2)]))
    done = replace(RUN, state="done", epochs=[epoch(n) for n in range(4)], finals={"final/epochs": 4.0})
    for _ in range(2):
        tell(done)
        assert sorted(points(folder)) == [(n, n / 3) for n in range(4)]
    assert len(files_of(folder)) == 2


def test_runs_of_several_trainings_are_open_at_once(folder: Path) -> None:
    other = replace(RUN, key="ba9876543210", name="cnn3d h=2 2dot seed=1")
    running = [replace(run, epochs=[epoch(number)]) for number in range(2) for run in (RUN, other)]
    tell(*running, *(replace(run, state="failed", notes={"reason": "code: broken"}) for run in (RUN, other)))
    assert points(folder) == [(0, 0.0), (1, 1 / 3)]
    assert summary(folder, other.key)["reason"] == "code: broken"


def test_figures_are_an_artefact_that_is_logged_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    for _ in range(2):
        attach(5, tmp_path / "a.png")
    assert len(files_of(folder, "sweep-ts_grid-demo")) == 1
    found = summary(folder, "sweep-ts_grid-demo")
    assert found["trials_over"] == 5
    (tmp_path / "a.png").write_bytes(b"another")
    attach(6, tmp_path / "a.png")
    assert summary(folder, "sweep-ts_grid-demo")["results"] != found["results"]


def test_where_names_project_and_entity() -> None:
    found = [WandB(where, SWEEP) for where in ("", "mine", "us/mine")]
    assert [(each.entity, each.project) for each in found] == [("", "ts_grid"), ("", "mine"), ("us", "mine")]

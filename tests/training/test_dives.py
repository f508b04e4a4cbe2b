"""Training on synthetic dives in real worker groups: two and four gloo workers, a killed one, an elastic group."""

import json
import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
import torch
from torch import Tensor, nn

from rac_ray.data.streaming import load_clip, normalised, official_places
from rac_ray.storage import Storage
from rac_ray.training import progress
from rac_ray.training.dives import Dives, Group, fit_dives, train_dives
from rac_ray.training.levels import level_file, predictions_file, weights_of
from tests.training.tiny_dives import LEVELS, small, tiny_dives


@pytest.fixture(scope="module", autouse=True)
def five_cpus():
    """Four workers and a task that reads clips."""
    ray.init("local", num_cpus=5, object_store_memory=300_000_000, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


class Fragile(nn.Module):
    """Kills the process of rank 1 in the second step of the second epoch, once."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.inner = small()
        self.marker = marker
        self.steps = 0

    def forward(self, clips: Tensor) -> Tensor:
        self.steps += self.training
        if self.steps == 6 and torch.distributed.get_rank() == 1 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner(clips)


@pytest.fixture(scope="module")
def dives(five_cpus: None, tmp_path_factory: pytest.TempPathFactory) -> Dives:
    return tiny_dives(tmp_path_factory.mktemp("dives"))


def trained(dives: Dives, folder: Path, workers: int | tuple[int, int] = 2, **changes: Any) -> dict[str, Any]:
    """The record of a training in a group; its predictions are checked against its weights' on the way."""
    here = replace(dives, folder=Storage.at(folder / "trial"), **changes)
    train_dives(here, Group(workers, {"CPU": 0.5}, scratch=str(folder)))
    return json.loads((folder / "trial/outcome.json").read_text())


def without_clock(record: dict[str, Any]) -> list[dict[str, Any]]:
    timed = ("seconds", "loader_wait_share")
    return [{name: value for name, value in row.items() if name not in timed} for row in record["epochs"]]


@pytest.fixture(scope="module")
def by_two(dives: Dives, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("two")
    return trained(dives, folder), folder / "trial"


def test_a_group_leaves_levels_weights_and_predictions(by_two: tuple[dict[str, Any], Path], dives: Dives) -> None:
    record, folder = by_two
    assert [each["level"] for each in record["levels"]] == list(LEVELS)
    assert [row["clips"] for row in record["epochs"]] == [32 + 4] * 3
    epochs = {each["epoch"] for each in record["levels"]}
    assert {path.name for path in folder.glob("level-*")} == {level_file(epoch) for epoch in epochs}
    for epoch in epochs:
        table = pq.read_table(folder / predictions_file(epoch)).to_pandas()
        counts = table.groupby(["target", "split"]).size().to_dict()
        assert counts == {("original", "val"): 4, **{(name, "test"): 3 for name in ("original", "s1", "t")}}
        model = small().eval()
        model.load_state_dict(weights_of(Storage.at(folder), epoch))
        row = table.query("target == 's1'").iloc[2]
        place = official_places(dives.data, "test")[2]
        item = {"clip_id": place.clip_id, "file": place.file, "row": place.row, "flip": False}
        clip = torch.from_numpy(load_clip(dives.data, item, dives.domains["s1"]))
        with torch.no_grad():
            (logits,) = model(normalised(clip[None])).numpy()
        assert row["clip_id"] == place.clip_id
        np.testing.assert_allclose(np.asarray(row["logits"]), logits, atol=1e-4)


@pytest.mark.slow
def test_a_killed_worker_changes_no_metric(
    by_two: tuple[dict[str, Any], Path], dives: Dives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "killed"
    record = trained(dives, tmp_path, build=partial(Fragile, marker))
    assert marker.exists()
    assert without_clock(record) == without_clock(by_two[0])
    assert record["levels"] == by_two[0]["levels"]


class Breaking(nn.Module):
    """Raises in its tenth training step, once."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.inner = small()

    def forward(self, clips: Tensor) -> Tensor:
        Breaking.steps += self.training
        if Breaking.steps == 10:
            raise ConnectionError("once")
        return self.inner(clips)


def test_going_on_from_an_epochs_checkpoint_changes_no_bit(
    dives: Dives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "CHECKPOINT_SECONDS", 0.0)
    broken = replace(dives, folder=Storage.at(tmp_path / "broken"), build=Breaking)
    alone = partial(fit_dives, rank=0, world=1, device=torch.device("cpu"))
    with pytest.raises(ConnectionError, match="once"):
        alone(broken)
    found, _ = alone(broken)
    assert Breaking.steps == 10 + 4  # the epoch of the tenth step, again
    expected, _ = alone(replace(dives, folder=Storage.at(tmp_path / "quiet")))
    assert without_clock({"epochs": found.epochs}) == without_clock({"epochs": expected.epochs})


@pytest.mark.slow
@pytest.mark.parametrize("workers", [4, (2, 4), (3, 3)])
def test_more_workers_and_an_elastic_group_train_alike(
    workers: int | tuple[int, int], by_two: tuple[dict[str, Any], Path], dives: Dives, tmp_path: Path
) -> None:
    record = trained(dives, tmp_path, workers)
    for row, expected in zip(record["epochs"], by_two[0]["epochs"], strict=True):
        assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-4)
        assert row["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-4)

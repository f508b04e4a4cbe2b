from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.scale import queueing, recorded_epochs, requests, scans, simulated, spread, study, work_of
from benchmarks.simulation import Site
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from tests.records import finish

EVEN = {training.kind: 1.0 for training in study()}


def test_the_study_has_its_trials() -> None:
    assert len(study()) == 400
    assert len(EVEN) == 40


def test_work_lies_between_the_bounds_of_early_stopping_and_grows_with_company() -> None:
    alone, beside = (work_of(study(), EVEN, per_gpu, seed=3) for per_gpu in (1, 8))
    assert len(alone) == 400
    assert all(beside[key] == pytest.approx(8 / 0.95 * seconds) for key, seconds in alone.items())
    patience = {training.training_id: training.recipe for training in study()}
    assert all(patience[key].patience < value <= patience[key].max_epochs for key, value in alone.items())


def test_times_come_from_records(make_task, tmp_path: Path) -> None:
    """The fixture's trainings train for 9 seconds and 5 epochs."""
    for seed in range(2):
        finish(Ledger(Storage.at(tmp_path)), make_task("cnn3d", 2, seed))
    assert recorded_epochs(str(tmp_path)) == {"cnn3d h=2": 9.0 / 5}


def test_one_gpu_takes_what_all_trials_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "SEEDS", 2)
    monkeypatch.setattr(scale, "TIMES", scale.Times(driver=0.0))
    found = simulated(study(), EVEN, Site(nodes=1, gpus=1, cpus=12, gpu_memory=40e9), per_gpu=1)
    assert [outcome.makespan for outcome in found] == [
        pytest.approx(sum(work_of(study(), EVEN, 1, seed).values())) for seed in range(2)
    ]


def test_spread() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.0 [1.0, 3.0]"
    assert spread([float(value) for value in range(100)], ".0f") == "50 [2, 97]"


def test_the_smallest_measurements(tmp_path: Path) -> None:
    ((what, seconds),) = scans(tmp_path, [10])
    assert what == "scan of 10 finished trials, s"
    assert float(seconds) >= 0
    assert [float(value) > 0 for _, value in queueing(100)] == [True, True, True, True]
    assert [value.replace(",", "") for _, value in requests(64.0)] == ["64", "2625", "1312"]


def test_ledgers_of_the_scan_are_whole(tmp_path: Path) -> None:
    scans(tmp_path, [3])
    entries = Ledger(Storage.at(tmp_path / "3")).scan()
    assert {entry.state(None) for entry in entries.values()} == {"done"}

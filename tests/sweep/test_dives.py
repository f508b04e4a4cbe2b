"""Diving48's experiments: the plan by hand, and a tiny one run on a real Ray, stopped, gone on with, and shown."""

from dataclasses import replace
from pathlib import Path

import pytest
import ray

from rac_ray.data.diving_generate import decode_videos
from rac_ray.data.synthetic_dives import MASKS, write_dives
from rac_ray.errors import BadInput
from rac_ray.models.diving48 import Experiment, Size
from rac_ray.results import load
from rac_ray.results.study import Study
from rac_ray.storage import Storage
from rac_ray.sweep.dives import run_diving
from rac_ray.sweep.dives_plan import DivingGrid, DivingPlan, make_diving_plan, narrowed
from rac_ray.sweep.dives_price import clips_of, price_lines
from rac_ray.sweep.session import Resources
from rac_ray.training.dives import Group
from rac_ray.trial import Recipe

SIZES = {
    "small": Size("timesformer1", 4, {"depth": 1}),
    "smaller": Size("timesformer1", 2, {"depth": 1}),
}
GRID = DivingGrid(
    experiments={
        "a": Experiment(0.01, {"timesformer": "small"}),
        "b": Experiment(0.99, {"timesformer": "small"}),
        "e": Experiment(0.01, {"timesformer": "smaller"}),
    },
    sizes=SIZES,
    recipe=Recipe(learning_rate=0.01, batch_size=8, max_epochs=2, patience=2),
    domains=("original", "control", "s1", "t"),
)
GROUP = Group(1, {"CPU": 1.0}, max_failures=0)


@pytest.fixture(scope="module", autouse=True)
def two_cpus():
    ray.init(num_cpus=2, object_store_memory=300_000_000, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def data(two_cpus: None, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    folder = tmp_path_factory.mktemp("dives")
    root = Storage.at(folder / "data")
    write_dives(folder / "official", root.below("masks"), train=40, test=4)
    decode_videos(folder / "official", root)
    return root


def planned(data: Storage, storage: Path, grid: DivingGrid = GRID) -> DivingPlan:
    return make_diving_plan("diving48", grid, str(storage), data.root, f"{data.root}/masks/{MASKS}")


def test_the_study_is_six_trainings_that_serve_eight_experiments(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path, DivingGrid())
    assert [training.size for training in plan.trainings] == [
        "convlstm-4x128", "cnn3d-4x128", "timesformer-85m", "cnn3d-11", "cnn3d-6x128", "timesformer-15m",
    ]  # fmt: skip
    assert len(plan.trials) == 3 * 3 + 2 + 4 * 3
    recurrent = plan.trainings[0]
    assert recurrent.levels == dict(zip("abcdefgh", (0.30, 0.35, 0.383, 0.5007, 0.30, 0.35, 0.40, 0.45), strict=True))
    assert len({trial.trial_id for trial in plan.trials}) == len(plan.trials)
    seeds = planned(data, tmp_path, DivingGrid(seeds=(42, 61)))
    assert len(seeds.trainings) == 12
    assert {trial.trial_id for trial in plan.trials} < {trial.trial_id for trial in seeds.trials}


def test_a_part_of_the_grid(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path, narrowed(DivingGrid(), ["c"], [7, 7]))
    assert [(trial.experiment, trial.model, trial.seed) for trial in plan.trials] == [
        ("c", "convlstm", 7), ("c", "cnn3d", 7), ("c", "timesformer", 7),
    ]  # fmt: skip
    with pytest.raises(BadInput, match="unknown experiment 'z'; valid: a, b, c, d, e, f, g, h"):
        narrowed(DivingGrid(), ["z"], None)


def test_other_masks_are_other_trials(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path)
    other = planned(data, tmp_path, replace(GRID, codec=False))
    assert not {trial.trial_id for trial in plan.trials} & {trial.trial_id for trial in other.trials}
    with pytest.raises(BadInput, match="domain 'control' needs masks, or the folder of the published videos"):
        make_diving_plan("diving48", GRID, str(tmp_path), data.root)
    with pytest.raises(BadInput, match="unknown validation split 'mine'; valid: authors, grouped"):
        planned(data, tmp_path, replace(GRID, validation="mine"))


def test_the_price_is_counted(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path)
    assert clips_of(plan, plan.trainings[0], 10) == 10 * (3 * 36 + 4) + 2 * (4 + 4 * 4)
    lines = price_lines(plan, plan.ledger.states(plan.trials))
    assert lines[0] == "2 of 2 trainings are missing"
    assert lines[1].startswith("GPU hours: 0.0 to 0.")
    assert any(line.startswith("smaller: 0.") for line in lines)
    done = dict.fromkeys((trial.trial_id for trial in plan.trials), "done")
    assert price_lines(plan, done) == ["0 of 2 trainings are missing"]


def test_a_run_leaves_a_record_or_a_reason_for_every_trial_and_is_not_repeated(data: Storage, tmp_path: Path) -> None:
    plan, lines = planned(data, tmp_path), list[str]()
    group = replace(GROUP, scratch=str(tmp_path / "ray"))
    run_diving(plan, group, Resources(), lines.append)
    states = [plan.ledger.states(plan.trials)[trial.trial_id] for trial in plan.trials]
    assert states == ["done", "failed", "done"]
    assert lines[0] == "training 1/2: small seed=42 for experiments a, b"
    tables = load(plan.ledger.storage.root)
    (failed,) = tables.trials.query("state == 'failed'")["reason"]
    assert "never reached a validation top-1 of 0.99: 0." in failed
    done = tables.trials.query("experiment == 'a'").iloc[0]
    assert (done["classes"], done["model"], done["source"], done["size"]) == (48, "timesformer", "original", "small")
    asked = tables.evaluations.query("experiment == 'a'")[["target", "split", "role"]]
    assert asked.to_numpy().tolist() == [
        ["original", "val", "source_val"],
        ["original", "test", "source_test"],
        ["control", "test", "target"],
        ["s1", "test", "target"],
        ["t", "test", "target"],
    ]
    assert set(Study(tables).diving48["experiment"]) == {"a", "e", "a-h"}
    assert plan.ledger.storage.sizes("trainings") == {}
    records = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("record.json")}
    assert len(records) == 2
    run_diving(plan, group, Resources(), lines.append)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("record.json")} == records
    assert len(lines) == 4


@pytest.mark.slow
def test_a_training_that_raises_fails_its_trials_and_the_others_go_on(data: Storage, tmp_path: Path) -> None:
    broken = replace(SIZES["small"], options={"depth": 1, "nonsense": 1})
    plan = planned(data, tmp_path, replace(GRID, sizes={**SIZES, "small": broken}))
    run_diving(plan, replace(GROUP, scratch=str(tmp_path / "ray")), Resources(), lambda _line: None)
    states = plan.ledger.states(plan.trials)
    assert [states[trial.trial_id] for trial in plan.trials] == ["failed", "failed", "done"]
    reason = plan.ledger.failures(plan.trials[0].trial_id)[0]["reason"]
    assert "unexpected keyword argument 'nonsense'" in reason

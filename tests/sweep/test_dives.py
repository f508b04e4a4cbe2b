"""Diving48's experiments: the plan by hand, and a tiny one run on a real Ray, stopped, gone on with, and shown."""

import os
import platform
import re
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from rac_ray.sweep.dives import run_diving
from rac_ray.sweep.dives_plan import DivingGrid, DivingPlan, TrainingLedger, make_diving_plan, narrowed
from rac_ray.sweep.dives_price import clips_of, price_lines, probe_sizes
from rac_ray.training.dives import Group
from rac_ray.training.levels import OUTCOME, level_file, predictions_file

from rac_ray.cleaning import leftovers, remove
from rac_ray.data.diving_generate import decode_videos
from rac_ray.data.manifest import MANIFEST
from rac_ray.data.synthetic_dives import MASKS, write_dives
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe
from rac_ray.models.diving48 import Experiment, Size
from rac_ray.results import load
from rac_ray.results.study import Study
from rac_ray.storage import Storage
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.price import known_probes
from rac_ray.sweep.session import Resources

SIZES = {
    "small": Size("timesformer1", 4, {"depth": 1}),
    "smaller": Size("timesformer1", 2, {"depth": 1}),
}
B = Experiment(0.99, {"timesformer": "small"})
GRID = DivingGrid(
    experiments={
        "a": Experiment(0.01, {"timesformer": "small"}),
        "b": B,
        "e": Experiment(0.01, {"timesformer": "smaller"}),
    },
    sizes=SIZES,
    recipe=Recipe(learning_rate=0.01, batch_size=8, max_epochs=2, patience=2),
    domains=("original", "control", "s1", "t"),
)
GROUP = Group(1, {"CPU": 1.0}, max_failures=0)


@pytest.fixture(scope="module", autouse=True)
def two_cpus():
    ray.init("local", num_cpus=2, object_store_memory=300_000_000, include_dashboard=False, log_to_driver=False)
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
    return make_diving_plan("diving48", "tiny", grid, str(storage), data.root, f"{data.root}/masks/{MASKS}")


def test_the_study_is_six_trainings_that_serve_eight_experiments(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path, DivingGrid())
    assert [training.trial.size for training in plan.trainings] == [
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
    assert [training.trial.name for training in plan.trainings] == [
        "convlstm-4x128 original seed=7", "cnn3d-4x128 original seed=7", "timesformer-85m original seed=7",
    ]  # fmt: skip
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
        make_diving_plan("diving48", "tiny", GRID, str(tmp_path), data.root)
    with pytest.raises(BadInput, match="unknown validation split 'mine'; valid: authors, grouped"):
        planned(data, tmp_path, replace(GRID, validation="mine"))


def test_clips_of_another_dataset_are_named(tmp_path: Path) -> None:
    data = Storage.at(tmp_path / "data")
    data.write_json(MANIFEST, {"identity": {}, "splits": {}})
    with pytest.raises(BadInput, match=r"data' has no clips of Diving48; choose another with --data"):
        planned(data, tmp_path)


def test_what_given_up_trainings_leave_can_go(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path)
    given_up, interrupted = (training.trial.trial_id for training in plan.trainings)
    ledger = TrainingLedger(plan.ledger.storage, served={given_up: ()})
    ledger.fail(given_up, 1, {"class": "code", "reason": "broken", "traceback": ""})
    ledger.decide(given_up, 1, retry=False)
    goes = [OUTCOME, predictions_file(3), "last.ckpt", level_file(3)]
    for trial_id in (given_up, interrupted):
        for name in [*goes, "log.txt"]:
            ledger.folder(trial_id).write_bytes(name, b"four")
    (_, none), (_, entries) = plan.looks()
    assert leftovers(plan.ledger, none) == {}
    found = leftovers(ledger, entries)
    assert list(found.items()) == [(f"trainings/{given_up}/{name}", 4) for name in goes]
    remove(ledger, found)
    assert ledger.folder(given_up).names() == ["failure-001.json", "log.txt"]
    assert ledger.scan()[given_up].state(None) == "failed"


def test_the_price_is_counted(data: Storage, tmp_path: Path) -> None:
    plan = planned(data, tmp_path)
    assert clips_of(plan, plan.trainings[0], 10) == (10 * 36, 10 * 4 + 2 * (4 + 4 * 4))
    lines = price_lines(plan, plan.ledger.states(plan.trials), 8)
    assert lines[0] == "2 of 2 trainings are missing"
    assert lines[1].startswith("GPU hours: 0.0 to 0.0 for 40 to 120 epochs; on 8 GPUs 0.0 to 0.0 h (assumed, not")
    assert any(line.startswith("smaller: 0.") for line in lines)
    done = dict.fromkeys((trial.trial_id for trial in plan.trials), "done")
    assert price_lines(plan, done, 8) == ["0 of 2 trainings are missing"]


@pytest.mark.slow
def test_a_probe_replaces_assumptions_and_is_kept(data: Storage, tmp_path: Path) -> None:
    plan, said = planned(data, tmp_path), list[str]()
    probe_sizes(plan, 4, 0.1, False, said.append)
    assert said == [f"probing {name} on {platform.node()}" for name in ("small", "smaller")]
    probes = known_probes(plan.ledger.storage.above, platform.node())
    assert set(probes) == {("small", 4, 2), ("smaller", 2, 2)}
    trained, looked = (
        sum(getattr(probes[size, h, 2], name) * clips for size, h, clips in of_sizes)
        for name, of_sizes in (
            ("seconds_per_train_clip", [("small", 4, 40 * 36), ("smaller", 2, 40 * 36)]),
            ("seconds_per_eval_clip", [("small", 4, 40 * 4 + 2 * 20), ("smaller", 2, 40 * 4 + 20)]),
        )
    )
    line = price_lines(plan, plan.ledger.states(plan.trials), 4)[1]
    assert line.startswith(f"GPU hours: {(trained + looked) / 3600:,.1f} to ")
    assert line.endswith(f" (steps probed on {platform.node()}, without loading)")
    assert "assumed" in price_lines(plan, plan.ledger.states(plan.trials), 8)[1]
    said.clear()
    probe_sizes(plan, 4, 0.1, False, said.append)
    assert said == []


def test_a_part_has_the_trials_of_the_whole(data: Storage, tmp_path: Path) -> None:
    whole, part = planned(data, tmp_path), planned(data, tmp_path, replace(GRID, only=("b",)))
    assert part.trainings == whole.trainings[:1]
    assert part.trials == whole.trials[1:2]
    other = planned(data, tmp_path, replace(GRID, experiments={**GRID.experiments, "b": replace(B, top1=0.98)}))
    changed = [one.trial_id != two.trial_id for one, two in zip(whole.trials, other.trials, strict=True)]
    assert changed == [False, True, False]


def ran(plan: DivingPlan, group: Group = GROUP, **settings: Any) -> list[str]:
    """What a run said."""
    lines = list[str]()
    assert run_diving(plan, group, Resources(pause=0.1, **settings), lines.append) == ""
    return lines


def test_a_run_leaves_a_record_or_a_reason_for_every_trial_and_is_not_repeated(data: Storage, tmp_path: Path) -> None:
    first, plan = (planned(data, tmp_path, replace(GRID, only=only)) for only in (("a",), ("a", "b")))
    lines = ran(first, verbose=True)
    assert lines[0] == "1 trainings for 1 trials"
    small = first.trainings[0].trial
    assert lines[1] == f"{small.trial_id} start  small original seed=42"
    assert [line.split(": ")[1][0] for line in lines if line.startswith(f"{small.trial_id} epoch")] == ["0", "1"]
    assert lines[-1].startswith("1 trainings planned = 1 done + 0 failed + 0 running + 0 pending; ")
    assert list(plan.ledger.states(plan.trials).values()) == ["done", "failed"]  # b was served by a's training
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
    assert set(Study(tables).diving48["experiment"]) == {"a", "a-h"}
    left = {name.partition("/")[2] for name in plan.ledger.storage.sizes("trainings")}
    assert left == {"trial.json", "attempt.json", "log.txt", "record.json"}
    records = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("record.json")}
    assert len(records) == 2
    assert ran(plan) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("record.json")} == records


@pytest.mark.slow
def test_a_training_that_raises_fails_its_trials_and_the_others_go_on(data: Storage, tmp_path: Path) -> None:
    broken = replace(SIZES["small"], options={"depth": 1, "nonsense": 1})
    plan = planned(data, tmp_path, replace(GRID, sizes={**SIZES, "small": broken}))
    lines = ran(plan, budgets=Budgets(code=1))
    states = plan.ledger.states(plan.trials)
    assert [states[trial.trial_id] for trial in plan.trials] == ["failed", "failed", "done"]
    assert any("; given up (traceback: " in line for line in lines)
    failures = plan.ledger.failures(plan.trials[0].trial_id)
    assert [(each["attempt"], each["class"], each["retry"]) for each in failures] == [
        (1, "code", True), (2, "code", False),
    ]  # fmt: skip
    assert "unexpected keyword argument 'nonsense'" in failures[0]["reason"]
    assert ran(plan) == []
    assert ran(replace(plan, retry_failed=True), budgets=Budgets(code=0))[0] == "1 trainings for 2 trials"
    assert len(plan.ledger.failures(plan.trials[0].trial_id)) == 3


@pytest.mark.slow
def test_a_killed_worker_is_another_attempt_and_changes_no_prediction(data: Storage, tmp_path: Path) -> None:
    grid = replace(GRID, only=("a",), recipe=replace(GRID.recipe, max_epochs=6, patience=6))
    plan, quiet = (planned(data, tmp_path / name, grid) for name in ("killed", "quiet"))
    killed = threading.Event()

    def kill() -> None:
        """The first worker that says in its log where it runs, after an epoch."""
        log = plan.ledger.storage.below("trainings", plan.trainings[0].trial.trial_id)
        while not killed.is_set():
            text = log.read_bytes("log.txt").decode() if log.exists("log.txt") else ""
            if "epoch 0" in text and log.exists("last.ckpt"):
                os.kill(int(re.findall(r"process (\d+)", text)[0]), signal.SIGKILL)
                killed.set()
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    lines = ran(plan)
    killed.set()
    killer.join()
    ran(quiet)
    assert any("preempted" in line and "again in" in line for line in lines), lines
    (trial,) = plan.trials
    record, undisturbed = (each.ledger.record(trial.trial_id) for each in (plan, quiet))
    assert record is not None
    assert undisturbed is not None
    assert (record["attempt"], undisturbed["attempt"]) == (2, 1)
    assert record["evaluations"] == undisturbed["evaluations"]
    timed = ["seconds", "loader_wait_share"]
    epochs = [each.ledger.table(trial.trial_id, "epochs").drop_columns(timed) for each in (plan, quiet)]
    assert epochs[0] == epochs[1]
    tables = [each.ledger.table(trial.trial_id, "predictions") for each in (plan, quiet)]
    assert tables[0] == tables[1]

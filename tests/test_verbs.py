"""The verbs of a sweep, on ledgers that tests wrote and on real drivers in processes of their own."""

import json
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rac_ray.cli import sweep_main
from rac_ray.cli.command import main
from rac_ray.identity import Recipe
from rac_ray.results import load
from rac_ray.store.ledger import DRIVER, Ledger
from rac_ray.store.lock import holding
from rac_ray.store.storage import Storage
from rac_ray.studies.study import Study
from rac_ray.studies.temporal_shape.digits import mnist
from rac_ray.studies.temporal_shape.study import TemporalShape, dataset_of
from rac_ray.sweep.planner import Plan, make_plan
from rac_ray.sweep.remembered import remember_options
from rac_ray.training.task import Task
from sweeps.diving48 import STUDY as DIVING48
from tests.records import finish, give_up, record_of, register
from tests.results.conftest import write
from tests.sweep.test_faults import LOCAL, ROOT, SCRIPT
from tests.sweep.tiny_sweep import GRID, study_of

STUDY = study_of(GRID)
RECORDED = replace(GRID, models=("cnn3d", "timesformer1"), hidden_units=(2, 4), seeds=(0, 42))
"""Two models x 2 h x 2 seeds."""


@pytest.fixture
def verb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run a verb on the tiny sweep in ``tmp_path``; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, study: Study = STUDY) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as stopped:
            sweep_main(study, [*arguments, "--storage", str(tmp_path / "results"), "--data", str(tmp_path / "data")])
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


def plan_in(folder: Path, study: Study = STUDY, preset: str = "all") -> Plan:
    return make_plan(study, preset, str(folder / "results"), str(folder / "data"), precision="32")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_in(tmp_path)


def finish_wholly(ledger: Ledger, task: Task) -> None:
    """Write what a finished task leaves, with epochs and predictions as tables need them."""
    write(ledger, record_of(task))


def test_status_counts_and_names_what_failed_and_what_runs(verb, plan: Plan) -> None:
    first, second, third = plan.tasks
    code, out, _ = verb("status")
    assert code == 3
    assert out == "3 trials planned = 0 done + 0 failed + 0 running + 3 pending\ndriver: none\n"
    register(plan.ledger, plan.tasks)
    finish(plan.ledger, first)
    give_up(plan.ledger, second.training_id)
    with holding(plan.ledger.storage, DRIVER) as lock:
        plan.ledger.begin(third.training_id, 1, lock.holder.token, host="here", pid=1, began_at="now")
        code, out, _ = verb("status")
        assert code == 1
        assert out.splitlines() == [
            "3 trials planned = 1 done + 1 failed + 1 running + 0 pending",
            f"driver: {lock.holder.sentence}",
            f"{second.training_id}  failed   {second.training.name}: code: broken",
            f"{third.training_id}  running  {third.training.name}: attempt 1 is running",
        ]
        code, out, err = verb("status", "--json", "--only", "seed=1|2")
        assert (code, err) == (1, "")
        said = json.loads(out)
        assert said["counts"] == {"planned": 2, "done": 0, "unreached": 0, "failed": 1, "running": 1, "pending": 0}
        assert [row["state"] for row in said["trials"]] == ["failed", "running"]
        assert said["driver"] == lock.holder.sentence


def test_status_sees_damage_in_the_middle_of_a_table(verb, plan: Plan) -> None:
    for task in plan.tasks:
        finish(plan.ledger, task)
    path = Path(plan.ledger.folder(plan.tasks[1].training_id).root, "predictions.parquet")
    content = bytearray(path.read_bytes())
    content[100:140] = bytes(40)
    path.write_bytes(content)
    code, out, _ = verb("status")
    assert code == 1
    assert out.startswith("3 trials planned = 2 done + 1 failed + 0 running + 0 pending\n")
    assert "damaged: predictions.parquet cannot be read: " in out
    assert "`retry` runs it again" in out


def test_no_verb_gives_a_terminal_commands_from_a_record(verb, plan: Plan) -> None:
    """A failure's words can have been written by anybody; they are shown."""
    second = plan.tasks[1]
    register(plan.ledger, plan.tasks)
    hostile = "\x1b]0;PWNED\x07\x1b[2Jgone"
    failure = {"class": "code", "reason": hostile, "traceback": hostile, "log_tail": [hostile], "host": hostile}
    plan.ledger.fail(second.training_id, 1, failure)
    plan.ledger.decide(second.training_id, 1, retry=False)
    told = [verb("status")[1], verb("describe", second.training_id)[1], verb("retry", "--dry-run")[1]]
    assert ["\\x1b]0;PWNED\\x07\\x1b[2Jgone" in each for each in told] == [True, True, True]
    assert [each for each in told if "\x1b" in each or "\x07" in each] == []


def test_describe_says_why_and_what_differs(verb, plan: Plan) -> None:
    task = plan.tasks[1]
    trial_id = task.training_id
    give_up(plan.ledger, trial_id)
    other = Ledger(Storage.at(plan.ledger.storage.above.root).below("another"))
    training = replace(task.training, model="cnn3d", seed=0, recipe=Recipe(precision="32"))
    near = finish(other, replace(task, training=training)).training_id
    code, out, _ = verb("describe", trial_id[:6])
    assert code == 0
    assert "state: failed (code: broken)" in out
    assert "attempt 1 failed: code: broken (given up)" in out
    assert f"nearest finished trial {near} differs in model timesformer1 (there cnn3d), seed 1 (there 0)" in out
    code, out, _ = verb("describe", "--json", trial_id)
    said = json.loads(out)
    assert said["nearest_finished"] == near
    assert said["differs_in"]["recipe.batch_size"] == [8, 64]
    code, _, err = verb("describe", "")
    assert (code, err.startswith("error: no trial begins with ''")) == (2, True)


def test_clean_shows_then_frees(verb, plan: Plan) -> None:
    trial_id = plan.tasks[0].training_id
    give_up(plan.ledger, trial_id)
    plan.ledger.folder(trial_id).write_bytes("last.ckpt", bytes(2_000_000))
    code, out, _ = verb("clean")
    assert code == 0
    assert out.splitlines() == [
        f"    2.000 MB  trials/{trial_id}/last.ckpt",
        "1 file, 2.0 MB to free; `clean --yes` does it",
    ]
    code, out, _ = verb("clean", "--yes", "--json")
    assert json.loads(out) == {"files": {f"trials/{trial_id}/last.ckpt": 2000000}, "bytes": 2000000, "freed": 2000000}
    assert verb("clean")[1] == "0 files, 0.0 MB to free; `clean --yes` does it\n"


def test_results_go_where_they_are_asked_to(verb, tmp_path: Path) -> None:
    study = study_of(RECORDED)
    plan = plan_in(tmp_path, study)
    register(plan.ledger, plan.tasks)
    for task in plan.tasks[:7]:
        finish_wholly(plan.ledger, task)
    code, out, _ = verb("results", "--to", str(tmp_path / "local"), study=study)
    assert code == 3
    assert "Trained on 2Dot: accuracy in %" in out
    assert "\n1 trial has not run\nnext: " in out
    assert out.endswith(f" run --storage {tmp_path}/results --data {tmp_path}/data  # goes on from here\n")
    assert (tmp_path / "local/tables/evaluations.parquet").exists()
    assert (tmp_path / "local/figures/figure3-2dot.png").exists()
    assert not (tmp_path / "results/tiny/all").exists()
    code, out, _ = verb("results", "--json", study=study)
    counts = {"planned": 8, "done": 7, "unreached": 0, "failed": 0, "running": 0, "pending": 1}
    assert json.loads(out)["counts"] == counts
    code, out, _ = verb("results", "--verdict", study=study)
    assert "ts-mnist-absolute: " in out
    assert (tmp_path / "results/tiny/all/report.html").exists()


def test_results_of_a_part_leave_those_of_the_whole_alone(verb, plan: Plan, tmp_path: Path) -> None:
    register(plan.ledger, plan.tasks)
    for task in plan.tasks:
        finish_wholly(plan.ledger, task)
    whole = json.loads(verb("results", "--no-report", "--json")[1])["folder"]
    table = Path(whole, "tables/trials.parquet")
    before = table.read_bytes()
    parts = (("--only", "seed<=1"), ("--only", "seed=1"), ("--seeds", "1"))
    folders = [json.loads(verb("results", "--no-report", "--json", *part)[1])["folder"] for part in parts]
    assert [Path(folder).parent for folder in folders] == [Path(whole)] * 3
    names = [Path(folder).name.rpartition("-")[0] for folder in folders]
    assert names == ["only-seed-1", "only-seed-1", "only-seeds-1"]
    assert [len(load(f"{folder}/tables").trials) for folder in folders] == [2, 1, 1]
    assert table.read_bytes() == before
    with pytest.raises(SystemExit):
        main(["results", str(tmp_path / "results/tiny"), "--no-report"])
    assert (tmp_path / "results/tiny/all-presets/tables/trials.parquet").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_results_of_a_preset_are_its_own(verb, tmp_path: Path) -> None:
    """Two presets on one storage train the same models by other recipes; neither shows what the other has."""
    longer = {name: replace(recipe, max_epochs=9) for name, recipe in RECORDED.recipes.items()}
    grids = {"demo": RECORDED, "laptop": replace(RECORDED, recipes=longer, seeds=(0, 42, 61))}
    study = TemporalShape("tiny", grids, "demo")
    trial_ids: dict[str, set[str]] = {}
    for preset in grids:
        plan = plan_in(tmp_path, study, preset)
        register(plan.ledger, plan.tasks)
        for task in plan.tasks:
            finish_wholly(plan.ledger, task)
        trial_ids[preset] = set(plan.trial_ids)
    assert not trial_ids["demo"] & trial_ids["laptop"]
    for preset, count in (("demo", 8), ("laptop", 12)):
        code, out, _ = verb("results", "--preset", preset, "--json", study=study)
        said = json.loads(out)
        assert (code, said["counts"]["done"]) == (0, count)
        assert {row["trial_id"] for row in said["trials"]} == trial_ids[preset]
        assert said["folder"] == str(tmp_path / "results/tiny" / preset)


def test_verbs_look_at_what_has_been_run_when_no_preset_is_named(verb, tmp_path: Path) -> None:
    grids = {"demo": replace(GRID, seeds=(0,)), "laptop": replace(GRID, seeds=(1,)), "paper": replace(GRID, seeds=(2,))}
    study = TemporalShape("tiny", grids, "paper")
    assert verb("results", study=study)[::2] == (
        2,
        f"error: no results in '{tmp_path}/results/tiny': no trial of preset paper has begun; start with "
        "`run --preset demo` or `run --preset paper`\n",
    )
    plans = {preset: plan_in(tmp_path, study, preset) for preset in ("demo", "laptop")}
    for preset, plan in plans.items():
        register(plan.ledger, plan.tasks)
        remember_options(plan, {})
        if preset == "demo":
            finish_wholly(plan.ledger, plan.tasks[0])
            assert verb("status", study=study)[1].startswith("1 trial planned = 1 done + 0 failed")
            *_, page, command = verb("results", study=study)[1].splitlines()
            assert page.startswith("the page has no clips: ")
            assert " plan --preset laptop --storage " in command
    waiting = plans["laptop"].tasks[0].training_id
    code, out, _ = verb("status", study=study)
    assert (code, out) == (
        3,
        "preset demo\n1 trial planned = 1 done + 0 failed + 0 running + 0 pending\ndriver: none\n\n"
        "preset laptop\n1 trial planned = 0 done + 0 failed + 0 running + 1 pending\ndriver: none\n",
    )
    said = json.loads(verb("status", "--json", study=study)[1])
    assert {preset: each["counts"]["done"] for preset, each in said.items()} == {"demo": 1, "laptop": 0}
    assert "state: pending" in verb("describe", waiting, study=study)[1]
    assert verb("results", "--to", str(tmp_path / "one"), study=study)[::2] == (
        2,
        "error: which preset? on this storage have been run: demo, laptop; name one with --preset\n",
    )
    assert verb("status", "--preset", "paper", study=study)[1].startswith("1 trial planned = 0 done")


def test_verbs_that_render_nothing_load_no_digits(verb, tmp_path: Path) -> None:
    mnist.cache_clear()
    study = study_of(RECORDED)
    plan = plan_in(tmp_path, study)
    register(plan.ledger, plan.tasks)
    for task in plan.tasks:
        finish_wholly(plan.ledger, task)
    assert verb("status", study=study)[:2] == (
        0,
        "8 trials planned = 8 done + 0 failed + 0 running + 0 pending\ndriver: none\n",
    )
    assert "state: done" in verb("describe", plan.trial_ids[0], study=study)[1]
    assert "8 trials planned = 8 done" in verb("results", study=study)[1]
    for told in (["plan", "--probe-seconds", "0"], ["cancel"], ["clean"], ["clean", "--yes"]):
        assert verb(*told, study=study)[0] == 0
    assert mnist.cache_info().misses == 0


def test_verbs_refuse_a_data_folder_of_other_digits(verb, tmp_path: Path) -> None:
    """As of the digits that stood in for MNIST in 0.1."""
    study = study_of(RECORDED)
    identity = {**dataset_of(RECORDED).identity(), "digits": {"source": "optdigits", "digest": "1dcdf395862b655c"}}
    Storage.at(tmp_path / "data").write_json("manifest.json", {"identity": identity, "splits": {}})
    assert verb("status", study=study)[::2] == (
        2,
        f"error: data folder '{tmp_path}/data' has digits.digest '1dcdf395862b655c' instead of 'ce01199805b7102a', "
        "digits.source 'optdigits' instead of 'mnist'; choose another with --data\n",
    )
    assert verb("clean", study=study)[0] == 0


def test_clean_and_cancel_need_neither_masks_nor_data(verb, tmp_path: Path) -> None:
    assert verb("clean", study=DIVING48) == (0, "0 files, 0.0 MB to free; `clean --yes` does it\n", "")
    assert verb("cancel", study=DIVING48) == (0, "no driver runs\n", "")
    assert verb("status", study=DIVING48)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_cancel_without_a_driver(verb) -> None:
    assert verb("cancel") == (0, "no driver runs\n", "")


@pytest.mark.slow
def test_cancel_stops_a_driver_elsewhere_and_the_next_run_goes_on(verb, plan: Plan, tmp_path: Path) -> None:
    command = [*SCRIPT, str(tmp_path), "takes_its_time"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | LOCAL, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout
        while " start " not in driver.stdout.readline():
            assert driver.poll() is None
        code, out, _ = verb("cancel")
        assert (code, out.endswith(" has stopped\n")) == (0, True)
        told = driver.stdout.read()
        assert driver.wait(60) == 3
    assert "stopped: cancelled by " in told
    assert " + 0 failed + 0 running + " in told
    assert "failed" not in plan.states(plan.entries(), None).values()
    assert not plan.ledger.storage.exists(DRIVER)


def test_two_runs_by_mistake(verb, plan: Plan) -> None:
    with holding(plan.ledger.storage, DRIVER) as lock:
        code, out, err = verb("run", "--probe-seconds", "0", "--num-cpus", "1")
    assert code == 4
    assert " start " not in out
    assert err.startswith(f"error: {plan.ledger.storage.root} is held by {lock.holder.sentence}; wait, `cancel` it")


PROBED = """\
probing 1 of the plan's models and sizes, 0.2 s for each step
probed timesformer1 h=2, 0 left
"""


def test_a_plan_with_a_price(verb, plan: Plan) -> None:
    """A real probe of one class on a real local Ray, kept for the next plan."""
    began = time.monotonic()
    code, out, err = verb("plan", "--probe-seconds", "0.2", "--price-per-hour", "3.6", "--num-cpus", "1", "--json")
    probed = time.monotonic() - began
    assert (code, err) == (0, PROBED)
    said = json.loads(out)["forecast"]
    wall, money = said["wall_seconds"], said["money"]
    assert 15 < wall["low"] <= wall["expected"] <= wall["high"] < 60
    assert money["expected"] == pytest.approx(wall["expected"] * 0.001)
    code, out, err = verb("plan", "--probe-seconds", "0.2", "--num-cpus", "1")
    assert (code, err) == (0, "")
    assert "3 trials are missing; expected [95% interval] on 1 CPU:\ntime until all are done: " in out
    assert "probing" not in out
    assert probed < 60

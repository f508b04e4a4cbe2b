"""The verbs of a sweep, on ledgers that tests wrote and on real drivers in processes of their own."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from rac_ray.cli import sweep_main
from rac_ray.ledger import DRIVER, Ledger
from rac_ray.lock import holding
from rac_ray.storage import Storage
from rac_ray.sweep.planner import Plan, Sweep, make_plan
from rac_ray.verbs import without
from tests.results.conftest import GRID as RECORDED
from tests.results.conftest import finish as finish_wholly
from tests.sweep.test_faults import LOCAL, ROOT, SCRIPT
from tests.sweep.tiny_sweep import GRID
from tests.test_ledger import give_up

SWEEP = Sweep("tiny", {"all": GRID}, "all", "a tiny sweep")


@pytest.fixture
def verb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run a verb on the tiny sweep in ``tmp_path``; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAC_RAY_MNIST", str(tmp_path / "no-mnist"))

    def run(*arguments: str, sweep: Sweep = SWEEP) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as stopped:
            sweep_main(sweep, [*arguments, "--storage", str(tmp_path / "results"), "--data", str(tmp_path / "data")])
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(SWEEP, "all", GRID, str(tmp_path / "results"), str(tmp_path / "data"))


def test_status_counts_and_names_what_failed_and_what_runs(verb, plan: Plan) -> None:
    first, second, third = plan.trials
    code, out, _ = verb("status")
    assert code == 3
    assert out == "3 trials planned = 0 done + 0 failed + 0 running + 3 pending\ndriver: none\n"
    plan.ledger.register(plan.trials)
    plan.ledger.folder(first.trial_id).write_json("record.json", {"whole": True})
    give_up(plan.ledger, second.trial_id)
    with holding(plan.ledger.storage, DRIVER) as lock:
        plan.ledger.begin(third.trial_id, 1, lock.holder.token, host="here", pid=1, began_at="now")
        code, out, _ = verb("status")
        assert code == 1
        assert out.splitlines() == [
            "3 trials planned = 1 done + 1 failed + 1 running + 0 pending",
            f"driver: {lock.holder.sentence}",
            f"{second.trial_id}  failed   {second.name}: code: broken",
            f"{third.trial_id}  running  {third.name}: attempt 1 is running",
        ]
        code, out, err = verb("status", "--json", "--only", "seed=1|2")
        assert (code, err) == (1, "")
        said = json.loads(out)
        assert said["counts"] == {"planned": 2, "done": 0, "failed": 1, "running": 1, "pending": 0}
        assert [row["state"] for row in said["trials"]] == ["failed", "running"]
        assert said["driver"] == lock.holder.sentence


def test_describe_says_why_and_what_differs(verb, plan: Plan) -> None:
    trial = plan.trials[1]
    give_up(plan.ledger, trial.trial_id)
    other = Ledger(Storage.at(plan.ledger.storage.above.root).below("another"))
    near = RECORDED.trials({"2dot": trial.data}, "optdigits")[0]
    finish_wholly(other, near)
    code, out, _ = verb("describe", trial.trial_id[:6])
    assert code == 0
    assert "state: failed (code: broken)" in out
    assert "attempt 1 failed: code: broken (given up)" in out
    assert (
        f"nearest finished trial {near.trial_id} differs in model timesformer1 (there cnn3d), seed 1 (there 0)" in out
    )
    code, out, _ = verb("describe", "--json", trial.trial_id)
    said = json.loads(out)
    assert said["nearest_finished"] == near.trial_id
    assert said["differs_in"]["recipe.batch_size"] == [8, 64]
    code, _, err = verb("describe", "")
    assert (code, err.startswith("error: no trial begins with ''")) == (2, True)


def test_clean_shows_then_frees(verb, plan: Plan) -> None:
    trial_id = plan.trials[0].trial_id
    give_up(plan.ledger, trial_id)
    plan.ledger.folder(trial_id).write_bytes("last.ckpt", bytes(2_000_000))
    code, out, _ = verb("clean")
    assert code == 0
    assert out.splitlines() == [
        f"    2.000 MB  trials/{trial_id}/last.ckpt",
        "1 files, 2.0 MB to free; `clean --yes` does it",
    ]
    code, out, _ = verb("clean", "--yes", "--json")
    assert json.loads(out) == {"files": {f"trials/{trial_id}/last.ckpt": 2000000}, "bytes": 2000000, "freed": 2000000}
    assert verb("clean")[1] == "0 files, 0.0 MB to free; `clean --yes` does it\n"


def test_results_go_where_they_are_asked_to(verb, tmp_path: Path) -> None:
    sweep = Sweep("tiny", {"all": RECORDED}, "all", "")
    plan = make_plan(sweep, "all", RECORDED, str(tmp_path / "results"), str(tmp_path / "data"))
    plan.ledger.register(plan.trials)
    for trial in plan.trials[:7]:
        finish_wholly(plan.ledger, trial)
    code, out, _ = verb("results", "--digits", "optdigits", "--to", str(tmp_path / "local"), sweep=sweep)
    assert code == 3
    assert "Trained on 2dot: mean top-1" in out
    assert "1 trials have not run; the same command goes on from here" in out
    assert (tmp_path / "local/tables/evaluations.parquet").exists()
    assert (tmp_path / "local/figures/figure3-2dot.png").exists()
    assert not (tmp_path / "results/tiny/all").exists()
    code, out, _ = verb("results", "--digits", "optdigits", "--json", sweep=sweep)
    assert json.loads(out)["counts"] == {"planned": 8, "done": 7, "failed": 0, "running": 0, "pending": 1}
    code, out, _ = verb("results", "--digits", "optdigits", "--verdict", "--report", sweep=sweep)
    assert "ts-mnist-absolute: " in out
    assert (tmp_path / "results/tiny/all/report.html").exists()


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
    assert "failed" not in plan.states().values()
    assert not plan.ledger.storage.exists(DRIVER)


def test_two_runs_by_mistake(verb, plan: Plan) -> None:
    with holding(plan.ledger.storage, DRIVER) as lock:
        code, out, err = verb("run", "--probe-seconds", "0", "--num-cpus", "1")
    assert code == 4
    assert " start " not in out
    assert err.startswith(f"error: {plan.ledger.storage.root} is held by {lock.holder.sentence}; wait, `cancel` it")


def test_arguments_that_are_handed_on() -> None:
    given = ["run", "--submit", "http://x", "--preset", "demo", "--storage=here", "--json", "--data", "there"]
    assert without(given, ("--submit", "--storage", "--data")) == ["run", "--preset", "demo", "--json"]


def test_a_plan_with_a_price(verb, plan: Plan) -> None:
    """A real probe of one class on a real local Ray, kept for the next plan."""
    began = time.monotonic()
    code, out, err = verb("plan", "--probe-seconds", "0.2", "--price-per-hour", "3.6", "--num-cpus", "1", "--json")
    probed = time.monotonic() - began
    assert (code, err) == (0, "probing 1 of the plan's models and sizes, 0.2 s for each step\n")
    said = json.loads(out)["forecast"]
    wall, money = said["wall_seconds"], said["money"]
    assert 15 < wall["low"] <= wall["expected"] <= wall["high"] < 60
    assert money["expected"] == pytest.approx(wall["expected"] * 0.001)
    code, out, err = verb("plan", "--probe-seconds", "0.2", "--num-cpus", "1")
    assert (code, err) == (0, "")
    assert "3 trials missing; expected [95% interval] on 1 CPUs:\nwall time: " in out
    assert "probing" not in out
    assert probed < 60

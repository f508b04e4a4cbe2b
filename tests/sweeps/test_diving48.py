"""The Diving48 script: docs/diving48.md's commands on drawn clips, what it says of bad input, and (slow) its demo."""

import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rac_ray.cli import sweep_main
from rac_ray.data.generate import generate
from rac_ray.store.record import Checkpoint
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OfficialVideos
from rac_ray.studies.diving48.synthetic import write_dives
from rac_ray.sweep.planner import Plan, make_plan
from sweeps.diving48 import STUDY
from tests.docs.pages import DIVES, ROOT
from tests.records import record_of, register
from tests.results.conftest import write


def script(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = shlex.split(command)
    program = [sys.executable, str(ROOT / "sweeps/diving48.py"), *arguments]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``data/diving48`` and ``data/masks`` of a few drawn clips, where the page has the study's."""
    here = tmp_path_factory.mktemp("here")
    write_dives(here / "official", Storage.at(here / "data/masks"), train=80, test=4)
    generate(Storage.at(here / "data/diving48"), OfficialVideos.at(here / "official"))
    return here


def test_the_readme_has_them() -> None:
    assert [command.removeprefix("python sweeps/diving48.py ").split()[0] for command in DIVES] == [
        "--preset", "plan", "--experiment", "results",
    ]  # fmt: skip


def test_the_plan_of_the_study(folder: Path) -> None:
    done = script(f"{DIVES[1].removeprefix('python sweeps/diving48.py ')} --list", folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum("  pending  " in line for line in lines) == 3 * 23
    assert "69 trials planned = 0 done + 0 failed + 0 running + 69 pending" in lines
    assert "trainings missing: 18 of 18; each serves several trials" in lines
    assert (
        "18 trials are missing; expected [95% interval] on 96 CPUs and 8 GPUs (steps assumed, not measured):" in lines
    )
    assert any(line.startswith("cnn3d-4x128: 2.78 * 10^12 operations per clip forward") for line in lines)


def test_an_experiment_needs_its_gpus(folder: Path) -> None:
    few = "--seeds 42 --only model=cnn3d"  # of all of them a disk has to have room for 74 GB of checkpoints
    asked = DIVES[2].removeprefix("python sweeps/diving48.py ")
    done = script(f"{asked} {few} --num-cpus 64 --num-gpus 4", folder)
    assert (done.returncode, done.stderr) == (
        2,
        "run: loading\n"
        "error: one training with --workers 8 and --cpus-per-trial 1 needs 8 CPUs and 8 GPUs, the cluster has "
        "64 CPUs and 4 GPUs\n",
    )


def test_results_of_nothing_are_all_pending(folder: Path) -> None:
    done = script("status --masks data/masks", folder)
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        3, "69 trials planned = 0 done + 0 failed + 0 running + 69 pending",
    )  # fmt: skip


def test_the_studys_own_seed_is_a_third_of_that(folder: Path) -> None:
    done = script("status --masks data/masks --seeds 42", folder)
    assert done.stdout.splitlines()[0] == "23 trials planned = 0 done + 0 failed + 0 running + 23 pending"


def finished(folder: Path, storage: Path) -> Plan:
    """What the study leaves on eight GPUs, without training: one model has not come near its highest level."""
    asked = {"masks": f"{folder}/data/masks"}
    plan = make_plan(STUDY, "paper", str(storage), f"{folder}/data/diving48", asked, precision="16-mixed")
    register(plan.ledger, plan.tasks)
    for task in plan.tasks:
        record = record_of(task, study="diving48")
        if task.training.size == "cnn3d-6x128":
            highest = max(each.level for each in record.selected if each.level is not None)
            low = Checkpoint(level=highest, epoch=4, val_top1=0.2, reached=False)
            kept = [low if each.level == highest else each for each in record.selected]
            record = record_of(task, study="diving48", selected=kept)
        write(plan.ledger, record)
    return plan


def test_the_last_runs_options_count_where_none_are_given(folder: Path, tmp_path: Path) -> None:
    """A run on GPUs, with masks, that finds everything done; then verbs on a machine without, of another folder."""
    plan = finished(folder, tmp_path / "results")
    done = "69 trials planned = 66 done + 3 unreached + 0 failed + 0 running + 0 pending"
    places = f"--storage {tmp_path}/results --data {folder}/data/diving48"
    unknown = script(f"status {places}", tmp_path)
    assert (unknown.returncode, "domain 's1' needs masks" in unknown.stderr) == (2, True)
    ran = script(f"--masks data/masks --num-cpus 64 --num-gpus 8 {places}", folder)
    assert (ran.returncode, done in ran.stdout, " start " in ran.stdout) == (0, True, False), ran.stdout + ran.stderr
    shown, never = script(f"status {places}", tmp_path), "never reached a validation top-1 of"
    late = [trial for trial in plan.trials if trial.training.size == "cnn3d-6x128" and trial.experiment == "h"]
    assert (shown.returncode, shown.stderr) == (0, "status: loading\n")
    assert shown.stdout.splitlines() == [
        done,
        "driver: none",
        *(f"{trial.trial_id}  unreached {trial.name}: {never} {trial.level:g}: 0.5000 at best" for trial in late),
    ]
    described = script(f"describe {late[0].trial_id} {places}", tmp_path)
    assert f"state: unreached ({never} " in described.stdout


def test_results_before_anything_has_run(folder: Path) -> None:
    done = script(f"{DIVES[3].removeprefix('python sweeps/diving48.py ')} --masks data/masks", folder)
    assert done.returncode == 2
    assert "no results in" in done.stderr


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("plan", "domain 's1' needs masks, or the folder of the published videos"),
        ("plan --experiment z --masks data/masks", "unknown experiment 'z'; valid: a, b, c, d, e, f, g, h"),
        (
            "paln",
            "unknown verb 'paln'; valid: run, plan, status, describe, retry, cancel, clean, import, results, replay",
        ),
        ("--masks data/masks --submit 127.0.0.1:1", "--submit '127.0.0.1:1' is not a dashboard's URL"),
        ("--masks data/masks --address http://127.0.0.1:1", "is a dashboard's URL; valid: auto, or host:port"),
        ("--preset tiny", "unknown preset 'tiny'; valid: demo, paper"),
        (
            "--seeds 42 --masks data/masks --workers 2 --fewest-workers 3",
            "--fewest-workers is 3; valid: at most 2, the workers",
        ),
        (
            "plan --masks data/masks --workers 65 --fewest-workers 3",
            "65 workers for steps of 64 clips; valid: at most one worker per clip",
        ),
        (
            "plan --masks data/masks --num-cpus 2 --feed streamed",
            "one training with --workers 8 and --cpus-per-trial 1 needs 8.908 CPUs, the cluster has 2 CPUs",
        ),
        ("--masks data/masks --gpu", "unknown option: --gpu. Did you mean --num-gpus?; see --help"),
        (
            "plan --data nowhere --masks data/masks",
            "nowhere' has no manifest; `rac-ray diving48 decode` makes it of the videos",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    command: str, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as stopped:
        sweep_main(STUDY, shlex.split(command))
    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert err.startswith("error: ")
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_the_demo_goes_from_videos_to_tables(tmp_path: Path) -> None:
    done = script("--preset demo", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Diving48: shape and texture accuracy over validation accuracy" in done.stdout
    assert "5 trials planned = 5 done" in done.stdout
    table = pq.read_table(tmp_path / "results/diving48/demo/tables/evaluations.parquet").to_pandas()
    assert set(table["target"]) == {"original", "control", "s1", "s2", "t"}
    shown = script("results --preset demo --verdict --report", tmp_path)
    assert "claims could be tested" in shown.stdout
    assert (tmp_path / "results/diving48/demo/report.html").exists()
    assert "tables 6 and 7" in shown.stdout
    again = script("--preset demo", tmp_path)
    assert " start " not in again.stdout
    (trial_id, *_) = table["trial_id"]
    described = script(f"describe {trial_id} --preset demo", tmp_path)
    assert "state: done" in described.stdout

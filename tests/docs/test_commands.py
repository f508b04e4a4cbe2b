"""Every command of the README and the documentation is run: here, by another test that is named here, or by .ci/run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rac_ray.cli.sweep import without
from rac_ray.identity import Recipe
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.planner import make_plan
from tests.data.diving_files import write_download
from tests.docs.pages import COMMANDS, DIVES, PAGES, ROOT, SEGMENTATION, blocks
from tests.records import give_up, register
from tests.results.conftest import finish, task_of, trials_of

ACTIVATE = ". .venv/bin/activate"
SBATCH = "sbatch --nodes=2 --gpus-per-node=8 --time=12:00:00 cluster/slurm.sh sweeps/ts_grid.py"
RUN_ELSEWHERE = {
    "make demo": "tests/sweeps/test_ts_grid.py",
    "make test": ".ci/run",
    "python my_model.py --preset demo --models average,cnn3d": "tests/docs/test_extending.py",
    SBATCH: "tests/cluster/test_slurm.py",
}
ON_A_CLUSTER = ("ray ", "export RAC_RAY_STORAGE=")
"""Beginnings of commands that tests/cluster/test_onprem.py runs."""
NAMING = (*PAGES, "CONTRIBUTING.md")
"""Pages that name every target of the Makefile between them."""
WITH_TESTS = {
    "docs/findings.md": "tests/studies/temporal_shape/test_reference.py",
    "docs/install.md": "tests/packaging/test_wheel.py",
    "docs/leaderboard.md": "tests/docs/test_leaderboard.py",
    "docs/loggers.md": "tests/loggers/test_asked.py",
    "docs/monitoring.md": "tests/cluster/test_monitoring.py",
    "docs/sharing.md": "tests/docs/test_sharing.py",
    "docs/troubleshooting.md": "tests/test_troubleshooting.py",
}
"""Further pages with commands, and what runs these."""


def test_all_commands_are_known() -> None:
    assert set(RUN_ELSEWHERE) <= set(COMMANDS)
    for command, place in RUN_ELSEWHERE.items():
        assert command in (ROOT / place).read_text()
    for command in COMMANDS:
        known = ("python sweeps/", "rac-ray ", *ON_A_CLUSTER)
        assert command in (*RUN_ELSEWHERE, ACTIVATE) or command.startswith(known)


def test_no_page_has_commands_that_nobody_runs() -> None:
    pages = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")]
    assert {page for page in pages if blocks(page, "sh")} <= {*PAGES, *WITH_TESTS}
    assert all((ROOT / test).exists() for test in WITH_TESTS.values())


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="the environment was not built by make")
def test_the_activated_environment_has_the_commands() -> None:
    assert ACTIVATE in COMMANDS
    shown = "command -v rac-ray && python -c 'import sys; print(sys.prefix)'"
    done = subprocess.run(["sh", "-c", f"{ACTIVATE} && {shown}"], cwd=ROOT, capture_output=True, text=True, check=True)
    environment = (ROOT / ".venv").resolve()
    assert [Path(line).resolve() for line in done.stdout.splitlines()] == [environment / "bin/rac-ray", environment]


RUNS = [command for command in COMMANDS if re.match(r"python sweeps/ts_grid.py (run |plan |--)", command)]
OTHER_VERBS = [
    command
    for command in COMMANDS
    if command.startswith("python sweeps/") and command not in (*RUNS, *SEGMENTATION, *DIVES)
]
"""But for those of tests/segmentation/test_segment_verbs.py and tests/sweeps/test_diving48.py."""
PLANNED = {
    "cnn3d,cnn2plus1d,bag": 3 * 3, "convlstm,convgru,convlru": 3 * 3 * 2,
    "--tune": 72, "--source 2dot --factors": 36, "laptop --spec": 36, "laptop --feed": 36, "laptop": 72,
    "model=convlstm|cnn3d,hidden_units<=8": 2 * 4 * 5 * 2, "--models": 2 * 2 * 2,
}  # fmt: skip


def sweep(command: str, *more: str, folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = shlex.split(command)[1:]
    program = [sys.executable, str(ROOT / arguments[0]), *arguments[1:], *more]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", RUNS)
def test_sweep_commands_plan_what_they_say(command: str, tmp_path: Path) -> None:
    """Each run as its plan, without a probe: everything is checked that can be before compute is spent."""
    script, *arguments = shlex.split(command)[1:]
    given = [argument for argument in arguments if argument not in ("run", "plan")]
    given = without(given, ("--address", "--submit"))
    plan = shlex.join(["python", script, "plan", "--probe-seconds", "0", *given])
    done = sweep(plan, "--num-cpus", "8", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    planned = int(re.search(r"^(\d+) trials? planned", done.stdout, re.MULTILINE)[1])  # type: ignore[index]
    assert planned == next((count for words, count in PLANNED.items() if words in command), 400)
    assert list(tmp_path.iterdir()) == []


def test_the_other_verbs_in_their_order(tmp_path: Path) -> None:
    """On a storage where one trial has failed, and one of each preset that is asked for is planned; what only a cluster
    has is moved into the test's folder."""
    assert {shlex.split(command)[2] for command in OTHER_VERBS} == {
        "status", "describe", "retry", "cancel", "clean", "results",
    }  # fmt: skip
    ledger = Ledger(Storage.at(tmp_path / "results/ts_grid"))
    for preset in ("laptop", "paper"):
        register(ledger, make_plan(TemporalShape(), preset, str(tmp_path), str(tmp_path), precision="32").tasks[:1])
    (described,) = [shlex.split(command)[3] for command in OTHER_VERBS if " describe " in command]
    for command in OTHER_VERBS:
        if " retry " in command:
            continue  # tests/cli/test_sweep.py runs it
        give_up(ledger, described)
        done = sweep(
            command.replace("/shared/", "").replace(" --to ./local", f" --to {tmp_path}/local"), folder=tmp_path
        )
        expected = {"status": 3, "describe": 0, "cancel": 0, "clean": 0, "results": 3}[shlex.split(command)[2]]
        assert (done.returncode, "Traceback" in done.stderr) == (expected, False), command + done.stdout + done.stderr


def test_data_commands_in_their_order(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("rac-ray"))
    commands = [shlex.split(command) for command in COMMANDS if command.startswith("rac-ray data ")]
    assert [arguments[2] for arguments in commands] == ["generate", "verify", "preview"]
    for arguments in commands:
        done = subprocess.run([program, *arguments[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/try-pictures/contact-sheet.png").exists()


def test_diving48_commands_in_their_order(tmp_path: Path) -> None:
    """On a download of twelve clips, which ``check`` tells from the official one."""
    write_download(tmp_path / "DIVING48", videos=True)
    program = str(Path(sys.executable).with_name("rac-ray"))
    commands = [shlex.split(command) for command in COMMANDS if command.startswith("rac-ray diving48 ")]
    assert [arguments[2] for arguments in commands] == ["check", "decode"]
    for arguments, code in zip(commands, (1, 0), strict=True):
        done = subprocess.run([program, *arguments[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stdout + done.stderr
    assert len(list((tmp_path / "data/diving48").glob("*.parquet"))) == 2


def finished_sweep() -> None:
    ledger = Ledger(Storage.at("results/ts_grid"))
    trials = trials_of(Recipe(precision="32"))
    register(ledger, [task_of(trial) for trial in trials])
    for trial in trials:
        finish(ledger, trial)


def test_results_and_replay_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finished_sweep()
    program = str(Path(sys.executable).with_name("rac-ray"))
    commands = [shlex.split(command) for command in COMMANDS if re.match("rac-ray (results|replay) ", command)]
    assert [arguments[1] for arguments in commands] == ["results", "replay"]
    for arguments in commands:
        done = subprocess.run([program, *arguments[1:]], capture_output=True, text=True, check=False)
        said = done.stderr.removeprefix("results: loading\n")
        assert (done.returncode, said, "DIFFERENT" in done.stdout) == (0, "", False)
    assert Path("pulled/report.html").exists()
    assert Path("replayed/derived/tables/figure3-2dot.md").exists()


def test_from_load_to_figure_4_in_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finished_sweep()
    (example,) = blocks("docs/results.md", "python")
    *statements, last = example.strip().splitlines()
    assert len([line for line in statements if line]) == 10 - 1
    names: dict[str, object] = {}
    exec("\n".join(statements), names)
    ratios = eval(last, names)
    assert isinstance(ratios, pd.DataFrame)
    assert ratios.loc[("", "mnist", 4)].to_dict() == pytest.approx({"cnn3d": 0.5, "convlstm": 0.5})
    assert {path.name for path in tmp_path.glob("*.png")} == {"figure4-5dot.png", "figure4-mnist.png"}


def test_a_plan_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks("docs/sweeps.md", "python")
    exec(example, {})
    assert capsys.readouterr().out == "4\n"


def test_make_and_ci_run_what_the_pages_say() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    said = re.findall(r"\bmake ([a-z][a-z0-9-]*)\b", "".join((ROOT / page).read_text() for page in NAMING))
    assert targets - set(said) == set()
    assert re.search(r"make check\nmake docs\nmake test\n", (ROOT / ".ci/run").read_text())

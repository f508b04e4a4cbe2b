"""Every command of the README is run: here, by another test that is named here, or by .ci/run."""

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
from tests.data.diving_files import write_download
from tests.records import give_up, register
from tests.results.conftest import finish, task_of, trials_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ACTIVATE = ". .venv/bin/activate"
RUN_ELSEWHERE = {
    "make demo": "tests/sweeps/test_ts_grid.py",
    "make test": ".ci/run",
}
ON_A_CLUSTER = ("ray ", "export RAC_RAY_STORAGE=")
"""Beginnings of commands that tests/cluster/test_onprem.py runs, from this text."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


def test_the_readme_has_its_commands() -> None:
    assert len(COMMANDS) >= 10
    assert set(RUN_ELSEWHERE) <= set(COMMANDS)
    for command, place in RUN_ELSEWHERE.items():
        assert command in (ROOT / place).read_text()
    for command in COMMANDS:
        known = ("python sweeps/", "rac-ray ", *ON_A_CLUSTER)
        assert command in (*RUN_ELSEWHERE, ACTIVATE) or command.startswith(known)


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="the environment was not built by make")
def test_the_activated_environment_has_the_commands() -> None:
    assert ACTIVATE in COMMANDS
    shown = "command -v rac-ray && python -c 'import sys; print(sys.prefix)'"
    done = subprocess.run(["sh", "-c", f"{ACTIVATE} && {shown}"], cwd=ROOT, capture_output=True, text=True, check=True)
    environment = (ROOT / ".venv").resolve()
    assert [Path(line).resolve() for line in done.stdout.splitlines()] == [environment / "bin/rac-ray", environment]


RUNS = [command for command in COMMANDS if re.match(r"python sweeps/ts_grid.py (run |plan |--)", command)]
SEGMENTATION = [command for command in COMMANDS if command.startswith("python sweeps/segment_divers.py ")]
"""Run by tests/segmentation/test_segment_verbs.py."""
DIVES = [command for command in COMMANDS if command.startswith("python sweeps/diving48.py ")]
"""Run by tests/sweeps/test_diving48.py."""
OTHER_VERBS = [
    command
    for command in COMMANDS
    if command.startswith("python sweeps/") and command not in (*RUNS, *SEGMENTATION, *DIVES)
]
PLANNED = {
    "--tune": 72, "laptop --spec": 36, "laptop --feed": 36, "laptop": 72,
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
    planned = int(re.search(r"^(\d+) trials planned", done.stdout, re.MULTILINE)[1])  # type: ignore[index]
    assert planned == next((count for words, count in PLANNED.items() if words in command), 400)
    assert list(tmp_path.iterdir()) == []


def test_the_other_verbs_in_their_order(tmp_path: Path) -> None:
    """On a storage where one trial has failed; what only a cluster has is moved into the test's folder."""
    assert {shlex.split(command)[2] for command in OTHER_VERBS} == {
        "status", "describe", "retry", "cancel", "clean", "results",
    }  # fmt: skip
    ledger = Ledger(Storage.at(tmp_path / "results/ts_grid"))
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
        assert (done.returncode, done.stderr, "DIFFERENT" in done.stdout) == (0, "", False)
    assert Path("pulled/report.html").exists()
    assert Path("replayed/derived/tables/figure3-2dot.md").exists()


def test_from_load_to_figure_4_in_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finished_sweep()
    (example,) = blocks("python")
    *statements, last = example.strip().splitlines()
    assert len([line for line in statements if line]) == 10 - 1
    names: dict[str, object] = {}
    exec("\n".join(statements), names)
    ratios = eval(last, names)
    assert isinstance(ratios, pd.DataFrame)
    assert ratios.loc[("", "mnist", 4)].to_dict() == pytest.approx({"cnn3d": 0.5, "convlstm": 0.5})
    assert {path.name for path in tmp_path.glob("*.png")} == {"figure4-5dot.png", "figure4-mnist.png"}


def test_the_tree_names_every_module() -> None:
    """And no other: each file under its folder, by indentation."""
    tree = README[README.index("```\nsweeps/") + 4 :].partition("\n```")[0]
    named: set[str] = set()
    folders: list[str] = []
    for line in tree.splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        folders[depth:] = [name.rstrip("/")]
        named |= {"/".join(folders)} if name.endswith(".py") else set()
    code = ("rac_ray", "sweeps", "benchmarks")
    files = [path for folder in code for path in (ROOT / folder).rglob("*.py") if path.name != "__init__.py"]
    assert named == {path.relative_to(ROOT).as_posix() for path in files}


def test_make_and_ci_run_what_the_readme_says() -> None:
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci/run").read_text()
    for target in (
        "demo",
        "test",
        "test-all",
        "check",
        "bench",
        "bench-speed",
        "bench-step",
        "bench-demo",
        "bench-curves",
        "bench-scale",
        "bench-paired",
        "bench-calibration",
        "bench-coverage",
        "bench-diving48",
        "bench-diving48-models",
        "bench-feeds",
        "bench-search",
        "bench-until-decided",
        "bench-start",
        "bench-gpu",
    ):
        assert re.search(rf"^{target}: ", makefile, re.MULTILINE)
        assert f"make {target}" in README
    assert re.search(r"make check\nmake test\n", ci)

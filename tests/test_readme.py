"""Every command of the README is run: here, by another test that is named here, or by .ci/run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rac_ray.ledger import Ledger
from rac_ray.storage import Storage
from tests.results.conftest import GRID, finish

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ACTIVATE = ". .venv/bin/activate"
RUN_ELSEWHERE = {
    "make demo": "tests/sweeps/test_ts_grid.py",
    "make test": ".ci/run",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


def test_the_readme_has_its_commands() -> None:
    assert len(COMMANDS) >= 10
    assert set(RUN_ELSEWHERE) <= set(COMMANDS)
    for command, place in RUN_ELSEWHERE.items():
        assert command in (ROOT / place).read_text()
    for command in COMMANDS:
        assert command in (*RUN_ELSEWHERE, ACTIVATE) or command.startswith(("python sweeps/", "rac-ray data "))


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="the environment was not built by make")
def test_the_activated_environment_has_the_commands() -> None:
    assert ACTIVATE in COMMANDS
    shown = "command -v rac-ray && python -c 'import sys; print(sys.prefix)'"
    done = subprocess.run(["sh", "-c", f"{ACTIVATE} && {shown}"], cwd=ROOT, capture_output=True, text=True, check=True)
    environment = (ROOT / ".venv").resolve()
    assert [Path(line).resolve() for line in done.stdout.splitlines()] == [environment / "bin/rac-ray", environment]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("python sweeps/")])
def test_sweep_commands_plan_what_they_say(command: str, tmp_path: Path) -> None:
    """As printed, with ``--plan``: everything is checked that can be before compute is spent."""
    arguments = shlex.split(command)[1:]
    script = str(ROOT / arguments[0])
    plan = [sys.executable, script, *arguments[1:], "--plan", "--digits", "optdigits"]
    done = subprocess.run(plan, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    planned = int(re.search(r"^(\d+) trials planned", done.stdout, re.MULTILINE)[1])  # type: ignore[index]
    assert planned == (48 if "laptop" in command else 16 // 2 if "--models" in command else 400)
    assert list(tmp_path.iterdir()) == []


def test_data_commands_in_their_order(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("rac-ray"))
    commands = [shlex.split(command) for command in COMMANDS if command.startswith("rac-ray data ")]
    assert [arguments[2] for arguments in commands] == ["generate", "verify", "preview"]
    for arguments in commands:
        done = subprocess.run([program, *arguments[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/try-pictures/contact-sheet.png").exists()


def test_the_python_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(Storage.at("results/ts_grid"))
    trials = GRID.trials({"2dot": "feed"}, "optdigits")
    ledger.register(trials)
    for trial in trials:
        finish(ledger, trial)
    (example,) = blocks("python")
    *statements, last = example.strip().splitlines()
    names: dict[str, object] = {}
    exec("\n".join(statements), names)
    pivot = eval(last, names)
    assert isinstance(pivot, pd.DataFrame)
    assert pivot.loc[("2dot", "mnist")].to_dict() == pytest.approx({"cnn3d": 0.5, "convlstm": 0.5})


def test_the_tree_names_every_module() -> None:
    tree = README[README.index("```\nsweeps/") :]
    packages = [path for folder in ("rac_ray", "sweeps", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    missing = [path.name for path in packages if path.name != "__init__.py" and path.name not in tree]
    assert missing == []


def test_make_and_ci_run_what_the_readme_says() -> None:
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci/run").read_text()
    for target in ("demo", "test", "test-all", "check", "bench"):
        assert re.search(rf"^{target}: ", makefile, re.MULTILINE)
        assert f"make {target}" in README
    assert re.search(r"make check\nmake test\n", ci)

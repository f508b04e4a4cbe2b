"""Hooks before a commit: programs of the environment, at the versions of constraints.txt, and the form of a subject."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ".pre-commit-config.yaml"
(REPOSITORY,) = yaml.safe_load(CONFIG.read_text())["repos"]
HOOKS = {each["id"]: each for each in REPOSITORY["hooks"]}
PROGRAM = Path(sys.executable).with_name("pre-commit")


def test_they_are_valid_and_each_program_is_pinned() -> None:
    subprocess.run([PROGRAM, "validate-config", CONFIG], check=True)
    assert REPOSITORY["repo"] == "local"
    programs = {each["entry"].split()[0] for each in HOOKS.values() if each["language"] == "system"}
    assert programs == {f".venv/bin/{name}" for name in ("ruff", "pyright", "check-jsonschema")}
    pins = (ROOT / "constraints.txt").read_text()
    for program in programs:
        name = Path(program).name
        assert re.search(rf"^{name}==", pins, re.MULTILINE)
        assert Path(sys.executable).with_name(name).exists()


@pytest.fixture
def commit(tmp_path: Path):
    """Commit one file in a repository with these hooks; returns the exit code and what was said."""
    work = tmp_path / "work"
    work.mkdir()
    (work / CONFIG.name).write_text(CONFIG.read_text())
    (work / ".venv").mkdir()
    (work / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (work / "pyproject.toml").write_text('[tool.pyright]\ntypeCheckingMode = "standard"\n')
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {
        **os.environ,
        **identity,
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }

    def ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)

    assert ran("git", "init", "--quiet").returncode == 0
    assert ran(PROGRAM, "install").returncode == 0

    def make(message: str, content: str = "ANSWER = 42\n") -> tuple[int, str]:
        (work / "code.py").write_text(content)
        ran("git", "add", "code.py")
        done = ran("git", "commit", "--allow-empty", "--message", message)
        return done.returncode, done.stdout + done.stderr

    return make


def test_a_commit_is_checked(commit) -> None:
    assert commit("x" * 72 + "\n\nThe reason, which may be as long as it has to be, in lines of its own.")[0] == 0
    code, said = commit("x" * 73)
    assert (code, "commit subject of at most 72 characters" in said) == (1, True)
    assert commit("The subject\nand the body at once")[0] == 1
    code, said = commit("Bad types", 'ANSWER: int = "42"\n')
    assert (code, "reportAssignmentType" in said) == (1, True)
    code, said = commit("Bad form", "ANSWER=42\n")
    assert (code, "files were modified by this hook" in said) == (1, True)

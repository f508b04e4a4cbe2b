"""What CONTRIBUTING.md says is so: its commands, the places that it names, its example of an entry point."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
ELSEWHERE = {
    "make check": ".ci/run",
    "make test": ".ci/run",
    "make wheel": "tests/packaging/test_wheel.py",
    "pre-commit install": "tests/packaging/test_pre_commit.py",
}
"""Commands by the file that runs them."""
ACTIVATE = ". .venv/bin/activate"
TESTS = [command for command in COMMANDS if command not in (ACTIVATE, *ELSEWHERE)]


def test_every_command_is_run_somewhere() -> None:
    assert {ACTIVATE, *ELSEWHERE} <= set(COMMANDS)
    for command, place in ELSEWHERE.items():
        words = ("PROGRAM", "install") if command.startswith("pre-commit") else (command,)
        assert all(word in (ROOT / place).read_text() for word in words)
    assert len(TESTS) == 3
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^)make ([\w-]+)", TEXT, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="the environment was not built by make")
def test_the_activated_environment_has_the_hooks() -> None:
    script = f"{ACTIVATE} && command -v pre-commit"
    done = subprocess.run(["sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).resolve() == (ROOT / ".venv").resolve() / "bin/pre-commit"


@pytest.mark.parametrize("command", TESTS)
def test_the_tests_that_it_names_are_there(command: str) -> None:
    """Of a folder or file, with a word of ``-k`` or ``-m`` in it; they are not run in a test."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "pytest"]
    (place,) = [word for word in words if word.startswith("tests/")]
    files = [ROOT / place, *(ROOT / place).rglob("test_*.py")]
    text = "".join(path.read_text() for path in files if path.is_file())
    assert "def test_" in text
    assert [word for word in words[3:] if word not in (place, "-k", "-m") and word not in text] == []


def test_the_places_that_it_names_are_there() -> None:
    """A path, or names in it, as in ``BUILT_IN`` of a file; loggers have come with a branch of their own."""
    named = set(re.findall(r"`((?:rac_ray|tests|cluster|sweeps|docs)[\w/.-]*)`", TEXT)) - {
        "rac_ray.studies",
        "rac_ray.Study",
    }
    assert len(named) > 20
    assert {name for name in named if not (ROOT / name).exists()} <= {"rac_ray/loggers/"}
    for name, place in (
        ("MODELS", "models/__init__.py"),
        ("DOMAINS", "studies/temporal_shape/domains.py"),
        ("DIRECTIONS", "studies/temporal_shape/domains.py"),
        ("BUILT_IN", "studies/__init__.py"),
        ("COMMON", "results/figures.py"),
    ):
        assert f"`{name}`" in TEXT
        assert re.search(rf"^{name}\b.*=", (ROOT / "rac_ray" / place).read_text(), re.MULTILINE)


def test_the_table_of_tests_names_every_folder_and_no_other() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    table = TEXT[TEXT.index("| folders of `tests` |") :].partition("\n\n")[0]
    assert {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])} == folders


def test_the_entry_point_is_of_the_group_that_is_looked_at() -> None:
    from rac_ray.studies import GROUP

    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert tomllib.loads(example)["project"]["entry-points"] == {GROUP: {"my_study": "my_package.study:STUDY"}}

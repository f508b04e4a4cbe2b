"""What ``make wheel`` builds: its contents, and (slow) a sweep from it in an environment that has nothing else."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import rac_ray

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
WHEEL, SOURCES = f"rac_ray-{VERSION}-py3-none-any.whl", f"rac_ray-{VERSION}.tar.gz"
ABOUT = f"rac_ray-{VERSION}.dist-info"


def ran(*command: str | Path, folder: Path, code: int = 0) -> str:
    """What a command prints, which has to end with ``code``."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def tracked(*patterns: str) -> set[str]:
    """Files of the checkout that git knows, and that are there."""
    listed = ran("git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns, folder=ROOT)
    return {name for name in listed.splitlines() if (ROOT / name).exists()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive of a copy of this checkout, and the wheel that is built from it."""
    copy, folder = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for name in tracked("rac_ray", ":(glob)*"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    ran(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, copy, folder=folder)
    assert sorted(path.name for path in folder.iterdir()) == [WHEEL, SOURCES]
    return folder


def test_the_wheel_has_the_package_and_nothing_else(dist: Path) -> None:
    with zipfile.ZipFile(dist / WHEEL) as wheel:
        names = {name for name in wheel.namelist() if not name.startswith(ABOUT)}
        assert names == tracked("rac_ray")
        assert wheel.read(f"{ABOUT}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        for name in ("rac_ray/studies/temporal_shape/mnist/NOTICE", "rac_ray/results/page/page.html"):
            assert wheel.read(name) == (ROOT / name).read_bytes()
        about = Parser().parsestr(wheel.read(f"{ABOUT}/METADATA").decode())
    assert (about["Name"], about["Version"]) == ("rac-ray", VERSION)
    assert about["License-Expression"] == PROJECT["license"]
    assert set(about.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    pythons = {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)}
    assert pythons <= set(about.get_all("Classifier", []))


def test_the_source_archive_has_what_pins_and_tells(dist: Path) -> None:
    with tarfile.open(dist / SOURCES) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "SECURITY.md", "constraints.txt"} <= names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", ".venv", "data"))]


def test_what_checks_wheels_finds_nothing(dist: Path) -> None:
    """As ``make wheel`` does."""
    recipe = re.search(r"^wheel: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    assert [words.split()[0] for words in recipe[1].replace("$(BIN)/", "").splitlines()] == [
        "rm", "python", "twine", "check-wheel-contents",
    ]  # fmt: skip
    programs = Path(sys.executable).parent
    said = ran(programs / "twine", "check", "--strict", dist / WHEEL, dist / SOURCES, folder=dist)
    assert said.count("PASSED") == 2
    assert ran(programs / "check-wheel-contents", dist / WHEEL, folder=dist).endswith(".whl: OK\n")


def test_the_version_is_that_of_the_installed_package() -> None:
    from importlib.metadata import version

    said = ran(Path(sys.executable).with_name("rac-ray"), "--version", folder=ROOT)
    assert said == f"rac-ray {rac_ray.__version__}\n"
    assert rac_ray.__version__ == version("rac-ray")


SMALL = (
    "--preset", "demo", "--models", "timesformer1", "--hidden-units", "2", "--seeds", "42", "--max-epochs", "1",
    "--probe-seconds", "0",
)  # fmt: skip
"""One small trial of the demo."""


@pytest.mark.slow
def test_an_empty_environment_runs_a_sweep_from_the_wheel(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a newcomer does it, in a folder far from the clone: install, plan, run, results."""
    for name in ("PYTHONPATH", "PYTHONHOME", "RAY_ADDRESS", "RAC_RAY_STORAGE", "RAC_RAY_COMMIT"):
        monkeypatch.delenv(name, raising=False)
    ran(sys.executable, "-m", "venv", tmp_path / "venv", folder=tmp_path)
    python, command = tmp_path / "venv/bin/python", tmp_path / "venv/bin/rac-ray"
    install = (python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt")
    ran(*install, "torch>=2.11,<2.14", folder=tmp_path)
    ran(*install, dist / WHEEL, folder=tmp_path)
    ran(python, "-m", "pip", "check", folder=tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    program = "import json, sys, rac_ray; print(json.dumps([rac_ray.__file__, *sys.path[1:]]))"
    module, *places = json.loads(ran(python, "-c", program, folder=here))
    assert Path(module).is_relative_to(tmp_path / "venv")
    assert [place for place in places if Path(place).is_relative_to(ROOT)] == []
    assert ran(command, "--version", folder=here) == f"rac-ray {VERSION}\n"
    planned = ran(command, "ts", "plan", "--preset", "demo", "--probe-seconds", "0", folder=here)
    assert "12 trials planned = 0 done + 0 failed + 0 running + 12 pending" in planned
    assert list(here.iterdir()) == []
    assert "1 trials planned = 1 done" in ran(command, "ts", "run", *SMALL, folder=here)
    (record,) = [json.loads(path.read_text()) for path in here.glob("results/ts_grid/trials/*/record.json")]
    assert (record["versions"]["rac-ray"], record["commit"]) == (VERSION, "unknown")
    shown = ran(command, "ts", "results", *SMALL[:-2], "--report", "--verdict", folder=here)
    assert "1 trials planned = 1 done" in shown
    assert (here / "results/ts_grid/demo/report.html").stat().st_size > 1_000_000
    lacking = subprocess.run(
        [command, "diving48", "run", "--preset", "demo"], cwd=here, capture_output=True, text=True, check=False
    )
    sentence = "error: av is not installed; valid: after pip install 'rac-ray[diving48]'\n"
    assert (lacking.returncode, lacking.stderr[-len(sentence) :]) == (2, sentence)

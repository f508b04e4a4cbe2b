"""What ``make wheel`` builds: its contents, and (slow) a sweep from it in an environment that has nothing else."""

import json
import re
import shlex
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
from tests.docs.pages import blocks

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


GUIDE = ROOT / "docs/install.md"
SMALL = (
    "--models", "timesformer1", "--hidden-units", "2", "--seeds", "42", "--max-epochs", "1", "--probe-seconds", "0",
)  # fmt: skip
"""Options that make one small trial of the demo."""


@pytest.mark.slow
def test_an_empty_environment_runs_the_guide_from_the_wheel(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer's path, in a folder far from the clone: ``docs/install.md`` with the demo cut to one trial, then the
    model of ``docs/extending.md`` beside one of ours, then the notebook on what all of them left."""
    for name in ("PYTHONPATH", "PYTHONHOME", "RAY_ADDRESS", "RAC_RAY_STORAGE", "RAC_RAY_COMMIT"):
        monkeypatch.delenv(name, raising=False)
    for path in (dist / WHEEL, ROOT / "constraints.txt"):
        shutil.copy(path, tmp_path)
    installed, studied, extra = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert f" {WHEEL}\n" in installed

    def said(*lines: str, code: int = 0) -> str:
        script = "\n".join(["set -e", ". rac-ray-env/bin/activate", *lines])
        return ran("sh", "-c", script, folder=tmp_path, code=code)

    shown = ran("sh", "-c", f"set -e\n{installed}", folder=tmp_path)
    assert shown.endswith(f"rac-ray {VERSION}\n")
    assert "No broken requirements found" in said("pip check")
    program = "import json, sys, rac_ray; print(json.dumps([rac_ray.__file__, *sys.path[1:]]))"
    module, *places = json.loads(said(f"python -c {shlex.quote(program)}"))
    assert Path(module).is_relative_to(tmp_path)
    assert [place for place in places if Path(place).is_relative_to(ROOT)] == []
    plan, run, results = studied.splitlines()
    assert "12 trials planned = 0 done + 0 failed + 0 running + 12 pending" in said(f"{plan} --probe-seconds 0")
    assert not (tmp_path / "results").exists()
    assert "1 trial planned = 1 done" in said(shlex.join([*shlex.split(run), *SMALL]))
    (record,) = [json.loads(path.read_text()) for path in tmp_path.glob("results/ts_grid/trials/*/record.json")]
    assert (record["versions"]["rac-ray"], record["commit"]) == (VERSION, "unknown")
    assert "1 trial planned = 1 done" in said(shlex.join([*shlex.split(results), *SMALL[:-2]]))
    (report,) = tmp_path.glob("results/ts_grid/demo/only-hidden_units-2-models-timesformer1-seeds-*/report.html")
    assert report.stat().st_size > 1_000_000
    needed = said("rac-ray diving48 run --preset demo 2>&1", code=2)
    assert needed.endswith("error: av is not installed; valid: after pip install 'rac-ray[diving48]'\n")
    said(extra)
    said("python -c 'import av, pycocotools'")
    model, *_ = blocks("docs/extending.md", "python")
    (tmp_path / "my_model.py").write_text(model)
    (command,) = [line for block in blocks("docs/extending.md", "sh") for line in block.splitlines()]
    small = shlex.join(["--hidden-units", "2", "--seeds", "42", "--max-epochs", "1", "--probe-seconds", "0"])
    assert "2 trials planned = 2 done" in said(f"{command} {small}")
    shutil.copy(ROOT / "examples/analysis.ipynb", tmp_path)
    said("pip install --quiet --constraint constraints.txt ipykernel nbclient")
    said("jupyter execute analysis.ipynb --output=executed.ipynb")
    assert "image/png" in (tmp_path / "executed.ipynb").read_text()


def test_the_guide_names_the_extras_and_the_version() -> None:
    text = GUIDE.read_text()
    (rows,) = re.findall(r"\| extra \| .*\n\|---\|---\|\n((?:\|.*\n)+)", text)
    named = {name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named <= set(PROJECT["optional-dependencies"])
    assert {"videos", "masks", "diving48", "segmentation", "aws", "gcp"} <= named
    assert set(re.findall(r"rac_ray-[\d.]+-py3-none-any\.whl", text)) == {WHEEL}

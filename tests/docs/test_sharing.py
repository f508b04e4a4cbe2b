"""docs/sharing.md: every command and every snippet is run, and what it promises is there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from rac_ray.identity import Recipe
from rac_ray.results.analysis import Analysis
from rac_ray.results.model_card import model_card
from rac_ray.results.tables import load
from rac_ray.studies.study import Study
from tests.results.conftest import trials_of
from tests.results.shared import finished

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/sharing.md").read_text()
TRIAL = "8d54fc745519"
"""The trial that the page names, of the demo."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the page's commands find: a sweep, a shard, the notebook; all commands were run in turn."""
    folder = tmp_path_factory.mktemp("project")
    finished(folder / "results/ts_grid", trials_of(Recipe(precision="32")))
    (folder / "data/ts_grid-demo/mnist").mkdir(parents=True)
    (folder / "data/ts_grid-demo/mnist/test-00000-of-00001.parquet").write_bytes(b"clips")
    (folder / "examples").mkdir()
    shutil.copy(ROOT / "examples/analysis.ipynb", folder / "examples")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython")}
    for block in blocks("sh"):
        done = subprocess.run(
            ["sh", "-e", "-c", block], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, block + done.stdout + done.stderr
    return folder


def test_the_export_is_what_the_page_draws(project: Path) -> None:
    (drawn,) = re.findall(r"^    export/\n((?:      .*\n)+)", PAGE, re.MULTILINE)
    names = {line.split()[0].rstrip("/") for line in drawn.splitlines()}
    there = {path.name for path in (project / "export").rglob("*")}
    trials = {path.parent.name for path in (project / "export").rglob("config.json")}
    assert names - {TRIAL} == there - trials - {"mnist", "test-00000-of-00001.parquet"}
    assert len(trials) == 8
    assert {path.name for path in (project / "cards").rglob("*") if path.is_file()} == {"README.md"}


def test_the_copied_clips_are_where_the_card_says(project: Path) -> None:
    front = yaml.safe_load((project / "export/data/README.md").read_text().split("---\n")[1])
    patterns = [each["path"] for config in front["configs"] for each in config["data_files"]]
    found = [
        str(path.relative_to(project / "export/data"))
        for each in patterns
        for path in (project / "export/data").glob(each)
    ]
    assert found == ["mnist/test-00000-of-00001.parquet"]


def test_a_model_is_loaded_as_the_page_does(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading, _ = blocks("python")
    assert TRIAL in loading
    monkeypatch.chdir(project)
    names: dict[str, object] = {}
    exec(loading.replace(TRIAL, trials_of(Recipe(precision="32"))[0].trial_id), names)
    assert type(names["model"]).__name__ == "CNN3D"


def test_the_facts_of_the_pages_study_are_on_its_card(project: Path) -> None:
    names: dict[str, Study] = {}
    exec(blocks("python")[1], names)
    card = model_card(Analysis(load(project / "results/ts_grid"), names["STUDY"]), "birds", []).decode()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "cc-by-4.0"
    assert "# Models of Birds at dawn\n" in card
    assert "Models learn to name ten birds by day, and are asked about clips from dawn." in card


def test_the_capsule_was_packed_and_the_notebook_stored(project: Path) -> None:
    assert (project / "sweep.tar.zst").stat().st_size > 10_000
    notebook = nbformat.read(project / "examples/analysis.ipynb", as_version=4)
    states = next(cell for cell in notebook.cells if cell.source.endswith("value_counts().to_frame()"))
    assert re.search(r"^done +8$", states.outputs[0].data["text/plain"], re.MULTILINE)


def test_the_files_that_it_names_are_there() -> None:
    named = re.findall(r"`((?:examples|rac_ray)/[^`]+)`", PAGE)
    assert {"examples/analysis.ipynb", "rac_ray/results/study_facts.py"} <= set(named)
    assert all((ROOT / name).is_file() for name in named)

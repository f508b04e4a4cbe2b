"""The notebook: as it is stored, and run from first cell to last on a small finished sweep with real weights."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

from rac_ray import load, load_model
from rac_ray.identity import Recipe
from rac_ray.results.analysis import Analysis
from rac_ray.studies import study_of
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.studies.temporal_shape.results import shape_names
from tests.results.conftest import trials_of
from tests.results.shared import finished

NOTEBOOK = Path(__file__).parents[2] / "examples/analysis.ipynb"
LARGEST = 400_000
"""Bytes of the notebook with its outputs."""


def run(folder: Path, environment: pytest.MonkeyPatch) -> NotebookNode:
    """The notebook, run by a fresh kernel on loopback whose working folder this is."""
    environment.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    environment.setenv("IPYTHONDIR", str(folder / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    return client.execute()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``results/ts_grid`` in a folder of its own: 2 models x 2 h x 2 seeds."""
    folder = tmp_path_factory.mktemp("project")
    finished(folder / "results/ts_grid", trials_of(Recipe(precision="32")))
    return folder


@pytest.fixture(scope="module")
def ran(sweep: Path) -> NotebookNode:
    with pytest.MonkeyPatch.context() as environment:
        return run(sweep, environment)


def outputs(notebook: NotebookNode) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(notebook: NotebookNode) -> str:
    return "".join(output.text for output in outputs(notebook) if output.output_type == "stream")


def pictures(notebook: NotebookNode, kind: str) -> list[Image.Image]:
    found = [output.data[kind] for output in outputs(notebook) if kind in output.get("data", {})]
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in found]


def test_it_runs_without_an_error_or_a_warning(ran: NotebookNode) -> None:
    assert {output.output_type for output in outputs(ran)} == {"execute_result", "stream"}
    assert {output.name for output in outputs(ran) if output.output_type == "stream"} == {"stdout"}
    assert "Warning" not in printed(ran)


def test_it_shows_the_states_and_the_ratios_of_the_records(ran: NotebookNode, sweep: Path) -> None:
    tables = load(sweep / "results/ts_grid")
    states, trials, ratios = [output.data["text/plain"] for output in outputs(ran) if "data" in output][:3]
    assert re.search(r"^done +8$", states, re.MULTILINE)
    assert all(trial_id in trials for trial_id in tables.trials["trial_id"])
    targets = tables.evaluations.query("role == 'target'")
    means: Any = targets.groupby(["target", "model"])["robustness_ratio"].mean()
    for target in ("5dot", "mnist"):
        assert re.search(rf"{target} +{means[target, 'cnn3d']:.2f} +{means[target, 'convlstm']:.2f}", ratios)


def test_figure_4_is_a_picture_and_the_pair_plays(ran: NotebookNode) -> None:
    (figure,), (pair,) = pictures(ran, "image/png"), pictures(ran, "image/gif")
    assert figure.size[0] > 1000
    assert len(np.unique(np.asarray(figure.convert("L")))) > 100
    assert (getattr(pair, "n_frames", 1), pair.size) == (20, (2 * 3 * 64, 3 * 64))
    frames = [make_clip(TemporalShapeSpec(), domain, "paired", 3).frames for domain in ("2dot", "mnist_bg")]
    for number in (0, 19):
        pair.seek(number)
        shown = np.asarray(pair.convert("L"), int)[::3, ::3]
        drawn = np.concatenate([each[number] for each in frames], axis=1)
        assert np.abs(shown - drawn).max() <= 256 // 32, "as drawn, in fewer grey levels"


def test_the_pair_has_one_path_and_its_class_is_named(ran: NotebookNode) -> None:
    label = make_clip(TemporalShapeSpec(), "2dot", "paired", 3).label
    assert f"shape of both clips: {shape_names(5)[label]}; same path: True\n" in printed(ran)


def test_a_verdict_has_its_words(ran: NotebookNode, sweep: Path) -> None:
    tables = load(sweep / "results/ts_grid")
    verdicts = Analysis(tables, study_of(tables)).verdicts
    tested = [verdict for verdict in verdicts if verdict.outcome != "not run"]
    first = tested[0]
    said = " ".join(printed(ran).split())
    assert f'{first.outcome} {first.claim.claim_id}: "{first.claim.quote}" (' in said
    assert f"{len(tested)} of {len(verdicts)} claims could be tested with these trials\n" in printed(ran)


def test_a_model_says_what_it_says(ran: NotebookNode, sweep: Path) -> None:
    """Its probabilities of both clips, from the weights themselves."""
    trials = load(sweep / "results/ts_grid").trials
    best = trials.sort_values("best_val_top1").iloc[-1]
    model = load_model(best["trial_id"], sweep / "results/ts_grid")
    frames = [make_clip(TemporalShapeSpec(), domain, "paired", 3).frames for domain in ("2dot", "mnist_bg")]
    with torch.no_grad():
        clips = torch.tensor(np.stack(frames)).unsqueeze(2).float() / 255
        expected = 100 * model(clips).double().softmax(1).numpy()
    shown = outputs(ran)[-1].data["text/plain"].splitlines()
    assert shown[0].split() == shape_names(5)
    for line, domain, row in zip(shown[1:], ("2dot", "mnist_bg"), expected, strict=True):
        assert line.split()[0] == domain
        assert [float(cell) for cell in line.split()[1:]] == pytest.approx(row.tolist(), abs=0.0501)
    assert f"{best['model']} h={best['hidden_units']} seed=42; right would be: " in printed(ran)


def test_without_results_it_says_which_command_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CellExecutionError) as stopped:
        run(tmp_path, monkeypatch)
    assert "There are no results yet. Make them first, in the folder of the project: make demo" in str(stopped.value)


def test_it_is_stored_with_the_outputs_of_the_demo() -> None:
    """Whole, in order, without an error, and small."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    assert NOTEBOOK.stat().st_size < LARGEST
    assert {output.output_type for output in outputs(notebook)} == {"execute_result", "stream"}
    assert {output.name for output in outputs(notebook) if output.output_type == "stream"} == {"stdout"}
    assert re.search(r"^done +12$", outputs(notebook)[0].data["text/plain"], re.MULTILINE), "as many as the demo has"
    assert len(pictures(notebook, "image/png")) == len(pictures(notebook, "image/gif")) == 1
    assert str(NOTEBOOK.parents[1]) not in NOTEBOOK.read_text()


def test_ruff_finds_nothing_in_it_and_would(tmp_path: Path) -> None:
    ruff, where = Path(sys.executable).with_name("ruff"), NOTEBOOK.parents[1]
    spoiled = tmp_path / "spoiled.ipynb"
    spoiled.write_text(NOTEBOOK.read_text().replace("from pathlib import Path", "from pathlib import Path, PurePath"))
    for verb in (["check"], ["format", "--check"]):
        subprocess.run([ruff, *verb, NOTEBOOK], cwd=where, capture_output=True, check=True)
    settings = ["--config", str(where / "pyproject.toml")]
    found = subprocess.run([ruff, "check", *settings, spoiled], capture_output=True, text=True, check=False)
    assert (found.returncode, "F401" in found.stdout) == (1, True)


def test_its_words_are_as_short_as_its_cells() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert max(len(cell.source.splitlines()) for cell in notebook.cells) <= 12
    assert all(cell.source.strip() for cell in notebook.cells)

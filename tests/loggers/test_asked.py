"""``--log`` of the command line and of Python: on records, on bad input, and as docs/loggers.md says it."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import rac_ray
from rac_ray.cli import sweep_main
from rac_ray.cli.command import main
from rac_ray.loggers import LOGGERS, Library
from rac_ray.loggers.asked import Logging, logged
from rac_ray.loggers.protocol import Sweep
from rac_ray.results.analysis import Analysis
from rac_ray.results.tables import load
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.studies.study import Study
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.asked import Where
from rac_ray.sweep.outcomes import Results, Wanted
from tests.loggers import diary
from tests.loggers.targets import tensorboard_points
from tests.results.conftest import sweep_folder, trials
from tests.sweep.tiny_sweep import GRID, study_of

__all__ = ["sweep_folder", "trials"]

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/loggers.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", DOC, re.DOTALL) for line in block.splitlines()]
STUDY = study_of(GRID)


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run ``rac-ray``, or the verbs of a study, in ``tmp_path``; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, study: Study | None = None) -> tuple[object, str, str]:
        command = partial(sweep_main, study) if study else main
        with pytest.raises(SystemExit) as stopped:
            command(arguments)
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


@pytest.fixture
def shown(sweep_folder: Path, tmp_path: Path) -> Results:
    """Results of records, with a figure and a report."""
    (tmp_path / "shown/figures").mkdir(parents=True)
    Figure(figsize=(1, 1), dpi=50).savefig(tmp_path / "shown/figures/figure4.png")
    (tmp_path / "shown/report.html").write_text("<p>")
    analysis = Analysis(load(sweep_folder), TemporalShape())
    counts = {"planned": 8, "done": 6, "unreached": 0, "failed": 1, "running": 0, "pending": 1}
    return Results(analysis, str(tmp_path / "shown"), counts, {}, ["all of it"])


def test_records_go_to_tensorboard_once(shown: Results, sweep_folder: Path, tmp_path: Path) -> None:
    ledger, found = Ledger(Storage.at(sweep_folder)), []
    for _ in range(2):
        told = logged(Logging(["tensorboard"]), Sweep("ts_grid"), ledger, Wanted(), lambda _: shown)
        assert (told.plain["logged"], told.unlogged) == ({"tensorboard": ""}, False)
        assert told.text == ["all of it", f"logged to tensorboard ({tmp_path}/tensorboard)"]
        found.append(tensorboard_points(tmp_path / "tensorboard/ts_grid"))
    assert found[0] == found[1]
    trained = [tags for tags in found[0].values() if "curves/val_top1" in tags]
    assert len(trained) == 6
    assert len(found[0]) == 8  # one that failed, and the sweep's; none that has not run
    for tags in trained:
        assert [step for step, _ in tags["curves/val_top1"]] == [0, 1, 2, 3, 4]
        assert [value for _, value in tags["curves/val_top1"]] == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9])
    assert (tmp_path / "tensorboard/ts_grid/sweep/report.html").exists()


def test_a_logger_that_fails_ends_with_exit_code_1_and_says_why(
    shown: Results, sweep_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOGGERS, "raises", diary.Raises)
    ledger = Ledger(Storage.at(sweep_folder))
    all_done = replace(shown, counts={**shown.counts, "failed": 0, "pending": 0})
    told = logged(Logging([f"raises={tmp_path}/x"]), Sweep("ts_grid"), ledger, Wanted(), lambda _: all_done)
    assert (all_done.code, told.code) == (0, 1)
    assert told.text[1].startswith(
        f"raises ({tmp_path}/x): logging stopped: RuntimeError: no room for cnn3d h=2 2dot seed=0"
    )
    assert logged(Logging(), Sweep("ts_grid"), ledger, Wanted(), lambda _: shown) is shown


@pytest.mark.parametrize("verb", [(), ("run",), ("retry", "--failed"), ("results",)], ids=" ".join)
def test_a_logger_that_there_is_not_is_bad_input_before_any_compute(
    verb: tuple[str, ...], said, tmp_path: Path
) -> None:
    code, _, err = said(*verb, "--log", "tensorboard,comet", study=STUDY)
    assert (code, err) == (2, "error: unknown logger 'comet'; valid: tensorboard, mlflow, wandb\n")
    assert list(tmp_path.iterdir()) == []


def test_results_are_watched_or_logged(said, sweep_folder: Path) -> None:
    sentence = "error: --watch and --log: valid: one of them; `run --log` logs trials while they run\n"
    assert said("results", str(sweep_folder), "--log", "tensorboard", "--watch", "1")[::2] == (2, sentence)
    assert said("results", "--log", "tensorboard", "--watch", "1", study=STUDY)[::2] == (2, sentence)


def test_python_takes_names_and_says_what_is_none(tmp_path: Path) -> None:
    assert rac_ray.Logging is Logging
    with pytest.raises(rac_ray.BadInput, match="unknown logger 'comet'"):
        rac_ray.run(STUDY, where=Where(str(tmp_path / "results")), logs=rac_ray.Logging(["comet"]))
    assert list(tmp_path.iterdir()) == []


def test_each_library_is_an_extra_that_the_documentation_names() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = [name for name, logger in LOGGERS.items() if isinstance(logger, Library)]
    assert names == ["tensorboard", "mlflow", "wandb"]
    for name in names:
        assert name in extras
        assert f"`{name}`" in re.findall(r"is an \[extra\]\(install\.md#extras\) of its own: (.*?)\.", DOC)[0]
        assert f"`{name}`" in (ROOT / "docs/install.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("python ")])
def test_a_run_of_the_documentation_gets_as_far_as_its_grid(line: str, tmp_path: Path) -> None:
    """With one more option that is wrong, so that nothing is trained."""
    _, script, *arguments = shlex.split(line)
    command = [sys.executable, str(ROOT / script), *arguments, "--source", "nowhere"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("logging to ")
    assert (done.returncode, done.stderr[:30]) == (2, "error: unknown source domain '")


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.startswith("python ")])
def test_the_other_commands_of_the_documentation_log_records(line: str, sweep_folder: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = shlex.split(line)
    while "=" in words[0]:
        name, _, environment[name] = words.pop(0).partition("=")
    assert words[0] == "rac-ray"
    (tmp_path / "results").mkdir()
    sweep_folder.rename(tmp_path / "results/ts_grid")
    command = [sys.executable, "-m", "rac_ray.cli.command", *words[1:]]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr  # a trial failed
    assert f"\nlogged to {words[-1].partition('=')[0]}" in done.stdout
    assert list(tmp_path.glob("wandb/*-run-*")) or (tmp_path / "results/tensorboard").exists()


@pytest.mark.slow
def test_the_logger_of_the_documentation_writes_each_epoch_once(sweep_folder: Path, tmp_path: Path) -> None:
    (text,) = [block for block in re.findall(r"```python\n(.*?)```", DOC, re.DOTALL) if "@register" in block]
    script = tmp_path / "mine.py"
    script.write_text(text + f"\nfrom rac_ray.cli.command import main\nmain(['results', {str(sweep_folder)!r}, "
                      f"'--log', 'lines={tmp_path}/out.txt'])\n")  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert f"\nlogged to lines ({tmp_path}/out.txt)" in done.stdout, done.stderr
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert len(set(lines)) == len(lines) == 6 * 5 + 1
    assert lines[0] == "cnn3d h=2 2dot seed=0 0 0.5"
    assert lines[-1].startswith("7 trials are over: figures/")

"""Runs on a real MLflow server with a SQLite store, read back by its REST interface."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from rac_ray.loggers.mlflow import MLflow, plain
from rac_ray.loggers.protocol import Run, Sweep
from tests.loggers.targets import mlflow_server

SWEEP = Sweep("ts_grid", "demo")
RUN = Run("0123456789ab", "cnn3d h=2 2dot seed=0", "running", {"model": "cnn3d", "recipe.learning_rate": 0.5})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


def epoch(number: int) -> dict[str, float]:
    return {"epoch": number, "val_top1": number / 3, "train_loss": 2.0}


def asked(server: str, method: str, **values: Any) -> Any:
    """An answer of the server's REST interface; values are posted where there are any."""
    body = json.dumps(values).encode() if values else None
    request = Request(f"{server}/api/2.0/mlflow/{method}", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def runs_of(server: str, experiment: str) -> dict[str, Any]:
    """All runs of an experiment by name; two of one name fail."""
    found = asked(server, f"experiments/get-by-name?experiment_name={experiment}")["experiment"]
    runs = asked(server, "runs/search", experiment_ids=[found["experiment_id"]], max_results=100)["runs"]
    names = [run["info"]["run_name"] for run in runs]
    assert len(names) == len(set(names))
    return dict(zip(names, runs, strict=True))


def points(server: str, run: Any, metric: str) -> list[tuple[int, float]]:
    """All points that the server has of a metric, doubles included."""
    found = asked(server, f"metrics/get-history?run_id={run['info']['run_id']}&metric_key={metric}")["metrics"]
    return sorted((int(each.get("step", 0)), each["value"]) for each in found)


def tags_of(run: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def test_a_training_is_a_run_below_that_of_its_preset(server: str) -> None:
    sweep = Sweep("below", "demo")
    logger = MLflow(server, sweep)
    for number in range(3):
        logger.write(replace(RUN, epochs=[epoch(number)]))
    runs = runs_of(server, "below")
    assert set(runs) == {"below demo", RUN.name}
    assert runs[RUN.name]["info"]["status"] == "RUNNING"
    logger.write(
        replace(RUN, state="done", finals={"final/top1/s1 codec=no/test": 0.375}, notes={"reason": ""}, ended=1700.5)
    )
    run = runs_of(server, "below")[RUN.name]
    assert (run["info"]["status"], run["info"]["end_time"]) == ("FINISHED", 1700500)
    params = {each["key"]: each["value"] for each in run["data"]["params"]}
    assert params == {"model": "cnn3d", "recipe.learning_rate": "0.5"}
    assert points(server, run, "val_top1") == [(0, 0.0), (1, 1 / 3), (2, 2 / 3)]
    assert points(server, run, "final/top1/s1%20codec_no/test") == [(0, 0.375)]
    tags = tags_of(run)
    assert tags["mlflow.parentRunId"] == runs["below demo"]["info"]["run_id"]
    assert (tags["rac_ray.preset"], tags["rac_ray.state"]) == ("demo", "done")


def test_what_is_told_again_is_not_written_again_by_anyone(server: str) -> None:
    sweep = Sweep("again", "demo")
    logger = MLflow(server, sweep)
    logger.write(replace(RUN, epochs=[epoch(0), epoch(1)]))
    logger.write(replace(RUN, epochs=[epoch(1), epoch(2)]))
    done = replace(RUN, state="done", epochs=[epoch(n) for n in range(4)], finals={"final/epochs": 4.0})
    for preset in ("demo", "demo", "full"):
        MLflow(server, Sweep("again", preset)).write(done)
        runs = runs_of(server, "again")
        assert points(server, runs[RUN.name], "val_top1") == [(n, n / 3) for n in range(4)]
        assert points(server, runs[RUN.name], "final/epochs") == [(0, 4.0)]
    assert set(runs) == {RUN.name, "again demo", "again full"}


def test_a_failure_and_a_trial_that_waits_are_told(server: str) -> None:
    logger = MLflow(server, Sweep("failed", "demo"))
    logger.write(replace(RUN, state="pending", notes={"reason": "attempt 1 was interrupted"}))
    assert runs_of(server, "failed")[RUN.name]["info"]["status"] == "SCHEDULED"
    logger.write(RUN)
    assert runs_of(server, "failed")[RUN.name]["info"]["status"] == "RUNNING"
    logger.write(replace(RUN, state="failed", notes={"reason": "code: broken"}))
    run = runs_of(server, "failed")[RUN.name]
    assert run["info"]["status"] == "FAILED"
    assert tags_of(run)["rac_ray.reason"] == "code: broken"


def test_many_epochs_go_in_batches_that_the_server_takes(server: str) -> None:
    rows = [{"epoch": n, **{f"curve {c}": float(n) for c in range(7)}} for n in range(400)]
    logger = MLflow(server, Sweep("many", "demo"))
    logger.write(replace(RUN, state="done", epochs=rows))
    MLflow(server, Sweep("many", "demo")).write(replace(RUN, state="done", epochs=rows))
    run = runs_of(server, "many")[RUN.name]
    assert points(server, run, "curve%206") == [(n, float(n)) for n in range(400)]


def test_figures_and_report_are_artefacts_of_the_preset(server: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "report.html").write_text("<p>")
    logger = MLflow(server, Sweep("files", "demo"))
    for _ in range(2):
        logger.attach(5, {"figures/a.png": tmp_path / "a.png", "report.html": tmp_path / "report.html"})
    (run,) = runs_of(server, "files").values()
    top, below = (
        asked(server, f"artifacts/list?run_id={run['info']['run_id']}{path}")["files"] for path in ("", "&path=figures")
    )
    assert sorted(each["path"] for each in top) == ["figures", "report.html"]
    assert [(each["path"], each["file_size"]) for each in below] == [("figures/a.png", 7)]
    assert tags_of(run)["rac_ray.trials_over"] == "5"


def test_names_have_characters_that_mlflow_takes() -> None:
    assert plain("final/top1/s1 codec=no,x/test") == "final/top1/s1 codec_no_x/test"

"""What docs/architecture.md promises of the house: floors, no study named by the engine, the cost of a change."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rac_ray"
FLOORS = {
    "counted": 0, "errors": 0, "identity": 0, "store": 0, "data": 1, "models": 2, "training": 2, "segmentation": 2,
    "results": 3, "sweep": 3, "studies": 4, "doctor": 4, "loggers": 4, "api": 5, "cli": 5,
}  # fmt: skip
"""By module or folder of the package."""
NAMES = re.compile(r"temporal_shape|diving48|TemporalShape|Diving48|Temporal Shape|\bdives\b", re.IGNORECASE)


def modules() -> Iterator[tuple[str, Path]]:
    """Room and path of each module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def imported_at_once(path: Path) -> Iterator[str]:
    """Modules of the package that a module imports when it is imported, not in functions or for types only."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rac_ray."):
            yield (node.module or "").removeprefix("rac_ray.")


def test_every_room_has_a_floor() -> None:
    assert {room for room, _ in modules()} - {"__init__"} == set(FLOORS)


@pytest.mark.parametrize(("room", "path"), [pytest.param(r, p, id=str(p.relative_to(PACKAGE))) for r, p in modules()])
def test_no_import_runs_upwards(room: str, path: Path) -> None:
    if room == "__init__":
        return
    upwards = [name for name in imported_at_once(path) if FLOORS[name.partition(".")[0]] > FLOORS[room]]
    assert upwards == []


@pytest.mark.parametrize("room", ["data", "sweep", "training", "results"])
def test_the_engine_names_no_study(room: str) -> None:
    named = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if NAMES.search(line)
    ]
    assert named == []


@pytest.mark.parametrize("module", ["derive.py", "exits.py", "sweep.py", "values.py"])
def test_the_verbs_name_no_study(module: str) -> None:
    assert NAMES.search((PACKAGE / "cli" / module).read_text()) is None


COMPUTING = {"torch", "ray", "lightning", "pytorch_lightning", "numba", "sympy", "torchmetrics", "triton", "sklearn"}
SHOWING = {"pandas", "scipy", "matplotlib", "plotly", "skimage", "tensorboard", "mlflow", "wandb"}
GRID, DIVES = "sweeps/ts_grid.py", "sweeps/diving48.py"
RAC_RAY = ("-m", "rac_ray.cli.command")


def loaded_by(*arguments: str) -> set[str]:
    """Top-level modules that a command of ours imports before it ends."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)
    assert {"encodings", "rac_ray"} <= set(names)
    return {name.partition(".")[0] for name in names}


def test_results_load_neither_ray_nor_torch() -> None:
    code = (
        "import rac_ray, rac_ray.cli\n"
        "from rac_ray.studies import study_named\n"
        "study_named('ts_grid'), study_named('diving48')\n"
        "from rac_ray.results import load\n"
    )
    assert loaded_by("-c", code) & COMPUTING == set()


@pytest.mark.parametrize(
    "arguments",
    [
        (GRID, "--help"),
        (GRID, "run", "--help"),
        (DIVES, "--help"),
        (*RAC_RAY, "--help"),
        (*RAC_RAY, "ts", "run", "--help"),
        (*RAC_RAY, "diving48", "--help"),
        (*RAC_RAY, "diving48", "segment", "--help"),
    ],
    ids=" ".join,
)
def test_help_loads_nothing_that_computes_or_draws(arguments: tuple[str, ...]) -> None:
    assert loaded_by(*arguments) & (COMPUTING | SHOWING) == set()


def test_the_doctor_loads_nothing_that_computes_or_draws(tmp_path: Path) -> None:
    where = ("--storage", str(tmp_path), "--data", str(tmp_path))
    assert loaded_by("-m", "rac_ray.cli.command", "doctor", *where) & (COMPUTING | SHOWING) == set()


def test_a_plan_that_probes_nothing_loads_torch_alone_to_count_weights(tmp_path: Path) -> None:
    where = ("--storage", str(tmp_path / "results"), "--data", str(tmp_path / "data"))
    loaded = loaded_by(GRID, "plan", "--preset", "demo", "--probe-seconds", "0", *where)
    assert loaded & (COMPUTING | SHOWING) == {"torch"}


def test_a_driver_that_plans_to_run_loads_no_training() -> None:
    assert loaded_by("-c", "import rac_ray.sweep.runner") & (COMPUTING | SHOWING) == {"torch"}


def test_a_study_is_one_line_of_the_registry() -> None:
    """It has its command, and records of its name are its own."""
    from rac_ray.studies import BUILT_IN, study_named

    text = (PACKAGE / "studies/__init__.py").read_text()
    assert all(len(re.findall(rf'^    "{word}": Home\(', text, re.MULTILINE)) == 1 for word in BUILT_IN)
    for home in BUILT_IN.values():
        assert {study_named(name).name for name in home.recorded} == {home.recorded[0]}


def test_a_model_is_one_line_of_the_registry() -> None:
    from rac_ray.models import MODELS

    text = (PACKAGE / "models/__init__.py").read_text()
    assert all(text.count(f'"{name}"') == 1 for name in MODELS)
    elsewhere = [path for room, path in modules() if room in ("sweep", "training", "data", "cli")]
    assert not [path for path in elsewhere for name in MODELS if f'"{name}"' in path.read_text()]


def test_a_domain_is_one_row_and_only_evaluates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from rac_ray.studies.temporal_shape import domains as temporal_shape
    from rac_ray.studies.temporal_shape.domains import DIRECTIONS, DOMAINS
    from rac_ray.studies.temporal_shape.grid import Grid
    from tests.sweep.tiny_sweep import plan_of

    grid = Grid(models=("cnn3d",), hidden_units=(2,), seeds=(0,), sources=("2dot",))
    before = plan_of(grid, tmp_path / "results", tmp_path / "data")
    monkeypatch.setitem(DOMAINS, "9dot", replace(DOMAINS["5dot"], dot_width=9))
    direction = DIRECTIONS["2dot"]
    monkeypatch.setitem(DIRECTIONS, "2dot", replace(direction, targets=(*direction.targets, "9dot")))
    after = plan_of(grid, tmp_path / "results", tmp_path / "data")
    assert temporal_shape.DOMAINS is DOMAINS
    assert after.tasks[0].training_id == before.tasks[0].training_id
    assert set(after.tasks[0].evaluations) - set(before.tasks[0].evaluations) == {after.tasks[0].evaluations[-1]}
    assert after.tasks[0].evaluations[-1].part == "9dot/test"

"""What a search chooses for each model: ``python -m benchmarks.search`` (about half an hour on two cores).

The real search of a sweep, through Ray Tune, on clips of ``2dot``; prints a row per model and size, and each candidate.
``--trials`` is the number of recipes for each, ``--models`` leaves some out.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.run import machine
from rac_ray.identity import Recipe
from rac_ray.results.candidates import candidate_rows
from rac_ray.results.formats import markdown
from rac_ray.studies.temporal_shape.grid import MODELS, Grid
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.halving import candidates_of
from rac_ray.sweep.planner import make_plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from rac_ray.sweep.search import SearchBook

GIVEN = Recipe(learning_rate=0.005, batch_size=16, max_epochs=6, patience=6, warm_up=0.5, clip_norm=1.0)
"""SGD as the first demo had it, for as long as two cores can bear."""
SPACE = ["optimiser=sgd|adamw", "learning_rate=log(3e-4,3e-2)", "batch_size=8|16|32"]
GRID = Grid(
    hidden_units=(4, 8),
    seeds=(42,),
    sources=("2dot",),
    train_clips=2000,
    val_clips=320,
    test_clips=16,
    recipes=dict.fromkeys(MODELS, GIVEN),
)


def searched(folder: Path, trials: int, grid: Grid = GRID) -> pd.DataFrame:
    """Run the searches of a grid; returns a row per candidate."""
    study = TemporalShape("search", {"all": grid}, "all")
    asked = {"tune": SPACE, "tune_trials": trials}
    plan = make_plan(study, "all", str(folder / "results"), str(folder / "data"), asked, precision="32")
    if (candidates := candidates_of(plan)) is not None:
        stopped = run_plan(candidates, Resources(), lambda line: print(line, file=sys.stderr, flush=True))
        if stopped:
            raise SystemExit(stopped)
    return candidate_rows(SearchBook(plan.sweep).all(), [search.search_id for search in plan.searches])


def chosen(candidates: pd.DataFrame) -> pd.DataFrame:
    """A row per model and size: what was chosen, and what the recipe as given came to."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in candidates.to_dict("records"):
        found.setdefault((str(row["model"]), int(row["hidden_units"])), []).append({str(k): v for k, v in row.items()})
    rows = []
    for (model, hidden_units), group in found.items():
        (best,) = [each for each in group if each["chosen"]]
        rows.append(
            {
                "model": model,
                "h": hidden_units,
                "chosen": best["recipe"],
                "val top-1": f"{100 * best['best_val_top1']:.1f}",
                "as given": f"{100 * group[0]['best_val_top1']:.1f}",
                "ran to their end": f"{sum(each['state'] == 'done' for each in group)} of {len(group)}",
                "epochs of all": sum(each["epochs"] for each in group),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Search in a folder of its own, or go on in one that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    grid = replace(GRID, models=tuple(arguments.models.split(",")))
    with tempfile.TemporaryDirectory() as scratch:
        started = time.monotonic()
        candidates = searched(arguments.folder or Path(scratch), arguments.trials, grid)
        took = (time.monotonic() - started) / 60
    caption = f"{machine()}: {arguments.trials} candidates each, {', '.join(SPACE)}; {took:.0f} minutes"
    print(markdown(chosen(candidates), caption))
    print(markdown(candidates.drop(columns=["trial_id", "search_id", "source", "size"]), "All candidates"))


if __name__ == "__main__":
    main()

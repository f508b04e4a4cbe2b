"""A search of seconds, in a process of its own: ``python -m tests.sweep.tiny_search FOLDER``, on a Ray of two CPUs."""

import sys
from dataclasses import replace
from pathlib import Path

from rac_ray import api
from rac_ray.cli.exits import run_command
from rac_ray.identity import Recipe
from rac_ray.sweep.asked import Where, Which
from rac_ray.sweep.outcomes import Results
from rac_ray.sweep.resources import Resources
from tests.sweep.tiny_sweep import GRID, study_of

SLOW = Recipe(learning_rate=0.01, batch_size=8, max_epochs=9, patience=9)
SEARCHED = replace(
    GRID,
    models=("timesformer1", "cnn3d"),
    seeds=(0,),
    train_clips=40,
    val_clips=80,
    recipes={"timesformer1": SLOW, "cnn3d": SLOW},
)
TUNE = ["learning_rate=log(1e-5,1e-1)", "optimiser=sgd|adamw"]
TRIALS = 5


def search(folder: Path, **asked: object) -> Results:
    """Search the recipes of two tiny models, then train by them."""
    return api.run(
        study_of(SEARCHED),
        where=Where(str(folder / "results"), str(folder / "data")),
        which=Which(precision="32"),
        resources=Resources(num_cpus=2, pause=0.1),
        **{"tune": TUNE, "tune_trials": TRIALS, **asked},
    )


if __name__ == "__main__":
    run_command(lambda: search(Path(sys.argv[1])).code)

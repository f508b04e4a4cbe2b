"""A sweep of seconds that adds seeds, in a process of its own: ``python -m tests.sweep.tiny_deciding FOLDER``."""

import sys
from dataclasses import replace
from pathlib import Path

from rac_ray import api
from rac_ray.cli.exits import run_command
from rac_ray.identity import Recipe
from rac_ray.results.claims import Claim, Term, every
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.asked import Where, Which
from rac_ray.sweep.decisions import Deciding
from rac_ray.sweep.outcomes import Results
from rac_ray.sweep.resources import Resources
from tests.sweep.tiny_sweep import GRID

QUICK = Recipe(learning_rate=0.001, batch_size=8, max_epochs=1)
DECIDED = replace(GRID, models=("timesformer1", "cnn3d"), recipes={"timesformer1": QUICK, "cnn3d": QUICK})


def top1(model: str) -> Term:
    """On the source's test clips, of which these models know nothing yet."""
    return Term(model, "2dot", "2dot", "test", against=None)


BOUND = Claim("bound", "no model is right more often than always", "nowhere", every([1.5], [top1("cnn3d")]))
"""Decided by any few seeds."""
RIVALS = Claim("rivals", "the first is better", "nowhere", every([top1("timesformer1")], [top1("cnn3d")]))
"""Hardly ever decided."""
ELSEWHERE = Claim("elsewhere", "a model of another plan", "nowhere", every([top1("convlstm")], [top1("cnn3d")]))


class Claiming(TemporalShape):
    """Temporal Shape with three claims."""

    claims = (RIVALS, BOUND, ELSEWHERE)


STUDY = Claiming("tiny", {"all": DECIDED}, "all")
DECIDING = Deciding(until_decided=True, budget_trials=4, most_seeds=8)


def places(folder: Path) -> Where:
    """Results and data below a folder."""
    return Where(str(folder / "results"), str(folder / "data"))


def decide(folder: Path, deciding: Deciding = DECIDING, **more: object) -> Results:
    """Run three seeds of two models, then more where a claim needs them."""
    return api.run(
        STUDY,
        where=places(folder),
        which=Which(precision="32"),
        resources=Resources(num_cpus=2, pause=0.1),
        deciding=deciding,
        **more,  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    run_command(lambda: decide(Path(sys.argv[1])).code)

"""Headings of a sweep's options in a help, and the options that its short form shows."""

from dataclasses import replace
from typing import Any

from rac_ray.cli.derive import Flag
from rac_ray.studies.study import Study
from rac_ray.sweep.asked import Where, Which
from rac_ray.sweep.axes import RECIPE_OPTIONS
from rac_ray.sweep.decisions import Deciding
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.outcomes import Wanted
from rac_ray.sweep.resources import Pricing, Resources
from rac_ray.sweep.space import SEARCH_OPTIONS
from rac_ray.training.watchdog import StallLimits

GRID = "Grid"
HEADINGS: dict[Any, str] = {
    Which: GRID,
    Where: "Places",
    Resources: "Machine",
    Budgets: "When a trial fails",
    StallLimits: "When a trial fails",
    Pricing: "Forecast",
    Deciding: "Until decided",
    Wanted: "Results",
}
"""By the class of which an option is a field."""
BY_NAME = {
    **{option.name: "Recipe" for option in RECIPE_OPTIONS},
    **{option.name: "Search for a recipe" for option in SEARCH_OPTIONS},
    "back_off": "When a trial fails",
    "report": "Results",
}
"""By the option's name; all other options of a study are the grid's."""
RARE_HEADINGS = frozenset({"Recipe", "Search for a recipe", "When a trial fails", "Until decided", "Forecast"})
"""Only ``--help-all`` shows options below these, a study's variants, and these options:"""
RARE = frozenset({
    "precision", "fewest_workers", "cpus_per_trial", "trials_per_gpu", "stack", "cuda_graphs", "keep_shards",
    "take_over", "digits", "factors", "feed", "workers", "dashboard",
    "failed", "without_weights", "capsule_weights", "log",
})  # fmt: skip


def under_heading(flag: Flag, study: Study, shown: tuple[str, ...] = ()) -> Flag:
    """The option of a verb with its heading; ``shown`` are names that are no rare ones for this verb."""
    own = GRID if flag.name in {option.name for option in study.all_options} else ""
    heading = BY_NAME.get(flag.name) or HEADINGS.get(flag.origin) or own
    rare = heading in RARE_HEADINGS or flag.name in RARE or flag.name in study.every_variant
    return replace(flag, heading=heading, rare=rare and flag.name not in shown)

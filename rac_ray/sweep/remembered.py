"""What a preset's last run was asked for, and what makes a plan a view of other trials than the preset's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rac_ray.store.storage import Storage
from rac_ray.sweep.axes import RECIPE_OPTIONS
from rac_ray.sweep.space import SEARCH_OPTIONS
from rac_ray.sweep.variants import variations

if TYPE_CHECKING:
    from rac_ray.studies.study import Study
    from rac_ray.sweep.planner import Plan

OPTIONS = "options.json"
"""File in a preset's folder: what ``auto`` meant when it was last run, and where the study's files were."""


def last_options(study: "Study", preset: str, storage: str) -> dict[str, Any]:
    """What the study's options were when a preset was last run on a storage, and ``precision``."""
    return Storage.at(storage).below(study.name, preset).read_as(OPTIONS, dict[str, Any]) or {}


def options_file(study: "Study", preset: str, storage: str) -> str:
    """Path or URI of the file that these are in."""
    return Storage.at(storage).address(study.name, preset, OPTIONS)


def remember_options(plan: "Plan", asked: Mapping[str, Any]) -> None:
    """Keep options for verbs that run nothing, also on machines without the GPUs or the files of the run.

    What narrows the grid is not remembered: those verbs show the whole preset. What changes recipes, and which variants
    there are, is.
    """
    plan.folder.write_json(OPTIONS, {**_remembered(plan.study, asked), "precision": _precision(plan)})


def apart(plan: "Plan") -> list[str]:
    """The options by which a plan has other trials than its preset, as in ``["seeds=42|61"]``: what changes the grid,
    and what the preset's last run did not have."""
    last = plan.folder.read_as(OPTIONS, dict[str, Any]) or {}
    kept = _remembered(plan.study, plan.asked)
    narrowing = {name: value for name, value in plan.asked.items() if value is not None and name not in kept}
    whole = variations(plan.study, plan.study.presets[plan.preset], kept) if narrowing else []
    same = {each.key: each.grid for each in whole} == plan.grids
    told = {**kept, "precision": _precision(plan)} if last else {}
    others = {name: value for name, value in told.items() if _words(value) != _words(last.get(name))}
    return sorted(f"{name}={_words(value)}" for name, value in {**({} if same else narrowing), **others}.items())


def _remembered(study: "Study", asked: Mapping[str, Any]) -> dict[str, Any]:
    axes = {option.name for option in (*RECIPE_OPTIONS, *SEARCH_OPTIONS)} | set(study.every_variant)
    given = {name: value for name, value in asked.items() if value is not None}
    return {name: value for name, value in given.items() if name in axes or not isinstance(value, list | tuple)}


def _words(value: Any) -> str:
    return "|".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _precision(plan: "Plan") -> str:
    return plan.tasks[0].training.recipe.precision

"""A study's variants as axes of its grids: a plan has one grid for each combination of the asked values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from rac_ray.errors import BadInput, one_of
from rac_ray.identity import VARIED, key_of
from rac_ray.store.storage import Storage
from rac_ray.sweep.feeds import FEED, variant_of
from rac_ray.sweep.options import require_some

if TYPE_CHECKING:
    from rac_ray.studies.study import Study
    from rac_ray.training.task import Task


@dataclass(frozen=True)
class Variation:
    """One grid of a plan."""

    grid: Any
    values: Mapping[str, str]
    """Of all of the study's variants, by name."""
    varied: str
    """The values on axes of which several are asked for, as people tell trials apart: ``spec=paper``."""

    @property
    def key(self) -> str:
        """That of its trainings."""
        return key_of(self.values)


@dataclass(frozen=True)
class Part:
    """A grid of a plan with its tasks, and the folder of its data."""

    grid: Any
    data: Storage
    tasks: "tuple[Task, ...]"


def variations(study: "Study", grid: Any, asked: Mapping[str, Any]) -> list[Variation]:
    """A preset's grid with the given options in place of its own, once for each combination of the variants' values.

    Raises BadInput for values that are none, and for an axis without values.
    """
    asked = {name: value for name, value in asked.items() if name != FEED} | _feed(study, asked)
    given = {**asked, **_values(study, asked)}
    axes = {name: given[name] for name in study.variants if given.get(name) is not None}
    several = [name for name, values in axes.items() if len(values) > 1]
    defaults = {name: values[0] for name, values in study.every_variant.items()}
    found = []
    for combination in product(*axes.values()):
        chosen = dict(zip(axes, combination, strict=True))
        narrowed = study.narrowed(grid, {**given, **chosen})
        values = {**defaults, **study.values(narrowed), **chosen}
        found.append(Variation(narrowed, values, " ".join(f"{name}={chosen[name]}" for name in several)))
    return found


def _feed(study: "Study", asked: Mapping[str, Any]) -> dict[str, list[str]]:
    """What is asked of how clips are fed, as far as it makes other trainings."""
    if asked.get(FEED) is None:
        return {}
    values = variant_of(study, asked[FEED])
    return {FEED: values} if values else {}


def _values(study: "Study", asked: Mapping[str, Any]) -> dict[str, list[str]]:
    """The values that are asked of each variant, each of them once."""
    found: dict[str, list[str]] = {}
    for name, valid in study.every_variant.items():
        values = asked.get(name)
        if values is None:
            continue
        if not isinstance(values, list | tuple):
            raise BadInput(f"{name} is {values!r}; valid: a list of {', '.join(valid)}")
        require_some(name, values)
        for value in values:
            if value not in valid:
                raise one_of(name, value, valid)
        found[name] = list(dict.fromkeys(values))
    return found


def of_variation(study: "Study", task: "Task", variation: Variation) -> "Task":
    """A task that says of which grid it is, and which of its values are not the study's own."""
    unusual = {
        name: variation.values[name] for name, valid in study.variants.items() if variation.values[name] != valid[0]
    }
    varied = {VARIED: variation.varied} if variation.varied else {}
    about = {**task.training.about, **unusual, **varied}
    return task.with_training(replace(task.training, variants=variation.values, about=about))


def parts_of(study: "Study", grids: Mapping[str, Any], data: Storage, tasks: "tuple[Task, ...]") -> list[Part]:
    """The grids, by the key of their trainings, that have any of the tasks."""
    mine = {key: tuple(task for task in tasks if task.training.grid_key == key) for key in grids}
    return [Part(grids[key], study.folder(grids[key], data), found) for key, found in mine.items() if found]


def in_common(tasks: "Sequence[Task]") -> dict[str, str]:
    """What all tasks say of themselves: values of variants that are not the study's own."""
    said = [task.training.about for task in tasks]
    return {
        name: value
        for name, value in said[0].items()
        if name != VARIED and all(each.get(name) == value for each in said)
    }

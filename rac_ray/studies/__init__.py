"""Studies by name. Importing this loads neither Ray nor torch."""

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from rac_ray.errors import BadInput
from rac_ray.results.columns import STUDY
from rac_ray.studies.other import OtherStudy
from rac_ray.studies.study import Study

if TYPE_CHECKING:
    from rac_ray.results.tables import Tables

BUILT_IN = {
    "ts_grid": ("rac_ray.studies.temporal_shape.study", "TemporalShape"),
    "temporal_shape": ("rac_ray.studies.temporal_shape.study", "TemporalShape"),
    "diving48": ("rac_ray.studies.diving48.study", "Diving48"),
}
"""Module and class by the name that records have: the study's, or that of its records of schema 1."""


def study_named(name: str) -> Study:
    """The study that records of this name are of: one of this package, or one of which only the name is known."""
    if name not in BUILT_IN:
        return OtherStudy(name)
    module, cls = BUILT_IN[name]
    return getattr(import_module(module), cls)()


@lru_cache
def own_values(name: str) -> dict[str, str]:
    """The study's own values of its variants, which records of older versions do not tell; none of an unknown study."""
    return {variant: values[0] for variant, values in study_named(name).every_variant.items()}


def study_of(tables: "Tables") -> Study:
    """The study that all of a sweep's records are of. Raises BadInput where they are of several."""
    studies = {study.name: study for study in map(study_named, sorted(set(tables.trials[STUDY].dropna())))}
    if len(studies) > 1:
        raise BadInput(f"records of several studies in one folder: {', '.join(studies)}; valid: of one")
    return next(iter(studies.values()), OtherStudy(""))

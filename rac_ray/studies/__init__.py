"""Studies by name: those of this package, and those of other packages that are installed. Loads none of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from rac_ray.errors import BadInput
from rac_ray.results.columns import STUDY
from rac_ray.studies.other import OtherStudy
from rac_ray.studies.study import Study

if TYPE_CHECKING:
    from rac_ray.results.tables import Tables

GROUP = "rac_ray.studies"
"""Entry points of other packages: a study's name, and where it is, as in ``my_study = "my_package.study:STUDY"``."""


@dataclass(frozen=True)
class Home:
    """Where a study is defined; it is loaded when it is asked for."""

    place: str
    """Module and name of the study, or of a function or class that makes it: ``my_package.study:STUDY``."""
    help: str
    """What it is, in a line."""
    recorded: tuple[str, ...]
    """The name that its records have, and the names that older ones have."""

    def load(self) -> Study:
        """The study. Raises BadInput where it cannot be had, or has another name than its records."""
        module, _, name = self.place.partition(":")
        try:
            found: Study | Callable[[], Study] = getattr(import_module(module), name)
            study = found if isinstance(found, Study) else found()
        except Exception as error:  # whatever another package raises
            why = f"{type(error).__name__}: {error}"
            raise BadInput(f"study {self.recorded[0]!r} of {self.place} cannot be loaded: {why}") from error
        if not isinstance(study, Study):
            raise BadInput(
                f"{self.place} is {type(study).__name__}; valid: a study, or a function or class that makes one"
            )
        if study.name != self.recorded[0]:
            raise BadInput(f"{self.place} is {study.name!r}; valid: the name of its entry point, {self.recorded[0]!r}")
        return study


_SHAPE, _DIVES = "rac_ray.studies.temporal_shape.study:TemporalShape", "rac_ray.studies.diving48.study:Diving48"
BUILT_IN = {
    "ts": Home(_SHAPE, "Temporal Shape: generated clips in which only motion tells.", ("ts_grid", "temporal_shape")),
    "diving48": Home(_DIVES, "Diving48: shape or texture; also its videos and masks.", ("diving48",)),
}
"""By the word after ``rac-ray``."""


@lru_cache(maxsize=1)
def homes() -> dict[str, Home]:
    """All studies that are installed, by the word after ``rac-ray``; those of this package keep their words."""
    from importlib.metadata import entry_points  # it reads all that is installed, and help of a study need not wait

    others = {
        each.name: Home(each.value, f"A study of {each.dist.name if each.dist else 'another package'}.", (each.name,))
        for each in entry_points(group=GROUP)
    }
    return {**BUILT_IN, **{word: home for word, home in others.items() if word not in BUILT_IN}}


def study_named(name: str) -> Study:
    """The study that records of this name are of: one that is installed, or one of which only the name is known."""
    known = next((home for home in BUILT_IN.values() if name in home.recorded), None) or homes().get(name)
    return known.load() if known and name in known.recorded else OtherStudy(name)


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

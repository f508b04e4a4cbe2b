"""What may be asked of the domains: sources to train on, and factors that those sources and some models can have."""

from collections.abc import Sequence

from rac_ray.errors import BadInput, one_of
from rac_ray.studies.temporal_shape.domains import DIRECTIONS, LONG
from rac_ray.studies.temporal_shape.factors import FACTORS
from rac_ray.studies.temporal_shape.spec import TemporalShapeSpec

ALL = "all"
"""All factors that the sources can have."""


def check_sources(sources: Sequence[str]) -> None:
    """Raise BadInput for a source domain that is none."""
    for source in sources:
        if source not in DIRECTIONS:
            raise one_of("source domain", source, DIRECTIONS)


def factors_of(
    sources: Sequence[str], models: Sequence[str], asked: Sequence[str], spec: TemporalShapeSpec
) -> tuple[str, ...]:
    """The factors that are asked for; ``all`` stands for those that change something of one of the sources' clips.

    Raises BadInput for one that is none of those, and for clips of a length that none of the models takes.
    """
    check_sources(sources)
    known = [
        factor
        for factor in FACTORS
        if any(DIRECTIONS[source].with_factors([factor], spec).further for source in sources)
    ]
    for factor in asked:
        if factor not in (*known, ALL):
            raise one_of(f"factor of {' and '.join(sources)}", factor, (*known, ALL))
        if factor in LONG and not take_any_length(models):
            raise BadInput(
                f"factor {factor} has longer clips, which {' and '.join(models)} cannot take; valid: "
                f"{', '.join(each for each in known if each not in LONG)}, or a model of any length"
            )
    return tuple(known if ALL in asked else dict.fromkeys(asked))


def take_any_length(models: Sequence[str]) -> bool:
    """Whether one of some models, if not all, takes clips of another length than those that it was trained on.

    Raises BadInput for a model that does not exist.
    """
    from rac_ray.models import Builder

    return any(Builder(model, 1).any_length for model in models)

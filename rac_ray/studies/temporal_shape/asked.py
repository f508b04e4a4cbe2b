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

    Some may change nothing of clips by this spec, and something by another one. Raises BadInput where all of them do
    so, for one that changes nothing by any, and for clips of a length that none of the models takes.
    """
    check_sources(sources)
    known = _changing(sources)
    for factor in asked:
        if factor not in (*known, ALL):
            raise one_of(f"factor of {' and '.join(sources)}", factor, (*known, ALL))
        if factor in LONG and not take_any_length(models):
            raise BadInput(
                f"factor {factor} has longer clips, which {' and '.join(models)} cannot take; valid: "
                f"{', '.join(each for each in known if each not in LONG)}, or a model of any length"
            )
    here = _changing(sources, spec)
    if asked and not {ALL, *here} & set(asked):
        raise BadInput(
            f"{' and '.join(asked)} {'changes' if len(asked) == 1 else 'change'} nothing of the clips of "
            f"{' and '.join(sources)}, which have it already; valid: {', '.join(here)}, {ALL}"
        )
    return tuple(here if ALL in asked else dict.fromkeys(asked))


def _changing(sources: Sequence[str], spec: TemporalShapeSpec | None = None) -> list[str]:
    """The factors that change something of one of the sources, by one spec or by any."""
    return [name for name in FACTORS if any(DIRECTIONS[each].with_factors([name], spec).further for each in sources)]


def take_any_length(models: Sequence[str]) -> bool:
    """Whether one of some models, if not all, takes clips of another length than those that it was trained on.

    Raises BadInput for a model that does not exist.
    """
    from rac_ray.models import Builder

    return any(Builder(model, 1).any_length for model in models)

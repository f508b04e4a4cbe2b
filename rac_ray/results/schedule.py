"""When a sweep looks at its claims while it grows, and what p value a claim has after several looks. Pure.

A look is at a number of seeds that is fixed beforehand, and may spend a share of the level that is fixed, too: an
alpha-spending function says how much (Lan and DeMets 1983, "Discrete sequential boundaries for clinical trials"). The
shares of all looks add up to one, so that the smallest of p / share over any of the looks is a p value again, by
Bonferroni. That holds whatever made somebody look, go on or stop, and whichever claim was given seeds: nothing is asked
of how looks depend on each other.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rac_ray.counted import counted
from rac_ray.errors import BadInput, one_of

GROWTH = 1.5
"""Seeds of a look over those of the look before, about: the error of a mean falls by a fifth."""


def _pocock(share: float, _alpha: float) -> float:
    """About the same share for every look that adds as many seeds."""
    return math.log(1 + (math.e - 1) * share)


def _obrien_fleming(share: float, alpha: float) -> float:
    """Next to nothing at first, most at the end."""
    from scipy import stats

    return float(2 * stats.norm.sf(stats.norm.isf(alpha / 2) / math.sqrt(share))) / alpha


def _even(share: float, _alpha: float) -> float:
    """As seeds come."""
    return share


SPENDING: Mapping[str, Callable[[float, float], float]] = {
    "pocock": _pocock,
    "obrien-fleming": _obrien_fleming,
    "even": _even,
}
"""Share of the level that is spent once so much (0 to 1) of all seeds are there, by name."""


@dataclass(frozen=True)
class Schedule:
    """Looks at so many seeds each, and the share of the level that each may spend."""

    looks: tuple[int, ...]
    weights: tuple[float, ...]
    spending: str
    """Name of the alpha-spending function that the weights are of."""

    @classmethod
    def of(cls, first: int, most: int, spending: str, alpha: float) -> "Schedule":
        """Looks from the ``first`` number of seeds to the ``most``. Raises BadInput where there are no such looks."""
        if spending not in SPENDING:
            raise one_of("spending function", spending, SPENDING)
        if most < first:
            raise BadInput(f"--most-seeds is {most}; valid: {first} or more, the seeds of the plan")
        looks = looks_between(first, most)
        spent = [0.0, *(SPENDING[spending](seeds / most, alpha) for seeds in looks)]
        spent = [each / spent[-1] for each in spent]
        weights = tuple(after - before for before, after in pairwise(spent))
        return cls(looks, weights, spending)

    def after(self, look: int) -> int | None:
        """Seeds of the look after a look; None after the last."""
        return self.looks[look] if look < len(self.looks) else None

    @property
    def words(self) -> str:
        """``looks at 3, 5, 8 seeds, which may spend 20%, 30%, 50% of the level (pocock)``."""
        if len(self.looks) == 1:
            return f"one look at {counted(self.looks[0], 'seed')}"
        seeds, shares = ", ".join(map(str, self.looks)), ", ".join(f"{weight:.0%}" for weight in self.weights)
        return f"looks at {seeds} seeds, which may spend {shares} of the level ({self.spending})"


def sequential(looks: Iterable[tuple[float, float]]) -> float:
    """The p value over looks, of each look's p value and weight; 1 before the first."""
    return min((1.0, *(p / weight for p, weight in looks)))


def looks_between(first: int, most: int) -> tuple[int, ...]:
    """Each look has about half as many seeds again as the one before; a last step that would be short joins its
    neighbour."""
    looks = [first]
    while looks[-1] < most:
        seeds = math.ceil(GROWTH * looks[-1])
        looks.append(most if GROWTH * seeds > most else seeds)
    return tuple(looks)


def nearest(costs: Sequence[float | None]) -> list[int]:
    """Places of claims by what they are expected to lack, least first; those of which nobody knows (None) last, and
    ties in their order."""
    return sorted(range(len(costs)), key=lambda place: math.inf if costs[place] is None else float(costs[place] or 0))

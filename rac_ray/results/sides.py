"""What the trials on one side of a contrast said, and which trials both sides have. Numpy and pandas."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rac_ray.results.answers import Answers, Draws, Part
from rac_ray.results.claims import Term
from rac_ray.results.columns import EXPERIMENT, SIZE_NAME

VALIDATION, TEST = "source_val", "source_test"


@dataclass(frozen=True)
class Side:
    """Trials of one term; arrays are (1 + D, N), row 0 as observed, the others on resampled clips."""

    term: Term
    target: Draws
    """Top-1 on the target, or the mean over the targets."""
    below: Draws | None
    """What the paper divides it by; None: nothing."""
    source: Draws | None
    """The same on clips that chose no checkpoint, where there are such clips."""
    chooser: Draws | None
    """What else is known of the same accuracy: top-1 on other clips, those that chose the checkpoint."""
    learned: NDArray[np.bool_]
    """(N,)"""
    chance: float
    keys: pd.MultiIndex
    """(seed, stratum, size) of each trial: what trials of two models are paired by."""

    @property
    def value(self) -> Draws:
        """The paper's figure of each trial; NaN where what it divides by is 0."""
        if self.below is None:
            return self.target
        return self.target / np.where(self.below == 0, np.nan, self.below)

    @property
    def doublings(self) -> NDArray[np.float64]:
        """(N,) log2 of hidden units."""
        return np.log2(self.keys.get_level_values("stratum").to_numpy(float))

    def only(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> "Side":
        """The side with these trials, in this order."""
        chosen = {
            name: None if (values := getattr(self, name)) is None else values[:, places]
            for name in ("target", "below", "source", "chooser")
        }
        return replace(self, **chosen, learned=self.learned[places], keys=self.keys[places])

    def at(self, keys: pd.Index) -> "Side":
        """The side with the trials of these keys, in their order."""
        return self.only(self.keys.get_indexer(keys))


def side_of(answers: Answers, term: Term) -> Side | None:
    """The finished trials of a term that were asked all of it; None where there are none."""
    trials, strata = answers.trials, [EXPERIMENT, None] if term.experiments else ["hidden_units", SIZE_NAME]
    wanted = {"model": [term.model], "source": [term.source]}
    wanted |= {"hidden_units": list(term.sizes)} if term.sizes else {}
    wanted |= {EXPERIMENT: list(term.experiments)} if term.experiments else {}
    chosen = np.ones(len(trials), bool)
    for name, valid in wanted.items():
        chosen &= trials[name].isin(valid).to_numpy()
    places = np.flatnonzero(chosen)
    if not len(places):
        return None
    keys = [trials[name].iloc[places] if name else np.full(len(places), "") for name in ("seed", *strata)]
    targets = [answers.measure("top1", (target, term.split), places) for target in term.targets]
    side = Side(
        term,
        np.mean(np.broadcast_arrays(*targets), axis=0),
        *_denominators(answers, term, places),
        trials["learned"].to_numpy(bool)[places],
        answers.chance(term.source),
        pd.MultiIndex.from_arrays(keys, names=["seed", "stratum", "size"]),
    )
    asked = [each[0] for each in (side.target, side.below, side.source) if each is not None]
    asked = np.flatnonzero(~np.isnan(np.broadcast_arrays(*asked, side.target[0])).any(axis=0))
    return side.only(asked) if len(asked) else None


def _denominators(
    answers: Answers, term: Term, places: NDArray[np.int64]
) -> tuple[Draws | None, Draws | None, Draws | None]:
    """Top-1 on what the paper divides by, on clips that chose nothing, and on those that chose."""
    if term.against is None:
        return None, None, None
    by_role = {role: answers.parts(term.source, [role]) for role in (term.against, VALIDATION, TEST)}
    below: Part = next(iter(by_role[term.against]), (term.against, "test"))
    tested = next(iter(by_role[TEST]), below) if term.against == VALIDATION else below
    first, second = (answers.measure("top1", part, places) for part in (below, tested))
    return first, second, first


def shared_keys(*sides: Side | float) -> pd.Index:
    """(seed, stratum, size) of the trials that all sides have that are no constants."""
    first, *others = [side.keys for side in sides if isinstance(side, Side)]
    for other in others:
        first = first.intersection(other)
    return first

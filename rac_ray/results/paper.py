"""A study's claims on the numbers that its paper prints: which contrasts its own tables carry. Pure.

A contrast may come out differently by two ways to average. The paper's is each model's mean over all experiments that
the model is in. Ours is paired: the mean over the experiments that both sides have, here those printed of both.

``Drawn`` is what a paper only draws: which parts of ours are in its figures.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from rac_ray.results.claims import Claim, Contrast, Term

if TYPE_CHECKING:
    import pandas as pd

Carries = Literal["yes", "no", "both ways", "not printed"]
NOTHING = float("nan")


@dataclass(frozen=True)
class Printed:
    """What a study's paper prints."""

    figures: Mapping[Term, float] = field(default_factory=dict)
    """Of terms with one target. One of several experiments is the paper's own average over them."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """Where figures of these experiments stand, as in ``{"abc": "table 1"}``."""
    note: str = ""
    """What readers have to know of the numbers, in one sentence, or why there are none."""

    def figure(self, side: Term | float) -> float:
        """Of one side of a contrast, as the paper prints it; of several targets their mean. NaN: it prints none."""
        if not isinstance(side, Term):
            return side
        parts = [self.figures.get(replace(side, target=target), NOTHING) for target in side.targets]
        return math.fsum(parts) / len(parts)


@dataclass(frozen=True)
class Drawn:
    """What the paper's figures of a source show, in its order; what else there is stands apart in ours."""

    accuracy: Sequence[str] | None = None
    """Target domains beside the source's validation clips in its figure of accuracy; None: whatever there is."""
    ratios: Sequence[str] | None = None
    """Target domains in its figure of ratios against size; None: whatever there is."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Models that are not in the latter, with the reason."""
    called: Mapping[str, str] = field(default_factory=dict)
    """What our figures are in the paper, by the beginning of their files' names, as in ``{"figure4": "Figure 4"}``."""


class PaperEffect(NamedTuple):
    """Higher minus lower on printed numbers; NaN where they are not printed."""

    averages: float
    """Of the numbers as the paper prints them."""
    paired: float
    """Mean over the experiments that are printed of both sides."""
    pairs: str
    """Those experiments, a letter each."""
    where: str
    """The paper's table of ``averages``."""

    @property
    def carries(self) -> Carries:
        """Whether the numbers speak for the contrast; ``both ways``: it depends on how they are averaged."""
        found = {value > 0 for value in (self.averages, self.paired) if not math.isnan(value)}
        if not found:
            return "not printed"
        return "both ways" if len(found) == 2 else "yes" if found.pop() else "no"

    def __str__(self) -> str:
        if self.carries == "not printed":
            return "the paper prints no numbers of both sides"
        own = "" if math.isnan(self.averages) else f"the paper's own numbers: {self.averages:+.3f} ({self.where})"
        if len(self.pairs) < 2:
            return own
        turned = " (the other way round)" if self.carries == "both ways" else ""
        paired = f"by our pairing, over {_listed(self.pairs)}: {self.paired:+.3f}{turned}"
        return "; ".join(filter(None, (own, paired)))


def paper_effect(contrast: Contrast, printed: Printed) -> PaperEffect:
    """A contrast on the paper's numbers. Slopes have none, and neither has what the paper only draws."""
    sides = (contrast.higher, contrast.lower)
    terms = [side for side in sides if isinstance(side, Term)]
    if contrast.over == "slope" or not terms:
        return PaperEffect(NOTHING, NOTHING, "", "")
    averages = _difference([printed.figure(side) for side in sides])
    where = "" if math.isnan(averages) else printed.tables.get(terms[0].experiments, "")
    shared = [letter for letter in terms[0].experiments if all(letter in term.experiments for term in terms)]
    of_each = {letter: _difference([printed.figure(_within(side, letter)) for side in sides]) for letter in shared}
    found = {letter: value for letter, value in of_each.items() if not math.isnan(value)}
    paired = round(math.fsum(found.values()) / len(found), 9) if found else NOTHING
    return PaperEffect(averages, paired, "".join(found), where)


def paper_table(claims: Sequence[Claim], printed: Printed) -> "pd.DataFrame":
    """One row per contrast: ``paper`` by the paper's own averages, ``paper_paired`` by our pairing over the experiments
    ``pairs``, whether they carry the contrast, and the same ``in_words``."""
    import pandas as pd  # studies import this module, and help must not wait for it

    rows = []
    for claim in claims:
        for contrast in claim.contrasts:
            effect = paper_effect(contrast, printed)
            rows.append(
                {
                    "claim_id": claim.claim_id,
                    "contrast": str(contrast),
                    "paper": effect.averages,
                    "where": effect.where,
                    "paper_paired": effect.paired,
                    "pairs": effect.pairs,
                    "carries": effect.carries,
                    "in_words": str(effect),
                }
            )
    columns = ["claim_id", "contrast", "paper", "where", "paper_paired", "pairs", "carries", "in_words"]
    return pd.DataFrame(rows, columns=columns)


def _within(side: Term | float, experiment: str) -> Term | float:
    return replace(side, experiments=experiment) if isinstance(side, Term) else side


def _difference(figures: Sequence[float]) -> float:
    """Rounded, so that equal printed numbers differ by nothing."""
    higher, lower = figures
    return round(higher - lower, 9)


def _listed(letters: str) -> str:
    """``a to c`` of ``abc``; ``a, c``."""
    run = "".join(chr(ord(letters[0]) + number) for number in range(len(letters)))
    return f"{letters[0]} to {letters[-1]}" if letters == run else ", ".join(letters)

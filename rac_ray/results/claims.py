"""What is said of a study's results, as data: a claim is a quote and what has to be measured of it.

A claim has one or more contrasts, each of the form "this figure is higher than that one". It holds when all of its
contrasts do (``verdicts``). A study lists its claims.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

DECIDED = ("reproduced", "contradicted")
"""Rulings after which nobody has to look at a claim again."""


@dataclass(frozen=True)
class Term:
    """One figure of each trial of a model: top-1 on an evaluation set, or its ratio to another one's."""

    model: str
    source: str
    target: str | tuple[str, ...]
    """Evaluation domain; several: the mean over them."""
    split: str = "test"
    against: str | None = "source_val"
    """Role or target domain whose top-1 it is divided by; ``source_val`` makes it the robustness ratio. None: top-1."""
    sizes: tuple[int, ...] = ()
    """Hidden units that count; none named: all."""
    experiments: str = ""
    """The study's experiments that count, a letter each, as in ``abc``; each is a stratum, as hidden units are
    elsewhere."""

    @property
    def targets(self) -> tuple[str, ...]:
        """The evaluation domains whose mean it is."""
        return (self.target,) if isinstance(self.target, str) else self.target

    def __str__(self) -> str:
        what = {None: "top-1", "source_val": "rr."}.get(self.against, f"top-1 over {self.against}'s")
        where = f"{' and '.join(self.targets)}{' val' if self.split == 'val' else ''}"
        only = f" at h={','.join(map(str, self.sizes))}" if self.sizes else ""
        only += f" in {self.experiments}" if self.experiments else ""
        return f"{what} of {self.model} on {where}{only} (from {self.source})"


@dataclass(frozen=True)
class Contrast:
    """The first figure is higher than the second: on average, or in its slope per doubling of hidden units."""

    higher: Term | float
    lower: Term | float
    over: Literal["mean", "slope"] = "mean"

    def __str__(self) -> str:
        sign = "slope of " if self.over == "slope" else ""
        sides = (f"{sign}{side}" if isinstance(side, Term) else f"{side:g}" for side in (self.higher, self.lower))
        return " > ".join(sides)


@dataclass(frozen=True)
class Claim:
    """One statement, of a paper or of your own."""

    claim_id: str
    quote: str
    where: str
    """Section, figure or table, and how the statement is read where that is not obvious."""
    contrasts: tuple[Contrast, ...]


def every(highers: Iterable[Term | float], lowers: Iterable[Term | float]) -> tuple[Contrast, ...]:
    """Each of the first above each of the second."""
    seconds = list(lowers)
    return tuple(Contrast(higher, lower) for higher in highers for lower in seconds)


def in_turn(highers: Iterable[Term | float], lowers: Iterable[Term | float]) -> tuple[Contrast, ...]:
    """Each of the first above its counterpart in the second."""
    return tuple(Contrast(higher, lower) for higher, lower in zip(highers, lowers, strict=True))

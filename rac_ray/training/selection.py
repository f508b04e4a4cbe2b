"""Selection of the checkpoints that trials stand on: the best one, or those nearest to levels of accuracy.

With levels, models are compared where they are equally good (facts.md 3.5). The study kept every epoch's checkpoint and
states no rule for levels that no epoch meets exactly (facts.md 3.2). Here, of each level the epoch is kept whose
validation top-1 is nearest to it, the earlier one on ties; and one for each rung of a ladder, so that a level that
somebody asks for later finds a checkpoint within half a rung. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rac_ray.errors import BadInput

REACH = 0.01
"""A model that stays further below a level than this has not reached it, and is not compared there."""
RUNG = 2 * REACH
"""Distance between the rungs of the ladder: any level up to the best is within REACH of one."""
BEST_EPOCH = "highest source-validation top-1, first epoch on ties"
NEAREST_EPOCH = "source-validation top-1 nearest to the experiment's level, first epoch on ties"
"""The rules, as records have them."""


@dataclass(frozen=True)
class Selected:
    """The checkpoint that a rule came to."""

    level: float | None
    """Level that it is nearest to; None: it is the best one."""
    epoch: int
    val_top1: float
    reached: bool = True
    """Whether the best epoch is at least as good as the level, or less than REACH below it."""


@dataclass(frozen=True)
class Selection:
    """A rule that chooses among the epochs of a training."""

    levels: tuple[float, ...] = ()
    """Values of source-validation top-1 in (0, 1], one checkpoint each; none: the best checkpoint."""

    def __post_init__(self) -> None:
        outside = [level for level in self.levels if not 0 < level <= 1]
        if outside:
            raise BadInput(f"levels of validation top-1 are {[*self.levels]}; valid: above 0, at most 1")

    @property
    def rule(self) -> str:
        """The rule in words; a column of every table."""
        return NEAREST_EPOCH if self.levels else BEST_EPOCH

    @property
    def wanted(self) -> tuple[float | None, ...]:
        """One entry per checkpoint."""
        return self.levels or (None,)

    def keeper(self) -> "Keeper | None":
        """What keeps checkpoints while a training runs; None: the best weights are kept anyway."""
        if not self.levels:
            return None
        rungs = [round(number * RUNG, 6) for number in range(1, round(1 / RUNG) + 1)]
        return Keeper(sorted({*self.levels, *rungs}))

    def selected(self, epochs: Sequence[Mapping[str, Any]], kept: Mapping[int, float]) -> list[Selected]:
        """What the rule comes to, given the rows of all epochs and the validation top-1 of each kept checkpoint."""
        best = max(epochs, key=lambda row: row["val_top1"])
        if not self.levels:
            return [Selected(None, best["epoch"], best["val_top1"])]
        return self.among(self.levels, best["val_top1"], kept)

    @staticmethod
    def among(levels: Iterable[float], best: float, kept: Mapping[int, float]) -> list[Selected]:
        """The kept checkpoint that is nearest to each level, the earlier one on ties."""
        found = []
        for level in levels:
            epoch = min(kept, key=lambda epoch, level=level: (abs(kept[epoch] - level), epoch))
            found.append(Selected(level, epoch, kept[epoch], best >= level - REACH))
        return found


class Keeper:
    """Knows, epoch by epoch, the epochs that are nearest to some levels."""

    def __init__(self, wanted: Sequence[float]) -> None:
        self.wanted = tuple(wanted)
        self.kept: dict[float, tuple[int, float]] = {}
        """Epoch and top-1 by level."""

    def offer(self, epoch: int, top1: float) -> bool:
        """Take note of an epoch; whether its checkpoint is to be kept."""
        nearer = [level for level in self.wanted if level not in self.kept or self._off(level) > abs(top1 - level)]
        for level in nearer:
            self.kept[level] = (epoch, top1)
        return bool(nearer)

    def _off(self, level: float) -> float:
        return abs(self.kept[level][1] - level)

    @property
    def epochs(self) -> dict[int, float]:
        """Validation top-1 of the epochs whose checkpoints are needed."""
        return dict(self.kept.values())

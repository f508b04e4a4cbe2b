"""Robustness clip by clip: what happens to a trial's answer when only the looks of a clip change.

Needs evaluation sets of the role ``paired``: the same trajectories rendered in every domain. The first of a trial's
paired sets is in the domain that it trained on, the others are in its targets.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from rac_ray.results.answers import Answers
from rac_ray.results.statistics import Estimate, interval

ROLE = "paired"
FLIP_COLUMNS = [
    "source", "model", "from_domain", "to_domain", "mean", "low", "high", "lost", "gained", "kept", "one_trial",
    "trials", "seeds", "clips",
]  # fmt: skip


class Flips(NamedTuple):
    """Shares of clips by answer in the first and the second domain."""

    lost: float
    """Right, then wrong."""
    gained: float
    """Wrong, then right."""
    kept: float
    """Right in both."""


def flips(first: ArrayLike, second: ArrayLike) -> Flips:
    """Shares of flips, given which answers (N,) bool to the same clips are right in two domains."""
    one, other = np.asarray(first, bool), np.asarray(second, bool)
    return Flips(float((one & ~other).mean()), float((~one & other).mean()), float((one & other).mean()))


def mcnemar_interval(lost: float, gained: float, clips: int, *, level: float = 0.95) -> Estimate:
    """Interval of the change of top-1 (second minus first) of one trial, from paired clips.

    Only clips whose answer flips count: the variance is (lost + gained - (lost - gained)^2) / n, with half a clip
    added to each kind of flip (Agresti and Min 2005, which holds its level where Wald's interval does not).
    """
    b, c, n = lost * clips + 0.5, gained * clips + 0.5, clips + 2
    half = norm.ppf((1 + level) / 2) * np.sqrt(b + c - (b - c) ** 2 / n) / n
    middle = (c - b) / n
    return Estimate(gained - lost, float(middle - half), float(middle + half))


def flip_table(answers: Answers) -> pd.DataFrame:
    """The change of top-1 between paired clips per source, model and target, with the flips behind it.

    - ``mean low high``: top-1 on the target's clips minus top-1 on the same clips in the training domain, over trials,
      with an interval over seeds and clips; the clips are resampled in pairs.
    - ``lost gained kept``: mean shares of clips; ``one_trial``: mean half width of one trial's McNemar interval.
    """
    rows = []
    for source in answers.sources:
        parts = answers.parts(source, [ROLE])
        for model in answers.models(source) if parts else []:
            for part in parts[1:]:
                places = answers.asked(answers.places(source=source, model=model), parts[0], part)
                if not len(places):
                    continue
                changes = answers.top1[part][:, places] - answers.top1[parts[0]][:, places]
                right, clips = answers.right, len(answers.right[part])
                pairs = [flips(right[parts[0]][:, place], right[part][:, place]) for place in places]
                single = [mcnemar_interval(each.lost, each.gained, clips) for each in pairs]
                rows.append(
                    {
                        **{"source": source, "model": model, "from_domain": parts[0][0], "to_domain": part[0]},
                        **dict(
                            zip(
                                ("mean", "low", "high"),
                                interval(answers.per_seed(changes, places)).within(-1, 1),
                                strict=True,
                            )
                        ),
                        **{name: float(np.mean([getattr(each, name) for each in pairs])) for name in Flips._fields},
                        "one_trial": float(np.mean([(each.high - each.low) / 2 for each in single])),
                        "trials": len(places),
                        "seeds": int(answers.trials["seed"].iloc[places].nunique()),
                        "clips": clips,
                    }
                )
    return pd.DataFrame(rows, columns=FLIP_COLUMNS)

"""Every two models against each other: paired by seed and size, at matched size, at matched source accuracy."""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rac_ray.results.aggregates import probability_of_improvement
from rac_ray.results.answers import Answers, Draws, Part
from rac_ray.results.at_chance import guesses
from rac_ray.results.cells import unseen_share
from rac_ray.results.curves import matched_pairs
from rac_ray.results.statistics import (
    NOTHING,
    Estimate,
    Values,
    benjamini_hochberg,
    holm,
    interval,
    mean_p,
    sign_flip_p,
    statistic_interval,
)
from rac_ray.results.tables import Tables

Places = NDArray[np.int64]
"""Columns of an ``Answers``."""
SIZE_CALIPER = float(np.log10(1.5))
"""Two trials are of one size when neither has more than one and a half times the parameters of the other."""
COUNTS, NAN = ("pairs", "same_size_pairs", "same_accuracy_pairs"), float("nan")
ACCURACY_CALIPER = 0.02
"""Two trials are equally accurate when their best source-validation top-1 differs by at most this."""


def comparison_table(tables: Tables, answers: Answers) -> pd.DataFrame:
    """Every two models of a source, per target: differences (first minus second), paired by seed and hidden units.

    - ``estimate low high``: of the robustness ratio; ``p`` of the mean over seeds; ``holm`` and ``bh`` correct it
      over all comparisons of the source; ``sign_flip_p`` by exchanging the models within seeds.
    - ``pairs``: of trials whose ratio on the target both are known; nothing else counts in the figures.
    - ``improvement``: the chance that a trial of the first has the higher ratio, at the same hidden units, over seeds
      that have all sizes; where all pairs agree, the bound of as many independent pairs as there are.
    - ``same_size``: difference of the ratio among trials of matched parameters (``same_size_pairs`` of them).
    - ``same_accuracy``: difference of target top-1 among trials of matched source-validation top-1, which still
      differ by ``same_accuracy_gap`` on average.

    With a model at chance, of which fewer than half of the trials have learned, nothing is compared: such rows have
    no figures, and p values are not corrected for them.
    """
    rows = []
    for source in answers.sources:
        for first, second in combinations(answers.models(source), 2):
            one, other = (answers.places(source=source, model=model) for model in (first, second))
            compare = not any(_guesses(answers, places) for places in (one, other))
            for part in answers.parts(source, ["target"]):
                row = _comparison(tables, answers, one, other, part)
                row = row if compare else {name: row[name] if name in COUNTS else NAN for name in row}
                rows.append({"source": source, "first": first, "second": second, "target": part[0], **row})
    table = pd.DataFrame(rows)
    if len(table):
        by_source = table.groupby("source", sort=False)["p"]
        place = list(table.columns).index("p") + 1
        table.insert(place, "bh", by_source.transform(partial(_corrected, benjamini_hochberg)))
        table.insert(place, "holm", by_source.transform(partial(_corrected, holm)))
    return table


def seeds_compared(answers: Answers, table: pd.DataFrame) -> list[int]:
    """How many seeds both models of each row of a ``comparison_table`` have, of trials asked about its target."""
    counts = []
    seeds = answers.trials["seed"].to_numpy()
    for source, target, *models in table.reindex(columns=["source", "target", "first", "second"]).to_numpy().tolist():
        part = next(each for each in answers.parts(source, ["target"]) if each[0] == target)
        one, other = (answers.asked(answers.places(source=source, model=model), part) for model in models)
        counts.append(len(np.intersect1d(seeds[one], seeds[other])))
    return counts


def _corrected(method: Callable[[ArrayLike], Values], p_values: Any) -> Any:
    """p values corrected over those that there are."""
    known = p_values.dropna()
    return pd.Series(method(known), known.index).reindex(p_values.index)


def _guesses(answers: Answers, places: Places) -> bool:
    return guesses(answers.trials["learned"].to_numpy(bool)[places])


def _comparison(tables: Tables, answers: Answers, one: Places, other: Places, part: Part) -> dict[str, Any]:
    one, other = (answers.asked(places, part) for places in (one, other))
    difference, first, second = _difference(answers, "robustness_ratio", part, paired(answers, one, other))
    of_trials = tables.trials.set_index("trial_id").loc[answers.trials["trial_id"]]
    parameters, accuracy = of_trials["parameters"].to_numpy(float), of_trials["best_val_top1"].to_numpy(float)
    by_size = _matched(answers, one, other, np.log10(parameters), SIZE_CALIPER)
    by_accuracy = _matched(answers, one, other, accuracy, ACCURACY_CALIPER)
    per_seed = answers.per_seed(difference, first)
    return {
        **interval(per_seed).within(*_possible(answers, "robustness_ratio", first, second))._asdict(),
        "p": mean_p(per_seed) if per_seed.shape[1] > 1 else NAN,
        "sign_flip_p": sign_flip_p(per_seed[0]) if per_seed.shape[1] > 1 else NAN,
        **_improvement(answers, part, first, second),
        **_matched_difference(answers, "robustness_ratio", part, by_size, "same_size"),
        **_matched_difference(answers, "top1", part, by_accuracy, "same_accuracy"),
        "same_accuracy_gap": float(np.mean([*(accuracy[by_accuracy[0]] - accuracy[by_accuracy[1]])] or [np.nan])),
        "pairs": len(first),
    }


def _difference(
    answers: Answers, measure: str, part: Part, pairs: tuple[Places, Places]
) -> tuple[Draws, Places, Places]:
    """(1 + D, pairs) the first less the second of the pairs of which both are known, and these pairs."""
    first, second = pairs
    difference = answers.measure(measure, part, first) - answers.measure(measure, part, second)
    known = ~np.isnan(difference[0])
    return difference[:, known], first[known], second[known]


def _possible(answers: Answers, measure: str, first: Places, second: Places) -> tuple[float, float]:
    """The least and the most that a difference of means can be."""
    (least, most), (other_least, other_most) = (answers.possible(measure, places) for places in (first, second))
    return least - other_most, most - other_least


def _improvement(answers: Answers, part: Part, first: Places, second: Places) -> dict[str, float]:
    grids = [answers.grid(places) for places in (first, second)]
    if not grids[0].size:
        return dict.fromkeys(("improvement", "improvement_low", "improvement_high"), float("nan"))
    scores = [answers.measure("robustness_ratio", part, grid.ravel()).reshape(-1, *grid.shape) for grid in grids]
    spread = statistic_interval(np.concatenate(scores, axis=-1), probability_of_improvement)
    unseen = unseen_share(grids[0].size) if spread.low == spread.high else 0.0
    low, high = np.clip([spread.low - unseen, spread.high + unseen], 0, 1)
    return {"improvement": spread.estimate, "improvement_low": float(low), "improvement_high": float(high)}


def paired(answers: Answers, one: Places, other: Places) -> tuple[Places, Places]:
    """Columns of trials of both that share seed and hidden units (or seed and experiment), in the same order."""
    keys = ["seed", *answers.strata]
    frames = [answers.trials.loc[places, keys].assign(place=places) for places in (one, other)]
    both = frames[0].merge(frames[1], on=keys)
    return both["place_x"].to_numpy(np.int64), both["place_y"].to_numpy(np.int64)


def _matched(
    answers: Answers, one: Places, other: Places, values: NDArray[np.float64], caliper: float
) -> tuple[Places, Places]:
    """Columns of trials of both that share the seed and are close in ``values``."""
    seeds = answers.trials["seed"].to_numpy()
    firsts, seconds = [], []
    for seed in np.intersect1d(seeds[one], seeds[other]):
        mine, theirs = one[seeds[one] == seed], other[seeds[other] == seed]
        left, right = matched_pairs(values[mine], values[theirs], caliper)
        firsts.append(mine[left])
        seconds.append(theirs[right])
    empty = np.empty(0, np.int64)
    return np.concatenate([empty, *firsts]), np.concatenate([empty, *seconds])


def _matched_difference(
    answers: Answers, measure: str, part: Part, pairs: tuple[Places, Places], name: str
) -> dict[str, Any]:
    """Its interval, too; none where one seed of several has pairs: nothing is known of others then."""
    difference, first, second = _difference(answers, measure, part, pairs)
    per_seed = answers.per_seed(difference, first)
    lonely = per_seed.shape[1] == 1 < answers.trials["seed"].nunique()
    spread = interval(per_seed).within(*_possible(answers, measure, first, second))
    spread = Estimate(spread.estimate, *NOTHING[1:]) if lonely else spread
    return {name: spread.estimate, f"{name}_low": spread.low, f"{name}_high": spread.high, f"{name}_pairs": len(first)}

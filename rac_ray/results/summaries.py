"""The tables of every study: accuracy per domain, robustness per target and size. Long, one figure a row.

Every mean is over the trials that were asked about its evaluation set. It has its 95% interval over seeds and clips
(``statistics.interval``), and says how many trials, seeds and sizes it stands on and how many of its trials have never
learned.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rac_ray.results.aggregates import interquartile_mean
from rac_ray.results.answers import DENOMINATORS, Answers, Draws, Part, distinct
from rac_ray.results.at_chance import without_guesses
from rac_ray.results.cells import failure_variance, unseen_share
from rac_ray.results.columns import SIZE_NAME
from rac_ray.results.curves import common_range, effective_robustness, mean_between
from rac_ray.results.statistics import NOTHING, Estimate, interval, statistic_interval
from rac_ray.results.tables import Tables

FIGURE3_ROLES = ("source_val", "source_test", "target")
BY_SIZE = [SIZE_NAME, "hidden_units"]
BASIS = ["trials", "seeds", "sizes", "never_learned"]
SPREAD = ["mean", "low", "high"]


def accuracy_table(answers: Answers, *, by_size: bool = False) -> pd.DataFrame:
    """Mean top-1 over hidden units and seeds per source, model and evaluation set: the numbers of the paper's Figure 3.

    With ``by_size`` one row per size, too: the tables that the paper leaves to its supplement.
    Columns mean, low, high, iqm, iqm_low, iqm_high in [0, 1].
    """
    rows = []
    for group, of_group in _groups(answers, by_size):
        for part in answers.parts(group["source"], FIGURE3_ROLES):
            places = answers.asked(of_group, part)
            spread = mean_over(answers, "top1", part, places, by_size=by_size)
            middle = _middle(answers, "top1", part, places).within(0, 1)
            rows.append(
                {
                    **group,
                    **_part(answers, group["source"], part),
                    **_named(spread),
                    **dict(zip(("iqm", "iqm_low", "iqm_high"), middle, strict=True)),
                    **_basis(answers, places),
                }
            )
    size = BY_SIZE if by_size else []
    columns = ["source", "model", *size, "target", "split", "role", *SPREAD, "iqm", "iqm_low", "iqm_high", *BASIS]
    return pd.DataFrame(rows, columns=columns)


def ratio_table(answers: Answers) -> pd.DataFrame:
    """Robustness ratio per source, model, size and target: the numbers of the paper's Figure 4.

    Columns mean, low, high (over seeds and clips), ratio_to_source_test, and min and max over seeds. Sizes at chance,
    of which fewer than half of the trials have learned, have none.
    """
    rows = []
    for group, of_group in _groups(answers, by_size=True):
        for part in answers.parts(group["source"], ["target"]):
            places = answers.asked(of_group, part)
            least, _, most = _told(answers.measure("robustness_ratio", part, places)[0])
            tested = answers.measure("ratio_to_source_test", part, _tested(answers, places))[0]
            rows.append(
                {
                    **group,
                    "target": part[0],
                    **_named(mean_over(answers, "robustness_ratio", part, places, by_size=True)),
                    "ratio_to_source_test": _told(tested)[1],
                    "min": least,
                    "max": most,
                    **_basis(answers, places),
                }
            )
    columns = ["source", "model", *BY_SIZE, "target", *SPREAD, "ratio_to_source_test", "min", "max", *BASIS]
    return without_guesses(pd.DataFrame(rows, columns=columns), [*SPREAD, "ratio_to_source_test", "min", "max"])


def robustness_table(tables: Tables, answers: Answers) -> pd.DataFrame:
    """A mean with its interval per source, model, target and statistic (column ``statistic``).

    - ``ratio``: the paper's, over all trials; ``ratio_iqm``: its interquartile mean; ``ratio_to_source_test``: against
      clips that selected nothing.
    - ``chance_corrected_ratio``: of the trials that learned.
    - ``area``: mean ratio over the range of log parameters that all models of the source share.
    - ``effective``: target top-1 beyond what source-test top-1 predicts, on the line of the other models.

    ``seeds`` are those that a statistic stands on, which may be fewer than its trials have: an area takes seeds of
    which all of the range has run. Models at chance, of which fewer than half of the trials have learned, have none.
    """
    rows = []
    for group, of_group in _groups(answers, by_size=False):
        for part in answers.parts(group["source"], ["target"]):
            places = answers.asked(of_group, part)
            rows += [
                {**group, "target": part[0], "statistic": name, **_named(spread), **_basis(answers, of), "seeds": seeds}
                for name, (spread, of, seeds) in _statistics(tables, answers, part, places).items()
            ]
    table = pd.DataFrame(rows, columns=["source", "model", "target", "statistic", *SPREAD, *BASIS])
    return without_guesses(table, SPREAD)


def _statistics(
    tables: Tables, answers: Answers, part: Part, places: NDArray[np.int64]
) -> dict[str, tuple[Estimate, NDArray[np.int64], int]]:
    """Each statistic of trials that were asked about a target, the trials that it is of, and how many seeds it stands
    on; NOTHING of no trials."""
    possible, tested = answers.possible("robustness_ratio", places), _tested(answers, places)
    effective, areas = _effective(answers, part, tested), _areas(tables, answers, part, places)
    learned, whole = _learned(answers, places), answers.grid(places).ravel()
    ratio, tested_ratio = (
        mean_over(answers, "robustness_ratio", part, places), mean_over(answers, "ratio_to_source_test", part, tested),
    )  # fmt: skip
    all_, of_tested = _seeds(answers, places), _seeds(answers, tested)
    return {
        "ratio": (ratio, places, all_),
        "ratio_to_source_test": (tested_ratio, tested, of_tested),
        "chance_corrected_ratio": (
            mean_over(answers, "chance_corrected_ratio", part, learned), places, _seeds(answers, learned),
        ),
        "effective": (interval(answers.per_seed(effective, tested)).within(-1, 1), tested, of_tested),
        "ratio_iqm": (
            _middle(answers, "robustness_ratio", part, places).within(*possible), places, _seeds(answers, whole),
        ),
        "area": (interval(areas).within(*possible), places, areas.shape[1]),
    }  # fmt: skip


def _seeds(answers: Answers, places: NDArray[np.int64]) -> int:
    return len(set(answers.trials["seed"].to_numpy()[places]))


def _tested(answers: Answers, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the trials of one source that were asked about its test clips, too, where it has such clips."""
    source = answers.trials["source"].iloc[places[:1]].tolist()
    return answers.asked(places, *answers.parts(source[0], ["source_test"])) if source else places


def _effective(answers: Answers, part: Part, places: NDArray[np.int64]) -> Draws:
    if not len(places):
        return np.empty((1, 0))
    source, model = answers.trials.loc[places[0], ["source", "model"]]
    others = np.setdiff1d(answers.places(source=source), answers.places(source=source, model=model))
    reference = next(iter(answers.parts(source, ["source_test"])), None)
    if reference is None:
        return np.full_like(answers.top1[part][:, places], np.nan)
    others = answers.asked(others, reference, part)
    asked = answers.evaluations[answers.evaluations["source"] == source]
    clips = dict(zip(zip(asked["target"], asked["split"], strict=True), asked["clips"], strict=True))
    top1 = answers.top1
    return effective_robustness(
        top1[reference][:, places],
        top1[part][:, places],
        (top1[reference][0, others], top1[part][0, others]),
        (int(clips[reference]), int(clips[part])),
    )


def _areas(tables: Tables, answers: Answers, part: Part, places: NDArray[np.int64]) -> Draws:
    """(1 + D, S): each seed's mean ratio over the log parameters that all models of the source share."""
    if not len(places):
        return np.empty((1, 0))
    source = answers.trials["source"].iloc[places[0]]
    size = np.log10(tables.trials.set_index("trial_id").loc[answers.trials["trial_id"], "parameters"].to_numpy(float))
    shared = common_range([size[answers.places(source=source, model=model)] for model in answers.models(source)])
    ratios = answers.measure("robustness_ratio", part, places)
    seeds = answers.trials["seed"].to_numpy()[places]
    areas = []
    for seed in np.unique(seeds) if shared else []:
        mine = np.flatnonzero(seeds == seed)
        mine = mine[np.argsort(size[places[mine]])]
        at = size[places[mine]]
        if shared and len(mine) > 1 and at[0] <= shared[0] and at[-1] >= shared[1]:
            areas.append(mean_between(at, ratios[:, mine], *shared))
    return np.stack(areas, axis=1) if areas else np.empty((len(ratios), 0))


def _groups(answers: Answers, by_size: bool) -> Iterator[tuple[dict[str, Any], NDArray[np.int64]]]:
    """Each source and model, and each of its sizes if asked, with its trials' columns."""
    axes = ["source", "model", *(BY_SIZE if by_size else [])]
    for key in distinct(answers.trials, axes).to_dict("records"):
        group = {str(name): value for name, value in key.items()}
        yield group, answers.places(**group)


def _part(answers: Answers, source: str, part: Part) -> dict[str, str]:
    return {"target": part[0], "split": part[1], "role": answers.role_of[source, *part]}


def mean_over(
    answers: Answers, measure: str, part: Part, places: NDArray[np.int64], *, by_size: bool = False
) -> Estimate:
    """Mean over trials of one model and source that were asked, its interval within what is possible; with ``by_size``
    they are of one size, and borrow from the others how many never learn."""
    values, least, possible = answers.measure(measure, part, places), 0.0, answers.possible(measure, places)
    if not len(places) or part not in answers.right:
        return interval(answers.per_seed(values, places)).within(*possible)
    source, model = answers.trials.loc[places[0], ["source", "model"]]
    if by_size:
        alike = answers.asked(answers.places(source=source, model=model), part)
        failed = ~answers.trials["learned"].to_numpy(bool)[alike]
        least = failure_variance(answers.measure(measure, part, alike)[0], failed, len(places))
    unseen = unseen_share(len(answers.right[part]))
    if measure in DENOMINATORS:
        below = answers.parts(source, [DENOMINATORS[measure][0]])
        mean = float(answers.top1[below[0]][0, places].mean()) if below else 1.0
        unseen = unseen / mean if mean else 0.0
    return interval(answers.per_seed(values, places), least=least, unseen=unseen).within(*possible)


def _middle(answers: Answers, measure: str, part: Part, places: NDArray[np.int64]) -> Estimate:
    """Interquartile mean over the grid of seeds and sizes of some trials."""
    grid = answers.grid(places)
    if not grid.size:
        return NOTHING
    scores = answers.measure(measure, part, grid.ravel())
    return statistic_interval(scores.reshape(-1, *grid.shape), interquartile_mean)


def _basis(answers: Answers, places: NDArray[np.int64]) -> dict[str, int]:
    seeds, size, hidden_units, learned = (
        answers.trials[name].to_numpy()[places] for name in ("seed", *BY_SIZE, "learned")
    )
    return {
        "trials": len(places),
        "seeds": len(set(seeds)),
        "sizes": len(set(zip(size, hidden_units, strict=True))),
        "never_learned": len(places) - int(learned.sum()),
    }


def _told(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """The least, the mean and the most; NaN of none."""
    if not len(values):
        return NOTHING
    return float(values.min()), float(values.mean()), float(values.max())


def _learned(answers: Answers, places: NDArray[np.int64]) -> NDArray[np.int64]:
    return places[answers.trials["learned"].to_numpy(bool)[places]]


def _named(spread: Estimate) -> dict[str, float]:
    return dict(zip(SPREAD, spread, strict=True))

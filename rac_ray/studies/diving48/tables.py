"""Diving48's ratios in the layout of the paper's tables 1 to 5, its numbers beside ours. Pandas."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rac_ray.results.answers import Answers, distinct
from rac_ray.results.columns import EXPERIMENT, TOP5
from rac_ray.results.findings import FEW
from rac_ray.results.partly_asked import counts_in_one_row
from rac_ray.results.statistics import NOTHING, Estimate, interval
from rac_ray.studies.diving48 import published
from rac_ray.studies.diving48.published import ORIGINAL

RATIOS: Mapping[str, tuple[str, str]] = {
    "S1/V": ("s1", "source_val"),
    "S2/V": ("s2", "source_val"),
    "T/V": ("t", "source_val"),
    "T/S1": ("t", "s1"),
}
"""Columns of the paper's tables: target, and what its top-1 is divided by."""
ROW = ["experiment", "model"]
"""What has a row in the tables as they are shown."""
ALL = "a-h"
"""Table 1's row label: the mean over all experiments that a model has."""


def ratio_of(answers: Answers, source: str, model: str, column: str, experiment: str | None = None) -> Estimate:
    """A ratio of one model, over seeds and clips, and over experiments unless one is named."""
    places = asked_both(answers, source, model, column, experiment)
    if not len(places):
        return NOTHING
    target, against = RATIOS[column]
    return interval(answers.per_seed(answers.relative((target, "test"), against, places), places))


def asked_both(
    answers: Answers, source: str, model: str, column: str, experiment: str | None = None
) -> NDArray[np.int64]:
    """The trials that were asked about both evaluation sets of a ratio."""
    target, against = RATIOS[column]
    places = _places(answers, source, model, experiment)
    return answers.asked(places, (target, "test"), answers.reference(source, against))


def _places(answers: Answers, source: str, model: str, experiment: str | None) -> NDArray[np.int64]:
    return answers.places(source=source, model=model, **({EXPERIMENT: experiment} if experiment else {}))


def diving_table(answers: Answers) -> pd.DataFrame:
    """One row per experiment (and ALL), model and ratio.

    Columns experiment, model, ratio, mean, low, high, seeds, trials, paper (NaN where none is printed), asterisk:
    whether it is the lowest T/V of its experiment and does not come with T/S1 below 1, and therefore does not speak
    against texture bias (the paper's tables 3 and 4).
    """
    columns = ["experiment", "model", "ratio", "mean", "low", "high", "seeds", "trials", "paper", "asterisk"]
    if not answers.experiments or ORIGINAL not in answers.sources:
        return pd.DataFrame(columns=columns)
    rows = []
    for experiment in [*answers.experiments, ALL]:
        one = None if experiment == ALL else experiment
        for model in answers.models(ORIGINAL):
            if not len(_places(answers, ORIGINAL, model, one)):
                continue
            for ratio in RATIOS:
                basis = _basis(answers, asked_both(answers, ORIGINAL, model, ratio, one))
                spread = ratio_of(answers, ORIGINAL, model, ratio, one)
                found = {"mean": spread.estimate, "low": spread.low, "high": spread.high, **basis}
                paper = _printed(experiment, model, ratio)
                rows.append({"experiment": experiment, "model": model, "ratio": ratio, **found, "paper": paper})
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(asterisk=_asterisks(table)) if len(table) else table


def _basis(answers: Answers, places: NDArray[np.int64]) -> dict[str, int]:
    """How many seeds and trials a figure stands on."""
    return {"seeds": int(answers.trials["seed"].iloc[places].nunique()), "trials": len(places)}


def domain_table(answers: Answers) -> pd.DataFrame:
    """One row per experiment, model and evaluation set: top-1 with its interval over seeds and clips, and top-5.

    Columns experiment, model, target, split, role, top1, low, high, top5, seeds, trials.
    """
    columns = ["experiment", "model", "target", "split", "role", "top1", "low", "high", "top5", "seeds", "trials"]
    rows = []
    if answers.experiments and TOP5 in answers.evaluations:
        found = answers.evaluations.query("source == @ORIGINAL")
        for key in sorted(distinct(found, columns[:5]).to_numpy().tolist(), key=lambda key: key[:2]):
            experiment, model, target, split, _ = key
            places = answers.asked(_places(answers, ORIGINAL, model, experiment), (target, split))
            spread = interval(answers.per_seed(answers.measure("top1", (target, split), places), places)).within(0, 1)
            same = (found[columns[:5]] == key).all(axis=1)
            figures = [spread.estimate, spread.low, spread.high, found.loc[same, TOP5].mean()]
            rows.append([*key, *figures, *_basis(answers, places).values()])
    return pd.DataFrame(rows, columns=columns)


def shown_domains(table: pd.DataFrame) -> pd.DataFrame:
    """``domain_table`` with a row per experiment and model, in %: ``30.1 [28.0, 32.2], 61.0``, the last one top-5."""
    texts = [
        f"{100 * top1:.1f}{_between(100 * low, 100 * high, seeds, 1)}, {100 * top5:.1f}"
        for top1, low, high, top5, seeds in table[["top1", "low", "high", "top5", "seeds"]].itertuples(index=False)
    ]
    names = [
        f"{target} {split}" if target == ORIGINAL else target
        for target, split in zip(table["target"], table["split"], strict=True)
    ]
    long = counts_in_one_row(table, ROW, ["seeds"])[[*ROW, "seeds"]].assign(domain=names, text=texts)
    wide = long.set_index(["experiment", "model", "seeds", "domain"])["text"].unstack("domain", sort=False)
    wide.columns.name = None
    return wide.fillna("-").reset_index()


def _between(low: float, high: float, seeds: int, digits: int) -> str:
    """An interval as text; none of too few seeds."""
    return f" [{low:.{digits}f}, {high:.{digits}f}]" if seeds >= FEW else ""


def _printed(experiment: str, model: str, ratio: str) -> float:
    of_experiments = published.PRINTED_RATIOS.get(experiment, {})
    row = published.AVERAGES[model][0] if experiment == ALL and model in published.AVERAGES else None
    row = of_experiments.get(model, row)
    return row[list(RATIOS).index(ratio)] if row else float("nan")


def _asterisks(table: pd.DataFrame) -> NDArray[np.bool_]:
    """(N,) bool: the lowest T/V of an experiment that is not accompanied by T/S1 below 1."""
    means = table.pivot_table("mean", ["experiment", "model"], "ratio", dropna=False)
    lowest = means.groupby(level="experiment")["T/V"].transform("min")
    marked = (means["T/V"] == lowest) & ~(means["T/S1"] < 1)
    keys = pd.MultiIndex.from_arrays([table["experiment"], table["model"]])
    return marked.reindex(keys).to_numpy(bool) & (table["ratio"] == "T/V").to_numpy()


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as the paper has it: a row per experiment and model, ours with its interval, the paper's behind it."""
    ours = [
        "-" if pd.isna(mean) else f"{mean:.3f}{_between(low, high, seeds, 3)}{'*' if asterisk else ''}"
        for mean, low, high, asterisk, seeds in table[["mean", "low", "high", "asterisk", "seeds"]].itertuples(
            index=False
        )
    ]
    papers = ["-" if pd.isna(paper) else f"{paper:.3g}" for paper in table["paper"]]
    known = counts_in_one_row(table, ROW, ["seeds"])
    long = known[[*ROW, "seeds", "ratio"]].assign(ours=ours, paper=papers)
    wide = long.set_index(["experiment", "model", "seeds", "ratio"]).unstack("ratio", sort=False)
    pairs = [(f"{ratio}", f"{ratio} paper") for ratio in RATIOS]
    frame = pd.DataFrame(index=wide.index)
    for ratio, name in pairs:
        frame[ratio], frame[name] = wide[("ours", ratio)], wide[("paper", ratio)]
    return frame.reset_index()

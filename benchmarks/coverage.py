"""How often the intervals that tables print hold the truth, over simulated sweeps (``worlds``).

The truth of a figure is its mean over the sweeps, which is what an estimate from one sweep stands for; an interval's
share of sweeps is known to 1.1 points with 400 of them, and means over a table's rows better.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
from scipy.special import ndtri

from benchmarks.arguments import Parser
from benchmarks.worlds import CHANCE, NEVER, SIZES, Asked, World, answered, corrected, failing, sweep
from rac_ray.cli.exits import run_command
from rac_ray.errors import BadInput
from rac_ray.results.answers import Answers
from rac_ray.results.columns import TOP5
from rac_ray.results.comparisons import comparison_table
from rac_ray.results.flips import flip_table
from rac_ray.results.summaries import accuracy_table, ratio_table, robustness_table
from rac_ray.results.tables import Tables
from rac_ray.results.verdict_words import verdict_table
from rac_ray.results.verdicts import judge
from rac_ray.studies.diving48.tables import diving_table, domain_table
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE
from rac_ray.studies.temporal_shape.grid import MODELS

MEAN = ("mean", "low", "high")
Figures = Mapping[str, tuple[str, str, str]]
"""By name: the columns of an estimate and its interval."""
COMPARED: Figures = {
    "difference": ("estimate", "low", "high"),
    **{name: (name, f"{name}_low", f"{name}_high") for name in ("improvement", "same_size", "same_accuracy")},
}
MEASURED: Figures = {
    "as the paper": ("effect", "low", "high"),
    **{name: (name, f"{name}_low", f"{name}_high") for name in ("corrected", "matched")},
}
SOURCE = "2dot"
FEW_SIZES = (2, 6, 12, 32)


def one_source(world: World, draw: int, *, seeds: int = 5) -> Answers:
    """A sweep of one source and a few sizes, which are enough for its intervals."""
    answers = sweep(replace(world, accuracy={SOURCE: world.accuracy[SOURCE]}), seeds=seeds, draw=draw, paired=True)
    kept = np.flatnonzero(answers.trials["hidden_units"].isin(FEW_SIZES))
    return Answers(
        answers.trials.iloc[kept].reset_index(drop=True),
        {part: top1[:, kept] for part, top1 in answers.top1.items()},
        {part: right[:, kept] for part, right in answers.right.items()},
        answers.evaluations,
    )


def near_the_ends() -> World:
    """Half of the models are right on all but few clips of the source, and wrong on all but few of the targets."""
    top1 = np.empty((len(MODELS), len(SIZES), 4))
    top1[..., 0] = np.array([0.999, 0.995, 0.98, 0.9])[:, None]
    top1[..., 1:] = np.array([[0.999, 0.003, 0.001], [0.99, 0.01, 0.003]] * 2)[:, None, :]
    return World("cells near 0 and 100 %", {SOURCE: top1}, NEVER)


def failing_when_small() -> World:
    """All models are equal where they learn; small sizes fail more often than large ones, large ones hardly ever."""
    chances = np.linspace(0.6, 0.0, len(SIZES)) * np.array([0.2, 0.4, 1.0, 0.7])[:, None]
    return World("failing when small", failing().accuracy, chances)


def rows(answers: Answers) -> pd.DataFrame:
    """Every interval of a sweep's tables: table, figure, row (its key as text), estimate, low, high."""
    tables = tables_of(answers)
    found = [
        *_figures("accuracy", accuracy_table(answers), {"mean": MEAN, "iqm": ("iqm", "iqm_low", "iqm_high")}),
        *_figures("accuracy by size", accuracy_table(answers, by_size=True), {"mean": MEAN}),
        *_figures("ratios by size", ratio_table(answers), {"mean": MEAN}),
        *_figures("comparisons", comparison_table(tables, answers), COMPARED),
        *_figures("flips", flip_table(answers), {"mean": MEAN}),
        *_figures("claims", verdict_table(judge(answers, TEMPORAL_SHAPE)), MEASURED),
    ]
    for statistic, table in robustness_table(tables, answers).groupby("statistic"):
        found += _figures("robustness", table, {str(statistic): MEAN})
    return pd.concat(found, ignore_index=True)


def tables_of(answers: Answers) -> Tables:
    """What the tables need to know of the trials beside their answers."""
    best = np.full(len(answers.trials), np.nan)
    for source in answers.sources:
        part, places = answers.parts(source, ["source_val"])[0], answers.places(source=source)
        best[places] = answers.top1[part][0, places]
    nothing = pd.DataFrame()
    return Tables(answers.trials.assign(best_val_top1=best), nothing, answers.evaluations, nothing, nothing)


def _figures(name: str, table: pd.DataFrame, figures: Figures) -> Iterator[pd.DataFrame]:
    keys = [
        column for column in ("source", "experiment", "model", "first", "second", "hidden_units", "target", "split",
        "to_domain", "ratio", "contrast") if column in table
    ]  # fmt: skip
    row = table[keys].astype(str).agg(" ".join, axis=1)
    for figure, (estimate, low, high) in figures.items():
        values = {"estimate": table[estimate], "low": table[low], "high": table[high]}
        yield pd.DataFrame({"table": name, "figure": figure, "row": row, **values})


DIVES = {"original": 0.40, "s1": 0.16, "s2": 0.22, "t": 0.08}
"""Top-1 by domain, about as the paper's tables have it."""


def dives(draw: int, *, seeds: int = 5, draws: int = 200) -> Answers:
    """A sweep of Diving48's shape: two models, four experiments of one size each."""
    rng = np.random.default_rng(draw)
    names = ["model", "experiment", "seed"]
    trials = pd.MultiIndex.from_product([("cnn3d", "convlstm"), tuple("abcd"), range(seeds)], names=names).to_frame(
        index=False
    )
    trials = trials.assign(trial_id=trials.index.astype(str), source="original", hidden_units=128, size="")
    trials = trials.assign(recipe="", classes=48)
    roles = [("original", "val", "source_val"), ("original", "test", "source_test")]
    roles += [(domain, "test", "target") for domain in ("s1", "s2", "t")]
    asked = {}
    everywhere = rng.normal(0, 0.08, len(trials))
    for target, split, role in roles:
        skill = ndtri(DIVES[target]) + everywhere + rng.normal(0, 0.06, len(trials))
        asked[target, split] = Asked(skill, 1000 if role == "source_val" else 600, 10 if role == "source_val" else 1)
    evaluations = pd.DataFrame(roles, columns=["target", "split", "role"]).merge(trials[names], how="cross")
    evaluations = evaluations.assign(source="original", clips=600, **{TOP5: CHANCE})
    return answered(rng, trials, evaluations, asked, draws)


def dive_rows(answers: Answers) -> pd.DataFrame:
    """``rows`` of Diving48's tables."""
    found = [*_figures("Diving48's ratios", diving_table(answers), {"mean": MEAN})]
    found += _figures("Diving48's domains", domain_table(answers), {"top1": ("top1", "low", "high")})
    return pd.concat(found, ignore_index=True)


def coverage(made: Callable[[int], pd.DataFrame], sweeps: int) -> pd.DataFrame:
    """By table and figure: the share of intervals that hold the truth, the same of the row that does so least, the
    share without width, and the mean half width; rows without an interval count in none."""
    found = pd.concat([made(draw) for draw in range(sweeps)], ignore_index=True).dropna()
    key = ["table", "figure", "row"]
    truth = found.groupby(key)["estimate"].transform("mean").to_numpy(float)
    slack = 1e-9
    held = (found["low"] <= truth + slack) & (truth <= found["high"] + slack)
    found = found.assign(held=held, empty=found["low"] == found["high"], half=(found["high"] - found["low"]) / 2)
    by_row = pd.DataFrame(found.groupby(key, sort=False)[["held", "empty", "half"]].agg("mean")).reset_index()
    summary = {
        "rows": ("row", "size"),
        "held": ("held", "mean"),
        "least": ("held", "min"),
        "most": ("held", "max"),
        "empty": ("empty", "mean"),
        "half": ("half", "mean"),
    }
    groups = by_row.groupby(["table", "figure"], sort=False)
    return pd.DataFrame(groups.agg(**cast(Any, summary))).reset_index()


CONDITIONS: Mapping[str, Callable[[int], pd.DataFrame]] = {
    "ordinary": lambda draw: rows(one_source(corrected(), draw)),
    "two seeds": lambda draw: rows(one_source(corrected(), draw, seeds=2)),
    "a third fails": lambda draw: rows(one_source(failing(), draw)),
    "small ones fail": lambda draw: rows(one_source(failing_when_small(), draw)),
    "near 0 and 100 %": lambda draw: rows(one_source(near_the_ends(), draw)),
    "Diving48": lambda draw: dive_rows(dives(draw)),
    "Diving48, two seeds": lambda draw: dive_rows(dives(draw, seeds=2)),
}


def shown(found: pd.DataFrame) -> str:
    """As Markdown, in %."""
    lines = ["| table | figure | rows | coverage | of the rows | no width | half width |", "|---" * 7 + "|"]
    lines += [
        f"| {row['table']} | {row['figure']} | {row['rows']} | {100 * row['held']:.1f} | {100 * row['least']:.1f} to "
        f"{100 * row['most']:.1f} | {100 * row['empty']:.1f} | {100 * row['half']:.2f} |"
        for row in found.to_dict("records")
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = Parser(prog="python -m benchmarks.coverage", description="How often intervals hold the truth.")
    parser.add_argument("--sweeps", type=int, default=400, help="simulated sweeps per condition (default %(default)s)")
    parser.add_argument("--only", choices=list(CONDITIONS), help="one condition (default: all)")
    options = parser.parse_args(arguments)
    if options.sweeps < 2:
        raise BadInput(f"--sweeps {options.sweeps}: must be at least 2")
    print(f"{options.sweeps} simulated sweeps per condition; 95 % intervals; all figures in %")
    for name in [options.only] if options.only else CONDITIONS:
        print(f"\n{name}:\n\n{shown(coverage(CONDITIONS[name], options.sweeps))}", flush=True)
    return 0


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))

"""Diving48's figures: how accuracy drops from source to target in each experiment, the paper's points beside ours."""

import matplotlib.lines
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rac_ray.results.analysis import Analysis
from rac_ray.results.findings import FEW
from rac_ray.results.looks import look_of, stamped
from rac_ray.results.panels import left_labelled, panels_of
from rac_ray.results.statistics import interval
from rac_ray.studies.diving48 import published
from rac_ray.studies.diving48.tables import RATIOS, asked_both, ratio_of

ACROSS = ("s1", "s2", "t")


def figure5(analysis: Analysis, source: str) -> Figure:
    """Experiments a to d: equal layers at three levels of validation accuracy, and the best variants (Figure 5)."""
    return _drops(analysis, source, "abcd")


def figure6(analysis: Analysis, source: str) -> Figure:
    """Experiments e to h: equal numbers of parameters (Figure 6; the paper prints no numbers of them)."""
    return _drops(analysis, source, "efgh")


def table1(analysis: Analysis, source: str) -> Figure:
    """Mean ratios over all experiments, with 95% intervals over seeds and clips; the paper's mean and deviation over
    its experiments beside them (Table 1)."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    axes = figure.subplots()
    models = list(published.AVERAGES)
    for number, model in enumerate(models):
        look, at = look_of(model), np.arange(len(RATIOS)) + (number - 1) * 0.26
        means = np.array([ratio_of(analysis.answers, source, model, ratio) for ratio in RATIOS])
        sure = [_enough(analysis, asked_both(analysis.answers, source, model, ratio)) for ratio in RATIOS]
        errors = np.where(sure, np.abs(means[:, 1:].T - means[:, 0]), np.nan)
        axes.errorbar(
            at - 0.05, means[:, 0], errors, color=look.color, marker=look.marker, linestyle="", label=look.label
        )
        mean, deviation = published.AVERAGES[model]
        axes.errorbar(
            at + 0.05,
            mean,
            deviation,
            color=look.color,
            marker=look.marker,
            linestyle="",
            markerfacecolor="none",
            alpha=0.7,
        )
    axes.set_xticks(range(len(RATIOS)), list(RATIOS))
    axes.set_ylabel("ratio")
    paper = matplotlib.lines.Line2D([], [], color="grey", linestyle="", marker="o", markerfacecolor="none")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend([*handles, paper], [*labels, "paper"], loc="outside upper left", ncols=5, frameon=False)
    return stamped(figure, analysis.stamp)


def _drops(analysis: Analysis, source: str, experiments: str) -> Figure:
    figure, panels = panels_of(len(experiments))
    for axes, experiment in zip(panels, experiments, strict=True):
        _ours(axes, analysis, source, experiment)
        _papers(axes, experiment)
        axes.axhline(100 * analysis.answers.chance(source), color="grey", linewidth=0.8, linestyle=":")
        axes.set_xticks(range(1 + len(ACROSS)), ["Bv.", *(target.upper() for target in ACROSS)])
        axes.set_title(f"experiment {experiment}")
    left_labelled(panels, "accuracy (%)")
    paper = matplotlib.lines.Line2D([], [], color="grey", linestyle="--", marker="o", markerfacecolor="none")
    named = dict(pair for axes in panels for pair in zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    figure.legend([*named.values(), paper], [*named, "paper"], loc="outside upper left", ncols=5, frameon=False)
    return stamped(figure, analysis.stamp)


def _ours(axes: Axes, analysis: Analysis, source: str, experiment: str) -> None:
    """A line per model over validation and targets, with 95% intervals."""
    answers = analysis.answers
    (reference,) = answers.parts(source, ["source_val"])
    for model in answers.models(source):
        places = answers.places(source=source, model=model, experiment=experiment)
        if not len(places):
            continue
        parts = [reference, *((target, "test") for target in ACROSS)]
        asked = [answers.asked(places, part) for part in parts]
        measured = zip(parts, asked, strict=True)
        spreads = [
            interval(answers.per_seed(answers.measure("top1", part, of_part), of_part)) for part, of_part in measured
        ]
        mean, low, high = 100 * np.array(spreads).T
        look = look_of(model)
        axes.plot(range(len(parts)), mean, color=look.color, marker=look.marker, label=look.label)
        sure = [_enough(analysis, of_part) for of_part in asked]
        axes.fill_between(range(len(parts)), low, high, sure, color=look.color, alpha=0.15, linewidth=0)


def _enough(analysis: Analysis, places: NDArray[np.int64]) -> bool:
    """Whether trials have enough seeds for an interval."""
    return analysis.answers.trials["seed"].iloc[places].nunique() >= FEW


def _papers(axes: Axes, experiment: str) -> None:
    for model in published.PRINTED_RATIOS.get(experiment, {}):
        values = published.top1(experiment, model)
        points = [100 * values[place] for place in ("val", *ACROSS)]
        look = look_of(model)
        axes.plot(points, color=look.color, marker=look.marker, linestyle="--", markerfacecolor="none", alpha=0.7)

"""The figures of every study, from whatever part of the grid has run, each with intervals."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rac_ray.results.analysis import Analysis
from rac_ray.results.answers import distinct
from rac_ray.results.looks import FORMATS, look_of, rendered, stamped
from rac_ray.results.statistics import performance_profile, statistic_intervals
from rac_ray.results.summaries import BY_SIZE
from rac_ray.store.storage import Storage

THRESHOLDS = np.linspace(0, 1.2, 121)
"""Ratios at which a performance profile is drawn."""


def figure3(analysis: Analysis, source: str) -> Figure:
    """Mean accuracy per domain and model, over hidden units and seeds, with 95% intervals (paper, Figure 3)."""
    table = analysis.accuracy.query("source == @source")
    places = list(dict.fromkeys(zip(table["target"], table["split"], strict=True)))
    figure = Figure(figsize=(1.8 + 1.5 * len(places), 4.2), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / table["model"].nunique()
    for number, (model, group) in enumerate(table.groupby("model", sort=False)):
        rows, look = group.set_index(["target", "split"]).reindex(places), look_of(str(model))
        at = np.arange(len(places)) + width * (number + 0.5) - 0.4
        errors = 100 * np.abs(np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]]))
        axes.bar(at, 100 * rows["mean"], width, yerr=errors, capsize=2, color=look.color, label=look.label)
    axes.axhline(100 * analysis.answers.chance(source), color="grey", linewidth=0.8, linestyle=":", label="chance")
    axes.set_xticks(range(len(places)), [f"{target}\n{split}" for target, split in places])
    axes.set(ylabel="mean top-1 (%)", ylim=(0, 100), title=f"Trained on {source}")
    axes.legend(ncols=table["model"].nunique() + 1, fontsize="small", loc="upper right")
    return stamped(figure, analysis.stamp + analysis.imbalance(source))


def figure4(analysis: Analysis, source: str) -> Figure:
    """Robustness ratio against size, one panel per target, with 95% intervals (paper, Figure 4)."""
    table, axis = _placed(analysis.ratios.query("source == @source"))
    targets = list(dict.fromkeys(table["target"]))
    figure = Figure(figsize=(1 + 3.2 * len(targets), 3.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(targets), sharey=True))
    for axes, target in zip(panels, targets, strict=True):
        _lines(axes, table.query("target == @target"), "place")
        axes.axhline(1, color="grey", linewidth=0.8, linestyle=":")
        axis.applied(axes)
        axes.set_title(f"{source} to {target}")
        axes.set_ylim(*_around(table))
    panels[0].set_ylabel("robustness ratio")
    panels[-1].legend(fontsize="small")
    return stamped(figure, analysis.stamp)


def parameters(analysis: Analysis, source: str) -> Figure:
    """Accuracy against trainable parameters, one panel per evaluation set, with 95% intervals."""
    sizes = analysis.tables.trials.dropna(subset=["parameters"]).drop_duplicates(["model", *BY_SIZE])
    table = analysis.accuracy_by_size.query("source == @source")
    table = table.merge(sizes[["model", *BY_SIZE, "parameters"]], on=["model", *BY_SIZE])
    places = list(dict.fromkeys(zip(table["target"], table["split"], strict=True)))
    figure = Figure(figsize=(1 + 2.8 * len(places), 3.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(places), sharey=True))
    for axes, (target, split) in zip(panels, places, strict=True):
        _lines(axes, table.query("target == @target and split == @split"), "parameters")
        axes.axhline(analysis.answers.chance(source), color="grey", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set(title=f"{target} {split}", xlabel="trainable parameters", ylim=(0, 1))
    panels[0].set_ylabel(f"top-1, trained on {source}")
    panels[-1].legend(fontsize="small")
    return stamped(figure, analysis.stamp)


def profiles(analysis: Analysis, source: str) -> Figure:
    """Share of a model's trials whose ratio exceeds a threshold, one panel per target, with 95% intervals."""
    answers = analysis.answers
    parts = answers.parts(source, ["target"])
    figure = Figure(figsize=(1 + 3 * len(parts), 3.4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(parts), sharey=True))
    for axes, part in zip(panels, parts, strict=True):
        target = part[0]
        for model in answers.models(source):
            grid = answers.grid(answers.places(source=source, model=model))
            if not grid.size:
                continue
            ratios = answers.measure("robustness_ratio", part, grid.ravel()).reshape(-1, *grid.shape)
            shares, low, high = statistic_intervals(ratios, partial(performance_profile, thresholds=THRESHOLDS))
            look = look_of(model)
            axes.step(THRESHOLDS, shares, where="post", color=look.color, label=look.label)
            band = np.clip([low, high], 0, 1)
            axes.fill_between(THRESHOLDS, *band, step="post", color=look.color, alpha=0.15, linewidth=0)
        axes.set(title=f"{source} to {target}", xlabel="robustness ratio above", ylim=(0, 1.02))
    panels[0].set_ylabel("share of trials")
    panels[-1].legend(fontsize="small")
    return stamped(figure, analysis.stamp)


def learning_curves(analysis: Analysis, source: str) -> Figure:
    """Source-validation top-1 after each epoch, one panel per model: a line per trial, darker with more units."""
    trials = analysis.tables.trials.query("source == @source and state in ('done', 'unreached')")
    models = list(dict.fromkeys(trials["model"]))
    figure = Figure(figsize=(1 + 3 * len(models), 3.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(models), sharey=True))
    curves = dict(list(analysis.tables.epochs.groupby("trial_id", sort=False)))
    for axes, model in zip(panels, models, strict=True):
        chosen = trials.query("model == @model")
        sizes = _sizes(chosen)
        for trial_id, *size in zip(*(chosen[name] for name in ("trial_id", "hidden_units", "size")), strict=True):
            alpha = 0.3 + 0.7 * sizes.index(tuple(size)) / max(1, len(sizes) - 1)
            rows = curves[trial_id]
            axes.plot(rows["epoch"], rows["val_top1"], color=look_of(model).color, alpha=alpha, linewidth=0.9)
        axes.axhline(analysis.answers.chance(source), color="grey", linewidth=0.8, linestyle=":")
        axes.set(title=f"{look_of(model).label}, {_range(sizes)}", xlabel="epoch", ylim=(0, 1))
    panels[0].set_ylabel(f"validation top-1, trained on {source}")
    return stamped(figure, analysis.stamp)


def _lines(axes: Axes, table: pd.DataFrame, across: str) -> None:
    """A line per model with its interval as a band."""
    for model, group in table.groupby("model", sort=False):
        rows, look = group.sort_values(across), look_of(str(model))
        axes.plot(rows[across], rows["mean"], color=look.color, marker=look.marker, markersize=4, label=look.label)
        axes.fill_between(rows[across], rows["low"], rows["high"], color=look.color, alpha=0.15, linewidth=0)


def _around(table: pd.DataFrame) -> tuple[float, float]:
    """Limits that show every mean; an interval of few seeds may reach over them."""
    means = table["mean"].to_numpy(float)
    return min(0.0, 1.1 * means.min()), max(1.1, 1.1 * means.max())


class _Axis(NamedTuple):
    """The axis of sizes: hidden units on a logarithmic axis, or sizes by name, side by side."""

    places: list[float]
    names: list[str]
    named: bool

    def applied(self, axes: Axes) -> None:
        if not self.named:
            axes.set_xscale("log", base=2)
        axes.set_xticks(self.places, self.names)
        axes.minorticks_off()
        axes.set_xlabel("size" if self.named else "hidden units per layer")


def _placed(table: pd.DataFrame) -> tuple[pd.DataFrame, _Axis]:
    """The table with the column ``place``, where its rows' sizes stand on the axis."""
    sizes = _sizes(table)
    named = any(name for _, name in sizes)
    names = [name or str(units) for units, name in sizes]
    axis = _Axis([float(number if named else units) for number, (units, _) in enumerate(sizes)], names, named)
    place = dict(zip(sizes, axis.places, strict=True))
    rows = table[["hidden_units", "size"]].itertuples(index=False, name=None)
    return table.assign(place=[place[size] for size in rows]), axis


def _sizes(table: pd.DataFrame) -> list[tuple[int, str]]:
    """Different hidden units and names of sizes, in ascending order."""
    return sorted(distinct(table, ["hidden_units", "size"]).itertuples(index=False, name=None))


def _range(sizes: list[tuple[int, str]]) -> str:
    """``h = 2 to 48``, or names of sizes."""
    (first, first_name), (last, last_name) = sizes[0], sizes[-1]
    return f"{first_name or f'h = {first}'} to {last_name or last}"


Draw = Callable[[Analysis, str], Figure]
COMMON: Mapping[str, Draw] = {
    "figure3": figure3,
    "figure4": figure4,
    "parameters": parameters,
    "profiles": profiles,
    "learning-curves": learning_curves,
}
"""Figures by the beginning of their files' names; a study may have others (``Study.figures``)."""


class Drawing(NamedTuple):
    """A figure of one source and recipe."""

    name: str
    """``figure4-<source>``; of several recipes ``figure4-<source>-batch-16``."""
    kind: str
    """The kind of figure, as in ``figure4``."""
    of: str
    """The source, and the recipe where there are several."""
    draw: Callable[[], Figure]
    about: str
    """What it shows, in one sentence."""


def drawings(analysis: Analysis) -> Iterator[Drawing]:
    """Every figure of every source that has a finished trial, of each recipe."""
    for recipe, part in analysis.by_recipe.items():
        for source in part.answers.sources:
            for kind, draw in part.study.figures(source).items():
                name = "-".join(filter(None, (kind, source, re.sub(r"[^\w.]+", "-", recipe))))
                about = (draw.__doc__ or "").partition("\n")[0].rstrip(".")
                yield Drawing(name, kind, ", ".join(filter(None, (source, recipe))), partial(draw, part, source), about)


def draw_all(analysis: Analysis, folder: Storage) -> list[str]:
    """Draw every figure; returns the names of the files written."""
    written = []
    for drawing in drawings(analysis):
        for suffix in FORMATS:
            name = f"{drawing.name}.{suffix}"
            folder.write_bytes(name, rendered(drawing.draw, suffix))
            written.append(name)
    return written

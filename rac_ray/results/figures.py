"""The study's figures from whatever part of the grid has run, each with intervals. Which source gets which."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rac_ray.results.diving_figures import figure5, figure6, table1
from rac_ray.results.diving_tables import ORIGINAL
from rac_ray.results.looks import FORMATS, look_of, rendered, stamped
from rac_ray.results.statistics import performance_profile, statistic_intervals
from rac_ray.results.study import Study
from rac_ray.storage import Storage

THRESHOLDS = np.linspace(0, 1.2, 121)
"""Ratios at which a performance profile is drawn."""


def figure3(study: Study, source: str) -> Figure:
    """Mean accuracy per domain and model, over hidden units and seeds, with 95% intervals (paper, Figure 3)."""
    table = study.accuracy.query("source == @source")
    places = list(dict.fromkeys(zip(table["target"], table["split"], strict=True)))
    figure = Figure(figsize=(1.8 + 1.5 * len(places), 4.2), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / table["model"].nunique()
    for number, (model, group) in enumerate(table.groupby("model", sort=False)):
        rows, look = group.set_index(["target", "split"]).reindex(places), look_of(str(model))
        at = np.arange(len(places)) + width * (number + 0.5) - 0.4
        errors = 100 * np.abs(np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]]))
        axes.bar(at, 100 * rows["mean"], width, yerr=errors, capsize=2, color=look.color, label=look.label)
    axes.axhline(100 * study.answers.chance(source), color="grey", linewidth=0.8, linestyle=":", label="chance")
    axes.set_xticks(range(len(places)), [f"{target}\n{split}" for target, split in places])
    axes.set(ylabel="mean top-1 (%)", ylim=(0, 100), title=f"Trained on {source}")
    axes.legend(ncols=table["model"].nunique() + 1, fontsize="small", loc="upper right")
    return stamped(figure, study.stamp + study.imbalance(source))


def figure4(study: Study, source: str) -> Figure:
    """Robustness ratio against hidden units, one panel per target, with 95% intervals (paper, Figure 4)."""
    table = study.ratios.query("source == @source")
    targets = list(dict.fromkeys(table["target"]))
    figure = Figure(figsize=(1 + 3.2 * len(targets), 3.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(targets), sharey=True))
    for axes, target in zip(panels, targets, strict=True):
        _lines(axes, table.query("target == @target"), "hidden_units")
        sizes = sorted(set(table["hidden_units"]))
        axes.axhline(1, color="grey", linewidth=0.8, linestyle=":")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set(title=f"{source} to {target}", xlabel="hidden units per layer")
        axes.set_ylim(*_around(table))
    panels[0].set_ylabel("robustness ratio")
    panels[-1].legend(fontsize="small")
    return stamped(figure, study.stamp)


def parameters(study: Study, source: str) -> Figure:
    """Accuracy against trainable parameters, one panel per evaluation set, with 95% intervals."""
    sizes = study.tables.trials.dropna(subset=["parameters"]).drop_duplicates(["model", "hidden_units"])
    table = study.accuracy_by_size.query("source == @source")
    table = table.merge(sizes[["model", "hidden_units", "parameters"]], on=["model", "hidden_units"])
    places = list(dict.fromkeys(zip(table["target"], table["split"], strict=True)))
    figure = Figure(figsize=(1 + 2.8 * len(places), 3.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(places), sharey=True))
    for axes, (target, split) in zip(panels, places, strict=True):
        _lines(axes, table.query("target == @target and split == @split"), "parameters")
        axes.axhline(study.answers.chance(source), color="grey", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set(title=f"{target} {split}", xlabel="trainable parameters", ylim=(0, 1))
    panels[0].set_ylabel(f"top-1, trained on {source}")
    panels[-1].legend(fontsize="small")
    return stamped(figure, study.stamp)


def profiles(study: Study, source: str) -> Figure:
    """Share of a model's trials whose ratio exceeds a threshold, one panel per target, with 95% intervals."""
    answers = study.answers
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
    return stamped(figure, study.stamp)


def learning_curves(study: Study, source: str) -> Figure:
    """Source-validation top-1 after each epoch, one panel per model: a line per trial, darker with more units."""
    trials = study.tables.trials.query("source == @source and state == 'done'")
    models = list(dict.fromkeys(trials["model"]))
    figure = Figure(figsize=(1 + 3 * len(models), 3.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(models), sharey=True))
    curves = dict(list(study.tables.epochs.groupby("trial_id", sort=False)))
    for axes, model in zip(panels, models, strict=True):
        chosen = trials[trials["model"] == model]
        sizes = sorted(set(chosen["hidden_units"]))
        for trial_id, size in zip(chosen["trial_id"], chosen["hidden_units"], strict=True):
            alpha = 0.3 + 0.7 * sizes.index(size) / max(1, len(sizes) - 1)
            rows = curves[trial_id]
            axes.plot(rows["epoch"], rows["val_top1"], color=look_of(model).color, alpha=alpha, linewidth=0.9)
        axes.axhline(study.answers.chance(source), color="grey", linewidth=0.8, linestyle=":")
        axes.set(title=f"{look_of(model).label}, h = {sizes[0]} to {sizes[-1]}", xlabel="epoch", ylim=(0, 1))
    panels[0].set_ylabel(f"validation top-1, trained on {source}")
    return stamped(figure, study.stamp)


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


Draw = Callable[[Study, str], Figure]
ALWAYS: Mapping[str, Draw] = {"parameters": parameters, "profiles": profiles, "learning-curves": learning_curves}
BY_SOURCE: Mapping[str, Mapping[str, Draw]] = {ORIGINAL: {"figure5": figure5, "figure6": figure6, "table1": table1}}
OTHERWISE: Mapping[str, Draw] = {"figure3": figure3, "figure4": figure4}
"""A new figure is one function and one entry in one of the three."""


def figures_of(source: str) -> dict[str, Draw]:
    """The figures that a source gets, by name."""
    return {**BY_SOURCE.get(source, OTHERWISE), **ALWAYS}


def draw_all(study: Study, folder: Storage) -> list[str]:
    """Draw every figure for every source that has a finished trial; returns the names of the files written."""
    written = []
    for source in study.answers.sources:
        for name, draw in figures_of(source).items():
            for suffix in FORMATS:
                content = rendered(partial(draw, study, source), suffix)
                folder.write_bytes(f"{name}-{source}.{suffix}", content)
                written.append(f"{name}-{source}.{suffix}")
    return written

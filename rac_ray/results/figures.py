"""The figures of every study, from whatever part of the grid has run, each with intervals."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rac_ray.results.aggregates import performance_profile
from rac_ray.results.analysis import Analysis
from rac_ray.results.columns import SIZE_NAME
from rac_ray.results.looks import FORMATS, look_of, rendered, stamped
from rac_ray.results.panels import SizeAxis, around, hollow, lines, placed, size_range, sizes_of
from rac_ray.results.statistics import statistic_intervals
from rac_ray.results.summaries import BY_SIZE
from rac_ray.store.storage import Storage

THRESHOLDS = np.linspace(0, 1.2, 121)
"""Ratios at which a performance profile is drawn."""
SHADE, NOT_IN_PAPER, APART = "#f0f0f0", "(not in the paper's figure)", 0.4
"""Behind what the paper's figure does not have, what is said of it, and how far it stands apart, in groups of bars."""


def figure3(analysis: Analysis, source: str) -> Figure:
    """Mean accuracy per domain and model, over hidden units and seeds, with 95% intervals (paper, Figure 3).

    Evaluation sets that the paper's figure does not have stand apart.
    """
    table = analysis.accuracy.query("source == @source")
    own, more = _parted(table, analysis.study.drawn_in_paper(source).accuracy)
    places = [*own, *more]
    centres = np.arange(len(places)) + np.where(np.arange(len(places)) < len(own), 0, APART if own else 0)
    figure = Figure(figsize=(1.8 + 1.5 * len(places), 4.2), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / table["model"].nunique()
    for number, (model, group) in enumerate(table.groupby("model", sort=False)):
        rows, look = group.set_index(["target", "split"]).reindex(places), look_of(str(model))
        at = centres + width * (number + 0.5) - 0.4
        errors = 100 * np.abs(np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]]))
        axes.bar(at, 100 * rows["mean"], width, yerr=errors, capsize=2, color=look.color, label=look.label)
    if more:
        axes.axvspan(centres[len(own)] - 0.5, centres[-1] + 0.5, color=SHADE, zorder=0)
        axes.text(centres[len(own) :].mean(), 101, NOT_IN_PAPER, ha="center", va="bottom", color="grey")
    axes.axhline(100 * analysis.answers.chance(source), color="grey", linewidth=0.8, linestyle=":", label="chance")
    axes.set_xticks(centres, [f"{target}\n{split}" for target, split in places])
    axes.set(ylabel="mean top-1 (%)", ylim=(0, 100))
    axes.set_title(f"Trained on {source}", loc="left")
    axes.legend(ncols=table["model"].nunique() + 1, fontsize="small", loc="upper right")
    return stamped(figure, analysis.stamp + analysis.imbalance(source))


def figure4(analysis: Analysis, source: str) -> Figure:
    """Robustness ratio against size, one panel per target, with 95% intervals (paper, Figure 4).

    Means are over all trials, as the paper's; each trial that never learned is a hollow marker, too. As in the paper
    some models are left out; targets that it does not have stand apart.
    """
    left_out, models = analysis.study.drawn_in_paper(source).left_out, analysis.answers.models(source)
    shown = [name for name in models if name not in left_out] or models
    without = [name for name in models if name not in shown]
    notes = [f"without {look_of(name).label}, as in the paper: {left_out[name]}" for name in without]
    return _ratios(analysis, source, shown, notes)


def figure4_all_models(analysis: Analysis, source: str) -> Figure:
    """Robustness ratio against size with all models, those that the paper leaves out, too; otherwise as Figure 4."""
    return _ratios(analysis, source, analysis.answers.models(source), [])


def _ratios(analysis: Analysis, source: str, models: Sequence[str], notes: Sequence[str]) -> Figure:
    table, axis = placed(analysis.ratios.query("source == @source and model in @models"))
    guessed = _never_learned(analysis, source, models, axis)
    own, more = _parted(table.assign(role="target", split=""), analysis.study.drawn_in_paper(source).ratios)
    low, high = around([*table["mean"], *guessed["mean"]])
    figure = Figure(figsize=(1 + 3.2 * (len(own) + len(more)), 3.8), layout="constrained")
    widths = [1.0] * len(own) + [0.1] * bool(own and more) + [1.0] * len(more)
    grid = figure.add_gridspec(1, len(widths), width_ratios=widths)
    columns = [number for number, width in enumerate(widths) if width == 1]
    panels: list[Axes] = []
    for column, (target, _) in zip(columns, [*own, *more], strict=True):
        axes = figure.add_subplot(grid[column], sharey=panels[0] if panels else None)
        axes.tick_params(labelleft=not panels)
        panels.append(axes)
        lines(axes, table.query("target == @target"), "place")
        hollow(axes, guessed.query("target == @target"))
        axes.axhline(1, color="grey", linewidth=0.8, linestyle=":")
        axis.applied(axes)
        axes.set_title(f"{source} to {target}" + f"\n{NOT_IN_PAPER}" * (len(panels) > len(own)))
        axes.set_facecolor(SHADE if len(panels) > len(own) else "none")
        axes.set_ylim(low, high)
    panels[0].set_ylabel("robustness ratio")
    handles, labels = panels[-1].get_legend_handles_labels()
    if len(guessed):
        handles.append(Line2D([], [], color="grey", linestyle="", marker="o", markerfacecolor="none"))
        labels.append("never learned")
    panels[-1].legend(handles, labels, fontsize="small")
    return stamped(figure, "; ".join([analysis.stamp, *notes]))


def _parted(table: pd.DataFrame, drawn: Sequence[str] | None) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Target and split of the evaluation sets that the paper draws, in its order, and of the others."""
    roles = dict(zip(zip(table["target"], table["split"], strict=True), table["role"], strict=True))
    if drawn is None:
        return list(roles), []
    own = [place for place, role in roles.items() if role == "source_val"]
    own += [place for target in drawn for place, role in roles.items() if (place[0], role) == (target, "target")]
    return own, [place for place in roles if place not in own]


def _never_learned(analysis: Analysis, source: str, models: Sequence[str], axis: SizeAxis) -> pd.DataFrame:
    """The ratio of each trial that never learned, of some models: model, target, place, mean."""
    answers, parts = analysis.answers, analysis.answers.parts(source, ["target"])
    places = np.concatenate([answers.places(source=source, model=model, learned=False) for model in models])
    trials = answers.trials.loc[places, ["model", "hidden_units", SIZE_NAME]]
    ratios = [answers.measure("robustness_ratio", part, places)[0] for part in parts]
    found = [trials.assign(target=part[0], mean=values) for part, values in zip(parts, ratios, strict=True)]
    table = pd.concat(found) if found else trials.assign(target="", mean=0.0)
    return axis.placed(table)


def parameters(analysis: Analysis, source: str) -> Figure:
    """Accuracy against trainable parameters, one panel per evaluation set, with 95% intervals."""
    sizes = analysis.tables.trials.dropna(subset=["parameters"]).drop_duplicates(["model", *BY_SIZE])
    table = analysis.accuracy_by_size.query("source == @source")
    table = table.merge(sizes[["model", *BY_SIZE, "parameters"]], on=["model", *BY_SIZE])
    places = list(dict.fromkeys(zip(table["target"], table["split"], strict=True)))
    figure = Figure(figsize=(1 + 2.8 * len(places), 3.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(places), sharey=True))
    for axes, (target, split) in zip(panels, places, strict=True):
        lines(axes, table.query("target == @target and split == @split"), "parameters")
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
        sizes = sizes_of(chosen)
        for trial_id, *size in zip(*(chosen[name] for name in ("trial_id", "hidden_units", "size")), strict=True):
            alpha = 0.3 + 0.7 * sizes.index(tuple(size)) / max(1, len(sizes) - 1)
            rows = curves[trial_id]
            axes.plot(rows["epoch"], rows["val_top1"], color=look_of(model).color, alpha=alpha, linewidth=0.9)
        axes.axhline(analysis.answers.chance(source), color="grey", linewidth=0.8, linestyle=":")
        axes.set(title=f"{look_of(model).label}, {size_range(sizes)}", xlabel="epoch", ylim=(0, 1))
    panels[0].set_ylabel(f"validation top-1, trained on {source}")
    return stamped(figure, analysis.stamp)


Draw = Callable[[Analysis, str], Figure]
COMMON: Mapping[str, Draw] = {
    "figure3": figure3,
    "figure4": figure4,
    "parameters": parameters,
    "profiles": profiles,
    "learning-curves": learning_curves,
}
"""Figures by the beginning of their files' names; a study may have others (``Study.figures``)."""
LEFT_OUT: Mapping[str, Draw] = {"figure4-all-models": figure4_all_models}
"""The same, of a source of which models have run that the paper leaves out, and others."""


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
            models, left_out = part.answers.models(source), part.study.drawn_in_paper(source).left_out
            some = 0 < len([model for model in models if model in left_out]) < len(models)
            for kind, draw in {**part.study.figures(source), **(LEFT_OUT if some else {})}.items():
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

"""The figures of every study, from whatever part of the grid has run, each with intervals."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from rac_ray.results.aggregates import performance_profile
from rac_ray.results.analysis import Analysis
from rac_ray.results.answers import Answers, Part
from rac_ray.results.at_chance import AT_CHANCE, guessing
from rac_ray.results.findings import FEW
from rac_ray.results.formats import TOO_FEW_SEEDS
from rac_ray.results.looks import Picture, look_of, picture_of, stamped
from rac_ray.results.names import domain_name, set_name
from rac_ray.results.panels import (
    FADED,
    around,
    chance_line,
    crosses,
    labelled,
    left_labelled,
    legend_above,
    lines,
    panels_of,
    placed,
    size_range,
    sizes_of,
)
from rac_ray.results.partly_asked import fullest
from rac_ray.results.statistics import statistic_intervals
from rac_ray.results.summaries import BY_SIZE
from rac_ray.store.storage import Storage

FEW_EPOCHS = 12
"""Learning curves of fewer epochs have a mark on each."""
THRESHOLDS = np.linspace(0, 1.2, 121)
"""Ratios at which a performance profile is drawn."""
SHADE, NOT_IN_PAPER, APART = "#f0f0f0", "(not in the paper's figure)", 0.4
"""Behind what the paper's figure does not have, what is said of it, and how far it stands apart, in groups of bars."""


def figure3(analysis: Analysis, source: str) -> Figure:
    """Accuracy on every domain.

    Mean over hidden units and seeds, with 95% intervals where there are enough seeds for one. Bars of models at chance
    are faded. Evaluation sets that the paper's figure does not have stand apart.
    """
    table = analysis.accuracy.query("source == @source")
    own, more = _parted(table, analysis.study.drawn_in_paper(source).accuracy)
    places, named = [*own, *more], analysis.study.domains
    centres = np.arange(len(places)) + np.where(np.arange(len(places)) < len(own), 0, APART if own else 0)
    figure = Figure(figsize=(min(11.0, 1.8 + 1.5 * len(places)), 4.2), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / table["model"].nunique()
    for number, (model, group) in enumerate(table.groupby("model", sort=False)):
        rows = group.set_index(["target", "split"]).reindex(places)
        label, color, _ = look_of(str(model))
        guesses = bool(guessing(fullest(group)).any())
        at = centres + width * (number + 0.5) - 0.4
        axes.bar(
            at, 100 * rows["mean"], width, color=color, label=labelled(label, guesses), alpha=FADED if guesses else 1
        )
        sure = rows[(rows["seeds"] >= FEW).to_numpy()]
        errors = 100 * np.abs(np.stack([sure["mean"] - sure["low"], sure["high"] - sure["mean"]]))
        bars = at[(rows["seeds"] >= FEW).to_numpy()]
        axes.errorbar(bars, 100 * sure["mean"], errors, capsize=2, linestyle="", color="black", linewidth=1)
    if more:
        axes.axvspan(centres[len(own)] - 0.5, centres[-1] + 0.5, color=SHADE, linewidth=0, zorder=0)
        middle, above = centres[len(own) :].mean(), axes.get_xaxis_transform()
        axes.text(middle, 1.01, NOT_IN_PAPER, transform=above, ha="center", va="bottom", color="grey")
    chance_line(axes, analysis.answers.chance(source))
    roles = roles_of(table)
    axes.set_xticks(centres, [set_name(named, *place, roles[place]).replace(" ", "\n") for place in places])
    axes.set(ylabel="mean accuracy (%)", ylim=(0, 100))
    legend_above(figure)
    return stamped(figure, _basis(analysis, table, analysis.imbalance(source)))


def figure4(analysis: Analysis, source: str) -> Figure:
    """Robustness ratio against model size.

    The ratio is the accuracy on another domain over the best validation accuracy on the training domain; 1 means that
    nothing is lost. Means are over all trials of a size, as the paper's, with 95% intervals where there are enough
    seeds. Crosses at the bottom mark sizes at chance: they have no ratio. As in the paper some models are left out;
    targets that it does not have are shaded.
    """
    left_out, models = analysis.study.drawn_in_paper(source).left_out, analysis.answers.models(source)
    shown = [name for name in models if name not in left_out] or models
    without = [name for name in models if name not in shown]
    notes = [f"drawn without {look_of(name).label}, as in the paper: {left_out[name]}" for name in without]
    return _ratios(analysis, source, shown, notes)


def figure4_all_models(analysis: Analysis, source: str) -> Figure:
    """Robustness ratio against model size, with all models.

    Those that the paper leaves out, too; otherwise as the figure of the paper.
    """
    return _ratios(analysis, source, analysis.answers.models(source), [])


def _ratios(analysis: Analysis, source: str, models: Sequence[str], notes: Sequence[str]) -> Figure:
    table, axis = placed(analysis.ratios.loc[_of(analysis.ratios, source, models)])
    own, more = _parted(table.assign(role="target", split=""), analysis.study.drawn_in_paper(source).ratios)
    low, high = around([*table["mean"].dropna()])
    figure, panels = panels_of(len(own) + len(more))
    for number, (axes, (target, _)) in enumerate(zip(panels, [*own, *more], strict=True)):
        rows = table.query("target == @target")
        lines(axes, rows, "place")
        crosses(axes, rows.loc[guessing(rows)], "place", low)
        axes.axhline(1, color="grey", linewidth=0.8, linestyle=":")
        axis.applied(axes)
        further = number >= len(own)
        named = domain_name(analysis.study.domains, target)
        axes.set_title(f"on {named}" + f"\n{NOT_IN_PAPER}" * further)
        axes.set_facecolor(SHADE if further else "none")
        axes.set_ylim(low, high)
    left_labelled(panels, "robustness ratio")
    legend_above(figure)
    return stamped(figure, "; ".join([_basis(analysis, table, ""), *notes]))


def _of(table: pd.DataFrame, source: str, models: Sequence[str]) -> NDArray[np.bool_]:
    return ((table["source"] == source) & table["model"].isin(list(models))).to_numpy()


def _basis(analysis: Analysis, table: pd.DataFrame, more: str) -> str:
    """What a figure stands on; where seeds are too few, that it has no intervals."""
    few = f"; {TOO_FEW_SEEDS}" if min(table["seeds"].tolist(), default=FEW) < FEW else ""
    return f"{analysis.stamp}{more}{few}"


def roles_of(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Roles of evaluation sets by target and split, in their order."""
    return dict(zip(zip(table["target"], table["split"], strict=True), table["role"], strict=True))


def _parted(table: pd.DataFrame, drawn: Sequence[str] | None) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Target and split of the evaluation sets that the paper draws, in its order, and of the others."""
    roles = roles_of(table)
    if drawn is None:
        return list(roles), []
    own = [place for place, role in roles.items() if role == "source_val"]
    own += [place for target in drawn for place, role in roles.items() if (place[0], role) == (target, "target")]
    return own, [place for place in roles if place not in own]


def parameters(analysis: Analysis, source: str) -> Figure:
    """Accuracy against the number of trainable parameters.

    One panel per evaluation set, with 95% intervals where there are enough seeds. Sizes at chance are faded.
    """
    sizes = analysis.tables.trials.dropna(subset=["parameters"]).drop_duplicates(["model", *BY_SIZE])
    table = analysis.accuracy_by_size.query("source == @source")
    table = table.merge(sizes[["model", *BY_SIZE, "parameters"]], on=["model", *BY_SIZE])
    roles = roles_of(table)
    figure, panels = panels_of(len(roles))
    for axes, ((target, split), role) in zip(panels, roles.items(), strict=True):
        lines(axes, table.query("target == @target and split == @split"), "parameters", scale=100)
        chance_line(axes, analysis.answers.chance(source))
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        named = set_name(analysis.study.domains, target, split, role)
        axes.set(title=named, xlabel="trainable parameters", ylim=(0, 100))
    left_labelled(panels, "accuracy (%)")
    legend_above(figure)
    return stamped(figure, _basis(analysis, table, ""))


def profiles(analysis: Analysis, source: str) -> Figure:
    """Share of trials whose robustness ratio is above a threshold.

    One line per model, with 95% intervals where there are enough seeds. A trial that never learned is above none, and
    models at chance are left out.
    """
    answers = analysis.answers
    parts = answers.parts(source, ["target"])
    figure, panels = panels_of(len(parts))
    of_models = fullest(analysis.accuracy.query("source == @source"))
    able = of_models.loc[~guessing(of_models), "model"].tolist()
    for axes, part in zip(panels, parts, strict=True):
        for model in able:
            grid = answers.grid(answers.asked(answers.places(source=source, model=model), part))
            if grid.size:
                _profile(axes, answers, part, grid, model)
        named = domain_name(analysis.study.domains, part[0])
        axes.set(title=f"on {named}", xlabel="robustness ratio above", ylim=(0, 102))
    left_labelled(panels, "share of trials (%)")
    legend_above(figure)
    out = [look_of(model).label for model in of_models["model"] if model not in able]
    note = f"; {AT_CHANCE} and left out: {', '.join(out)}" if out else ""
    return stamped(figure, _basis(analysis, of_models, note))


def _profile(axes: Axes, answers: Answers, part: Part, grid: NDArray[np.int64], model: str) -> None:
    learned = answers.trials["learned"].to_numpy(bool)[grid.ravel()]
    ratios = np.where(learned, answers.measure("robustness_ratio", part, grid.ravel()), 0.0)
    ratios = ratios.reshape(-1, *grid.shape)
    shares, low, high = statistic_intervals(ratios, partial(performance_profile, thresholds=THRESHOLDS))
    look = look_of(model)
    axes.step(THRESHOLDS, 100 * shares, where="post", color=look.color, label=look.label)
    if grid.shape[0] >= FEW:
        band = np.clip([low, high], 0, 1) * 100
        axes.fill_between(THRESHOLDS, *band, step="post", color=look.color, alpha=0.15, linewidth=0)


def learning_curves(analysis: Analysis, source: str) -> Figure:
    """Validation accuracy after each epoch.

    One panel per model: a line per trial, darker with more units; trials that never learned are dotted.
    """
    trials = analysis.tables.trials.query("source == @source and state in ('done', 'unreached')")
    models = list(dict.fromkeys(trials["model"]))
    figure, panels = panels_of(len(models))
    curves = dict(list(analysis.tables.epochs.groupby("trial_id", sort=False)))
    for axes, model in zip(panels, models, strict=True):
        chosen = trials.query("model == @model")
        sizes = sizes_of(chosen)
        named = ("trial_id", "learned", "hidden_units", "size")
        for trial_id, learned, *size in zip(*(chosen[name] for name in named), strict=True):
            alpha = 0.3 + 0.7 * sizes.index(tuple(size)) / (len(sizes) - 1) if len(sizes) > 1 else 1.0
            rows = curves[trial_id]
            axes.plot(
                rows["epoch"] + 1,
                100 * rows["val_top1"],
                linestyle="-" if learned is pd.NA or learned else ":",
                marker="." if len(rows) < FEW_EPOCHS else None,
                color=look_of(model).color,
                alpha=alpha,
                linewidth=0.9,
            )
        chance_line(axes, analysis.answers.chance(source))
        axes.set(title=f"{look_of(model).label}, {size_range(sizes)}", xlabel="epoch", ylim=(0, 100))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    left_labelled(panels, "validation accuracy (%)")
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
    source: str
    of: str
    """What the source is called, and the recipe where there are several."""
    draw: Callable[[], Figure]
    title: str
    """What it shows, with its number in the paper where it has one."""
    about: str
    """How it is to be read, in a few sentences."""


def drawings(analysis: Analysis) -> Iterator[Drawing]:
    """Every figure of every source that has a finished trial, of each recipe."""
    for recipe, part in analysis.by_recipe.items():
        for source in part.answers.sources:
            models, left_out = part.answers.models(source), part.study.drawn_in_paper(source).left_out
            some = 0 < len([model for model in models if model in left_out]) < len(models)
            for kind, draw in {**part.study.figures(source), **(LEFT_OUT if some else {})}.items():
                name = "-".join(filter(None, (kind, source, re.sub(r"[^\w.]+", "-", recipe))))
                named = domain_name(part.study.domains, source)
                title, about = _said_of(draw, part.study.drawn_in_paper(source).called.get(kind, ""))
                of = ", ".join(filter(None, (named, recipe)))
                yield Drawing(name, kind, source, of, partial(draw, part, source), title, about)


def _said_of(draw: Draw, number: str) -> tuple[str, str]:
    """Title and explanation of a figure: the first line of its docstring, and the rest."""
    first, _, rest = inspect.cleandoc(draw.__doc__ or "A figure").partition("\n")
    return first.rstrip(".") + (f" ({number} of the paper)" if number else ""), " ".join(rest.split())


def pictures(analysis: Analysis) -> list[tuple[Drawing, Picture]]:
    """Every figure, drawn."""
    return [(drawing, picture_of(drawing.draw)) for drawing in drawings(analysis)]


def write_all(drawn: Sequence[tuple[Drawing, Picture]], folder: Storage) -> list[str]:
    """Write every figure; returns the names of the files written."""
    files = {f"{drawing.name}.{suffix}": data for drawing, picture in drawn for suffix, data in picture.files.items()}
    for name, data in files.items():
        folder.write_bytes(name, data)
    return list(files)

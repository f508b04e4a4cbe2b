"""What panels of several figures have: lines with intervals, marks of chance, a legend above, the axis of sizes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import ColorType
from numpy.typing import NDArray

from rac_ray.results.answers import distinct
from rac_ray.results.at_chance import AT_CHANCE, guessing
from rac_ray.results.columns import SIZE_NAME
from rac_ray.results.findings import FEW
from rac_ray.results.looks import look_of

ACROSS, FADED, BESIDE = 3, 0.35, 0.15
"""Panels side by side, so that text is legible at 800 pixels; how much of its colour a model at chance has; how far
models of the only size stand apart, in sizes or doublings of one."""


def panels_of(count: int) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels with one vertical axis, in rows of three; four are in rows of two."""
    columns = 2 if count == 4 else min(max(count, 1), ACROSS)
    rows = max(1, math.ceil(count / columns))
    figure = Figure(figsize=(1 + 3 * columns, 0.8 + 2.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel().tolist()
    for unused in grid[count:]:
        unused.remove()
    return figure, grid[:count]


def left_labelled(panels: Sequence[Axes], label: str) -> None:
    """The name of the vertical axis at the left of each row."""
    for axes in panels:
        spec = axes.get_subplotspec()
        if spec is not None and spec.is_first_col():
            axes.set_ylabel(label)


def legend_above(figure: Figure) -> None:
    """One legend for all panels, above them, where no data are."""
    found = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        figure.legend(found.values(), found.keys(), loc="outside upper left", ncols=5, fontsize="small", frameon=False)


def labelled(label: str, guesses: bool) -> str:
    """A model's name, with what has to be known of it."""
    return f"{label} ({AT_CHANCE})" if guesses else label


def chance_line(axes: Axes, chance: float) -> None:
    """Where guessing is, on an axis in percent."""
    axes.axhline(100 * chance, color="grey", linewidth=0.8, linestyle=":", label=f"guessing ({100 * chance:.0f}%)")


def lines(axes: Axes, table: pd.DataFrame, across: str, scale: float = 1) -> None:
    """A line per model through its means, with intervals as a band where there are enough seeds.

    Sizes at chance are faded markers beside the line.
    """
    for model, group in table.groupby("model", sort=False):
        rows, look = group.sort_values(across), look_of(str(model))
        guesses = guessing(rows)
        known, faded = rows.loc[~guesses], rows.loc[guesses]
        label = labelled(look.label, bool(guesses.all()))
        style = {"color": look.color, "marker": look.marker, "markersize": 4}
        if len(known):
            (line,) = axes.plot(known[across], scale * known["mean"], label=label, **style)
            sure = known.loc[(known["seeds"] >= FEW).to_numpy()]
            _intervals(
                axes, sure[across].to_numpy(), scale * sure[["mean", "low", "high"]].to_numpy(), line.get_color()
            )
        if len(faded.dropna(subset=["mean"])):
            own = label if guesses.all() else None
            axes.plot(faded[across], scale * faded["mean"], linestyle="", alpha=FADED, label=own, **style)


def _intervals(axes: Axes, at: NDArray[np.float64], spreads: NDArray[np.float64], color: ColorType) -> None:
    """A band through the intervals (N, 3) of mean, low and high; a bar where there is only one."""
    mean, low, high = spreads.T
    if len(at) == 1:
        axes.errorbar(at, mean, [mean - low, high - mean], color=color, linestyle="", capsize=3)
    else:
        axes.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)


def crosses(axes: Axes, table: pd.DataFrame, across: str, low: float) -> None:
    """A faded cross at the bottom for each size that has no ratio."""
    for model, rows in table.groupby("model", sort=False):
        look = look_of(str(model))
        label = f"{look.label}: {AT_CHANCE}, no ratio"
        axes.plot(rows[across], [low] * len(rows), "x", color=look.color, alpha=FADED, clip_on=False, label=label)


def around(means: Sequence[float]) -> tuple[float, float]:
    """Limits that show every mean; an interval of few seeds may reach over them."""
    return min(0.0, 1.1 * min(means, default=0.0)), max(1.1, 1.1 * max(means, default=1.0))


class SizeAxis(NamedTuple):
    """The axis of sizes: hidden units on a logarithmic axis, or sizes by name, side by side."""

    sizes: list[tuple[int, str]]
    places: list[float]
    names: list[str]
    named: bool

    def placed(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with the column ``place``, where its rows stand on the axis; at the only size side by side."""
        place = dict(zip(self.sizes, self.places, strict=True))
        rows = table[["hidden_units", SIZE_NAME]].itertuples(index=False, name=None)
        models = list(dict.fromkeys(table["model"]))
        beside = {model: BESIDE * (number - (len(models) - 1) / 2) for number, model in enumerate(models)}
        moves = [beside[model] if len(self.sizes) == 1 else 0.0 for model in table["model"]]
        return table.assign(
            place=[self._moved(place.get(size, np.nan), by) for size, by in zip(rows, moves, strict=True)]
        )

    def _moved(self, place: float, by: float) -> float:
        """A place so many sizes, or doublings of the size, further to the right."""
        return place + by if self.named else place * 2**by

    def applied(self, axes: Axes) -> None:
        if not self.named:
            axes.set_xscale("log", base=2)
        if len(self.places) == 1:
            axes.set_xlim(self._moved(self.places[0], -1), self._moved(self.places[0], 1))
        axes.set_xticks(self.places, self.names)
        axes.minorticks_off()
        axes.set_xlabel("size" if self.named else "hidden units per layer")


def placed(table: pd.DataFrame) -> tuple[pd.DataFrame, SizeAxis]:
    """The table with its rows' places, and the axis of its sizes."""
    sizes = sizes_of(table)
    named = any(name for _, name in sizes)
    names = [name or str(units) for units, name in sizes]
    axis = SizeAxis(sizes, [float(number if named else units) for number, (units, _) in enumerate(sizes)], names, named)
    return axis.placed(table), axis


def sizes_of(table: pd.DataFrame) -> list[tuple[int, str]]:
    """Different hidden units and names of sizes, in ascending order."""
    return sorted(distinct(table, ["hidden_units", "size"]).itertuples(index=False, name=None))


def size_range(sizes: list[tuple[int, str]]) -> str:
    """``2 to 48 hidden units``, or names of sizes."""
    (first, first_name), (last, last_name) = sizes[0], sizes[-1]
    units = "" if last_name else " hidden units"
    return f"{first_name or first}{f' to {last_name or last}' if len(sizes) > 1 else ''}{units}"

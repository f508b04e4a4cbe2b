"""What panels of several figures have: lines with intervals, hollow markers, and the axis of sizes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from rac_ray.results.answers import distinct
from rac_ray.results.columns import SIZE_NAME
from rac_ray.results.looks import look_of


def lines(axes: Axes, table: pd.DataFrame, across: str) -> None:
    """A line per model with its interval as a band; a size of which no trial has learned has a hollow marker."""
    for model, group in table.groupby("model", sort=False):
        rows, look = group.sort_values(across), look_of(str(model))
        guessing = (rows["never_learned"] == rows["trials"]).to_numpy()
        (line,) = axes.plot(rows[across], rows["mean"], color=look.color, marker=look.marker, markersize=4)
        line.set(markevery=np.flatnonzero(~guessing).tolist(), label=look.label)
        axes.fill_between(rows[across], rows["low"], rows["high"], color=look.color, alpha=0.15, linewidth=0)
        hollow(axes, rows[guessing].assign(place=rows[across][guessing]))


def hollow(axes: Axes, table: pd.DataFrame) -> None:
    """A hollow marker of its model for each row."""
    for model, rows in table.groupby("model", sort=False):
        look = look_of(str(model))
        axes.plot(rows["place"], rows["mean"], look.marker, color=look.color, markersize=4, markerfacecolor="none")


def around(means: Sequence[float]) -> tuple[float, float]:
    """Limits that show every mean; an interval of few seeds may reach over them."""
    return min(0.0, 1.1 * min(means)), max(1.1, 1.1 * max(means))


class SizeAxis(NamedTuple):
    """The axis of sizes: hidden units on a logarithmic axis, or sizes by name, side by side."""

    sizes: list[tuple[int, str]]
    places: list[float]
    names: list[str]
    named: bool

    def placed(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with the column ``place``, where its rows' sizes stand on the axis."""
        place = dict(zip(self.sizes, self.places, strict=True))
        rows = table[["hidden_units", SIZE_NAME]].itertuples(index=False, name=None)
        return table.assign(place=[place.get(size, np.nan) for size in rows])

    def applied(self, axes: Axes) -> None:
        if not self.named:
            axes.set_xscale("log", base=2)
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
    """``h = 2 to 48``, or names of sizes."""
    (first, first_name), (last, last_name) = sizes[0], sizes[-1]
    return f"{first_name or f'h = {first}'} to {last_name or last}"

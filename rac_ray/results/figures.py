"""The paper's figures from whatever part of the grid has run. matplotlib, no display; colour-blind-safe colours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rac_ray.results.tables import Tables, accuracy_table
from rac_ray.storage import Storage

matplotlib.use("Agg")

LOOKS = {
    "convlstm": ("ConvLSTM", "#0072B2", "o"),
    "cnn3d": ("3D CNN", "#D55E00", "s"),
    "timesformer1": ("TimeSf-1", "#56B4E9", "v"),
    "timesformer8": ("TimeSf-8", "#009E73", "^"),
}
"""Name in the paper, colour (Okabe and Ito), marker; other models get matplotlib's own."""
FORMATS = ("png", "svg")


def look_of(model: str) -> tuple[str, str | None, str]:
    return LOOKS.get(model, (model, None, "D"))


def figure3(tables: Tables, source: str) -> Figure:
    """Mean accuracy per domain and model, over hidden units and seeds, with 95% intervals (paper, Figure 3)."""
    table = accuracy_table(tables.evaluations, source)
    places = list(dict.fromkeys(zip(table["target"], table["split"], strict=True)))
    models = list(dict.fromkeys(table["model"]))
    figure = Figure(figsize=(1.8 + 1.5 * len(places), 4.2), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(models)
    for number, model in enumerate(models):
        rows = table[table["model"] == model].set_index(["target", "split"]).reindex(places)
        label, colour, _ = look_of(model)
        at = np.arange(len(places)) + (number - (len(models) - 1) / 2) * width
        errors = 100 * np.abs(np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]]))
        axes.bar(at, 100 * rows["mean"], width, yerr=errors, capsize=2, color=colour, label=label)
    axes.axhline(20, color="grey", linewidth=0.8, linestyle=":", label="chance")
    axes.set_xticks(range(len(places)), [f"{target}\n{split}" for target, split in places])
    axes.set(ylabel="mean top-1 (%)", ylim=(0, 100), title=f"Trained on {source}")
    axes.legend(ncols=len(models) + 1, fontsize="small", loc="upper right")
    return _stamped(figure, tables)


def figure4(tables: Tables, source: str) -> Figure:
    """Robustness ratio against hidden units, one panel per target, mean and range over seeds (paper, Figure 4)."""
    chosen = tables.evaluations.query("source == @source and role == 'target'")
    targets = list(dict.fromkeys(chosen["target"]))
    figure = Figure(figsize=(1 + 3.2 * len(targets), 3.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(targets), sharey=True))
    for axes, target in zip(panels, targets, strict=True):
        _ratio_panel(axes, chosen[chosen["target"] == target])
        axes.set(title=f"{source} to {target}", xlabel="hidden units per layer")
    panels[0].set_ylabel("robustness ratio")
    panels[-1].legend(fontsize="small")
    return _stamped(figure, tables)


def _ratio_panel(axes: Axes, rows: Any) -> None:
    sizes: Sequence[int] = sorted(rows["hidden_units"].unique())
    for model, group in rows.groupby("model", sort=False):
        label, colour, marker = look_of(str(model))
        by_size = group.groupby("hidden_units")["robustness_ratio"].agg(["mean", "min", "max"])
        axes.plot(by_size.index, by_size["mean"], color=colour, marker=marker, label=label)
        axes.fill_between(by_size.index, by_size["min"], by_size["max"], color=colour, alpha=0.15, linewidth=0)
    axes.axhline(1, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()


def _stamped(figure: Figure, tables: Tables) -> Figure:
    figure.supxlabel(tables.stamp, fontsize=7, color="grey")
    return figure


def draw_all(tables: Tables, folder: Storage) -> list[str]:
    """Draw figures 3 and 4 for every source that has a finished trial; returns the files written."""
    written = []
    for source in dict.fromkeys(tables.evaluations["source"]):
        for name, draw in (("figure3", figure3), ("figure4", figure4)):
            figure = draw(tables, source)
            for suffix in FORMATS:
                file = f"{name}-{source}.{suffix}"
                with folder.writing(file) as path, Path(path).open("wb") as stream:
                    figure.savefig(stream, format=suffix, dpi=150)
                written.append(folder.address(file))
    return written

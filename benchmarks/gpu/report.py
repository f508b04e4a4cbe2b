"""All that ``make bench-gpu`` has measured, as Markdown. Pure."""

from collections.abc import Mapping, Sequence

from benchmarks.gpu.rows import Row
from benchmarks.gpu.tables import shown, table
from benchmarks.gpu.tables_right import fits_tables, group_line, minisweep_table, precision_table, stacks_tables
from benchmarks.gpu.tables_time import (
    epochs_table,
    packing_table,
    price_table,
    speed_table,
    stacked_epochs_table,
    stacked_speed_table,
)
from rac_ray.identity import Training

KEYS = (
    *("kind", "model", "hidden_units", "precision", "side", "graphs", "seeds"),
    *("stack", "trial", "verb", "processes", "mps", "what"),
)
"""What names a row."""


def errors(rows: Sequence[Row]) -> str:
    """Everything that failed, a line each."""
    return "\n".join(
        f"- {row['section']}: "
        + ", ".join(f"{name} {value}" for name, value in row.items() if name in KEYS)
        + f": {row['error']}"
        for row in rows
        if "error" in row
    )


def report(machine: Mapping[str, str], outcomes: Sequence[Row], rows: Sequence[Row], trials: Sequence[Training]) -> str:
    """All of it."""
    parts = [
        "# On a GPU",
        "\n".join(f"- {name}: {value}" for name, value in machine.items()),
        table(
            ["section", "outcome", "seconds"],
            ([each["name"], each["outcome"], shown(each["seconds"], ".0f")] for each in outcomes),
        ),
        "## Seeds as one model",
        stacks_tables(rows),
        "## Precision\n\nRelative distances from the plain model on a CPU in float64, one training step:",
        precision_table(rows),
        "## Fits",
        fits_tables(rows),
        "## Speed\n\nA training step; the GPU is busy while at least one kernel runs:",
        speed_table(rows),
        "Several seeds as one model, a batch each; clips per second are those of all:",
        stacked_speed_table(rows),
        "## Epochs\n\nThrough the product's fit, validation included:",
        epochs_table(rows),
        "Several seeds through fit_stack:",
        stacked_epochs_table(rows),
        "## Side by side\n\nClips per second of all processes together:",
        packing_table(rows),
        "## A small sweep",
        minisweep_table(rows),
        "## A worker group",
        group_line(rows),
        "## Price of the study, hours on this GPU",
        price_table(rows, trials),
    ]
    return "\n\n".join([*parts, *([f"## Failed\n\n{said}"] if (said := errors(rows)) else [])]) + "\n"

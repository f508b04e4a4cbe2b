"""What ``make bench-gpu`` has measured, as Markdown. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.gpu.price import PROMISED_HOURS, gain, hours, measured_epochs, overhead
from benchmarks.gpu.rows import Row
from benchmarks.gpu.steps import SIDES
from rac_ray.identity import Training


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(value: Any, form: str = ".1e") -> str:
    """A number, or a dash for none."""
    return "-" if value is None else format(value, form)


def of(rows: Iterable[Row], section: str, **wanted: Any) -> list[Row]:
    """Rows of a section without errors that have these values."""
    return [
        row
        for row in rows
        if row["section"] == section
        and "error" not in row
        and all(row.get(name) == value for name, value in wanted.items())
    ]


def precision_table(rows: Sequence[Row]) -> str:
    """Relative distances from float64."""
    return table(
        ["model", "h", "precision", "logits", "gradient", "its farthest tensor", "loss scaled by"],
        (
            [
                row["model"],
                str(row["hidden_units"]),
                row["precision"],
                *(shown(row[name]) for name in ("logits", "gradient", "farthest")),
                shown(row["loss_scale"], ",.0f"),
            ]
            for row in of(rows, "precision")
        ),
    )


def fits_tables(rows: Sequence[Row]) -> str:
    """Graphs, resuming, evaluation and memory."""
    graphs = table(
        [
            "model",
            "precision",
            "steps",
            "weights",
            "eager again",
            "loss",
            "eager again",
            "val top-1",
            "recorded",
            "loss scaled by, in the end",
        ],
        (
            [
                row["model"],
                row["precision"],
                str(row["steps"]),
                *(shown(row[name]) for name in ("weights", "weights_eager_again", "loss", "loss_eager_again")),
                "equal" if row["val_top1_equal"] else "differs",
                "; ".join(row["refused"]) or "yes",
                shown(row["loss_scale"], ",.0f"),
            ]
            for row in of(rows, "fits", kind="graphs")
        ),
    )
    resumed = table(
        ["model", "precision", "graphs", "epochs", "weights", "whole again", "loss", "whole again"],
        (
            [
                row["model"],
                row["precision"],
                "yes" if row["graphs"] else "no",
                "equal" if row["epochs"] else "differ",
                *(
                    shown(row[name])
                    for name in ("weights", "weights_uninterrupted_again", "loss", "loss_uninterrupted_again")
                ),
            ]
            for row in of(rows, "fits", kind="resume")
        ),
    )
    evaluated = table(
        ["model", "precision", "clips", "logits", "same answers"],
        (
            [row["model"], row["precision"], str(row["clips"]), shown(row["logits"]), shown(row["same_answers"], ".1%")]
            for row in of(rows, "fits", kind="evaluation")
        ),
    )
    momentum = "\n".join(
        f"- PyTorch's optimiser {row['pytorch']:.1e}, ours {row['ours']:.1e}"
        for row in of(rows, "fits", kind="momentum")
    )
    memory = "\n".join(f"- {row['what']}: {_memory(row)}" for row in of(rows, "fits", kind="memory"))
    return "\n\n".join(
        [
            "Graphs against eager after the same steps, largest relative difference:",
            graphs,
            "Interrupted and taken up again, against uninterrupted:",
            resumed,
            "Evaluation against a CPU in float32:",
            evaluated,
            "Memory that runs out:",
            memory,
            "Largest momentum after a fused first step that overflowed and was skipped:",
            momentum,
        ]
    )


def _memory(row: Row) -> str:
    if "class" in row:
        return f"{row['class']} ({row['reason']})"
    batches = f"{row['batches']} batches, {row['batches_capped']} where memory is short"
    return f"{batches}, logits {row['logits']:.1e} apart"


def speed_table(rows: Sequence[Row]) -> str:
    """Milliseconds of a step on each side, and ratios to plain PyTorch."""
    found: dict[tuple[str, int, str], Row] = {}
    for row in of(rows, "speed"):
        found.setdefault((row["model"], row["hidden_units"], row["side"]), {}).update(row)
    lines = []
    for model, hidden_units in dict.fromkeys((model, hidden_units) for model, hidden_units, _ in found):
        plain, eager, graphs = (found.get((model, hidden_units, side), {}) for side in SIDES)
        lines.append(
            [
                model,
                str(hidden_units),
                *(shown(each.get("ms"), ".2f") for each in (plain, eager, graphs)),
                *(shown(each.get("clips_per_second"), ",.0f") for each in (plain, eager, graphs)),
                *(shown(ratio(each, plain), ".2f") for each in (eager, graphs)),
                *(shown(each.get("kernels"), ",.0f") for each in (plain, eager)),
                *(shown(busy(each), ".0%") for each in (plain, eager, graphs)),
                *(shown(each.get("peak_bytes", 0) / 1e9 or None, ".2f") for each in (plain, eager, graphs)),
            ]
        )
    head = ["model", "h", "ms: plain", "eager", "graphs", "clips/s: plain", "eager", "graphs", "eager / plain"]
    head += [
        "graphs / plain",
        "kernels: plain",
        "ours",
        "busy: plain",
        "eager",
        "graphs",
        "GB: plain",
        "eager",
        "graphs",
    ]
    return table(head, lines)


def busy(row: Mapping[str, Any]) -> float | None:
    """The share of a step's time in which at least one kernel runs."""
    return row["busy_ms"] / row["ms"] if "busy_ms" in row and "ms" in row else None


def ratio(ours: Mapping[str, Any], plain: Mapping[str, Any]) -> float | None:
    measured = "clips_per_second" in ours and "clips_per_second" in plain
    return ours["clips_per_second"] / plain["clips_per_second"] if measured else None


def epochs_table(rows: Sequence[Row]) -> str:
    """Seconds of an epoch with and without graphs."""
    found = {(row["model"], row["hidden_units"], row["graphs"]): row for row in of(rows, "epochs")}
    lines = []
    for model, hidden_units in dict.fromkeys((model, hidden_units) for model, hidden_units, _ in found):
        graphs, eager = (found.get((model, hidden_units, value), {}) for value in (True, False))
        seconds = [shown(each.get("seconds"), ".3f") for each in (eager, graphs)]
        first = [shown(each.get("seconds_first"), ".2f") for each in (eager, graphs)]
        lines.append([model, str(hidden_units), *seconds, *first])
    return table(["model", "h", "eager, s", "graphs, s", "first epoch, eager", "first epoch, graphs"], lines)


def packing_table(rows: Sequence[Row]) -> str:
    """Clips per second of all processes together."""
    found = of(rows, "packing")
    rates = {
        (row["mps"], row["model"], row["side"], row["processes"]): row["clips_per_second"]
        for row in found
        if "clips_per_second" in row
    }
    counts = sorted({key[3] for key in rates})
    lines = [
        [
            model,
            side,
            "yes" if mps else "no",
            *(shown(rates.get((mps, model, side, count)), ",.0f") for count in counts),
        ]
        for mps, model, side in dict.fromkeys(key[:3] for key in rates)
    ]
    skipped = "".join(f"\n\nWith MPS: not measured; {row['skipped']}." for row in found if "skipped" in row)
    return table(["model", "steps", "MPS", *(f"{count} at once" for count in counts)], lines) + skipped


def minisweep_table(rows: Sequence[Row]) -> str:
    """The verbs, then the trials."""
    verbs = table(
        ["command", "graphs", "exit code", "seconds"],
        (
            [row["verb"], "yes" if row["graphs"] else "no", str(row["exit"]), shown(row["seconds"], ".1f")]
            for row in rows
            if row["section"] == "minisweep" and "exit" in row
        ),
    )
    trials = table(
        ["model", "h", "graphs", "precision", "device", "peak, MB", "to first step, s", "training, s", "in all, s"],
        (
            [
                row["model"],
                str(row["hidden_units"]),
                "yes" if row["cuda_graphs"] else "no",
                row["precision"],
                row["device"],
                shown(row["peak_bytes"] / 1e6, ",.0f"),
                *(shown(row["of_seconds"][name], ".1f") for name in ("to_first_step", "training", "total")),
            ]
            for row in of(rows, "minisweep")
            if "trial" in row
        ),
    )
    return f"{verbs}\n\n{trials}"


def price_table(rows: Sequence[Row], trials: Sequence[Training]) -> str:
    """Hours of the study by way of running it."""
    of_trial, lines = overhead(rows), []
    for graphs, side in ((False, "eager"), (True, "graphs")):
        alone = hours(trials, measured_epochs(of(rows, "epochs"), graphs), of_trial or 0.0)
        if alone is None:
            continue
        for mps in (False, True):
            found = {} if mps else {1: 1.0}
            for count, faster in (found | gain(rows, side=side, mps=mps)).items():
                each = (shown(value / faster, ".1f") for value in (alone.least, alone.middle, alone.most))
                lines.append([side, str(count), "yes" if mps else "no", shown(faster, ".2f"), *each])
    head = ["steps", "trials at once", "MPS", "faster than one, measured"]
    head += ["hours where every trial stops as early as it can", "halfway", "at its last epoch"]
    promised = f"promised: {PROMISED_HOURS:g} hours"
    said = f"{len(trials)} trials, {shown(of_trial, '.1f')} s each beside its epochs; {promised}"
    return f"{said}\n\n{table(head, lines)}"


def group_line(rows: Sequence[Row]) -> str:
    """What the worker group of one used, and how far its losses are from those without a group."""
    return "\n".join(
        f"- {row['backend']} on {row['device']}, {row['precision']}: losses within {row['loss']:.1e} of a fit alone, "
        f"{row['seconds']:.0f} s with the group's start"
        for row in of(rows, "group")
    )


def errors(rows: Sequence[Row]) -> str:
    """Everything that failed, a line each."""
    return "\n".join(
        f"- {row['section']}: "
        + ", ".join(f"{name} {value}" for name, value in row.items() if name in KEYS)
        + f": {row['error']}"
        for row in rows
        if "error" in row
    )


KEYS = ("kind", "model", "hidden_units", "precision", "side", "graphs", "verb", "processes", "mps", "what")
"""What names a row."""


def report(machine: Mapping[str, str], outcomes: Sequence[Row], rows: Sequence[Row], trials: Sequence[Training]) -> str:
    """All of it."""
    parts = [
        "# On a GPU",
        "\n".join(f"- {name}: {value}" for name, value in machine.items()),
        table(
            ["section", "outcome", "seconds"],
            ([each["name"], each["outcome"], shown(each["seconds"], ".0f")] for each in outcomes),
        ),
        "## Precision\n\nRelative distances from the plain model on a CPU in float64, one training step:",
        precision_table(rows),
        "## Fits",
        fits_tables(rows),
        "## Speed\n\nA training step; the GPU is busy while at least one kernel runs:",
        speed_table(rows),
        "## Epochs\n\nThrough the product's fit, validation included:",
        epochs_table(rows),
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

"""Whether what a GPU computes is right: precision, fits, stacks, a small sweep, a worker group. Pure."""

from collections.abc import Sequence

from benchmarks.gpu.rows import Row
from benchmarks.gpu.tables import equal, of, shown, table, yes

PROMISED_LOSS = 1e-4
"""How far a seed's loss of the first epoch may be from what it is alone, relative."""


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
                equal(row["val_top1_equal"]),
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
                yes(row["graphs"]),
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


def stacks_tables(rows: Sequence[Row]) -> str:
    """Seeds in one process against each alone: a step of all at once, whole fits, and stacks that a seed leaves."""
    outputs = table(
        ["model", "precision", "logits", "gradient", "of", "layers in another type than alone"],
        (
            [
                *(row["model"], row["precision"], shown(row["logits"]), shown(row["gradient"]), row["parameter"]),
                f"{len(row['other_types'])} of {row['layers']}",
            ]
            for row in of(rows, "stacks", kind="outputs")
        ),
    )
    head = ["model", "precision", "graphs", "seeds", "loss of the first epoch", "alone again", "at most 1e-4"]
    head += ["loss", "alone again", "weights", "alone again", "val top-1", "scales of losses", "recorded"]
    together = table(
        head,
        (
            [
                *_trained(row),
                str(row["seeds"]),
                *(shown(row[name]) for name in ("first_loss", "first_loss_again")),
                yes(row["first_loss"] <= PROMISED_LOSS),
                *(shown(row[name]) for name in ("loss", "loss_again", "weights", "weights_again")),
                *(equal(row[name]) for name in ("val_top1_equal", "scales_equal")),
                "; ".join(row["refused"]) or "yes",
            ]
            for row in of(rows, "stacks", kind="together")
        ),
    )
    left = table(
        ["stack", "model", "precision", "graphs", "what became of it", "loss of the first epoch", "loss", "weights"],
        (
            [
                row["kind"],
                *_trained(row),
                _ended(row),
                *(shown(row.get(name)) for name in ("first_loss", "loss", "weights")),
            ]
            for kind in ("one stops early", "interrupted", "one is not finite")
            for row in of(rows, "stacks", kind=kind)
        ),
    )
    return "\n\n".join(
        [
            "A training step of all members at once, against each model by itself, largest relative difference:",
            outputs,
            "Whole fits against each seed alone without graphs; beside it a second fit of the first seed alone:",
            together,
            "Stacks that a seed leaves, or that are interrupted half way and taken up again:",
            left,
        ]
    )


def _trained(row: Row) -> list[str]:
    return [row["model"], row["precision"], yes(row["graphs"])]


def _ended(row: Row) -> str:
    if "epochs" in row:
        return f"epochs {row['epochs']}, alone {row['epochs_alone']}"
    top1s = f"val top-1 {equal(row['val_top1_equal'])}" if "val_top1_equal" in row else row["skipped"]
    return f"{row['failed']}, of the others {top1s}" if "failed" in row else top1s


def minisweep_table(rows: Sequence[Row]) -> str:
    """The verbs, then the trials."""
    verbs = table(
        ["command", "graphs", "stack", "exit code", "seconds"],
        (
            [
                row["verb"],
                yes(row["graphs"]) if "graphs" in row else "-",
                shown(row.get("stack"), "d"),
                str(row["exit"]),
                shown(row["seconds"], ".1f"),
            ]
            for row in rows
            if row["section"] == "minisweep" and "exit" in row
        ),
    )
    trials = table(
        [
            "model",
            "h",
            "seed",
            "stacked",
            "graphs",
            "precision",
            "device",
            "peak, MB",
            "to first step, s",
            "training, s",
            "in all, s",
        ],
        (
            [
                row["model"],
                *(str(row[name]) for name in ("hidden_units", "seed", "stacked")),
                yes(row["cuda_graphs"]),
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


def group_line(rows: Sequence[Row]) -> str:
    """What the worker group of one used, and how far its losses are from those without a group."""
    return "\n".join(
        f"- {row['backend']} on {row['device']}, {row['precision']}: losses within {row['loss']:.1e} of a fit alone, "
        f"{row['seconds']:.0f} s with the group's start"
        for row in of(rows, "group")
    )

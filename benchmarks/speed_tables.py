"""The tables of ``benchmarks.speed``, from what it has measured."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.agreement import Agreement
from benchmarks.measure import Measured
from benchmarks.roofline import Rates, Work
from benchmarks.run import machine


@dataclass(frozen=True)
class Row:
    """One model and number of hidden units."""

    model: str
    hidden_units: int
    plain: Measured | None
    """None: it did not end well, as ``problems`` says."""
    ours: Measured | None
    side_by_side: Sequence[Measured]
    """Ours as the sweep runs it, one per process; empty on a GPU."""
    agreements: Sequence[Agreement]
    training_work: Work
    """Per clip."""
    evaluation_work: Work
    """Per clip."""
    others_share: float
    """Of the cores' time that went to other processes, or to other machines on the same host, meanwhile."""
    problems: Sequence[str]


def rates_table(rows: Sequence[Row], part: str) -> str:
    """Clips per second of ``training`` or ``evaluation``, with ratios to the plain side and peak memory."""
    lines = [
        "| model | h | plain, clips/s | ours, clips/s | ours / plain | side by side, clips/s | / plain | plain, GB "
        "| ours, GB | side by side, GB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        plain, ours, together = ([getattr(each, part) for each in side] for side in _sides(row))
        sums = [sum(values) if values else None for values in (plain, ours, together)]
        memory = [sum(each.peak_bytes for each in side) / 1e9 if side else None for side in _sides(row)]
        cells = [_shown(sums[0], ",.1f"), _shown(sums[1], ",.1f"), _shown(_ratio(sums[1], sums[0]), ".2f")]
        processes = f" ({len(together)})" if together else ""
        cells += [_shown(sums[2], ",.1f") + processes, _shown(_ratio(sums[2], sums[0]), ".2f")]
        cells += [_shown(each, ".2f") for each in memory]
        lines.append(f"| {row.model} | {row.hidden_units} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _sides(row: Row) -> tuple[Sequence[Measured], Sequence[Measured], Sequence[Measured]]:
    plain, ours = ([each] if each else [] for each in (row.plain, row.ours))
    return plain, ours, row.side_by_side


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def roofline_table(rows: Sequence[Row], rates: Rates) -> str:
    """Work per clip, the bound it sets, and the share of the bound that ours reaches on all cores."""
    lines = [
        "| model | h | of | MFLOP / clip | MB / clip | bound, clips/s | set by | ours reaches |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for part, work in (("training", row.training_work), ("evaluation", row.evaluation_work)):
            bound = rates.bound(work)
            share = _ratio(getattr(row.ours, part) if row.ours else None, bound)
            cells = [f"{work.flops / 1e6:,.1f}", f"{work.moved_bytes / 1e6:,.1f}", f"{bound:,.1f}"]
            cells += [rates.bound_by(work), _shown(share, ".0%")]
            lines.append(f"| {row.model} | {row.hidden_units} | {part} | {' | '.join(cells)} |")
    return "\n".join(lines)


def agreement_table(rows: Sequence[Row]) -> str:
    """Relative distances between ours and the plain model, and of both from float64."""
    lines = [
        "| model | h | clips | precision | logits, training | logits, evaluation | gradient, farthest parameter "
        "| ours from float64 | plain from float64 | agree |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in (agreement for row in rows for agreement in row.agreements):
        numbers = (each.training_logits, each.evaluation_logits, each.gradient)
        cells = [f"{number:.1e}" for number in (*numbers, each.ours_from_float64, each.plain_from_float64)]
        place = f"| {each.model} | {each.hidden_units} | {each.clips} | {each.precision}"
        lines.append(f"{place} | {' | '.join(cells)} | {'yes' if each.holds else 'NO'} |")
    return "\n".join(lines)


def report(rows: Sequence[Row], rates: Rates, device: torch.device, batch_size: int) -> str:
    """All tables."""
    busiest = max(row.others_share for row in rows)
    name = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    together = "" if device.type == "cuda" else ", side by side: one process per core (how many), one thread each"
    return "\n\n".join(
        [
            f"{machine()}{name}, {time.strftime('%Y-%m-%d')}",
            f"Other processes took up to {busiest:.0%} of the machine meanwhile; with more than a few percent the "
            "threads of one process wait for each other, and no figure holds.",
            f"Training in batches of {batch_size} (plain: JPEG files through a DataLoader{together})",
            rates_table(rows, "training"),
            "Evaluation (memory as above)",
            rates_table(rows, "evaluation"),
            f"Roofline: {rates.flops / 1e9:,.0f} GFLOP/s in a matrix product, {rates.moved_bytes / 1e9:,.1f} GB/s read "
            "and written in a copy; bytes are what eager execution of the plain model moves",
            roofline_table(rows, rates),
            "Agreement with the plain model, relative distances",
            agreement_table(rows),
        ]
    )

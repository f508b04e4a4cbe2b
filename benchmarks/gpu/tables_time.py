"""How fast a GPU is and what the study would cost on it: steps, epochs, processes side by side, hours. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.gpu.price import PROMISED_HOURS, common_sizes, gain, hours, measured_epochs, overhead
from benchmarks.gpu.rows import Row
from benchmarks.gpu.steps import SIDES, STACKED_SIDES
from benchmarks.gpu.tables import of, shown, table, yes
from rac_ray.identity import Training


def steps_of(rows: Sequence[Row]) -> dict[tuple[str, int], dict[str, Row]]:
    """By model and hidden units time and kernels of each side; empty rows for sides that were not measured."""
    found: dict[tuple[str, int], dict[str, Row]] = {}
    for row in of(rows, "speed"):
        found.setdefault((row["model"], row["hidden_units"]), defaultdict(Row))[row["side"]].update(row)
    return found


def speed_table(rows: Sequence[Row]) -> str:
    """Milliseconds of a step on each side, and ratios to plain PyTorch."""
    lines = []
    for (model, hidden_units), sides in steps_of(rows).items():
        plain, eager, graphs = (sides[side] for side in SIDES)
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


def stacked_speed_table(rows: Sequence[Row]) -> str:
    """Milliseconds of a step of several seeds, and clips per second over those of the same steps of one."""
    lines = []
    for (model, hidden_units), sides in steps_of(rows).items():
        alone, both = [sides[side] for side in SIDES], [sides[side] for side in STACKED_SIDES]
        plain, eager, graphs = alone
        stacked, as_graph = both
        seeds = stacked.get("seeds", as_graph.get("seeds"))
        ratios = ratio(stacked, eager), ratio(as_graph, graphs), ratio(as_graph, plain)
        lines.append(
            [
                model,
                str(hidden_units),
                shown(seeds, "d"),
                *(shown(each.get("ms"), ".2f") for each in both),
                *(shown(each.get("clips_per_second"), ",.0f") for each in both),
                *(shown(value, ".2f") for value in ratios),
                *(shown(each.get("kernels"), ",.0f") for each in both),
                *(shown(busy(each), ".0%") for each in both),
                *(shown(each.get("peak_bytes", 0) / 1e9 or None, ".2f") for each in both),
                yes(not as_graph["refused"]) if "refused" in as_graph else "-",
            ]
        )
    head = ["model", "h", "seeds", "ms: stacked", "as graph", "clips/s: stacked", "as graph", "stacked / eager"]
    head += ["as graph / graphs", "as graph / plain", "kernels: stacked", "as graph", "busy: stacked", "as graph"]
    return table([*head, "GB: stacked", "as graph", "recorded"], lines)


def busy(row: Mapping[str, Any]) -> float | None:
    """The share of a step's time in which at least one kernel runs."""
    return row["busy_ms"] / row["ms"] if "busy_ms" in row and "ms" in row else None


def ratio(ours: Mapping[str, Any], plain: Mapping[str, Any]) -> float | None:
    measured = "clips_per_second" in ours and "clips_per_second" in plain
    return ours["clips_per_second"] / plain["clips_per_second"] if measured else None


def epochs_of(rows: Sequence[Row]) -> dict[tuple[str, int], dict[tuple[bool, bool], Row]]:
    """By model and hidden units the rows (several seeds?, graphs?); empty ones for what was not measured."""
    found: dict[tuple[str, int], dict[tuple[bool, bool], Row]] = {}
    for row in of(rows, "epochs"):
        ways = found.setdefault((row["model"], row["hidden_units"]), defaultdict(Row))
        ways[row["seeds"] > 1, row["graphs"]] = row
    return found


def epochs_table(rows: Sequence[Row]) -> str:
    """Seconds of an epoch with and without graphs."""
    lines = []
    for (model, hidden_units), ways in epochs_of(rows).items():
        both = [ways[False, graphs] for graphs in (False, True)]
        seconds = [shown(each.get("seconds"), ".3f") for each in both]
        first = [shown(each.get("seconds_first"), ".2f") for each in both]
        lines.append([model, str(hidden_units), *seconds, *first])
    return table(["model", "h", "eager, s", "graphs, s", "first epoch, eager", "first epoch, graphs"], lines)


def stacked_epochs_table(rows: Sequence[Row]) -> str:
    """Seconds of an epoch of several seeds, of all and of each, and how many times as fast as one alone a seed is."""
    lines = []
    for (model, hidden_units), ways in epochs_of(rows).items():
        both = [ways[True, graphs] for graphs in (False, True)]
        seeds = next((each["seeds"] for each in both if each), None)
        of_one = [each.get("seconds") for each in both]
        alone = [ways[False, graphs].get("seconds") for graphs in (False, True)]
        faster = [one / per_seed if one and per_seed else None for one, per_seed in zip(alone, of_one, strict=True)]
        lines.append(
            [
                model,
                str(hidden_units),
                shown(seeds, "d"),
                *(shown(each.get("seconds_together"), ".3f") for each in both),
                *(shown(value, ".3f") for value in of_one),
                *(shown(value, ".2f") for value in faster),
                *(shown(each.get("seconds_first"), ".2f") for each in both),
                *(shown(each.get("peak_bytes", 0) / 1e9 or None, ".2f") for each in both),
            ]
        )
    head = ["model", "h", "seeds", "all seeds: eager, s", "graphs, s", "a seed: eager, s", "graphs, s"]
    head += ["eager / eager alone", "graphs / graphs alone", "first epoch, eager", "first epoch, graphs"]
    return table([*head, "GB: eager", "graphs"], lines)


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
            yes(mps),
            *(shown(rates.get((mps, model, side, count)), ",.0f") for count in counts),
        ]
        for mps, model, side in dict.fromkeys(key[:3] for key in rates)
    ]
    skipped = "".join(f"\n\nWith MPS: not measured; {row['skipped']}." for row in found if "skipped" in row)
    return table(["model", "steps", "MPS", *(f"{count} at once" for count in counts)], lines) + skipped


def price_table(rows: Sequence[Row], trials: Sequence[Training]) -> str:
    """Hours of the study by way of running it; those of stacks hold where all of a stack's seeds stop together."""
    of_trial, epochs, lines = overhead(rows), of(rows, "epochs"), []
    for seeds in sorted({row["seeds"] for row in epochs}):
        for graphs, side in ((False, "eager"), (True, "graphs")):
            measured, single = (measured_epochs(epochs, graphs, count) for count in (seeds, 1))
            found, alone = (hours(trials, each, of_trial or 0.0) for each in (measured, single))
            if found is None:
                continue
            if seeds == 1:
                ways = [(count, False, faster) for count, faster in ({1: 1.0} | gain(rows, side=side)).items()]
                ways += [(count, True, faster) for count, faster in gain(rows, side=side, mps=True).items()]
            else:
                ways = [(1, False, 1.0)]
            for count, mps, faster in ways:
                over_one = faster * alone.middle / found.middle if alone else None
                each = (shown(value / faster, ".1f") for value in (found.least, found.middle, found.most))
                sizes = ", ".join(map(str, common_sizes(measured)))
                lines.append([side, str(seeds), str(count), yes(mps), sizes, shown(over_one, ".2f"), *each])
    head = ["steps", "seeds in one", "processes at once", "MPS", "from epochs at h", "faster than one, measured"]
    head += ["hours where every trial stops as early as it can", "halfway", "at its last epoch"]
    promised = f"promised: {PROMISED_HOURS:g} hours"
    said = f"{len(trials)} trials, {shown(of_trial, '.1f')} s each beside its epochs; {promised}"
    stacks = (
        "Stacks are full to the end here; what seeds leave behind is a smaller one, nearer to the price of one seed."
    )
    return f"{said}\n\n{table(head, lines)}\n\n{stacks}"

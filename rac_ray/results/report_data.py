"""What goes into a report: plain values for JSON, from the tables of a sweep."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import pandas as pd

from rac_ray.results.answers import DENOMINATORS
from rac_ray.results.at_chance import rule_in_words
from rac_ray.results.basis import untold_in_words
from rac_ray.results.claim_rows import ClaimRow
from rac_ray.results.columns import DIFFERENCE, EXPERIMENT, RECIPE_COLUMNS, SIZE_NAME
from rac_ray.results.confusions import confusions
from rac_ray.results.looks import look_of
from rac_ray.results.opening import Opening
from rac_ray.results.report_clips import ClipSource, animations, domain_clips, worst_mistakes
from rac_ray.results.sections import Section, plain, rows_of, value_of
from rac_ray.results.tables import Tables
from rac_ray.store.entry import spoken_of
from rac_ray.store.redaction import without_credentials

PROVENANCE = {
    "commit": "git commit",
    "versions": "versions",
    "python": "Python",
    "host": "hosts",
    "device": "devices",
    "precision_used": "precision",
    "workers": "workers per trial",
    "data": "data fingerprint",
    "about": "about the data",
    "selection_rule": "checkpoint",
    "training_version": "training version",
    "schema": "record schema",
}
NOTHING_SAID = Opening()
LISTED = 12
"""Distinct values shown of one kind; a cluster has many hosts."""
CURVES = ("train_loss", "val_loss", "train_top1", "val_top1")
TRACEBACK_CHARACTERS = 4000
"""Kept of a traceback's end; the whole one is in the trial's folder."""
OTHER_COLOURS = ("#CC79A7", "#E69F00", "#999999", "#F0E442")
"""Colours of models without a look of their own, from the same palette, as far as no other model shown has them."""
SYMBOLS = {
    "o": "circle", "s": "square", "v": "triangle-down", "^": "triangle-up", "D": "diamond", "P": "cross", "X": "x",
    "p": "pentagon", "*": "star", "d": "diamond-tall",
}  # fmt: skip
"""Plotly's names of matplotlib's markers."""


def payload(
    tables: Tables,
    title: str,
    sections: Sequence[Section],
    clips: ClipSource | None,
    refresh_seconds: int | None,
    class_names: Callable[[int], list[str]],
    opening: Opening = NOTHING_SAID,
    claims: Sequence[ClaimRow] = (),
) -> dict[str, Any]:
    """Everything that the page shows."""
    mistakes = worst_mistakes(tables.predictions, tables.evaluations) if clips else {}
    shown, left_out = animations(mistakes, clips) if clips else ({}, {})
    classes = _classes(tables)
    return {
        "title": title,
        "stamp": tables.stamp,
        "rule": _rule(tables),
        "refreshSeconds": refresh_seconds,
        "states": spoken_of(Counter(tables.trials["state"])),
        "provenance": _provenance(tables.trials),
        "models": _models(tables.trials["model"]),
        "opening": opening.value(_domain_clips(tables, clips)),
        "claims": [each.value() for each in claims],
        "paperPrints": any(each.is_printed for each in claims),
        "sections": [value_of(each) for each in sections],
        "trials": _trials(tables, opening.names),
        "details": _details(tables.trials),
        "evaluations": _evaluations(tables, classes),
        "epochs": _epochs(tables.epochs),
        "labels": class_names(classes),
        "mistakes": mistakes,
        "clips": shown,
        "withoutClips": {name: without_credentials(why) for name, why in left_out.items()},
        "failures": _failures(tables.failures, tables.trials),
        "untold": untold_in_words(tables.untold),
    }


def _rule(tables: Tables) -> str:
    """What counts as learned, of each source."""
    said = (rule_in_words(tables, str(source)) for source in tables.trials["source"].unique())
    return " ".join(dict.fromkeys(filter(None, said)))


def _domain_clips(tables: Tables, clips: ClipSource | None) -> dict[str, str]:
    return domain_clips(tables.predictions, tables.evaluations, clips) if clips else {}


def _provenance(trials: pd.DataFrame) -> list[dict[str, Any]]:
    """Distinct values of what made the records, with how many trials each has."""
    found = []
    for column, label in PROVENANCE.items():
        counts = trials[column].dropna().value_counts(sort=False) if column in trials else pd.Series(dtype=int)
        values = sorted((str(plain(value)), int(count)) for value, count in counts.items())
        if values:
            more = max(0, len(values) - LISTED)
            found.append({"label": label, "values": values[:LISTED], "more": more})
    return found


def _models(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """How each model is called and drawn, in the order of the table."""
    looks = {model: look_of(model) for model in names}
    taken = {look.color for look in looks.values()}
    spare = cycle([colour for colour in OTHER_COLOURS if colour not in taken] or OTHER_COLOURS)
    return {
        model: {"name": name, "colour": colour or next(spare), "symbol": SYMBOLS[marker]}
        for model, (name, colour, marker) in looks.items()
    }


def _target_names(evaluations: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Columns of the target sets by (target, split); the split is named where it tells two apart."""
    rows = evaluations.query("role == 'target'").reindex(columns=["target", "split"]).drop_duplicates()
    pairs = list(rows.itertuples(index=False, name=None))
    targets = [target for target, _ in pairs]
    return {(target, split): target if targets.count(target) == 1 else f"{target} {split}" for target, split in pairs}


def _trials(tables: Tables, domains: Mapping[str, str]) -> dict[str, Any]:
    """The table of all trials: columns as (label, kind, whether it is seen at first), rows in the same order.

    Trials that never learned have no ratios; epochs count from 1.
    """
    names = {pair: domains.get(name, name) for pair, name in _target_names(tables.evaluations).items()}
    told = [name for name in (DIFFERENCE, EXPERIMENT, SIZE_NAME) if any(tables.trials[name])]
    columns = [
        ("trial", "trial", True), ("state", "state", True), ("model", "model", True), ("hidden units", "integer", True),
        ("source", "domain", True), ("seed", "integer", True), ("best validation %", "percent", True),
        *((name, "text", True) for name in told), ("parameters", "integer", False), ("best epoch", "integer", False),
        *((f"{name} accuracy %", "percent", False) for name in names.values()),
        *((f"{name} robustness ratio", "ratio", False) for name in names.values()),
        ("seconds", "seconds", False), ("reason", "reason", False),
    ]  # fmt: skip
    before = ["trial_id", "state", "model", "hidden_units", "source", "seed", "best_val_top1", *told, "parameters"]
    frame = tables.trials.reindex(columns=before)
    frame["best_epoch"] = tables.trials["best_epoch"].astype("Float64") + 1
    for measure in ("top1", "robustness_ratio"):
        wide = _by_target(tables.evaluations, measure).reindex(index=frame["trial_id"], columns=list(names))
        for number, pair in enumerate(names):
            frame[f"{measure} {number}"] = wide[pair].to_numpy()
    ratios = [name for name in frame if name.startswith("robustness_ratio ")]
    frame.loc[_never_learned(tables.trials), ratios] = None
    frame["seconds"] = tables.trials["seconds_total"].to_numpy()
    frame["reason"] = tables.trials["reason"].to_numpy()
    keys = [{"label": label, "kind": kind, "first": first} for label, kind, first in columns]
    return {"columns": keys, "rows": rows_of(frame)}


def _never_learned(trials: pd.DataFrame) -> list[bool]:
    return [learned is not None and not pd.isna(learned) and not learned for learned in trials["learned"]]


def _by_target(evaluations: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Trials down, (target, split) across; of target sets only."""
    chosen = evaluations.query("role == 'target'")
    return chosen.pivot_table(measure, "trial_id", ["target", "split"], sort=False, dropna=False)


def _details(trials: pd.DataFrame) -> dict[str, Any]:
    """Recipe and record of each trial: every column of its row, the recipe's first."""
    recipe = [name for name in RECIPE_COLUMNS if name in trials]
    record = [name for name in dict.fromkeys(trials.columns) if name not in recipe]
    rows = dict(zip(trials["trial_id"], rows_of(trials.reindex(columns=recipe + record)), strict=True))
    return {"recipe": recipe, "record": record, "rows": rows}


def _evaluations(tables: Tables, classes: int) -> dict[str, list[dict[str, Any]]]:
    """What each finished trial scored on each evaluation set, and what it took for what."""
    taken = confusions(tables.predictions, classes)
    columns = ["trial_id", "target", "split", "role", "clips", "correct", "top1", *DENOMINATORS]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(tables.evaluations.reindex(columns=columns)):
        named = dict(zip(columns[1:], row[1:], strict=True))
        found.setdefault(row[0], []).append({**named, **taken.get((row[0], named["target"], named["split"]), {})})
    return found


def _classes(tables: Tables) -> int:
    """The number of classes that records tell; 0 before there is one."""
    return int(max(tables.trials["classes"].dropna(), default=0))


def _epochs(epochs: pd.DataFrame) -> dict[str, dict[str, list[Any]]]:
    """Learning curves of each finished trial, column by column."""
    names = ["epoch", *(name for name in CURVES if name in epochs)]
    if "epoch" not in epochs:
        return {}
    return {
        str(trial_id): {name: [plain(value) for value in rows[name].tolist()] for name in names}
        for trial_id, rows in epochs.groupby("trial_id", sort=False)
    }


def _failures(failures: pd.DataFrame, trials: pd.DataFrame) -> list[dict[str, Any]]:
    """All failed attempts at trainings of the table, in its order, with the trials that each serves; of a long
    traceback its end."""
    columns = ["trial_id", "attempt", "class", "reason", "given_up", "host", "traceback"]
    served: dict[str, list[str]] = {}
    for trial_id, training_id in trials.reindex(columns=["trial_id", "training_id"]).to_numpy().tolist():
        known = trial_id if pd.isna(training_id) else training_id  # older tables have none
        served.setdefault(known, []).append(trial_id)
    found = [dict(zip(columns, row, strict=True)) for row in rows_of(failures.reindex(columns=columns))]
    rows = [{**row, "trials": served[row["trial_id"]]} for row in found if row["trial_id"] in served]
    for row in rows:
        text = row["traceback"] or ""
        row["traceback"] = text if len(text) <= TRACEBACK_CHARACTERS else f"[...]\n{text[-TRACEBACK_CHARACTERS:]}"
    return rows

"""What ``results`` prints and writes: of a sweep's plan, or with ``rac-ray results`` of any folder of records.

Reads records only; without a plan neither Ray nor torch is imported.
"""

import argparse
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rac_ray.errors import DONE, FAILED, UNFINISHED, BadInput
from rac_ray.ledger import STATES, Ledger
from rac_ray.rendering import clip_source
from rac_ray.results import formats
from rac_ray.results.capsule import pack
from rac_ray.results.figures import Draw, figures_of
from rac_ray.results.looks import rendered
from rac_ray.results.outputs import write_outputs
from rac_ray.results.report import ClipSource, Section, write_report
from rac_ray.results.study import Study
from rac_ray.results.tables import load
from rac_ray.results.verdicts import sentences, standing, verdict_table
from rac_ray.storage import Storage

PRINTED = ("figure3", "diving48", "attributes")
"""Beginnings of the tables that a terminal gets; all are in the files."""


@dataclass(frozen=True)
class Wanted:
    """What of the results is asked for, beyond tables and figures."""

    verdict: bool = False
    report: bool = False
    capsule: str | None = None
    watch: int | None = None
    """Seconds between two looks at a sweep that runs; None: one look."""
    json: bool = False

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Wanted":
        """From a command's options; those that it does not have are not wanted."""
        return cls(**{name: getattr(options, name, default) for name, default in vars(cls()).items()})


def present(
    sweep: Storage, folder: Storage, wanted: Wanted, trial_ids: Sequence[str] | None = None, title: str = ""
) -> int:
    """Print and write the results of a sweep's folder, or of some of its trials; returns the exit code.

    With ``watch`` it looks again until no trial runs or waits, or no driver lives that would run one; JSON is then a
    line per look.
    """
    while True:
        tables = load(sweep.root, None if trial_ids is None else set(trial_ids))
        study = Study(tables, None if trial_ids is None else len(trial_ids))
        counts = counted(study, trial_ids)
        unfinished = bool(counts["running"] + counts["pending"])
        alone = unfinished and wanted.watch is not None and Ledger(sweep).driver() is None
        going = wanted.watch is not None and unfinished and not alone
        value, lines = _written(study, sweep, folder, wanted, counts, title or Path(sweep.root).name, going)
        lines += ["no driver is running this sweep: nothing to watch"] if alone else []
        indent = 1 if wanted.watch is None else None
        print(json.dumps(value, indent=indent, default=str) if wanted.json else "\n".join(lines), flush=True)
        if not going or wanted.watch is None:
            return FAILED if counts["failed"] else UNFINISHED if unfinished else DONE
        time.sleep(wanted.watch)


def counted(study: Study, trial_ids: Collection[str] | None) -> dict[str, int]:
    """Trials by state; planned trials that left no trace are pending. Nothing vanishes: asserted."""
    states = study.tables.trials["state"].tolist()
    planned = len(states if trial_ids is None else trial_ids)
    counts = {state: states.count(state) for state in STATES}
    counts["pending"] += planned - len(states)
    assert planned == sum(counts.values()), (planned, counts)
    return {"planned": planned, **counts}


def _written(
    study: Study, sweep: Storage, folder: Storage, wanted: Wanted, counts: dict[str, int], title: str, going: bool
) -> tuple[dict[str, Any], list[str]]:
    names = write_outputs(study, folder)
    lines = [*_tables(study), *_failures(study)]
    value: dict[str, Any] = {
        "counts": counts,
        "folder": folder.root,
        "trials": json.loads(str(study.tables.trials.to_json(orient="records"))),
    }
    if wanted.verdict:
        unfinished = counts["planned"] - counts["done"]
        lines += ["", *(line for verdict in study.verdicts for line in sentences(verdict))]
        lines += [standing(study.verdicts, unfinished)]
        value["verdicts_stand_on"] = standing(study.verdicts, unfinished)
        value["verdicts"] = json.loads(str(verdict_table(study.verdicts).to_json(orient="records")))
    said = " + ".join(f"{counts[state]} {state}" for state in STATES)
    lines += [f"\n{counts['planned']} trials planned = {said}; {study.tables.provenance}"]
    lines += [f"results: {folder.root} ({len(names)} tables and figures)"]
    if wanted.report:
        clips, why = _clips(sweep, study.tables.trials["trial_id"].tolist())
        refresh = wanted.watch if going else None
        value["report"] = write_report(
            study.tables, folder, title=title, sections=sections(study), clips=clips, refresh_seconds=refresh
        )
        lines.append(f"report: {value['report']}" + ("" if clips else f" (without clips: {why})"))
    if wanted.capsule:
        size = pack(sweep, Path(wanted.capsule), set(study.tables.trials["trial_id"]))
        value["capsule"] = wanted.capsule
        lines.append(f"capsule: {wanted.capsule}, {size / 1e6:.1f} MB")
    if counts["failed"]:
        lines.append(f"{counts['failed']} trials failed; `retry --failed` tries them again")
    if counts["pending"] + counts["running"]:
        lines.append(f"{counts['pending'] + counts['running']} trials have not run; the same command goes on from here")
    return value, lines


def _tables(study: Study) -> list[str]:
    return [line for s in study.sheets if s.name.startswith(PRINTED) for line in ("", s.title, formats.text(s.shown))]


def _failures(study: Study) -> list[str]:
    failed = study.tables.trials.query("state == 'failed'")
    return [
        f"FAILED {trial_id} {model} h={hidden_units} {source} seed={seed}: {reason}"
        for trial_id, model, hidden_units, source, seed, reason in failed[
            ["trial_id", "model", "hidden_units", "source", "seed", "reason"]
        ].itertuples(index=False)
    ]


def _clips(sweep: Storage, trial_ids: Collection[str]) -> tuple[ClipSource | None, str]:
    """The clips that the finished trials were asked, to the pixel, or why they cannot be had here."""
    entries = Ledger(sweep).scan()
    records = [entries[trial_id].record for trial_id in trial_ids if trial_id in entries]
    finished = [record for record in records if record is not None]
    try:
        return (clip_source(finished), "") if finished else (None, "no trial has finished here")
    except BadInput as error:
        return None, str(error)


def sections(study: Study) -> list[Section]:
    """Every figure and table, for the report."""
    figures = [
        Section(
            f"{_heading(name)}, trained on {source}",
            _first_line(draw),
            svg=rendered(partial(draw, study, source), "svg").decode(),
        )
        for source in study.answers.sources
        for name, draw in figures_of(source).items()
    ]
    return [*figures, *(Section(_heading(sheet.name), sheet.title, table=sheet.shown) for sheet in study.sheets)]


def _heading(name: str) -> str:
    """``Figure 3``, ``Learning curves``, ``Accuracy by size 2dot`` of the names of files."""
    words = name.replace("figure", "figure ").replace("-", " ")
    return words[0].upper() + words[1:]


def _first_line(draw: Draw) -> str:
    return (draw.__doc__ or "").partition("\n")[0].rstrip(".")

"""What ``results`` shows and writes: of a sweep's plan, or with ``rac-ray results`` of any folder of records.

Reads records only; without a plan neither Ray nor torch is imported.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from rac_ray.counted import counted
from rac_ray.errors import BadInput
from rac_ray.results.against import in_words
from rac_ray.results.analysis import Analysis
from rac_ray.results.beside import Comparison
from rac_ray.results.capsule import pack, read_other, require_writable
from rac_ray.results.claim_rows import claim_rows
from rac_ray.results.columns import DIFFERENCE, SIZE_NAME
from rac_ray.results.export import export
from rac_ray.results.figures import Drawing, pictures
from rac_ray.results.formats import plain_rows
from rac_ray.results.looks import Picture
from rac_ray.results.on_terminal import INDENT, fitted, near, printed_tables, verdict_lines, wrapped
from rac_ray.results.opening import Opening, opening_of
from rac_ray.results.outputs import write_outputs
from rac_ray.results.over_looks import looks_in_words
from rac_ray.results.report import ClipSource, write_report
from rac_ray.results.report_parts import claims, sections
from rac_ray.results.tables import Tables, load
from rac_ray.results.tuned import changes_in_words
from rac_ray.results.verdict_words import standing, verdict_table
from rac_ray.results.verdicts import decided_first
from rac_ray.store.entry import STATES, added_up
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.outcomes import Results, Wanted
from rac_ray.training.task import Task

if TYPE_CHECKING:
    from rac_ray.studies.study import Study


def show(
    sweep: Storage,
    folder: Storage,
    wanted: Wanted,
    study_of: "Callable[[Tables], Study]",
    tasks: Sequence[Task] | None = None,
    searches: Sequence[str] | None = None,
    title: str = "",
    refresh_seconds: int | None = None,
) -> Results:
    """Write the results of a sweep's folder, or of a plan's tasks and searches, to ``folder``.

    ``study_of`` tells of which study the tables are. ``refresh_seconds`` is how often an open report looks again,
    while trials run or wait.
    """
    _require_places(folder, wanted)
    tables = load(sweep.root, tasks, searches)
    planned = None if tasks is None else sum(len(task.asked) for task in tasks)
    study = study_of(tables)
    other = read_other(wanted.against, study) if wanted.against else None
    analysis = Analysis(tables, study, planned, other=other)
    if analysis.beside:
        analysis.beside.require_shared()
    counts = counts_of(analysis, planned)
    going = refresh_seconds if counts["running"] + counts["pending"] else None
    value, lines = _written(analysis, sweep, folder, wanted, counts, title or Path(sweep.root).name, going)
    return Results(analysis, folder.root, counts, value, lines)


def _require_places(folder: Storage, wanted: Wanted) -> None:
    """Raise BadInput where what is wanted cannot be written, before anything is read."""
    folder.require_folder()
    if wanted.export:
        Storage.at(wanted.export).require_folder()
    if wanted.capsule:
        require_writable(wanted.capsule)


def counts_of(analysis: Analysis, planned: int | None) -> dict[str, int]:
    """Trials by state; planned trials that left no trace are pending. Nothing vanishes: asserted."""
    states = analysis.tables.trials["state"].tolist()
    total = len(states) if planned is None else planned
    counts: dict[str, int] = {state: states.count(state) for state in STATES}
    counts["pending"] += total - len(states)
    assert total == sum(counts.values()), (total, counts)
    return {"planned": total, **counts}


def _written(
    analysis: Analysis,
    sweep: Storage,
    folder: Storage,
    wanted: Wanted,
    counts: dict[str, int],
    title: str,
    refresh_seconds: int | None,
) -> tuple[dict[str, Any], list[str]]:
    drawn = pictures(analysis)
    names = write_outputs(analysis, folder, drawn)
    tables = analysis.tables
    lines = [
        *printed_tables(analysis),
        *_failures(tables.trials),
        *_untold(tables),
        *changes_in_words(analysis.verdict_changes, "tuning"),
        *changes_in_words(analysis.clip_changes, "training on these clips"),
    ]
    value: dict[str, Any] = {"counts": counts, "folder": folder.root, "trials": plain_rows(tables.trials)}
    value["untold"] = tables.untold
    changes = {recipe: plain_rows(table) for recipe, table in analysis.verdict_changes.items()}
    value |= {"tuned": changes} if changes else {}
    value |= {name: _numbers(analysis, name) for name in ("accuracy", "robustness")}
    if analysis.beside:
        said, value["against"] = _beside(analysis.beside)
        lines += said
    if wanted.verdict:
        said, value["verdicts_stand_on"], value["verdicts"] = _verdicts(analysis, counts)
        lines += said
    planned = f"{counted(counts['planned'], 'trial')} planned = {added_up(counts)}"
    lines += ["", *wrapped(f"{planned}; {tables.provenance}")]
    opening = opening_of(analysis, counts["planned"])
    value["answer"] = list(opening.answer)
    lines += wrapped(f"In short: {' '.join(opening.answer)}")
    lines += [f"files: {near(folder.root)} ({len(names)} tables and figures)"]
    if wanted.report:
        value["report"], why = _reported(analysis, drawn, sweep, folder, title, opening, refresh_seconds)
        lines += [f"open {near(value['report'])}", *([f"the page has no clips: {why}"] if why else [])]
    if wanted.capsule:
        chosen = set(tables.trials["training_id"])
        with_weights, planned = wanted.capsule_weights, analysis.planned
        size = pack(sweep, wanted.capsule, analysis.study, chosen, weights=with_weights, planned=planned, title=title)
        value["capsule"] = wanted.capsule
        lines.append(f"capsule: {wanted.capsule}, {size / 1e6:.1f} MB")
    if wanted.export and not counts["done"]:
        lines.append("export: nothing yet, no trial has finished")
    elif wanted.export:
        exported = export(analysis, sweep, Storage.at(wanted.export), weights=not wanted.without_weights)
        value["export"] = exported.folder
        lines.append(exported.line())
    if counts["failed"]:
        lines.append(f"{counted(counts['failed'], 'trial')} failed; `retry` tries them again")
    if counts["pending"] + counts["running"]:
        left = counted(counts["pending"] + counts["running"], "trial has", "trials have")
        lines.append(f"{left} not run")
    return value, lines


def _verdicts(analysis: Analysis, counts: dict[str, int]) -> tuple[list[str], str, list[dict[str, Any]]]:
    """Verdicts for people, those that are decided first; what they stand on, and their rows; of each recipe."""
    unfinished, study = counts["planned"] - counts["done"] - counts["unreached"], analysis.study
    lines, stands, rows = [], [], []
    for recipe, part in analysis.by_recipe.items():
        looked = looks_in_words(part.tables.looks)
        over = ", and over looks" if looked else ""
        stands.append(f"{recipe}: " * bool(recipe) + standing(part.verdicts, unfinished) + over)
        lines += ["", *wrapped(f"Verdicts: {stands[-1]}")]
        claim_by_claim = claim_rows(part.verdicts, study.printed_numbers, study.domains)
        for verdict, row in zip(decided_first(part.verdicts), claim_by_claim, strict=True):
            said = looked.get(verdict.claim.claim_id)
            lines += [*verdict_lines(verdict, row), *([f"{INDENT}{said}"] if said else [])]
        table = verdict_table(part.verdicts, study.printed_numbers)
        rows += plain_rows(table.assign(**({DIFFERENCE: recipe} if recipe else {})))
    return lines, "; ".join(stands), rows


def _beside(comparison: Comparison) -> tuple[list[str], dict[str, Any]]:
    """Differences from another sweep, and the verdicts that are others there."""
    means, _ = comparison.sheets
    verdicts = [row for recipe, table in comparison.rulings.items() for row in plain_rows(table.assign(recipe=recipe))]
    value = {"name": comparison.name, "differences": plain_rows(comparison.means), "verdicts": verdicts}
    said = [line for sentence in in_words(comparison.rulings, comparison.name) for line in wrapped(sentence)]
    return ["", *wrapped(means.title), *fitted(means.shown), *said], value


def _numbers(analysis: Analysis, name: str) -> list[dict[str, Any]]:
    """Rows of one table of every recipe."""
    return [
        row
        for recipe, part in analysis.by_recipe.items()
        for row in plain_rows(getattr(part, name).assign(**({DIFFERENCE: recipe} if recipe else {})))
    ]


def _failures(trials: pd.DataFrame) -> list[str]:
    return [
        f"FAILED {trial_id} {size or f'{model} h={hidden_units}'} {source} seed={seed}: {reason}"
        for trial_id, size, model, hidden_units, source, seed, reason in trials.query("state == 'failed'")[
            ["trial_id", SIZE_NAME, "model", "hidden_units", "source", "seed", "reason"]
        ].itertuples(index=False)
    ]


def _untold(tables: Tables) -> list[str]:
    """A line for each folder that tells no trial, with the last of what is known."""
    reasons = dict(zip(tables.failures["trial_id"], tables.failures["reason"], strict=True))
    return [f"FAILED {training_id}: {reasons[training_id]}" for training_id in tables.untold]


def _reported(
    analysis: Analysis,
    drawn: Sequence[tuple[Drawing, Picture]],
    sweep: Storage,
    folder: Storage,
    title: str,
    opening: Opening,
    refresh_seconds: int | None,
) -> tuple[str, str]:
    """Address of the report, and why it has no clips, if it has none."""
    clips, why = _clips(analysis, sweep)
    address = write_report(
        analysis.tables,
        folder,
        title=title,
        sections=sections(analysis, drawn),
        clips=clips,
        refresh_seconds=refresh_seconds,
        class_names=analysis.study.class_names,
        opening=opening,
        claims=claims(analysis),
    )
    return address, why


def _clips(analysis: Analysis, sweep: Storage) -> tuple[ClipSource | None, str]:
    """The clips that the finished trials were asked, to the pixel, or why they cannot be had here."""
    chosen = set(analysis.tables.trials["trial_id"])
    records = [entry.record for entry in Ledger(sweep).scan(whole=False).values() if entry.record is not None]
    finished = [record for record in records if chosen & {trial.trial_id for trial in record.trials}]
    try:
        return (analysis.study.clips(finished), "") if finished else (None, "no trial has finished here")
    except BadInput as error:
        return None, str(error)

"""What each verb of a sweep does: run, plan, status, describe, retry, cancel, clean, results.

A verb gets the plan and the options and returns the exit code. With ``--json`` it prints one JSON object on stdout
and nothing else there; lines about events go to stderr then.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rac_ray.cleaning import leftovers, remove
from rac_ray.errors import DONE, FAILED, INTERRUPTED, UNFINISHED, BadInput
from rac_ray.ledger import DRIVER, STATES, Entry, Ledger, State, added_up
from rac_ray.lock import living_holder, request_cancel
from rac_ray.storage import Storage
from rac_ray.sweep.explain import described, description, finished_trials
from rac_ray.sweep.only import Only
from rac_ray.sweep.planner import Plan, last_options, make_plan, remember_options

if TYPE_CHECKING:
    from rac_ray.studies.study import Study

RUN_FLAGS = ("--retry-preempted", "--retry-out-of-memory", "--retry-not-finite", "--retry-data", "--retry-code",
    "--retry-stalled", "--back-off", "--stall-factor", "--stall-seconds", "--num-cpus", "--num-gpus", "--workers",
    "--fewest-workers", "--cpus-per-trial", "--trials-per-gpu", "--price-per-hour", "--probe-seconds",
)  # fmt: skip
"""Options with a value that say how to run, not what: of no use to ``status``."""
CANCEL_SECONDS = 60
"""How long ``cancel`` waits for the driver to go."""


def answer(options: argparse.Namespace, value: Mapping[str, Any], lines: list[str]) -> None:
    """A verb's result, as JSON or as lines."""
    print(json.dumps(value, indent=1, default=str) if options.json else "\n".join(lines), flush=True)


def say_to(options: argparse.Namespace) -> Callable[[str], None]:
    """Where events are told: stdout, or stderr when stdout is for JSON."""
    from rac_ray.sweep.monitor import say_line

    return (lambda line: print(line, file=sys.stderr, flush=True)) if options.json else say_line


def planned(
    study: "Study", options: argparse.Namespace, precision: str | None = None, options_of_last_run: bool = True
) -> Plan:
    """The plan that the options ask for; what they leave open, a verb that runs nothing takes from the last run."""
    asked = options.asked
    given = options.precision if options.precision not in (None, "auto") else precision
    only = Only.parse(options.only) if options.only is not None else None
    if options_of_last_run:
        last = last_options(study, options.preset, options.storage)
        asked = {name: last.get(name) if value is None else value for name, value in asked.items()}
    return make_plan(study, options.preset, options.storage, options.data, asked, only, given)


def counted(plan: Plan, states: Mapping[str, State]) -> dict[str, int]:
    """Trials by state, with the invariant asserted."""
    counts: dict[str, int] = {state: list(states.values()).count(state) for state in STATES}
    assert len(plan.trials) == sum(counts.values()), (len(plan.trials), counts)
    return {"planned": len(plan.trials), **counts}


def invariant(counts: Mapping[str, int]) -> str:
    """``16 trials planned = 15 done + 1 failed + 0 running + 0 pending``."""
    return f"{counts['planned']} trials planned = {added_up(counts)}"


def exit_code(counts: Mapping[str, int]) -> int:
    """0 all done, 1 some failed, 3 some have not run."""
    return FAILED if counts["failed"] else UNFINISHED if counts["running"] + counts["pending"] else DONE


def trial_rows(plan: Plan, entries: Mapping[str, Entry], driver: str | None) -> list[dict[str, Any]]:
    """One row per planned trial: id, name, state, reason, bytes."""
    return [
        {
            "trial_id": trial.trial_id,
            "training_id": task.training_id,
            "name": trial.name,
            "state": entries[task.training_id].state_of(trial, driver),
            "reason": entries[task.training_id].reason_of(trial, driver),
            "attempts": entries[task.training_id].attempts,
            "bytes": sum(entries[task.training_id].sizes.values()),
        }
        for task in plan.tasks
        for trial in task.asked
    ]


def run(study: "Study", options: argparse.Namespace, arguments: list[str], retry_failed: bool = False) -> int:
    """Run what is missing, then show what there is."""
    if options.submit is not None:
        return _submit(study, options, arguments)
    from rac_ray.sweep.runner import precision_for, run_plan
    from rac_ray.sweep.session import Resources, ray_session

    resources: Resources = options.resources
    grid = study.narrowed(study.presets[options.preset], options.asked)
    session = ray_session(resources, f"{study.name} {options.preset}") if study.provides(grid) else nullcontext()
    with session:
        study.provide(grid, Storage.at(options.data), say_to(options))
        plan = planned(study, options, precision_for(resources), options_of_last_run=False)
        plan = replace(plan, retry_failed=retry_failed)
        needed = plan.bytes_needed(plan.entries())
        plan.ledger.storage.require_room(needed)
        plan.data.require_room(needed)
        remember_options(plan, options.asked)
        reason = run_plan(plan, resources, say_to(options))
    return _concluded(plan, options, reason)


def _concluded(plan: Plan, options: argparse.Namespace, reason: str) -> int:
    """Show what there is after a run, and why it stopped early if it did; returns the exit code."""
    code = _shown(plan, options)
    if reason:
        print(f"{reason[0].upper()}{reason[1:]}; the same command goes on from here", file=sys.stderr)
    return INTERRUPTED if reason == "interrupted" else code


def _submit(study: "Study", options: argparse.Namespace, arguments: list[str]) -> int:
    """Hand the run to a cluster through Ray Jobs and return at once; storage and data must be what both can see.

    Paths among the study's options are handed over as absolute ones. Clips that the study provides are made by the
    job, so that only there it can be planned.
    """
    from rac_ray.sweep.jobs import submit as hand_over

    grid = study.narrowed(study.presets[options.preset], options.asked)
    if not study.provides(grid):
        planned(study, options, options_of_last_run=False)
    ledger = ledger_of(study, options)
    script = Path(sys.argv[0]).resolve()
    kept = without(arguments, ("--submit", "--address", "--storage", "--data"))
    where = ["--storage", ledger.storage.above.root, "--data", Storage.at(options.data).root]
    job = hand_over(
        options.submit,
        script,
        [*_absolute(study, kept), "--address", "auto", *where],
        working_dir=folder_of(script),
        folder=ledger.storage,
    )
    grid_options = without(kept[1:], tuple(RUN_FLAGS))
    watch = shlex.join(["status", *grid_options, *where])
    answer(options, job.as_dict(), [f"submitted {job.job_id} to {job.address}", f"watch it with: {watch}"])
    return DONE


def without(arguments: list[str], flags: tuple[str, ...]) -> list[str]:
    """Command-line arguments less some flags and their values, given as ``--flag value`` or ``--flag=value``."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if not skip and argument.partition("=")[0] not in flags:
            kept.append(argument)
        skip = not skip and argument in flags
    return kept


def retry(study: "Study", options: argparse.Namespace, arguments: list[str]) -> int:
    """Run the trials that were given up once more, with fresh budgets, and what is missing besides."""
    if not options.failed:
        raise BadInput("retry what? valid: retry --failed")
    return run(study, options, arguments, retry_failed=True)


def plan(study: "Study", options: argparse.Namespace, _arguments: list[str]) -> int:
    """List the trials and the price; runs nothing but a short probe."""
    from rac_ray.sweep.runner import precision_for, price_plan

    made = planned(study, options, precision_for(options.resources))
    price = price_plan(made, options.resources, say_to(options))
    rows = trial_rows(made, made.entries(), made.ledger.driver(watch=False))
    counts = counted(made, {row["trial_id"]: row["state"] for row in rows})
    about = study.about(made.grid, made.data)
    value = {"trials": rows, "counts": counts, **about, "forecast": price.as_dict()}
    said = "".join(f"; {name}={text}" for name, text in about.items())
    lines = [f"{row['trial_id']}  {row['state']:<8} {row['name']}" for row in rows]
    if len(made.tasks) != len(rows):
        missing = len(made.missing(made.entries()))
        lines.append(f"{missing} of {len(made.tasks)} trainings are missing; each serves several trials")
    lines += [f"{invariant(counts)}{said}", *price.lines(), *study.notes(made.grid, made.tasks)]
    answer(options, value, lines)
    return DONE


def status(study: "Study", options: argparse.Namespace, _arguments: list[str]) -> int:
    """Where the sweep stands: counts, who drives it, what runs, what failed."""
    from rac_ray.sweep.jobs import last_job
    from rac_ray.sweep.jobs import status as job_status

    plan = planned(study, options)
    holder = living_holder(plan.ledger.storage, DRIVER)
    rows = trial_rows(plan, plan.entries(), holder.token if holder else None)
    counts = counted(plan, {row["trial_id"]: row["state"] for row in rows})
    job = last_job(plan.ledger.storage)
    said = f"{job.job_id} at {job.address}: {job_status(job)}" if job else None
    value = {"counts": counts, "driver": holder and holder.sentence, "job": said, "trials": rows}
    shown = ("running", "failed", "unreached")
    told = [row for row in rows if row["state"] in shown or (options.verbose and row["reason"])]
    answer(
        options,
        value,
        [
            invariant(counts),
            f"driver: {holder.sentence if holder else 'none'}",
            *([f"job: {said}"] if said else []),
            *(f"{row['trial_id']}  {row['state']:<8} {row['name']}: {row['reason']}" for row in told),
        ],
    )
    return exit_code(counts)


def describe(study: "Study", options: argparse.Namespace, _arguments: list[str]) -> int:
    """Why one trial is or is not done, and what it differs in from the nearest finished one."""
    plan = planned(study, options)
    known = {trial.trial_id: (task, trial) for task in plan.tasks for trial in task.asked}
    mine = {task.training_id for task in plan.tasks}
    others = [training_id for training_id in plan.ledger.training_ids() if training_id not in mine]
    found = [trial_id for trial_id in (*known, *others) if options.trial and trial_id.startswith(options.trial)]
    if len(found) != 1:
        which = f"{len(found)} trials begin with" if found else "no trial begins with"
        raise BadInput(f"{which} {options.trial!r}; valid: one id of `status --verbose` or its beginning")
    (trial_id,) = found
    finished = [row for ledger in (*plan.ledger.others(), plan.ledger) for row in finished_trials(ledger)]
    if trial_id in known:
        task, trial = known[trial_id]
        training_id, entry = task.training_id, plan.entries()[task.training_id]
    else:
        training_id, entry = trial_id, plan.ledger.scan()[trial_id]
        trial = {"trial_id": trial_id, **plan.ledger.trial(trial_id)}
    about = description(trial, entry, plan.ledger.driver(), plan.ledger.failures(training_id), finished)
    answer(options, about, described(about, plan.ledger.folder(training_id).root))
    return DONE


def cancel(study: "Study", options: argparse.Namespace, _arguments: list[str]) -> int:
    """Ask the driver of the sweep to stop, wait until it has, and stop its job if it does not."""
    from rac_ray.sweep.jobs import last_job, stop

    ledger = ledger_of(study, options)
    holder, job = living_holder(ledger.storage, DRIVER), last_job(ledger.storage)
    if holder is not None:
        request_cancel(ledger.storage, holder)
        deadline = time.monotonic() + CANCEL_SECONDS
        while ledger.driver(watch=False) == holder.token and time.monotonic() < deadline:
            time.sleep(0.2)
    gone = holder is None or ledger.driver(watch=False) != holder.token
    stopped = bool(job and (holder is None or not gone) and stop(job))
    said = (
        f"{holder.sentence} {'has stopped' if gone or stopped else 'does not answer'}" if holder else "no driver runs"
    )
    value = {"driver": holder and holder.sentence, "stopped": gone, "job_stopped": stopped}
    answer(options, value, [said, *([f"job {job.job_id} was told to stop"] if job and stopped else [])])
    return DONE if gone or stopped else FAILED


def clean(study: "Study", options: argparse.Namespace, _arguments: list[str]) -> int:
    """Show what of the sweep nothing needs any more, whatever its preset; with ``--yes`` delete it."""
    ledger = ledger_of(study, options)
    found = leftovers(ledger, ledger.scan(), options.best_checkpoints)
    freed = remove(ledger, found) if options.yes else 0
    total = sum(found.values())
    last = f"{len(found)} files, {total / 1e6:.1f} MB " + ("freed" if options.yes else "to free; `clean --yes` does it")
    lines = [f"{size / 1e6:9.3f} MB  {name}" for name, size in sorted(found.items())]
    answer(options, {"files": found, "bytes": total, "freed": freed}, [*lines, last])
    return DONE


def results(study: "Study", options: argparse.Namespace, _arguments: list[str]) -> int:
    """Print the tables of a plan's trials, write them and the figures, and return the exit code."""
    return _shown(planned(study, options), options)


def _shown(plan: Plan, options: argparse.Namespace) -> int:
    from rac_ray.results_verb import Wanted, present

    folder = Storage.at(options.to) if getattr(options, "to", None) else plan.folder
    return present(plan.ledger.storage, folder, Wanted.of(options), plan.study, plan.tasks, plan.title)


def ledger_of(study: "Study", options: argparse.Namespace) -> Ledger:
    """Of the sweep; for verbs that need no plan."""
    return Ledger(Storage.at(options.storage).below(study.name))


def _absolute(study: "Study", arguments: list[str]) -> list[str]:
    """Arguments in which the paths of the study's own options are absolute."""
    flags = {f"--{option.name.replace('_', '-')}" for option in study.options if option.metavar in ("PATH", "DIR")}
    found, path_next = [], False
    for argument in arguments:
        flag, sign, value = argument.partition("=")
        if path_next:
            found.append(Storage.at(argument).root)
        elif flag in flags and sign:
            found.append(f"{flag}={Storage.at(value).root}")
        else:
            found.append(argument)
        path_next = not path_next and argument in flags
    return found


def folder_of(script: Path) -> Path:
    """What a cluster gets: a script's own folder, or the checkout when it is one of this project's."""
    checkout = Path(__file__).parents[1]
    return checkout if script.is_relative_to(checkout) else script.parent

"""What each verb of a sweep does: run, plan, status, describe, retry, cancel, clean, results.

A verb gets the plan and the options and returns the exit code. With ``--json`` it prints one JSON object on stdout
and nothing else there; lines about events go to stderr then.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from rac_ray.cleaning import leftovers, remove
from rac_ray.errors import DONE, FAILED, INTERRUPTED, UNFINISHED, BadInput
from rac_ray.ledger import DRIVER, STATES, Entry, Ledger, State
from rac_ray.lock import living_holder, request_cancel
from rac_ray.storage import Storage
from rac_ray.sweep.explain import described, description
from rac_ray.sweep.planner import Plan
from rac_ray.trial import Trial

CANCEL_SECONDS = 60
"""How long ``cancel`` waits for the driver to go."""


class Planned(Protocol):
    """What the verbs that run nothing need of any sweep's plan."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def data(self) -> Storage: ...

    @property
    def trials(self) -> Sequence[Trial]: ...

    @property
    def trial_ids(self) -> list[str]: ...

    @property
    def folder(self) -> Storage: ...

    @property
    def title(self) -> str: ...

    def entries(self) -> dict[str, Entry]: ...

    def looks(self) -> list[tuple[Ledger, dict[str, Entry]]]: ...


def answer(options: argparse.Namespace, value: Mapping[str, Any], lines: list[str]) -> None:
    """A verb's result, as JSON or as lines."""
    print(json.dumps(value, indent=1, default=str) if options.json else "\n".join(lines), flush=True)


def say_to(options: argparse.Namespace) -> Callable[[str], None]:
    """Where events are told: stdout, or stderr when stdout is for JSON."""
    from rac_ray.sweep.monitor import say_line

    return (lambda line: print(line, file=sys.stderr, flush=True)) if options.json else say_line


def counted(plan: Planned, states: Mapping[str, State]) -> dict[str, int]:
    """Trials by state, with the invariant asserted."""
    counts: dict[str, int] = {state: list(states.values()).count(state) for state in STATES}
    assert len(plan.trials) == sum(counts.values()), (len(plan.trials), counts)
    return {"planned": len(plan.trials), **counts}


def invariant(counts: Mapping[str, int]) -> str:
    """``16 trials planned = 15 done + 1 failed + 0 running + 0 pending``."""
    return f"{counts['planned']} trials planned = " + " + ".join(f"{counts[state]} {state}" for state in STATES)


def exit_code(counts: Mapping[str, int]) -> int:
    """0 all done, 1 some failed, 3 some have not run."""
    return FAILED if counts["failed"] else UNFINISHED if counts["running"] + counts["pending"] else DONE


def trial_rows(plan: Planned, entries: Mapping[str, Entry], driver: str | None) -> list[dict[str, Any]]:
    """One row per planned trial: id, name, state, reason, bytes."""
    return [
        {
            "trial_id": trial.trial_id,
            "name": trial.name,
            "state": entries[trial.trial_id].state(driver),
            "reason": entries[trial.trial_id].reason(driver),
            "attempts": entries[trial.trial_id].attempts,
            "bytes": sum(entries[trial.trial_id].sizes.values()),
        }
        for trial in plan.trials
    ]


def run(plan: Plan, options: argparse.Namespace) -> int:
    """Run what is missing, then show what there is."""
    from rac_ray.sweep.runner import run_plan
    from rac_ray.sweep.session import Resources

    needed = plan.bytes_needed(plan.entries())
    plan.ledger.storage.require_room(needed)
    plan.data.require_room(needed)
    resources: Resources = options.resources
    return concluded(plan, options, run_plan(plan, resources, say_to(options)))


def concluded(plan: Planned, options: argparse.Namespace, reason: str) -> int:
    """Show what there is after a run, and why it stopped early if it did; returns the exit code."""
    code = results(plan, options)
    if reason:
        print(f"{reason[0].upper()}{reason[1:]}; the same command goes on from here", file=sys.stderr)
    return INTERRUPTED if reason == "interrupted" else code


def submit(plan: Planned, options: argparse.Namespace, arguments: list[str], **paths: str) -> int:
    """Hand the run to a cluster through Ray Jobs and return at once; storage and data must be what both can see.

    So must further ``paths``, by the names of their options; all of them are handed over as absolute ones.
    """
    from rac_ray.sweep.jobs import submit as hand_over

    script = Path(sys.argv[0]).resolve()
    places = ["--address", "auto", "--storage", plan.ledger.storage.above.root, "--data", plan.data.root]
    places += [text for name, path in paths.items() for text in (f"--{name}", path)]
    kept = without(arguments, ("--submit", "--address", "--storage", "--data", *(f"--{name}" for name in paths)))
    job = hand_over(
        options.submit,
        script,
        [*kept, *places],
        working_dir=script.parents[1],
        folder=plan.ledger.storage,
    )
    where = f"--storage {plan.ledger.storage.above.root} --data {plan.data.root}"
    lines = [f"submitted {job.job_id} to {job.address}", f"watch it with: status {where}"]
    answer(options, job.as_dict(), lines)
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


def retry(plan: Plan, options: argparse.Namespace) -> int:
    """Run the trials that were given up once more, with fresh budgets, and what is missing besides."""
    if not options.failed:
        raise BadInput("retry what? valid: retry --failed")
    return run(replace(plan, retry_failed=True), options)


def plan(plan: Plan, options: argparse.Namespace) -> int:
    """List the trials and the price; runs nothing but a short probe."""
    from rac_ray.sweep.runner import price_plan

    price = price_plan(plan, options.resources, say_to(options))
    rows = trial_rows(plan, plan.entries(), plan.ledger.driver(watch=False))
    counts = counted(plan, {row["trial_id"]: row["state"] for row in rows})
    value = {"trials": rows, "counts": counts, "digits": plan.digits.source, "forecast": price.as_dict()}
    lines = [f"{row['trial_id']}  {row['state']:<8} {row['name']}" for row in rows]
    answer(options, value, [*lines, f"{invariant(counts)}; digits={plan.digits.source}", *price.lines()])
    return DONE


def status(plan: Planned, options: argparse.Namespace) -> int:
    """Where the sweep stands: counts, who drives it, what runs, what failed."""
    from rac_ray.sweep.jobs import last_job
    from rac_ray.sweep.jobs import status as job_status

    holder = living_holder(plan.ledger.storage, DRIVER)
    rows = trial_rows(plan, plan.entries(), holder.token if holder else None)
    counts = counted(plan, {row["trial_id"]: row["state"] for row in rows})
    job = last_job(plan.ledger.storage)
    said = f"{job.job_id} at {job.address}: {job_status(job)}" if job else None
    value = {"counts": counts, "driver": holder and holder.sentence, "job": said, "trials": rows}
    told = [row for row in rows if row["state"] in ("running", "failed") or (options.verbose and row["reason"])]
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


def describe(plan: Planned, options: argparse.Namespace) -> int:
    """Why one trial is or is not done, and what it differs in from the nearest finished one."""
    known = {trial.trial_id: trial.as_dict() for trial in plan.trials}
    others = [trial_id for trial_id in plan.ledger.trial_ids() if trial_id not in known]
    found = [trial_id for trial_id in (*known, *others) if options.trial and trial_id.startswith(options.trial)]
    if len(found) != 1:
        which = f"{len(found)} trials begin with" if found else "no trial begins with"
        raise BadInput(f"{which} {options.trial!r}; valid: one id of `status --verbose` or its beginning")
    entries = plan.ledger.scan()
    finished = [entry.record for ledger in plan.ledger.others() for entry in ledger.scan().values() if entry.record]
    finished += [entry.record for entry in entries.values() if entry.record]
    (trial_id,) = found
    entry = entries.get(trial_id) or plan.ledger.scan([trial_id])[trial_id]
    trial = known.get(trial_id) or entry.record or plan.ledger.trial(trial_id)
    about = description(trial, entry, plan.ledger.driver(), plan.ledger.failures(trial_id), finished)
    answer(options, about, described(about, plan.ledger.folder(trial_id).root))
    return DONE


def cancel(plan: Planned, options: argparse.Namespace) -> int:
    """Ask the driver of the sweep to stop, wait until it has, and stop its job if it does not."""
    from rac_ray.sweep.jobs import last_job, stop

    holder = living_holder(plan.ledger.storage, DRIVER)
    job = last_job(plan.ledger.storage)
    if holder is not None:
        request_cancel(plan.ledger.storage, holder)
        deadline = time.monotonic() + CANCEL_SECONDS
        while plan.ledger.driver(watch=False) == holder.token and time.monotonic() < deadline:
            time.sleep(0.2)
    gone = holder is None or plan.ledger.driver(watch=False) != holder.token
    stopped = bool(job and (holder is None or not gone) and stop(job))
    said = (
        f"{holder.sentence} {'has stopped' if gone or stopped else 'does not answer'}" if holder else "no driver runs"
    )
    value = {"driver": holder and holder.sentence, "stopped": gone, "job_stopped": stopped}
    answer(options, value, [said, *([f"job {job.job_id} was told to stop"] if job and stopped else [])])
    return DONE if gone or stopped else FAILED


def clean(plan: Planned, options: argparse.Namespace) -> int:
    """Show what nothing needs any more; with ``--yes`` delete it."""
    found: dict[str, int] = {}
    for ledger, entries in plan.looks():
        found |= leftovers(ledger, entries, options.best_checkpoints)
    freed = remove(plan.ledger, found) if options.yes else 0
    total = sum(found.values())
    last = f"{len(found)} files, {total / 1e6:.1f} MB " + ("freed" if options.yes else "to free; `clean --yes` does it")
    lines = [f"{size / 1e6:9.3f} MB  {name}" for name, size in sorted(found.items())]
    answer(options, {"files": found, "bytes": total, "freed": freed}, [*lines, last])
    return DONE


def results(plan: Planned, options: argparse.Namespace) -> int:
    """Print the tables of a plan's trials, write them and the figures, and return the exit code."""
    from rac_ray.results_verb import Wanted, present

    folder = Storage.at(options.to) if getattr(options, "to", None) else plan.folder
    return present(plan.ledger.storage, folder, Wanted.of(options), plan.trial_ids, plan.title)

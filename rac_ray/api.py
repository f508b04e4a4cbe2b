"""Each verb as a plain function with typed arguments and a typed result: for notebooks, and for the command line.

``run``, ``plan``, ``status``, ``describe``, ``cancel``, ``clean``, ``take_in`` (the verb ``import``), ``results``,
``replay`` and ``submit`` take a study; ``run(..., retry_failed=True)`` is the verb ``retry``. Options of the study's
own (``seeds=[42]``, ``masks="data/masks"``) go by name. What is wrong with the arguments raises BadInput, before any
compute is spent.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rac_ray.data.dataset import Say
from rac_ray.errors import BadInput
from rac_ray.loggers.asked import Logging, following, logged, over
from rac_ray.loggers.protocol import Sweep
from rac_ray.store.cleaning import leftovers, remove
from rac_ray.store.ledger import DRIVER
from rac_ray.store.lock import holding, living_holder, request_cancel
from rac_ray.store.merging import merge
from rac_ray.store.storage import Storage
from rac_ray.studies.study import Study
from rac_ray.sweep.acts import Cancelled, Cleaned, Submitted, TakenIn
from rac_ray.sweep.asked import (
    Where,
    Which,
    about_data,
    as_last_run,
    decided,
    given_up,
    ledger_of,
    looked_at,
    planned,
    preset_of,
    require_started,
    searched,
    trials_of,
    with_last,
)
from rac_ray.sweep.decisions import Deciding
from rac_ray.sweep.driving import added_at_most, candidates_of_searches, run_missing
from rac_ray.sweep.loading import loading
from rac_ray.sweep.monitor import say_line
from rac_ray.sweep.outcomes import BY_HAND, Described, Planned, Results, Status, Wanted
from rac_ray.sweep.program import Program
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.search import SearchBook
from rac_ray.sweep.showing import counted_of, shown_of
from rac_ray.sweep.variants import in_common, variations

if TYPE_CHECKING:
    from rac_ray.results.tables import Tables
    from rac_ray.sweep.replaying import Replayed

CANCEL_SECONDS = 60
"""How long ``cancel`` waits for the driver to go."""


_HERE, _ALL, _ONE_MACHINE, _TABLES, _AS_PLANNED = Where(), Which(), Resources(), Wanted(), Deciding()
_NOWHERE = Logging()
"""What the verbs take by default."""


def run(
    study: Study,
    preset: str = "",
    *,
    where: Where = _HERE,
    which: Which = _ALL,
    resources: Resources = _ONE_MACHINE,
    deciding: Deciding = _AS_PLANNED,
    logs: Logging = _NOWHERE,
    report: bool = True,
    retry_failed: bool = False,
    say: Say = say_line,
    **asked: Any,
) -> Results:
    """Run what is missing of the grid, then show what there is.

    With ``retry_failed`` trials of the preset's last run that were given up are run once more, with fresh budgets: what
    is left open is that run's. After Ctrl-C trials are counted, and nothing is shown or written. Raises Busy when
    another driver lives on the sweep.

    Parameters
    ----------
    report
        Write one HTML page, report.html, at the end; it opens offline.
    """
    preset = preset_of(study, preset)
    asked = with_last(study, preset, where, asked) if retry_failed else asked
    with following(logs, Sweep(study.name, preset), ledger_of(study, preset, where), say) as listeners:
        made, reason, retried = run_missing(
            study, preset, where, which, resources, deciding, retry_failed, say, asked, listeners
        )
        if reason == BY_HAND:
            return replace(counted_of(made), stopped=reason, retried=retried)
        wanted = Wanted(verdict=deciding.until_decided, report=report)
        found = replace(shown_of(made, wanted=wanted), stopped=reason, retried=retried)
        for news in listeners:
            news.files(found.folder, over(found))
    return found


def plan(
    study: Study,
    preset: str = "",
    *,
    where: Where = _HERE,
    which: Which = _ALL,
    resources: Resources = _ONE_MACHINE,
    deciding: Deciding = _AS_PLANNED,
    retry_failed: bool = False,
    as_last: bool = True,
    dry_run: bool = False,
    say: Say = say_line,
    **asked: Any,
) -> Planned:
    """Say what would run and what it costs; runs a short probe and nothing else.

    With ``retry_failed`` the trials that were given up are listed once more, with the reasons. Unless ``as_last``, what
    is left open is the preset's own, as for a run, and not that of the preset's last run.

    Parameters
    ----------
    dry_run
        Do not keep the probe's figures for the next plan, either: write nothing.
    """
    with loading():
        from rac_ray.sweep.runner import precision_for, price_plan

    preset = preset_of(study, preset)
    asked = with_last(study, preset, where, asked) if as_last else asked
    made = replace(planned(study, preset, where, which, asked, precision_for(resources)), retry_failed=retry_failed)
    price, entries = price_plan(made, resources, say, remember=not dry_run), made.entries()
    candidates = candidates_of_searches(made)
    trials = trials_of(made, entries, made.ledger.driver(watch=False))
    return Planned(
        trials,
        (len(made.missing(entries)), len(made.tasks)),
        {**about_data(made), **in_common(made.tasks)},
        price,
        list(dict.fromkeys(note for part in made.parts for note in study.notes(part.grid, part.tasks))),
        searched(made),
        price_plan(candidates, resources, say, remember=not dry_run) if candidates else None,
        added_at_most(made, deciding, which.only, price),
        given_up(trials) if retry_failed else None,
    )


def status(
    study: Study,
    preset: str = "",
    *,
    where: Where = _HERE,
    which: Which = _ALL,
    verbose: bool = False,
    **asked: Any,
) -> Status:
    """Show where the sweep stands, who drives it, what runs, what failed.

    Parameters
    ----------
    verbose
        Pending trials, too.
    """
    from rac_ray.sweep.jobs import job_status, last_job
    from rac_ray.sweep.progress_file import progress_of

    made = as_last_run(study, preset, where, which, asked)
    holder, job = living_holder(made.ledger.storage, DRIVER), last_job(made.ledger.storage)
    said = f"{job.job_id} at {job.address}: {job_status(job)}" if job else None
    rows = trials_of(made, made.entries(), holder.token if holder else None)
    progress = progress_of(made.ledger.storage, holder.token) if holder else None
    return Status(rows, holder and holder.sentence, said, verbose, searched(made), decided(made), progress)


def describe(
    study: Study,
    trial: str,
    preset: str = "",
    *,
    where: Where = _HERE,
    which: Which = _ALL,
    **asked: Any,
) -> Described:
    """Why one trial is or is not done, and what it differs in from the nearest finished one.

    Parameters
    ----------
    trial
        A trial's id or the beginning of it.
    """
    from rac_ray.sweep.explain import described_trial

    plans = [as_last_run(study, name, where, which, asked) for name in looked_at(study, preset, where)]
    return described_trial(plans, trial)


def cancel(study: Study, preset: str = "", *, where: Where = _HERE) -> Cancelled:
    """Ask the sweep's driver, wherever it runs, to stop; wait until it has, and stop its job if it does not."""
    from rac_ray.sweep.jobs import last_job, stop

    ledger = ledger_of(study, preset, where)
    holder, job = living_holder(ledger.storage, DRIVER), last_job(ledger.storage)
    if holder is not None:
        request_cancel(ledger.storage, holder)
        deadline = time.monotonic() + CANCEL_SECONDS
        while ledger.driver(watch=False) == holder.token and time.monotonic() < deadline:
            time.sleep(0.2)
    gone = holder is None or ledger.driver(watch=False) != holder.token
    told = job is not None and (holder is None or not gone) and stop(job)
    return Cancelled(holder and holder.sentence, gone, job.job_id if job and told else None)


def clean(
    study: Study,
    preset: str = "",
    *,
    where: Where = _HERE,
    yes: bool = False,
    dry_run: bool = False,
    best_checkpoints: bool = False,
) -> Cleaned:
    """Show files of the sweep that nothing needs any more, whatever its preset.

    Parameters
    ----------
    yes
        Delete what is shown.
    dry_run
        Only show it, as without --yes.
    best_checkpoints
        Also the best weights of finished trials.
    """
    if yes and dry_run:
        raise BadInput("--yes deletes and --dry-run does not; give one of them")
    ledger = ledger_of(study, preset, where)
    found = leftovers(ledger, ledger.scan(), best_checkpoints)
    found |= SearchBook(ledger.storage).leftovers(best_checkpoints)
    return Cleaned(found, remove(ledger, found) if yes else 0, yes)


def take_in(study: Study, source: str, preset: str = "", *, where: Where = _HERE) -> TakenIn:
    """Take finished trials of another machine's or group's sweep into this one; what is finished here stays as it is.

    Each is checked against its id and its predictions. Raises Busy while a driver lives on the sweep.

    Parameters
    ----------
    source
        The other sweep's folder, <storage>/<sweep>, a capsule that results --capsule packed, or reference: the
        sweep that the study's package has, where it has one.
    """
    from rac_ray.results.capsule import ledger_in, place_of

    ledger = ledger_of(study, preset, where)
    with ledger_in(place_of(source, study)) as other, holding(ledger.storage, DRIVER):
        return TakenIn(source, ledger.storage.root, merge(ledger, other, study.name))


def results(
    study: Study,
    preset: str = "",
    *,
    where: Where = _HERE,
    which: Which = _ALL,
    to: str | None = None,
    wanted: Wanted = _TABLES,
    logs: Logging = _NOWHERE,
    **asked: Any,
) -> Results:
    """Tables and figures of what is done.

    Parameters
    ----------
    to
        Folder for tables, figures and report (default: the preset's; of other trials than its own, one in that).
    """
    made = as_last_run(study, preset, where, which, asked)

    def show(wanted: Wanted) -> Results:
        require_started(made)
        return shown_of(made, to, wanted)

    return logged(logs, Sweep(study.name, made.preset), made.ledger, wanted, show)


def replay(study: Study, capsule: str, *, to: str | None = None, retrain: int = 0, seed: int = 0) -> "Replayed":
    """Check a capsule of the study: its records, and every byte of the tables and figures that follow from them.

    Parameters
    ----------
    capsule
        A file that results --capsule packed.
    to
        Folder to unpack to (default: a new one beside the capsule).
    retrain
        Train so many random trials once more.
    seed
        Which ones.
    """
    from rac_ray.studies import study_of
    from rac_ray.sweep.replaying import replay_capsule

    def own(tables: "Tables") -> Study:
        found = study_of(tables)
        if found.name != study.name:
            raise BadInput(f"{capsule!r} is of the study {found.name!r}; valid: one of {study.name!r}")
        return study

    return replay_capsule(Path(capsule), Path(to) if to else None, retrain, seed, own)


def submit(
    study: Study,
    address: str,
    program: Program,
    arguments: list[str],
    watch: list[str],
    preset: str = "",
    *,
    where: Where = _HERE,
    which: Which = _ALL,
    **asked: Any,
) -> Submitted:
    """Hand the run of a program to the cluster whose dashboard is at ``address``, and return at once.

    ``arguments`` are the program's, and ``watch`` are those that ask it for the status of what they run. Storage and
    data must be what both machines see. Clips that the study provides are made by the job: only there it can be
    planned.
    """
    from rac_ray.sweep.jobs import submit_job

    preset, ledger = preset_of(study, preset), ledger_of(study, preset, where)
    if not any(study.provides(each.grid) for each in variations(study, study.presets[preset], asked)):
        planned(study, preset, where, which, asked, None)
    places = ["--storage", ledger.storage.above.root, "--data", Storage.at(where.places(study, preset)[1]).root]
    job = submit_job(address, program, [*arguments, "--address", "auto", *places], folder=ledger.storage)
    return Submitted(job, program.said([*watch, *places]))

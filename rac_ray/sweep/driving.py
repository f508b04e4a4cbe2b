"""Drive a run from what is asked for to its end: its data, the candidates of its searches, its trials, more seeds."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rac_ray.data.dataset import Say
from rac_ray.store.storage import Storage
from rac_ray.sweep.asked import Where, Which, decided, given_up, planned, trials_of
from rac_ray.sweep.decisions import Deciding
from rac_ray.sweep.loading import loading
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.variants import variations

if TYPE_CHECKING:
    from rac_ray.studies.study import Study
    from rac_ray.sweep.listening import Listener
    from rac_ray.sweep.price import Price


def run_missing(
    study: "Study",
    preset: str,
    where: Where,
    which: Which,
    resources: Resources,
    deciding: Deciding,
    retry_failed: bool,
    say: Say,
    asked: Mapping[str, Any],
    listeners: "Sequence[Listener]",
) -> tuple[Plan, str, list[str] | None]:
    """Run what is missing; the plan as it has become, why it stopped early, or nothing, and what was retried."""
    from rac_ray.sweep.session import ray_ahead

    data = Storage.at(where.places(study, preset)[1])
    with ray_ahead(resources, f"{study.name} {preset}") as ray_up, ExitStack() as session:
        with loading():
            from rac_ray.sweep.runner import load_tune, precision_for, run_plan

        grids = [each.grid for each in variations(study, study.presets[preset], asked)]
        for grid in (grid for grid in grids if study.provides(grid)):
            session.enter_context(ray_up())
            study.provide(grid, study.folder(grid, data), say)
        again = partial(planned, study, preset, where, which, asked, precision_for(resources))
        made = replace(again(), retry_failed=retry_failed)
        retried = None
        if retry_failed:
            trials = trials_of(made, made.entries(), made.ledger.driver(watch=False))
            retried = [trial.trial_id for trial in given_up(trials)]
        if deciding.until_decided:
            from rac_ray.sweep.declaring import declaration

            declaration(made, deciding, which.only)
        candidates = candidates_of_searches(made)
        for part in (made, candidates):
            if part is not None:
                needed = part.bytes_needed(part.entries())
                part.ledger.storage.require_room(needed)
                part.data.require_room(needed)
        load_tune()
        session.enter_context(ray_up())
        reason = run_plan(candidates, resources, say) if candidates else ""
        if candidates:
            made = replace(again(), retry_failed=retry_failed)
        if deciding.until_decided:
            from rac_ray.sweep.deciding import run_until_decided

            reason = run_until_decided(made, again, deciding, resources, say, listeners)
            made = again()
        else:
            reason = reason or run_plan(made, resources, say, listeners=listeners)
    return made, reason, retried


def candidates_of_searches(made: Plan) -> Plan | None:
    """The candidates of a plan's searches; None of a plan without any."""
    if not made.searches:
        return None
    from rac_ray.sweep.halving import candidates_of

    return candidates_of(made)


def added_at_most(made: Plan, deciding: Deciding, only: str | None, price: "Price") -> list[str]:
    """What a run adds at most to a plan that declares, or has declared, something."""
    if not deciding.until_decided and not decided(made):
        return []
    from rac_ray.sweep.deciding import at_most

    return at_most(made, deciding, only, price)

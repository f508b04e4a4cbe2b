"""The results of a plan: its tables and figures, or only its trials by state."""

from rac_ray.store.storage import Storage
from rac_ray.sweep.outcomes import Results, Wanted
from rac_ray.sweep.planner import Plan


def shown_of(made: Plan, to: str | None = None, wanted: Wanted | None = None) -> Results:
    """The results of a plan, written to its folder or ``to``."""
    from rac_ray.results.shown import show

    folder = Storage.at(to) if to else made.outputs
    shown = {**made.shown, "title": made.title}
    return show(made.ledger.storage, folder, wanted or Wanted(), lambda _tables: made.study, **shown)


def counted_of(made: Plan) -> Results:
    """The trials of a plan by state; nothing is computed or written."""
    from rac_ray.results.analysis import Analysis
    from rac_ray.results.shown import counts_of
    from rac_ray.results.tables import load

    planned = len(made.trials)
    analysis = Analysis(load(made.ledger.storage.root, **made.shown), made.study, planned)
    counts = counts_of(analysis, planned)
    return Results(analysis, made.outputs.root, counts, {"counts": counts}, [])

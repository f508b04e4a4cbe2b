"""What of logging a verb is asked for, and the loggers for the time that it takes."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rac_ray.loggers import Destination, destinations
from rac_ray.loggers.protocol import Sweep
from rac_ray.store.ledger import Ledger
from rac_ray.sweep.options import words
from rac_ray.sweep.outcomes import Results, Wanted

if TYPE_CHECKING:
    from rac_ray.loggers.news import News


@dataclass(frozen=True)
class Logging:
    """Where else trials are shown."""

    log: Sequence[str] | None = field(default=None, metadata={"parse": words})
    """Also write trials to tensorboard, mlflow, wandb; several by commas; NAME=WHERE says to which folder, address or
    project."""

    def destinations(self, ledger: Ledger) -> list[Destination]:
        """All that are named, for a sweep with that ledger. Raises BadInput for a logger that cannot be had."""
        return destinations(self.log or (), ledger.storage.above)


@contextmanager
def following(logs: Logging, sweep: Sweep, ledger: Ledger, say: Callable[[str], None]) -> "Iterator[tuple[News, ...]]":
    """The news of a sweep that is about to run, for its listeners: of all loggers, or none at all.

    They are closed at the end. Raises BadInput for a logger that cannot be had.
    """
    found = logs.destinations(ledger)
    if not found:
        yield ()
        return
    from rac_ray.loggers.news import News

    say(f"logging to {', '.join(map(str, found))}")
    news = News(found, sweep, ledger, say)
    try:
        yield (news,)
    finally:
        news.close()


def logged(logs: Logging, sweep: Sweep, ledger: Ledger, wanted: Wanted, show: Callable[[Wanted], Results]) -> Results:
    """Show results, and have loggers write all that they are of, with figures, and the report if that is wanted.

    Waits for them; the results tell what came of it. What loggers have already they do not write again. Raises
    BadInput, before anything is shown, for a logger that cannot be had.
    """
    found = logs.destinations(ledger)
    shown = show(wanted)
    if not found:
        return shown
    from rac_ray.loggers.delivery import Patience
    from rac_ray.loggers.news import News

    lines: list[str] = []
    news = News(found, sweep, ledger, lines.append, Patience(end=math.inf))
    trainings = list(dict.fromkeys(shown.analysis.tables.trials["training_id"]))
    news.records(trainings)
    news.files(shown.folder, over(shown))
    stopped = news.close()
    lines += [f"logged to {each}" for each in found if not stopped[each.name]]
    plain = {**shown.plain, "logged": stopped}
    return replace(shown, plain=plain, text=[*shown.text, *lines], unlogged=any(stopped.values()))


def over(shown: Results) -> int:
    """How many trials have ended, as well or badly as it may be."""
    return sum(shown.counts[state] for state in ("done", "unreached", "failed"))

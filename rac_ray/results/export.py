"""A folder from which a sweep can be shared: weights with a model card, and a data card.

``<folder>/model`` has ``README.md`` and a folder per trial; ``<folder>/data`` has the ``README.md`` of the clips. Each
is what Hugging Face takes as a repository. Each file is written whole or not at all, the cards last, so that a card
never names a file that is not there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rac_ray.counted import counted
from rac_ray.errors import BadInput
from rac_ray.results.data_card import data_card
from rac_ray.results.model_card import model_card
from rac_ray.results.shared_weights import CONFIG, WEIGHTS, classes_of, share
from rac_ray.results.weights import checkpoint_of
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Named, Record
from rac_ray.store.storage import Storage

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis

MODEL, DATA, CARD = "model", "data", "README.md"


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: str
    weights: int
    """Trials whose weights are there."""
    deleted: int
    """Finished trials whose weights had been deleted."""

    def line(self) -> str:
        """The same for people."""
        shared = f", weights of {counted(self.weights, 'trial')}" if self.weights else ""
        lost = f"; the weights of {counted(self.deleted, 'trial')} were deleted before" if self.deleted else ""
        return f"export: {self.folder} (model and data card{shared}{lost})"


def export(analysis: "Analysis", sweep: Storage, folder: Storage, *, weights: bool = True) -> Exported:
    """Write a sweep's cards, and the weights of its finished trials, into ``folder``; torch is loaded for weights only.

    What an earlier export left there of trials that are not in this one goes. Raises BadInput where no trial has
    finished, and for a folder of tables without records.
    """
    ledger, model = Ledger(sweep), folder.below(MODEL)
    chosen = list(_finished(analysis, ledger))
    if not chosen:
        raise BadInput(f"no trial of {sweep.root!r} has finished: there is nothing to export yet")
    having = [trial.trial_id for record, trial in chosen if weights and _share(analysis, ledger, record, trial, model)]
    data_id = analysis.study.facts.data_id or analysis.study.name or "clips"
    records = list({record.training_id: record for record, _ in chosen}.values())
    folder.below(DATA).write_bytes(CARD, data_card(analysis, records))
    model.write_bytes(CARD, model_card(analysis, data_id, having))
    for name in model.sizes():
        trial_id, _, file = name.partition("/")
        if file in (CONFIG, WEIGHTS) and trial_id not in having:
            model.delete(name)
    return Exported(folder.root, len(having), len(chosen) - len(having) if weights else 0)


def _finished(analysis: "Analysis", ledger: Ledger) -> Iterator[tuple[Record, Named]]:
    """Record and trial of each finished one of the tables, in their order. Raises BadInput where there are only tables
    of them."""
    found = {
        trial.trial_id: (entry.record, trial)
        for entry in ledger.scan().values()
        if entry.record is not None
        for trial in entry.record.trials
    }
    finished = analysis.tables.trials.query("state == 'done'")["trial_id"].tolist()
    if lost := [trial_id for trial_id in finished if trial_id not in found]:
        raise BadInput(
            f"no records in {ledger.storage.root!r} of {counted(len(lost), 'finished trial')}; valid: the folder of a "
            "sweep, which has trials/"
        )
    for trial_id in finished:
        yield found[trial_id]


def _share(analysis: "Analysis", ledger: Ledger, record: Record, trial: Named, model: Storage) -> bool:
    """Write a trial's weights; False where they were deleted."""
    if not ledger.folder(record.training_id).exists(checkpoint_of(record, trial)):
        return False
    share(ledger, record, trial, model.below(trial.trial_id), classes_of(record, analysis.study))
    return True

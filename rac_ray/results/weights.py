"""The weights of finished trials, as models."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rac_ray.errors import BadInput
from rac_ray.store.files import BEST_CHECKPOINT
from rac_ray.store.ledger import Ledger
from rac_ray.store.parquet import in_short
from rac_ray.store.record import Named, Record
from rac_ray.store.storage import Storage
from rac_ray.training.weights import checkpoint_file

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rac_ray.studies.study import Study


def load_model(trial: str, path: str | os.PathLike[str], study: "Study | None" = None) -> "nn.Module":
    """The model of a finished trial with the weights of its checkpoint, in evaluation mode, on the CPU.

    ``path`` is a sweep's folder, ``<storage>/<sweep>``; ``trial`` a trial's id or the beginning of it; ``study`` is
    needed for studies from outside of this package. Raises BadInput for a trial that is not there or has no weights.
    """
    ledger = Ledger(Storage.at(path))
    records = ledger.records(ledger.training_ids()).values()
    found = [(record, each) for record in records for each in record.trials if each.trial_id.startswith(trial)]
    if len(found) != 1:
        raise BadInput(f"{len(found)} finished trials of {os.fspath(path)!r} begin with {trial!r}; valid: one")
    ((record, named),) = found
    where = ledger.folder(record.training_id).address(checkpoint_of(record, named))
    return with_weights(record, weights_of(ledger, record, named), where, study)


def with_weights(record: Record, weights: "Mapping[str, Tensor]", where: str, study: "Study | None") -> "nn.Module":
    """A record's model with the weights of a file, in evaluation mode.

    Raises BadInput for a record that describes no model, or one of other weights; sizes are compared before any memory
    is taken for them.
    """
    from rac_ray.models.shapes import shaped
    from rac_ray.studies import study_named

    built = (study or study_named(record.study)).built

    try:
        shapes = shaped(lambda: built(record))
    except BadInput:
        raise
    except Exception as error:  # whatever a class says of options that it does not have
        raise BadInput(
            f"the record of {where} describes no model: {type(error).__name__}: {in_short(error)}"
        ) from error
    try:
        shapes.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise BadInput(f"{where} has no weights of {record.model}: {in_short(error)}") from error
    model = built(record)
    model.load_state_dict(weights)
    return model.eval()


def weights_of(ledger: Ledger, record: Record, trial: Named) -> "dict[str, Tensor]":
    """The weights of a trial's checkpoint, by name. Raises BadInput where they were deleted or are damaged."""
    from rac_ray.training.checkpoints import weights_in

    folder, name = ledger.folder(record.training_id), checkpoint_of(record, trial)
    if not folder.exists(name):
        raise BadInput(f"trial {trial.trial_id} has no {name} in {folder.root!r}; its weights were deleted")
    return weights_in(folder, name)


def checkpoint_of(record: Record, trial: Named) -> str:
    """Name of the file with the weights of a finished trial's checkpoint."""
    checkpoint = record.checkpoint(trial.level)
    assert checkpoint is not None
    return checkpoint_file(record, checkpoint.epoch) if trial.level is not None else BEST_CHECKPOINT

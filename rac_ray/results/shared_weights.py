"""A trial's weights as others get them: safetensors beside a JSON file from which the model is built again.

Nothing that is shared is a pickle, and none is read: a file of weights from somebody else can run no code.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from rac_ray.errors import BadInput
from rac_ray.results.weights import weights_of, with_weights
from rac_ray.store.ledger import Ledger
from rac_ray.store.parquet import in_short
from rac_ray.store.record import SCHEMA, Named, Record, read_record
from rac_ray.store.storage import UNREADABLE, Storage
from rac_ray.sweep.provenance import versions

if TYPE_CHECKING:
    from torch import nn

    from rac_ray.studies.study import Study

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT = 1


class File(msgspec.Struct):
    """The file of weights, as its config tells."""

    sha256: str


class Config(msgspec.Struct):
    """What is read of ``config.json``; it says more, for people."""

    format: int
    weights: File
    record: msgspec.Raw


ALIGNED = 8
"""Bytes at whose multiples the values of safetensors begin."""


def share(ledger: Ledger, record: Record, trial: Named, folder: Storage, class_names: Sequence[str]) -> None:
    """Write the weights of a trial's checkpoint, and then the config, into ``folder``.

    The same record gives the same bytes. Raises BadInput where the weights were deleted.
    """
    from safetensors.torch import save

    told = shareable(record, trial)
    (checkpoint,) = told.selected
    tensors = {name: value.contiguous().clone() for name, value in weights_of(ledger, record, trial).items()}
    content = _in_order(save(tensors, _metadata(told)))
    folder.write_bytes(WEIGHTS, content)
    config = {
        "format": FORMAT,
        "trial_id": trial.trial_id,
        "name": " ".join(word for word in (trial.experiment, record.training().name, trial.variant) if word),
        "epoch": checkpoint.epoch,
        "classes": list(class_names),
        "weights": {"file": WEIGHTS, "sha256": hashlib.sha256(content).hexdigest()},
        "rac_ray": versions()["rac-ray"],
        "record": msgspec.to_builtins(told),
    }
    folder.write_json(CONFIG, config)


def load_exported(folder: str | os.PathLike[str], study: "Study | None" = None) -> "nn.Module":
    """The model that lies in a folder of an export, ``<export>/model/<trial id>``; in evaluation mode, on the CPU.

    It takes clips (B, T, C, H, W) float32, scaled as in its training, to logits (B, classes). Reads JSON and
    safetensors, and never a pickle. ``study`` is needed where a study from outside of this package builds models in a
    way of its own; models of one's own have to be registered. Raises BadInput for a folder without a model, and for
    weights that are damaged or of another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    place = Storage.at(folder)
    said, content = place.read_if_there(CONFIG), place.read_if_there(WEIGHTS)
    if said is None or content is None:
        raise BadInput(f"{place.root!r} has no {CONFIG if said is None else WEIGHTS}; valid: EXPORT/model/TRIAL")
    try:
        config = msgspec.json.decode(said, type=Config)
    except UNREADABLE as error:
        raise BadInput(f"{place.address(CONFIG)} is not the config of a model") from error
    if config.format != FORMAT:
        raise BadInput(f"{place.address(CONFIG)} has format {config.format}; valid: {FORMAT}")
    if hashlib.sha256(content).hexdigest() != config.weights.sha256:
        raise BadInput(f"{place.address(WEIGHTS)} is not the file that {CONFIG} was written for")
    record = read_record(bytes(config.record), place.address(CONFIG))
    try:
        weights = load(content)
    except (SafetensorError, RuntimeError) as error:
        raise BadInput(f"{place.address(WEIGHTS)} has no weights of {record.model}: {in_short(error)}") from error
    return with_weights(record, weights, place.address(WEIGHTS), study)


def shareable(record: Record, trial: Named) -> Record:
    """What a record says of one of its trials, without the machine's name and the places where files lie there."""
    checkpoint = record.checkpoint(trial.level)
    assert checkpoint is not None
    return msgspec.structs.replace(
        record,
        schema=SCHEMA,
        trials=[trial],
        selected=[checkpoint],
        evaluations=record.evaluations_of(trial),
        dataset=without_places(record.dataset),
        host="",
    )


def classes_of(record: Record, study: "Study") -> list[str]:
    """Names of the classes: those that the record has, or what the study calls so many."""
    return list((record.dataset or {}).get("classes") or study.class_names(record.classes))


def without_places(value: Any) -> Any:
    """Plain values in which absolute paths and addresses are empty."""
    match value:
        case dict():
            return {name: without_places(each) for name, each in value.items()}
        case list():
            return [without_places(each) for each in value]
        case str() if value.startswith(("/", "~")) or "://" in value:
            return ""
        case _:
            return value


def _metadata(record: Record) -> dict[str, str]:
    """Of the file of weights; its format has texts only."""
    (trial,) = record.trials
    recipe = json.dumps(msgspec.to_builtins(record.recipe), sort_keys=True)
    return {
        "format": "pt",
        "trial_id": trial.trial_id,
        "training_id": record.training_id,
        "training_version": str(record.training_version),
        "study": record.study,
        "model": record.model,
        "hidden_units": str(record.hidden_units),
        "recipe": recipe,
        "source": record.source,
        "seed": str(record.seed),
        "rac_ray": versions()["rac-ray"],
    }


def _in_order(content: bytes) -> bytes:
    """The same file with the names in its head sorted: the library writes metadata in any order."""
    size = int.from_bytes(content[:ALIGNED], "little")
    head = json.loads(content[ALIGNED : ALIGNED + size])
    text = json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    return len(text).to_bytes(ALIGNED, "little") + text + content[ALIGNED + size :]

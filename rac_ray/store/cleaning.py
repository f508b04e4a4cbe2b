"""What a sweep's folder holds that nothing needs any more, and how much room it takes."""

from collections.abc import Mapping

from rac_ray.errors import BadInput
from rac_ray.store.entry import Entry
from rac_ray.store.files import LAST_CHECKPOINT, LEVEL, RECORD, is_weights
from rac_ray.store.ledger import TRIALS, Ledger


def leftovers(ledger: Ledger, entries: Mapping[str, Entry], best_checkpoints: bool = False) -> dict[str, int]:
    """Bytes of each file that can go, by its path in the sweep's folder. Raises BadInput while a driver lives.

    Files under temporary names, running checkpoints of trainings that are finished or were given up, and, with
    ``best_checkpoints``, the weights of finished ones, whose results stay; a domain that is added later then trains
    them again.
    """
    if ledger.driver() is not None:
        raise BadInput(f"{ledger.storage.root} has a running driver; `cancel` it first")
    found = ledger.storage.sizes(temporary=True)
    for training_id, entry in entries.items():
        for name, size in entry.sizes.items():
            running = name == LAST_CHECKPOINT or (name.startswith(LEVEL) and RECORD not in entry.sizes)
            weights = entry.done and is_weights(name)
            if (running and entry.state(None) in ("done", "failed")) or (best_checkpoints and weights):
                found[f"{TRIALS}/{training_id}/{name}"] = size
    return found


def remove(ledger: Ledger, names: Mapping[str, int]) -> int:
    """Delete files that ``leftovers`` named; returns the bytes that are free now."""
    for name in names:
        ledger.storage.delete(name)
    return sum(names.values())

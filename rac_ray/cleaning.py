"""What a sweep's folder holds that nothing needs any more, and how much room it takes."""

from collections.abc import Mapping

from rac_ray.errors import BadInput
from rac_ray.ledger import BEST_CHECKPOINT, Entry, Ledger


def leftovers(ledger: Ledger, entries: Mapping[str, Entry], best_checkpoints: bool = False) -> dict[str, int]:
    """Bytes of each file that can go, by its path in the sweep's folder. Raises BadInput while a driver lives.

    Files under temporary names, running checkpoints of trials that are finished or were given up, and, with
    ``best_checkpoints``, the best weights of finished trials, whose results stay.
    """
    if ledger.driver() is not None:
        raise BadInput(f"{ledger.storage.root} has a running driver; `cancel` it first")
    found = ledger.storage.sizes(temporary=True)
    for trial_id, entry in entries.items():
        names = ledger.while_running(entry.sizes) if entry.state(None) in ("done", "failed") else []
        if best_checkpoints and entry.record is not None and BEST_CHECKPOINT in entry.sizes:
            names.append(BEST_CHECKPOINT)
        found |= {f"{ledger.kind}/{trial_id}/{name}": entry.sizes[name] for name in names}
    return found


def remove(ledger: Ledger, names: Mapping[str, int]) -> int:
    """Delete files that ``leftovers`` named; returns the bytes that are free now."""
    for name in names:
        ledger.storage.delete(name)
    return sum(names.values())

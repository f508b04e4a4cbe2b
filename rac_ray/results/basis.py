"""What tables and figures stand on, in words for people: how many trials, of which clips, tested with which weights."""

from collections.abc import Iterable, Mapping, Sequence

from rac_ray.counted import counted
from rac_ray.training.selection import BEST_EPOCH, NEAREST_EPOCH

BECAME = {
    "done": ("is done", "are done"),
    "unreached": ("never came near its level", "never came near their level"),
    "failed": ("has failed", "have failed"),
    "running": ("is running", "are running"),
    "pending": ("has not run", "have not run"),
}
"""What became of one trial, and of several, by state."""
TESTED = {
    BEST_EPOCH: "of its best epoch: highest validation accuracy where it was trained, the first of equals",
    NEAREST_EPOCH: "of the epoch whose validation accuracy where it was trained is nearest to its experiment's level, "
    "the first of equals",
}
"""The weights that a trial is tested with, by the rule in its record."""


def trials_in_words(states: Mapping[str, int], planned: int) -> str:
    """``6 of 8 planned trials are done, 1 has failed, 1 has not run``; ``states`` has how many are in each state."""
    done, others = states["done"], [state for state in BECAME if states[state] and state != "done"]
    if planned == 1:
        return f"the only planned trial {BECAME[next(iter(others), 'done')][0]}"
    if done == planned:
        return f"all {planned} planned trials are done"
    said = [f"{done} of {planned} planned trials {BECAME['done'][done != 1]}"]
    return ", ".join([*said, *(counted(states[state], *BECAME[state]) for state in others)])


def untold_in_words(folders: Sequence[str]) -> str:
    """``2 folders tell no trial: 0a.., 0b..``, as their plans are damaged; or nothing."""
    return f"{counted(len(folders), 'folder tells', 'folders tell')} no trial: {', '.join(folders)}" if folders else ""


def clips_in_words(about: Iterable[str]) -> str:
    """``clips: looks soft, spec paper`` of ``looks=soft, spec=paper``, as trials say it; or nothing."""
    said = [each.replace("=", " ") for each in sorted(set(about)) if each]
    return f"clips: {'; '.join(said)}" if said else ""


def weights_in_words(rules: Iterable[str]) -> str:
    """Which weights trials are tested with; ``rules`` are those of their records."""
    said = [f"each trial is tested with the weights {TESTED.get(rule, f'by {rule}')}" for rule in sorted(set(rules))]
    return "; ".join(said) or "no weights yet"

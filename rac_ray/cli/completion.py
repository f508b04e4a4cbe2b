"""Values that a shell completes after an option: names, several of them with commas between, files and folders."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rac_ray.cli.derive import Flag
from rac_ray.identity import PRECISIONS, WORD_FIELDS
from rac_ray.sweep.feeds import DELIVERIES, FEED
from rac_ray.sweep.options import place, places

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext

    from rac_ray.studies.study import Study

PATHS = frozenset({
    "storage", "data", "to", "out", "folder", "capsule", "masks", "shards", "frames", "checkpoint",
})  # fmt: skip
"""Names of options and arguments that are files or folders, besides those that are parsed as such."""
MOST_TOLD = 6
"""Values that a help names, where its words do not name one already."""


def completed(flag: Flag, study: "Study | None" = None) -> Flag:
    """The option with the values that a shell offers for it, and a help that names them if they are few."""
    if flag.name in PATHS or flag.parse in (place, places):
        return replace(flag, is_path=True)
    if study is None or flag.positional:
        return flag
    if flag.name == "preset":
        return replace(flag, values=tuple(study.presets))
    if flag.name == "precision":
        return replace(flag, values=PRECISIONS)
    values = values_of(study, flag.name)
    told = not values or values[0].isdigit() or len(values) > MOST_TOLD or any(value in flag.help for value in values)
    help = flag.help if told else f"{flag.help}: {', '.join(values)}"
    return replace(flag, help=help, complete=listed(values) if values else None)


def values_of(study: "Study", name: str) -> list[str]:
    """Values of a study's option: its variant's, a recipe's words, or those that some preset has."""
    if name == FEED:
        return list(dict.fromkeys([*DELIVERIES, *study.every_variant.get(FEED, ())]))
    if known := study.every_variant.get(name) or WORD_FIELDS.get(name):
        return list(known)
    if name not in {option.name for option in study.options}:
        return []
    axes = [getattr(grid, axis, ()) for grid in study.presets.values() for axis in (name, f"{name}s")]
    found = dict.fromkeys(value for axis in axes if not isinstance(axis, str) for value in axis)
    return [str(value) for value in found]


def listed(values: Sequence[str]) -> "Callable[[CompletionContext], list[str]]":
    """What completes ``a,b``: the last word of it, by values that are not there yet."""

    def complete(context: "CompletionContext") -> list[str]:
        before, comma, _ = context.incomplete.replace("\\,", ",").rpartition(",")
        there = before.split(",")
        return [f"{before}{comma}{value}" for value in values if value not in there]

    return complete

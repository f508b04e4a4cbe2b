"""What a record says its clips were made from (``Record.dataset``), when it comes to tell of more parts.

Studies say it in their own words, but for ``clips``, the number by ``domain/split``, and ``symbols``, what further
domains show, each with its ``name``. All else is the same for all parts.
"""

from collections.abc import Collection
from typing import Any

import msgspec

CLIPS, SYMBOLS = "clips", "symbols"


class _Parts(msgspec.Struct):
    clips: dict[str, Any] = {}
    symbols: list[dict[str, Any]] = []


def with_parts(
    own: dict[str, Any] | None, other: dict[str, Any] | None, newer: Collection[str] = ()
) -> dict[str, Any] | None:
    """``own``, with the parts of which only ``other`` tells; of the parts in ``newer`` what ``other`` says counts.

    Where anything else differs between the two, as between two ways to make clips, or folders to read them from,
    nothing of the one can be said of the other's parts, and ``own`` stays as it is.
    """
    if own is None or other is None:
        return other if own is None else own
    if _of_all_parts(own) != _of_all_parts(other):
        return own
    try:
        mine, theirs = (msgspec.convert(each, _Parts) for each in (own, other))
    except msgspec.ValidationError:
        return own
    clips = {**theirs.clips, **mine.clips, **{part: theirs.clips[part] for part in newer if part in theirs.clips}}
    domains = {part.partition("/")[0] for part in newer}
    symbols = {_name(each): each for each in (*theirs.symbols, *mine.symbols)}
    symbols |= {_name(each): each for each in theirs.symbols if _name(each) in domains}
    united = {CLIPS: clips, SYMBOLS: [*symbols.values()]}
    return _of_all_parts(own) | {name: value for name, value in united.items() if value or name in own}


def _of_all_parts(dataset: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in dataset.items() if name not in (CLIPS, SYMBOLS)}


def _name(symbols: dict[str, Any]) -> str:
    return str(symbols.get("name"))

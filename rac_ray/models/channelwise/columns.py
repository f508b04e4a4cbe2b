"""What the compiled functions of attention have in common: sixteen columns of some rows, and back.

Queries, keys and values have a row for every channel and a column for every token of every clip. Arrays are flat.
"""

from typing import Any

from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH, load, splat, store

Numbers = Any
"""A flat array of float32 or float64."""


@compiled
def columns_of(block: int, clips: int, groups: int, group_step: int, first_column: int, columns: Any) -> int:
    """Columns of the first members of sixteen pairs of group and clip; how many of the sixteen there are."""
    count = min(WIDTH, clips * groups - block * WIDTH)
    for lane in range(WIDTH):
        group, clip = divmod(block * WIDTH + min(lane, count - 1), clips)
        columns[lane] = first_column + group * group_step + clip
    return count


@compiled
def gather(source: Numbers, start: int, row: int, channels: int, columns: Any, into: Numbers, place: int) -> None:
    """Sixteen columns of some rows, ``row`` numbers apart, from ``start`` on."""
    together = columns[WIDTH - 1] - columns[0] == WIDTH - 1
    for channel in range(channels):
        begin, at = start + channel * row, place + channel * WIDTH
        if together:
            store(into, at, load(source, begin + columns[0]))
        else:
            for lane in range(WIDTH):
                into[at + lane] = source[begin + columns[lane]]


@compiled
def scatter(
    values: Numbers, place: int, channels: int, columns: Any, count: int, into: Numbers, start: int, row: int, more: int
) -> None:
    """The opposite of ``gather`` for the first ``count`` lanes; with ``more`` = 1 added to what is there, else 0."""
    together = columns[WIDTH - 1] - columns[0] == WIDTH - 1
    for channel in range(channels):
        begin, at = start + channel * row, place + channel * WIDTH
        if together:
            value = load(values, at)
            if more:
                value = value + load(into, begin + columns[0])
            store(into, begin + columns[0], value)
        else:
            for lane in range(count):
                kept = into[begin + columns[lane]] if more else values[0] - values[0]
                into[begin + columns[lane]] = kept + values[at + lane]


@compiled
def dot(one: Numbers, place: int, other: Numbers, other_place: int, channels: int) -> Any:
    total = splat(one, 0.0)
    for channel in range(channels):
        total = total + load(one, place + channel * WIDTH) * load(other, other_place + channel * WIDTH)
    return total

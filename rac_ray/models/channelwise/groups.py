"""Patches attend to their group and to the class token: all groups, heads and clips at once, with the gradient.

A group is the same place in all frames, or all places of a frame. Queries, keys and values are (heads * h, columns).
Sixteen pairs of a group and a clip lie side by side in the processor's registers (``lanes``) while their tokens are
compared one with another; nothing is summed over lanes. Arrays are flat.
"""

from typing import Any

import numpy as np

from rac_ray.models.channelwise.columns import Numbers, columns_of, dot, gather, scatter
from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH, exponential, larger, load, quotient, splat, store


@compiled
def _rotate(
    values: Numbers, place: int, channels: int, cosines: Numbers, sines: Numbers, at: int, scale: float
) -> None:
    """One token's channels in pairs, by the rotation of index ``at``."""
    for channel in range(0, channels, 2):
        one, other = place + channel * WIDTH, place + (channel + 1) * WIDTH
        left, right = load(values, one), load(values, other)
        turn = at + channel
        cos, sin = splat(values, cosines[turn] * scale), splat(values, sines[turn] * scale)
        cos_next, sin_next = splat(values, cosines[turn + 1] * scale), splat(values, sines[turn + 1] * scale)
        store(values, one, left * cos + right * sin)
        store(values, other, right * cos_next + left * sin_next)


@compiled
def _rotate_back(
    values: Numbers, place: int, channels: int, cosines: Numbers, sines: Numbers, at: int, scale: float
) -> None:
    """The gradient of ``_rotate``."""
    for channel in range(0, channels, 2):
        one, other = place + channel * WIDTH, place + (channel + 1) * WIDTH
        left, right = load(values, one), load(values, other)
        turn = at + channel
        cos, sin = splat(values, cosines[turn] * scale), splat(values, sines[turn] * scale)
        cos_next, sin_next = splat(values, cosines[turn + 1] * scale), splat(values, sines[turn + 1] * scale)
        store(values, one, left * cos + right * sin_next)
        store(values, other, right * cos_next + left * sin)


@compiled
def _gather_members(
    source: Numbers, start: int, row: int, shape: Any, columns: Any, of_class: Any, into: Numbers, place: int
) -> None:
    """All members of sixteen groups, and the class token before them if ``place`` leaves room for it."""
    _, channels, _, members, _, member_step = shape
    size = channels * WIDTH
    if place:
        gather(source, start, row, channels, of_class, into, 0)
    for member in range(members):
        gather(source, start + member * member_step, row, channels, columns, into, place + member * size)


@compiled
def over_groups(
    query: Numbers,
    key: Numbers,
    value: Numbers,
    cosines: Numbers,
    sines: Numbers,
    scale: float,
    shape: Any,
    out: Numbers,
    tops: Numbers,
    shares: Numbers,
    first: int,
    last: int,
) -> None:
    """Patches attend to their group and the class token, for tasks ``first`` to ``last``: a head and sixteen groups.

    ``shape`` is (clips, channels of a head, groups, members, group's step in columns, member's step). ``out`` has the
    shape of ``query``; ``tops`` and ``shares`` get, for every task, query and lane, what is subtracted from scores
    and what their exponentials are multiplied by.
    """
    clips, channels, groups, members, group_step, member_step = shape
    size, blocks = channels * WIDTH, (clips * groups + WIDTH - 1) // WIDTH
    row = clips * (1 + groups * members)
    queries, keys = np.empty(members * size, query.dtype), np.empty((members + 1) * size, query.dtype)
    values, weights = np.empty_like(keys), np.empty((members + 1) * WIDTH, query.dtype)
    result = np.empty(size, query.dtype)
    columns, of_class = np.empty(WIDTH, np.int64), np.empty(WIDTH, np.int64)
    for task in range(first, last):
        head, block = divmod(task, blocks)
        start = head * channels * row
        count = columns_of(block, clips, groups, group_step, clips, columns)
        columns_of(block, clips, groups, 0, 0, of_class)
        _gather_members(query, start, row, shape, columns, of_class, queries, 0)
        _gather_members(key, start, row, shape, columns, of_class, keys, size)
        _gather_members(value, start, row, shape, columns, of_class, values, size)
        for member in range(members):
            _rotate(queries, member * size, channels, cosines, sines, member * channels, scale)
            _rotate(keys, (member + 1) * size, channels, cosines, sines, member * channels, 1.0)
        for member in range(members):
            top = splat(query, -np.inf)
            for other in range(members + 1):
                score = dot(queries, member * size, keys, other * size, channels)
                store(weights, other * WIDTH, score)
                top = larger(top, score)
            total = splat(query, 0.0)
            for other in range(members + 1):
                weight = exponential(load(weights, other * WIDTH) - top)
                store(weights, other * WIDTH, weight)
                total = total + weight
            share = quotient(splat(query, 1.0), total)
            store(tops, (task * members + member) * WIDTH, top)
            store(shares, (task * members + member) * WIDTH, share)
            for channel in range(channels):
                mixed = splat(query, 0.0)
                for other in range(members + 1):
                    mixed = mixed + load(weights, other * WIDTH) * load(values, other * size + channel * WIDTH)
                store(result, channel * WIDTH, mixed * share)
            scatter(result, 0, channels, columns, count, out, start + member * member_step, row, 0)


@compiled
def over_groups_gradient(
    query: Numbers,
    key: Numbers,
    value: Numbers,
    cosines: Numbers,
    sines: Numbers,
    scale: float,
    shape: Any,
    tops: Numbers,
    shares: Numbers,
    upstream: Numbers,
    to_query: Numbers,
    to_key: Numbers,
    to_value: Numbers,
    to_class_key: Numbers,
    to_class_value: Numbers,
    first: int,
    last: int,
) -> None:
    """The gradient of ``over_groups``, of whose ``out`` that is ``upstream``.

    Patches' columns of ``to_query`` are written, those of ``to_key`` and ``to_value`` added to. What goes to the class
    token is written apart, (heads * h, lanes of all blocks) each, to be summed over groups.
    """
    clips, channels, groups, members, group_step, member_step = shape
    size, blocks = channels * WIDTH, (clips * groups + WIDTH - 1) // WIDTH
    row = clips * (1 + groups * members)
    queries, keys = np.empty(members * size, query.dtype), np.empty((members + 1) * size, query.dtype)
    values, given = np.empty_like(keys), np.empty_like(queries)
    of_queries, of_keys, of_values = np.empty_like(queries), np.empty_like(keys), np.empty_like(keys)
    weights = np.empty((members + 1) * WIDTH, query.dtype)
    slopes = np.empty_like(weights)
    columns, of_class = np.empty(WIDTH, np.int64), np.empty(WIDTH, np.int64)
    for task in range(first, last):
        head, block = divmod(task, blocks)
        start = head * channels * row
        count = columns_of(block, clips, groups, group_step, clips, columns)
        columns_of(block, clips, groups, 0, 0, of_class)
        _gather_members(query, start, row, shape, columns, of_class, queries, 0)
        _gather_members(key, start, row, shape, columns, of_class, keys, size)
        _gather_members(value, start, row, shape, columns, of_class, values, size)
        _gather_members(upstream, start, row, shape, columns, of_class, given, 0)
        for member in range(members):
            _rotate(queries, member * size, channels, cosines, sines, member * channels, scale)
            _rotate(keys, (member + 1) * size, channels, cosines, sines, member * channels, 1.0)
        of_keys[:] = 0
        of_values[:] = 0
        for member in range(members):
            mine = member * size
            top = load(tops, (task * members + member) * WIDTH)
            share = load(shares, (task * members + member) * WIDTH)
            mean = splat(query, 0.0)
            for other in range(members + 1):
                score = dot(queries, mine, keys, other * size, channels)
                weight = exponential(score - top) * share
                slope = dot(given, mine, values, other * size, channels)
                store(weights, other * WIDTH, weight)
                store(slopes, other * WIDTH, slope)
                mean = mean + weight * slope
            for other in range(members + 1):
                weight = load(weights, other * WIDTH)
                slope = weight * (load(slopes, other * WIDTH) - mean)
                store(slopes, other * WIDTH, slope)
                for channel in range(channels):
                    at, own = other * size + channel * WIDTH, mine + channel * WIDTH
                    store(of_keys, at, load(of_keys, at) + slope * load(queries, own))
                    store(of_values, at, load(of_values, at) + weight * load(given, own))
            for channel in range(channels):
                total = splat(query, 0.0)
                for other in range(members + 1):
                    total = total + load(slopes, other * WIDTH) * load(keys, other * size + channel * WIDTH)
                store(of_queries, mine + channel * WIDTH, total)
        for member in range(members):
            mine, patch, begin = member * size, (member + 1) * size, start + member * member_step
            _rotate_back(of_queries, mine, channels, cosines, sines, member * channels, scale)
            _rotate_back(of_keys, patch, channels, cosines, sines, member * channels, 1.0)
            scatter(of_queries, mine, channels, columns, count, to_query, begin, row, 0)
            scatter(of_keys, patch, channels, columns, count, to_key, begin, row, 1)
            scatter(of_values, patch, channels, columns, count, to_value, begin, row, 1)
        for channel in range(channels):
            place = ((head * channels + channel) * blocks + block) * WIDTH
            store(to_class_key, place, load(of_keys, channel * WIDTH))
            store(to_class_value, place, load(of_values, channel * WIDTH))

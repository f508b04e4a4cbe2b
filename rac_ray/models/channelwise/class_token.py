"""The class token attends to all tokens of its clip, compiled for a CPU, with its gradient; see ``groups``.

Queries are (heads * h, clips) or the first columns of a wider array; keys and values (heads * h, tokens * clips), all
clips of one token side by side.
"""

from typing import Any

import numpy as np

from rac_ray.models.channelwise.columns import Numbers, columns_of, dot, gather, scatter
from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH, exponential, larger, load, quotient, splat, store


@compiled
def over_all(
    query: Numbers,
    key: Numbers,
    value: Numbers,
    scale: float,
    shape: Any,
    out: Numbers,
    tops: Numbers,
    shares: Numbers,
    first: int,
    last: int,
) -> None:
    """For tasks ``first`` to ``last``: a head and sixteen clips.

    ``shape`` is (clips, channels of a head, tokens, columns of ``query`` and ``out``). ``tops`` and ``shares`` get what
    is subtracted from scores and what their exponentials are multiplied by, for every task and lane.
    """
    clips, channels, tokens, width = shape
    blocks, row = (clips + WIDTH - 1) // WIDTH, clips * tokens
    mine, one = np.empty(channels * WIDTH, query.dtype), np.empty(channels * WIDTH, query.dtype)
    mixed, weights = np.empty_like(mine), np.empty(tokens * WIDTH, query.dtype)
    columns = np.empty(WIDTH, np.int64)
    for task in range(first, last):
        head, block = divmod(task, blocks)
        count = columns_of(block, clips, 1, 0, 0, columns)
        gather(query, head * channels * width, width, channels, columns, mine, 0)
        start, top = head * channels * row, splat(query, -np.inf)
        for token in range(tokens):
            gather(key, start + token * clips, row, channels, columns, one, 0)
            score = dot(mine, 0, one, 0, channels) * splat(query, scale)
            store(weights, token * WIDTH, score)
            top = larger(top, score)
        total = splat(query, 0.0)
        mixed[:] = 0
        for token in range(tokens):
            weight = exponential(load(weights, token * WIDTH) - top)
            total = total + weight
            gather(value, start + token * clips, row, channels, columns, one, 0)
            for channel in range(channels):
                at = channel * WIDTH
                store(mixed, at, load(mixed, at) + weight * load(one, at))
        share = quotient(splat(query, 1.0), total)
        store(tops, task * WIDTH, top)
        store(shares, task * WIDTH, share)
        for channel in range(channels):
            store(mixed, channel * WIDTH, load(mixed, channel * WIDTH) * share)
        scatter(mixed, 0, channels, columns, count, out, head * channels * width, width, 0)


@compiled
def over_all_gradient(
    query: Numbers,
    key: Numbers,
    value: Numbers,
    scale: float,
    shape: Any,
    out: Numbers,
    tops: Numbers,
    shares: Numbers,
    upstream: Numbers,
    to_query: Numbers,
    to_key: Numbers,
    to_value: Numbers,
    first: int,
    last: int,
) -> None:
    """The gradient of ``over_all``, of whose ``out`` that is ``upstream``: all keys and values, columns of queries."""
    clips, channels, tokens, width = shape
    blocks, row = (clips + WIDTH - 1) // WIDTH, clips * tokens
    mine, one = np.empty(channels * WIDTH, query.dtype), np.empty(channels * WIDTH, query.dtype)
    given, of_query, of_one = np.empty_like(mine), np.empty_like(mine), np.empty_like(mine)
    columns = np.empty(WIDTH, np.int64)
    for task in range(first, last):
        head, block = divmod(task, blocks)
        count = columns_of(block, clips, 1, 0, 0, columns)
        start, begin = head * channels * row, head * channels * width
        gather(out, begin, width, channels, columns, one, 0)
        gather(upstream, begin, width, channels, columns, given, 0)
        gather(query, begin, width, channels, columns, mine, 0)
        mean = dot(one, 0, given, 0, channels)
        of_query[:] = 0
        top, share, scales = load(tops, task * WIDTH), load(shares, task * WIDTH), splat(query, scale)
        for token in range(tokens):
            place = start + token * clips
            gather(value, place, row, channels, columns, one, 0)
            slope = dot(given, 0, one, 0, channels) - mean
            gather(key, place, row, channels, columns, one, 0)
            weight = exponential(dot(mine, 0, one, 0, channels) * scales - top) * share
            slope = slope * weight * scales
            for channel in range(channels):
                at = channel * WIDTH
                store(of_query, at, load(of_query, at) + slope * load(one, at))
                store(of_one, at, slope * load(mine, at))
            scatter(of_one, 0, channels, columns, count, to_key, place, row, 0)
            for channel in range(channels):
                store(of_one, channel * WIDTH, weight * load(given, channel * WIDTH))
            scatter(of_one, 0, channels, columns, count, to_value, place, row, 0)
        scatter(of_query, 0, channels, columns, count, to_query, begin, width, 0)

"""Layer normalisation and the gated activation of a feed-forward layer, compiled for a CPU, with their gradients.

Activations have a row for every channel and a column for every token, sixteen of which are taken at once; the last
sixteen are done whole, even where others have done some of them. There are at least sixteen. Arrays are flat, and what
is written is none of what is read.
"""

from typing import Any

import numpy as np

from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH, load, normal, splat, store

Numbers = Any
"""A flat array of float32 or float64."""


@compiled
def normalise(
    tokens: Numbers,
    channels: int,
    columns: int,
    epsilon: float,
    normalised: Numbers,
    shares: Numbers,
    first: int,
    last: int,
) -> None:
    """Columns of mean 0 and variance 1, for blocks ``first`` to ``last``; ``shares`` is what scaled them."""
    part = splat(tokens, 1 / channels)
    for block in range(first, last):
        at = min(block * WIDTH, columns - WIDTH)
        total = splat(tokens, 0.0)
        for channel in range(channels):
            total = total + load(tokens, channel * columns + at)
        mean, total = total * part, splat(tokens, epsilon * channels)
        for channel in range(channels):
            apart = load(tokens, channel * columns + at) - mean
            total = total + apart * apart
        store(shares, at, total * part)
        for column in range(at, at + WIDTH):
            shares[column] = 1 / np.sqrt(shares[column])
        share = load(shares, at)
        for channel in range(channels):
            store(normalised, channel * columns + at, (load(tokens, channel * columns + at) - mean) * share)


@compiled
def normalise_gradient(
    normalised: Numbers,
    shares: Numbers,
    upstream: Numbers,
    beside: Numbers,
    channels: int,
    columns: int,
    to_tokens: Numbers,
    first: int,
    last: int,
) -> None:
    """The gradient of ``normalise``, plus ``beside``, which went past it."""
    part = splat(shares, 1 / channels)
    for block in range(first, last):
        at = min(block * WIDTH, columns - WIDTH)
        total, slope, share = splat(shares, 0.0), splat(shares, 0.0), load(shares, at)
        for channel in range(channels):
            given = load(upstream, channel * columns + at)
            total = total + given
            slope = slope + given * load(normalised, channel * columns + at)
        mean, slope = total * part, slope * part
        for channel in range(channels):
            place = channel * columns + at
            along = load(normalised, place) * slope + mean
            store(to_tokens, place, (load(upstream, place) - along) * share + load(beside, place))


@compiled
def gated(halves: Numbers, out: Numbers, count: int, first: int, last: int) -> None:
    """The first ``count`` numbers, each times GELU of its counterpart among the second, for blocks of sixteen."""
    for block in range(first, last):
        at = min(block * WIDTH, count - WIDTH)
        gate = load(halves, count + at)
        _, probability = normal(gate)
        store(out, at, load(halves, at) * (gate * probability))


@compiled
def gated_gradient(
    halves: Numbers, upstream: Numbers, count: int, out: Numbers, to_halves: Numbers, first: int, last: int
) -> None:
    """The gradient of ``gated``, and its ``out`` again."""
    for block in range(first, last):
        at = min(block * WIDTH, count - WIDTH)
        value, gate, given = load(halves, at), load(halves, count + at), load(upstream, at)
        density, probability = normal(gate)
        opened = gate * probability
        store(out, at, value * opened)
        store(to_halves, at, given * opened)
        store(to_halves, count + at, given * value * (probability + gate * density))

"""Convolution over 3x3 pixels by tiles of 2x2 (Winograd's F(2x2, 3x3)): 16 products make what takes 36 otherwise.

An image lies as four planes, one for each place in a tile: pixels of even rows and columns, even rows and odd columns,
odd and even, odd and odd. In a plane tiles lie row after row with one more column, which is zero as the image's border
is, and a lane of a register is a tile. ``bend`` makes sixteen numbers of the 4x4 pixels around a tile, which are
multiplied with as many of a weight and summed up over channels (``tile_products``); ``straight`` makes a tile of these.
``bend_back`` and ``straight_back`` are their adjoints, for gradients.
"""

from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from rac_ray.models.compiled import compiled
from rac_ray.models.lanes import WIDTH, load, splat, store
from rac_ray.models.tile_products import REGISTERS, ROWS

Array = NDArray[Any]
POINTS = 16
"""Numbers of a tile when it is bent."""
GROUP = REGISTERS * WIDTH
"""Tiles that are multiplied at once."""
BLOCK = 2 * GROUP
"""Tiles that a row of a matrix has: all is done with them before the next ones, while they lie in the cache."""
_WEIGHT_BENT = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


class Plane(NamedTuple):
    """Where the pixels of an image of ``height`` and ``width`` lie."""

    height: int
    width: int
    stride: int
    """From one row of tiles to the next."""
    tiles: int
    """That are computed: whole groups, those beyond the image's among them."""
    size: int
    """Numbers of a plane with its border."""
    first: int
    """Where in a plane its first tile lies."""


def plane_of(height: int, width: int) -> Plane:
    rows, stride = (height + 1) // 2, (width + 1) // 2 + 1
    tiles = -(-rows * stride // GROUP) * GROUP
    return Plane(height, width, stride, tiles, tiles + 2 * (stride + 1), stride + 1)


def inside(plane: Plane, like: Tensor) -> Tensor:
    """(4, tiles): 1 for a pixel of the image, 0 for one beyond it."""
    ones, flat = like.new_ones(plane.height, plane.width), like.new_zeros(4 * plane.size)
    split(ones.numpy(), flat.numpy(), 0, plane)
    return flat.view(4, -1)[:, plane.first : plane.first + plane.tiles].contiguous()


def bent_weight(weight: Tensor) -> Tensor:
    """(D, C, 3, 3) -> (16, D, C), in double precision."""
    bend = torch.tensor(_WEIGHT_BENT, dtype=torch.float64)
    return torch.einsum("ri,sj,dcij->rsdc", bend, bend, weight.double()).flatten(0, 1)


def straight_weight(gradient: Tensor) -> Tensor:
    """The adjoint: (16, D, C) -> (D, C, 3, 3)."""
    bend = torch.tensor(_WEIGHT_BENT, dtype=torch.float64)
    return torch.einsum("ri,sj,rsdc->dcij", bend, bend, gradient.double().unflatten(0, (4, 4)))


def in_fours(weight: Tensor) -> Tensor:
    """(16, D, C) -> (16, D / 4, C, 4) as ``multiply`` takes it, with rows of zeros up to a multiple of four."""
    missing = -weight.shape[1] % ROWS
    padded = torch.nn.functional.pad(weight, (0, 0, 0, missing))
    return padded.unflatten(1, (-1, ROWS)).transpose(2, 3).contiguous()


@compiled
def apart(rows: int) -> int:
    """From one of sixteen matrices to the next: no whole number of pages, or all would share a few places of the
    fastest cache."""
    return rows * BLOCK + WIDTH


@compiled
def split(image: Array, planes: Array, at: int, plane: Any) -> None:
    """An image (H, W) to its four planes, of which the first begins ``at``; borders stay as they are."""
    for y in range(plane.height):
        start = at + y % 2 * 2 * plane.size + y // 2 * plane.stride + plane.first
        for x in range(plane.width // 2):
            planes[start + x] = image[y, 2 * x]
            planes[start + plane.size + x] = image[y, 2 * x + 1]
        if plane.width % 2:
            planes[start + plane.width // 2] = image[y, plane.width - 1]


@compiled
def merge(planes: Array, at: int, plane: Any, image: Array) -> None:
    """The reverse."""
    for y in range(plane.height):
        start = at + y % 2 * 2 * plane.size + y // 2 * plane.stride + plane.first
        for x in range(plane.width // 2):
            image[y, 2 * x] = planes[start + x]
            image[y, 2 * x + 1] = planes[start + plane.size + x]
        if plane.width % 2:
            image[y, plane.width - 1] = planes[start + plane.width // 2]


@compiled
def _bent(a: Any, b: Any, c: Any, d: Any) -> Any:
    return a - c, b + c, c - b, b - d


@compiled
def _line(planes: Array, at: int, size: int) -> Any:
    """Four pixels of a row, from the one before the tile's on, bent."""
    return _bent(load(planes, at + size - 1), load(planes, at), load(planes, at + size), load(planes, at + 1))


@compiled
def _store(into: Array, at: int, step: int, four: Any) -> None:
    store(into, at, four[0])
    store(into, at + step, four[1])
    store(into, at + 2 * step, four[2])
    store(into, at + 3 * step, four[3])


@compiled
def bend(planes: Array, at: int, plane: Any, into: Array, to: int, step: int, count: int) -> None:
    """``count`` tiles, of which the first lies ``at`` in the first plane, to sixteen numbers ``step`` apart."""
    size, stride = plane.size, plane.stride
    for start in range(0, count, WIDTH):
        center, place = at + start, to + start
        a = _line(planes, center + 2 * size - stride, size)
        b = _line(planes, center, size)
        c = _line(planes, center + 2 * size, size)
        d = _line(planes, center + stride, size)
        _store(into, place, 4 * step, _bent(a[0], b[0], c[0], d[0]))
        _store(into, place + step, 4 * step, _bent(a[1], b[1], c[1], d[1]))
        _store(into, place + 2 * step, 4 * step, _bent(a[2], b[2], c[2], d[2]))
        _store(into, place + 3 * step, 4 * step, _bent(a[3], b[3], c[3], d[3]))


@compiled
def bend_back(values: Array, at: int, step: int, planes: Array, to: int, plane: Any, count: int) -> None:
    """Add to planes the gradients that come of those of bent tiles; these are overwritten."""
    for start in range(at, at + count, WIDTH):
        for line in range(4):
            _unbend(values, start + line * step, 4 * step)
        for line in range(4):
            _unbend(values, start + 4 * line * step, step)
    rows = (2 * plane.size - plane.stride, 0, 2 * plane.size, plane.stride)
    columns = (plane.size - 1, 0, plane.size, 1)
    for row in range(4):
        for column in range(4):
            source, target = at + (4 * row + column) * step, to + rows[row] + columns[column]
            for start in range(0, count, WIDTH):
                store(planes, target + start, load(planes, target + start) + load(values, source + start))


@compiled
def _unbend(values: Array, at: int, step: int) -> None:
    """The adjoint of ``_bent`` on four numbers ``step`` apart."""
    a, b = load(values, at), load(values, at + step)
    c, d = load(values, at + 2 * step), load(values, at + 3 * step)
    _store(values, at, step, (a, b - c + d, b + c - a, splat(values, 0.0) - d))


@compiled
def _pair(values: Array, at: int, step: int) -> Any:
    """Two numbers of four that lie ``step`` apart."""
    b, c = load(values, at + step), load(values, at + 2 * step)
    return load(values, at) + b + c, b - c - load(values, at + 3 * step)


@compiled
def straight(values: Array, at: int, step: int) -> Any:
    """The four pixels of each of sixteen tiles, from sums of products."""
    a, b = _pair(values, at, 4 * step), _pair(values, at + step, 4 * step)
    c, d = _pair(values, at + 2 * step, 4 * step), _pair(values, at + 3 * step, 4 * step)
    return a[0] + b[0] + c[0], b[0] - c[0] - d[0], a[1] + b[1] + c[1], b[1] - c[1] - d[1]


@compiled
def _four(one: Any, other: Any, nothing: Any) -> Any:
    """The adjoint of ``_pair``."""
    return one, one + other, one - other, nothing - other


@compiled
def straight_back(pixels: Any, into: Array, at: int, step: int) -> None:
    """The adjoint of ``straight``: gradients of the four pixels to those of sixteen sums."""
    nothing = splat(into, 0.0)
    upper, lower = _four(pixels[0], pixels[1], nothing), _four(pixels[2], pixels[3], nothing)
    _store(into, at, 4 * step, _four(upper[0], lower[0], nothing))
    _store(into, at + step, 4 * step, _four(upper[1], lower[1], nothing))
    _store(into, at + 2 * step, 4 * step, _four(upper[2], lower[2], nothing))
    _store(into, at + 3 * step, 4 * step, _four(upper[3], lower[3], nothing))

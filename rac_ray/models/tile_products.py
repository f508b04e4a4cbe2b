"""Small matrix products whose sums stay in registers, for the loops over ``tiles``.

Arrays are contiguous, of one dimension, and float32 or float64; nothing checks their bounds.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils

from rac_ray.models.lanes import WIDTH, Lanes, intrinsic

ROWS = 4
"""Of a matrix that are multiplied at once."""
REGISTERS = 6 if binding.get_host_cpu_features().get("avx512f") else 1
"""Sixteens of columns that are multiplied at once: as many sums as the processor has registers for."""


class _Matrices:
    """Writes instructions on arrays of one precision."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder, self.signature, self.arguments = builder, signature, arguments
        self.vector = context.get_value_type(Lanes(signature.args[0].dtype))
        self.data = {
            place: context.make_array(kind)(context, builder, arguments[place]).data
            for place, kind in enumerate(signature.args)
            if isinstance(kind, types.Array)
        }
        self.number = {
            place: context.cast(builder, arguments[place], kind, types.intp)
            for place, kind in enumerate(signature.args)
            if not isinstance(kind, types.Array)
        }
        self.align = signature.args[0].dtype.bitwidth // 8

    def index(self, number: int) -> Any:
        return ir.Constant(ir.IntType(64), number)

    def place(self, array: int, index: Any) -> Any:
        return self.builder.gep(self.data[array], [index])

    def lanes(self, array: int, index: Any) -> Any:
        return self.builder.bitcast(self.place(array, index), self.vector.as_pointer())

    def load(self, array: int, index: Any) -> Any:
        return self.builder.load(self.lanes(array, index), align=self.align)

    def store(self, value: Any, array: int, index: Any) -> None:
        self.builder.store(value, self.lanes(array, index), align=self.align)

    def splat(self, value: Any) -> Any:
        none = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(none, value, ir.IntType(32)(0))
        return self.builder.shuffle_vector(first, none, ir.VectorType(ir.IntType(32), WIDTH)([0] * WIDTH))

    def sums(self, count: int) -> list[Any]:
        """Variables, zero at first, which the compiler keeps in registers."""
        zero = ir.Constant(self.vector, [0.0] * WIDTH)
        return [cgutils.alloca_once_value(self.builder, zero) for _ in range(count)]

    def add_product(self, total: Any, one: Any, other: Any) -> None:
        product = self.builder.fmul(one, other, flags=("contract", "nsz"))
        self.builder.store(self.builder.fadd(self.builder.load(total), product, flags=("contract", "nsz")), total)

    def totals(self, values: Sequence[Any]) -> Any:
        """The sum over the lanes of each of sixteen values, in one value: neighbours are added up in four rounds."""
        step = 1
        while step < WIDTH:
            lanes = [place for place in range(WIDTH) if not place & step]
            low = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), _mixed(lanes, step, 0))
            high = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), _mixed(lanes, step, step))
            values = [
                self.builder.fadd(
                    self.builder.shuffle_vector(one, other, low), self.builder.shuffle_vector(one, other, high)
                )
                for one, other in zip(values[::2], values[1::2], strict=True)
            ]
            step *= 2
        return values[0]


def _mixed(lanes: Sequence[int], step: int, further: int) -> list[int]:
    """Lanes of one value where a bit of the place is off, of another one where it is on."""
    found = [0] * WIDTH
    for lane in lanes:
        found[lane], found[lane + step] = lane + further, lane + further + WIDTH
    return found


@intrinsic
def multiply(
    _: Any, weights: Any, weight_at: Any, values: Any, value_at: Any, stride: Any, depth: Any, sums: Any, sum_at: Any
) -> Any:
    """``sums[sum_at + row * stride + column]``, of four rows and REGISTERS * 16 columns, becomes the sum over ``k`` up
    to ``depth`` of ``weights[weight_at + 4 * k + row] * values[value_at + k * stride + column]``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        on = _Matrices(context, builder, signature, arguments)
        stride = on.number[4]
        totals = on.sums(ROWS * REGISTERS)
        with cgutils.for_range(builder, on.number[5]) as loop:
            line = builder.add(on.number[3], builder.mul(loop.index, stride))
            columns = [on.load(2, builder.add(line, on.index(WIDTH * number))) for number in range(REGISTERS)]
            first = builder.add(on.number[1], builder.mul(loop.index, on.index(ROWS)))
            for row in range(ROWS):
                factor = on.splat(builder.load(on.place(0, builder.add(first, on.index(row)))))
                for number, column in enumerate(columns):
                    on.add_product(totals[row * REGISTERS + number], factor, column)
        for row in range(ROWS):
            line = builder.add(on.number[7], builder.mul(on.index(row), stride))
            for number in range(REGISTERS):
                total = builder.load(totals[row * REGISTERS + number])
                on.store(total, 6, builder.add(line, on.index(WIDTH * number)))
        return context.get_dummy_value()

    return types.void(weights, weight_at, values, value_at, stride, depth, sums, sum_at), generate


@intrinsic
def correlate(
    _: Any, rows: Any, row_at: Any, values: Any, value_at: Any, stride: Any, count: Any, sums: Any, sum_at: Any
) -> Any:
    """To ``sums[sum_at + 4 * row + value]`` is added, of four rows and four values, the sum over ``i`` up to ``count``,
    a multiple of 16, of ``rows[row_at + row * stride + i] * values[value_at + value * stride + i]``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        on = _Matrices(context, builder, signature, arguments)
        totals = on.sums(ROWS * ROWS)
        lines = [builder.mul(on.number[4], on.index(line)) for line in range(ROWS)]
        with cgutils.for_range(builder, builder.sdiv(on.number[5], on.index(WIDTH))) as loop:
            along = builder.mul(loop.index, on.index(WIDTH))
            row_at, value_at = builder.add(on.number[1], along), builder.add(on.number[3], along)
            others = [on.load(2, builder.add(value_at, line)) for line in lines]
            for row, line in enumerate(lines):
                one = on.load(0, builder.add(row_at, line))
                for column, other in enumerate(others):
                    on.add_product(totals[row * ROWS + column], one, other)
        found = on.totals([builder.load(total) for total in totals])
        on.store(builder.fadd(on.load(6, on.number[7]), found), 6, on.number[7])
        return context.get_dummy_value()

    return types.void(rows, row_at, values, value_at, stride, count, sums, sum_at), generate

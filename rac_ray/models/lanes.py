"""Sixteen numbers side by side in compiled functions: one register of the processor, or as many as it takes.

LLVM makes vectors of simple loops; in the loops within loops of attention they are asked for by hand. A compiled
function gets them by ``load`` and ``splat``, computes with ``+``, ``-``, ``*`` and the functions below, and puts them
back by ``store``. Arrays are contiguous, of one dimension, and float32 or float64; nothing checks their bounds. NaN
stays NaN.
"""

import math
import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic as _intrinsic
from numba.extending import overload, register_model
from numpy.polynomial import chebyshev

WIDTH = 16
"""Numbers in one value."""
intrinsic: Any = _intrinsic
"""Whose functions have one argument less when they are called."""
_CONTRACTED = ("contract", "nsz")
"""A product and a sum may be one instruction."""


class Lanes(types.Type):
    """The type of sixteen numbers of ``dtype``."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _Model(PrimitiveModel):
    def __init__(self, manager: Any, lanes: Any) -> None:
        number = ir.FloatType() if lanes.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, lanes, ir.VectorType(number, WIDTH))


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Address of the sixteen elements from ``arguments[1]`` on of the array ``arguments[0]``."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    index = context.cast(builder, arguments[1], signature.args[1], types.intp)
    vector = context.get_value_type(Lanes(signature.args[0].dtype))
    return builder.bitcast(builder.gep(array.data, [index]), vector.as_pointer())


@intrinsic
def load(_: Any, array: Any, index: Any) -> Any:
    """``array[index : index + 16]``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature, arguments), align=array.dtype.bitwidth // 8)

    return Lanes(array.dtype)(array, index), generate


@intrinsic
def store(_: Any, array: Any, index: Any, lanes: Any) -> Any:
    """``array[index : index + 16] = lanes``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        builder.store(arguments[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, index, lanes), generate


@intrinsic
def put_away(_: Any, array: Any, index: Any, lanes: Any) -> Any:
    """``store`` of what is not read soon: past the caches. The place must be a multiple of 64 bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        instruction = builder.store(arguments[2], place, align=64)
        instruction.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return types.void(array, index, lanes), generate


@intrinsic
def splat(_: Any, array: Any, number: Any) -> Any:
    """Sixteen times ``number``, in the precision of ``array``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = context.cast(builder, arguments[1], number, array.dtype)
        none = ir.Constant(context.get_value_type(signature.return_type), ir.Undefined)
        first = builder.insert_element(none, value, ir.IntType(32)(0))
        return builder.shuffle_vector(first, none, ir.VectorType(ir.IntType(32), WIDTH)([0] * WIDTH))

    return Lanes(array.dtype)(array, number), generate


class _Formulas:
    """Writes instructions for sixteen numbers of one precision."""

    def __init__(self, context: Any, builder: Any, lanes: Lanes) -> None:
        self.builder, self.vector = builder, context.get_value_type(lanes)
        self.single = lanes.dtype == types.float32
        self.bits, self.fraction, self.bias = (32, 23, 127) if self.single else (64, 52, 1023)

    def constant(self, number: float) -> Any:
        return self.vector([number] * WIDTH)

    def add(self, one: Any, other: Any) -> Any:
        return self.builder.fadd(one, other, flags=_CONTRACTED)

    def subtract(self, one: Any, other: Any) -> Any:
        return self.builder.fsub(one, other, flags=_CONTRACTED)

    def multiply(self, one: Any, other: Any) -> Any:
        return self.builder.fmul(one, other, flags=_CONTRACTED)

    def divide(self, one: Any, other: Any) -> Any:
        return self.builder.fdiv(one, other)

    def larger(self, one: Any, other: Any) -> Any:
        """NaN where ``one`` is."""
        return self.builder.select(self.builder.fcmp_ordered("<", one, other), other, one)

    def smaller(self, one: Any, other: Any) -> Any:
        """NaN where ``one`` is."""
        return self.builder.select(self.builder.fcmp_ordered(">", one, other), other, one)

    def polynomial(self, coefficients: Sequence[float], at: Any) -> Any:
        """Coefficients from the constant one on."""
        value = self.constant(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = self.add(self.multiply(value, at), self.constant(coefficient))
        return value

    def exponential(self, at: Any) -> Any:
        """Of numbers up to zero: a power of two times the series for up to half of log 2."""
        whole_numbers = ir.VectorType(ir.IntType(self.bits), WIDTH)
        at = self.larger(at, self.constant(-87.0 if self.single else -708.0))
        halves = self.add(self.multiply(at, self.constant(1 / math.log(2))), self.constant(-0.5))
        power = self.builder.fptosi(halves, whole_numbers)
        turns = self.builder.sitofp(power, self.vector)
        coarse = round(math.log(2) * 2**12) / 2**12
        rest = self.subtract(at, self.multiply(turns, self.constant(coarse)))
        rest = self.subtract(rest, self.multiply(turns, self.constant(math.log(2) - coarse + _REST_OF_LOG_2)))
        series = self.polynomial([1 / math.factorial(k) for k in range(8 if self.single else 14)], rest)
        raised = self.builder.add(power, whole_numbers([self.bias] * WIDTH))
        raised = self.builder.shl(raised, whole_numbers([self.fraction] * WIDTH))
        return self.multiply(series, self.builder.bitcast(raised, self.vector))

    def tanh(self, at: Any) -> Any:
        """To two or three units in the last place: near zero by its series, where one less a power would cancel."""
        return self.gate(at, self.constant(2.0))

    def gate(self, at: Any, scales: Any) -> Any:
        """Of each number its tanh where the scale is 2, its sigmoid where it is 1: both stand on one power."""
        below = self.builder.fcmp_ordered("<", at, self.constant(0.0))
        far = self.builder.select(below, self.subtract(self.constant(0.0), at), at)
        raised = self.exponential(self.subtract(self.constant(0.0), self.multiply(far, scales)))
        share = self.divide(self.constant(1.0), self.add(self.constant(1.0), raised))
        sigmoid = self.builder.select(below, self.multiply(raised, share), share)
        beyond = self.multiply(self.subtract(self.constant(1.0), raised), share)
        beyond = self.builder.select(below, self.subtract(self.constant(0.0), beyond), beyond)
        near = self.multiply(at, self.polynomial(_tanh_series(6 if self.single else 13), self.multiply(at, at)))
        tanh = self.builder.select(self.builder.fcmp_ordered("<", far, self.constant(0.25)), near, beyond)
        return self.builder.select(self.builder.fcmp_ordered(">", scales, self.constant(1.5)), tanh, sigmoid)

    def sigmoid(self, at: Any) -> Any:
        return self.gate(at, self.constant(1.0))

    def peak(self, one: Any, other: Any) -> Any:
        """The larger of both, NaN where one of them is."""
        known = self.builder.fcmp_ordered("ord", one, other)
        return self.builder.select(known, self.larger(one, other), self.add(one, other))

    def where_equal(self, one: Any, other: Any, value: Any, otherwise: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered("==", one, other), value, otherwise)

    def normal(self, at: Any) -> tuple[Any, Any]:
        """The standard normal distribution's density and probability up to a number."""
        one, nothing = self.constant(1.0), self.constant(0.0)
        below = self.builder.fcmp_ordered("<", at, nothing)
        far = self.multiply(self.builder.select(below, self.subtract(nothing, at), at), self.constant(0.5**0.5))
        bell = self.exponential(self.subtract(nothing, self.multiply(far, far)))
        near = self.smaller(far, self.constant(_farthest(self.single)))
        share = self.divide(one, self.add(near, self.constant(_BEND)))
        turned = self.multiply(self.subtract(near, self.constant(_BEND)), share)
        tail = self.multiply(self.multiply(bell, share), self.polynomial(_tail(self.single), turned))
        probability = self.builder.select(below, tail, self.subtract(one, tail))
        return self.multiply(bell, self.constant((2 * math.pi) ** -0.5)), probability


_REST_OF_LOG_2 = 2.319046813846e-17
"""What float64 leaves of it."""
_BEND = 2.5
"""Distances x from zero are fitted as (x - bend) / (x + bend)."""


def _farthest(single: bool) -> float:
    """Distance, in units of the square root of two, beyond which nothing of the tail is left in that precision."""
    return 4.2 if single else 6.5


@cache
def _tail(single: bool) -> list[float]:
    """Polynomial for (x + bend) * exp(x * x) * erfc(x) / 2; exact to 1e-9 in single, 2e-15 in double precision."""
    last = (_farthest(single) - _BEND) / (_farthest(single) + _BEND)

    def tail(places: Any) -> Any:
        turned = (places * (last + 1) + last - 1) / 2
        distances = _BEND * (1 + turned) / (1 - turned)
        return np.array([(x + _BEND) * math.exp(x * x) * math.erfc(x) / 2 for x in distances])

    fitted = chebyshev.Chebyshev(chebyshev.chebinterpolate(tail, 7 if single else 18), domain=[-1, last])
    return fitted.convert(domain=[-1, 1], kind=np.polynomial.Polynomial).coef.tolist()


@cache
def _tanh_series(terms: int) -> list[float]:
    """Coefficients of tanh(x) / x in x * x, by what its slope is: 1 - tanh(x)^2."""
    found = [1.0]
    for number in range(1, terms):
        squares = sum(found[one] * found[number - 1 - one] for one in range(number))
        found.append(-squares / (2 * number + 1))
    return found


def _function(formula: Callable[..., Any]) -> Any:
    """A function of up to four times sixteen numbers, as ``formula(formulas, *values)`` computes it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return formula(_Formulas(context, builder, signature.return_type), *arguments)

    @intrinsic
    def one(_: Any, lanes: Any) -> Any:
        return lanes(lanes), generate

    @intrinsic
    def two(_: Any, lanes: Any, others: Any) -> Any:
        return lanes(lanes, others), generate

    @intrinsic
    def four(_: Any, lanes: Any, others: Any, more: Any, last: Any) -> Any:
        return lanes(lanes, others, more, last), generate

    return {1: one, 2: two, 4: four}[formula.__code__.co_argcount - 1]


exponential = _function(_Formulas.exponential)
"""Of numbers up to zero; to one or two units in the last place."""
tanh = _function(_Formulas.tanh)
sigmoid = _function(_Formulas.sigmoid)
peak = _function(_Formulas.peak)
where_equal = _function(_Formulas.where_equal)
larger = _function(_Formulas.larger)
quotient = _function(_Formulas.divide)
_sum, _difference, _product = (_function(one) for one in (_Formulas.add, _Formulas.subtract, _Formulas.multiply))


@intrinsic
def normal(_: Any, lanes: Any) -> Any:
    """Density and probability of the standard normal distribution at sixteen numbers."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return cgutils.pack_array(builder, _Formulas(context, builder, lanes).normal(arguments[0]))

    return types.UniTuple(lanes, 2)(lanes), generate


def _both_lanes(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the operator does with two times sixteen numbers."""
    return lambda one, other: (
        (lambda one, other: function(one, other)) if isinstance(one, Lanes) and isinstance(other, Lanes) else None
    )


overload(operator.add)(_both_lanes(_sum))
overload(operator.sub)(_both_lanes(_difference))
overload(operator.mul)(_both_lanes(_product))

"""What machine numbers do otherwise than Python's, done as Python does it. The translated source asks here; see `translate.py`."""

from typing import Any, Final

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload

from libs.quant.compiled.checked import multiplied
from libs.quant.compiled.jit import compiled

LARGEST: Final = 2**62
"""Two such products can be added."""
COUNTABLE: Final = 2.0**48
"""Up to here a float may become a whole number, so that some ten thousand of them can be added up."""


def times(a: Any, b: Any) -> Any:
    """a * b; OverflowError where whole numbers have more than 62 bits."""
    return a * b


@overload(times, strict=False)  # type: ignore[untyped-decorator]
def _times(a: Any, b: Any) -> Any:
    if isinstance(a, types.Integer | types.Boolean) and isinstance(b, types.Integer | types.Boolean):

        def checked(a: Any, b: Any) -> Any:
            found, wrapped = multiplied(a, b)
            if wrapped or not -LARGEST <= found <= LARGEST:
                raise OverflowError
            return found

        return checked
    return lambda a, b: a * b


def whole(x: Any) -> int:
    """int(x); OverflowError where it has more than 48 bits, ValueError where it is none."""
    return int(x)


@overload(whole, strict=False)  # type: ignore[untyped-decorator]
def _whole(x: Any) -> Any:
    if isinstance(x, types.Float):

        def checked(x: Any) -> Any:
            if not abs(x) <= COUNTABLE:
                raise OverflowError
            return int(x)

        return checked
    return lambda x: x


def power(a: Any, b: Any) -> Any:
    """a ** b of floats, as the C library works it out: a compiler would simplify it."""
    return a**b


@intrinsic  # type: ignore[untyped-decorator]
def _pow(typing_context: Any, a: Any, b: Any) -> Any:
    """(typing, code) of a call of `pow` that nothing is known of."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        double = ir.DoubleType()
        module = builder.module
        function = module.globals.get("pow") or ir.Function(module, ir.FunctionType(double, [double, double]), "pow")
        return builder.call(function, args, fastmath=())

    return types.float64(types.float64, types.float64), generate


@overload(power, strict=False)  # type: ignore[untyped-decorator]
def _power(a: Any, b: Any) -> Any:
    if isinstance(a, types.Integer) and isinstance(b, types.Integer):
        raise TypeError("whole numbers are not raised to a power")
    return lambda a, b: _pow(float(a), float(b))


@compiled
def most2(a: Any, b: Any) -> Any:
    """max(a, b): the first of those that nothing is above."""
    return b if b > a else a


@compiled
def most3(a: Any, b: Any, c: Any) -> Any:
    """max(a, b, c)."""
    return most2(most2(a, b), c)


@compiled
def least2(a: Any, b: Any) -> Any:
    """min(a, b): the first of those that nothing is below."""
    return b if b < a else a


@compiled
def least3(a: Any, b: Any, c: Any) -> Any:
    """min(a, b, c)."""
    return least2(least2(a, b), c)


def copied(values: Any) -> Any:
    """list(values) of an array."""
    return values.copy()


@overload(copied, strict=False)  # type: ignore[untyped-decorator]
def _copied(values: Any) -> Any:
    return lambda values: values.copy()


def total_of(values: Any) -> Any:
    """sum(values) of an array, from the first to the last."""
    return sum(values)


@overload(total_of, strict=False)  # type: ignore[untyped-decorator]
def _total_of(values: Any) -> Any:
    def added(values: Any) -> Any:
        found = values[0] * 0
        for value in values:
            found += value
        return found

    return added


def _parts(count: int) -> Any:
    def parts(values: Any) -> Any:
        """`values` as so many."""
        return tuple(values)

    @overload(parts, strict=False)  # type: ignore[untyped-decorator]
    def _of(values: Any) -> Any:
        if isinstance(values, types.BaseTuple):  # type: ignore[attr-defined]
            return lambda values: values
        if count == 2:
            return lambda values: (values[0], values[1])
        if count == 3:
            return lambda values: (values[0], values[1], values[2])
        return lambda values: (values[0], values[1], values[2], values[3])

    return parts


parts2, parts3, parts4 = (_parts(count) for count in (2, 3, 4))
"""An array taken apart, as a tuple is."""

"""Whole numbers that never wrap round, and their quotients to the last digit.

Python's integers have no end and `int / int` gives the float64 nearest to the true quotient; machine integers have 63 bits and a sign.
What would not fit raises OverflowError: the event path, which can, then plays instead.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from libs.quant.compiled.checked import added, fused, multiplied
from libs.quant.compiled.jit import compiled

if TYPE_CHECKING:
    from libs.quant.compiled.layout import Floats, Times

LARGEST: Final = 9.2e18
"""Below 2^63, with room for the rounding of the float that is compared with it."""
UNBOUNDED: Final = 2**53
"""Up to here a float64 tells every whole number."""
SURELY: Final = 1.000001  # what is lost by rounding is far enough from half a digit when it is still nothing times this


@compiled
def product(a: int, b: int) -> int:
    """a * b.

    Raises:
        OverflowError: it has more than 63 bits.
    """
    found, wrapped = multiplied(a, b)
    if wrapped:
        raise OverflowError("a product of whole numbers has more than 63 bits")
    return found


@compiled
def total(a: int, b: int) -> int:
    """a + b; raises as `product`."""
    found, wrapped = added(a, b)
    if wrapped:
        raise OverflowError("a sum of whole numbers has more than 63 bits")
    return found


@compiled
def quotient(above: int, below: int) -> float:
    """The float64 nearest to above / below, as Python divides integers. `below` is positive and at most 2^52.

    What is left of a first guess is worked out without error (T. J. Dekker, A Floating-Point Technique for Extending the Available
    Precision, 1971), and moves it by a digit where that is more than half of one.
    """
    if -UNBOUNDED <= above <= UNBOUNDED:
        return float(above) / float(below)
    guess = float(above) / float(below)
    nearer, lost = _plus(guess, _left(above, below, guess) / float(below))
    if nearer + lost * SURELY == nearer:
        return nearer
    return _nearest(above, below, guess)


@compiled
def quotients(above: "Times", below: int) -> "Floats":
    """As `quotient`, of many."""
    found = np.empty(len(above))
    for n in range(len(above)):
        found[n] = quotient(above[n], below)
    return found


@compiled
def _nearest(above: int, below: int, guess: float) -> float:
    """The same where the quotient lies next to the middle of two floats."""
    for _ in range(3):
        left = _left(above, below, guess)
        if left == 0.0:
            return guess
        next_ = np.nextafter(guess, np.inf if left > 0.0 else -np.inf)
        half = abs(next_ - guess) * 0.5 * float(below)
        if abs(left) < half:
            return guess
        if abs(left) == half:
            return guess if _even(guess, next_) else next_
        guess = next_
    return guess


@compiled
def _left(above: int, below: int, guess: float) -> float:
    """above - guess * below, which float64 can hold when the guess is near."""
    high = float(above)
    low = float(above - int(high)) if abs(high) < LARGEST else 0.0
    divisor = float(below)
    p, e = _times(guess, divisor)
    first = high - p  # exact: they are within a factor of two
    a, b = _plus(first, low)
    c, d = _plus(a, -e)
    return c + (b + d)


@compiled
def _plus(a: float, b: float) -> tuple[float, float]:
    """(sum, what rounding has lost). Source: D. E. Knuth, The Art of Computer Programming, volume 2, 4.2.2."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@compiled
def _times(a: float, b: float) -> tuple[float, float]:
    """(product, what rounding has lost)."""
    p = a * b
    return p, fused(a, b, -p)


@compiled
def _even(guess: float, next_: float) -> bool:
    """Whether the last bit of `guess` is 0: then half the way to `next_` rounds back to it."""
    step = abs(next_ - guess)
    return (guess / step) % 2.0 == 0.0


@compiled
def half_even(whole: int, above: int, below: int) -> int:
    """whole + above / below to the nearest whole number, half way to the even one, as Decimal rounds. `below` is positive."""
    found, left = whole + above // below, above % below
    return found + 1 if 2 * left > below or (2 * left == below and found % 2 == 1) else found


@compiled
def share_of(amount: int, part: int, all_: int) -> tuple[int, int]:
    """(whole, rest) of amount * part / all_, whose product may have twice as many bits as fit. None is negative; part is at most all_."""
    whole, left = product(amount // all_, part), amount % all_
    small, wrapped = multiplied(left, part)
    if not wrapped:
        return whole + small // all_, small % all_
    found = rest = 0
    for bit in range(62, -1, -1):  # as on paper, digit by digit
        found *= 2
        rest, found = (rest - (all_ - rest), found + 1) if rest >= all_ - rest else (rest + rest, found)
        if (part >> bit) & 1:
            rest, found = (rest - (all_ - left), found + 1) if rest >= all_ - left else (rest + left, found)
    return whole + found, rest

"""The lowest and the highest of many numbers."""

from typing import TYPE_CHECKING

from libs.quant.compiled.jit import compiled

if TYPE_CHECKING:
    from libs.quant.compiled.layout import Floats


@compiled
def extremes(prices: "Floats") -> tuple[float, float]:
    """(lowest, highest); four at a time, as one comparison would wait for the one before."""
    low0 = low1 = low2 = low3 = high0 = high1 = high2 = high3 = prices[0]
    whole = len(prices) // 4 * 4
    for n in range(0, whole, 4):
        a, b, c, d = prices[n], prices[n + 1], prices[n + 2], prices[n + 3]
        low0, high0 = min(low0, a), max(high0, a)
        low1, high1 = min(low1, b), max(high1, b)
        low2, high2 = min(low2, c), max(high2, c)
        low3, high3 = min(low3, d), max(high3, d)
    for n in range(whole, len(prices)):
        low0, high0 = min(low0, prices[n]), max(high0, prices[n])
    return min(min(low0, low1), min(low2, low3)), max(max(high0, high1), max(high2, high3))

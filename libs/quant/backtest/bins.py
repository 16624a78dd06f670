"""Results counted in steps of a round width."""

from collections.abc import Sequence
from math import floor, log10

MANY = 200
"""Results from which on the tails are put together."""


def bins(results: Sequence[float], most: int = 30) -> list[tuple[float, float, int]]:
    """Results counted in equal steps of a round width, (from, to, how many), 0 being an edge. The tails beyond the first and last
    hundredth of `MANY` results or more are counted in the outermost steps, that one windfall does not flatten the rest."""
    import numpy as np

    if not results:
        return []
    values = np.array(results)
    low, high = np.quantile(values, (0.01, 0.99)) if len(values) >= MANY else (values.min(), values.max())
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    step = round_step((high - low) / most) if high > low else 0.01
    first = int(np.floor(low / step))
    last = max(int(np.ceil(high / step)), 1 if (values >= 0.0).any() else first + 1)  # nothing gained is not lost: it has a step of its own
    at = np.clip(np.floor(values / step).astype(int), first, last - 1) - first
    counts = np.bincount(at, minlength=last - first).tolist()
    return [((first + n) * step, (first + n + 1) * step, count) for n, count in enumerate(counts)]


def round_step(width: float) -> float:
    """The next of 1, 2 and 5 times a power of ten; `width` is above 0."""
    power = 10.0 ** floor(log10(width))
    return next(times * power for times in (1.0, 2.0, 5.0, 10.0) if times * power >= width * (1 - 1e-9))

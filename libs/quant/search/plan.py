"""Which trials a search makes, in which order: a grid, or draws by a seed. Both are the same everywhere."""

import random
from collections.abc import Mapping
from itertools import islice, product
from math import prod
from typing import Final

from libs.quant.search.ranges import Number, Range

Params = dict[str, Number]
MOST: Final = 20_000
"""Trials of one search: each keeps the returns of its days in memory, and the best of more says little."""
_DRAWS: Final = 20
"""Draws for each trial wanted, at the most: where nearly all values have been drawn, the rest is not waited for."""


def combinations(ranges: Mapping[str, Range]) -> int | None:
    """How many trials a grid has; None where a range has no steps."""
    counts = [each.count for each in ranges.values()]
    return None if None in counts else prod(count for count in counts if count is not None)


def grid(ranges: Mapping[str, Range]) -> list[Params]:
    """Every combination; the last range runs fastest.

    Raises:
        ValueError: a range has no steps, or there are too many combinations; the message says how many and what to do.
    """
    if endless := [name for name, each in ranges.items() if each.count is None]:
        raise ValueError(
            f"a grid needs steps, and {', '.join(endless)} has none: give LOW:HIGH:STEP or a list, or use --method random or bayes"
        )
    count = combinations(ranges) or 0
    if count > MOST:
        each = " x ".join(f"{name} {its.count:,}" for name, its in ranges.items())
        raise ValueError(
            f"the grid has {count:,} trials ({each}), at most {MOST:,} are possible:"
            f" take larger steps with --range, or draw some of them with --method random --trials 500"
        )
    names = list(ranges)
    return [dict(zip(names, values, strict=True)) for values in product(*(_all(each) for each in ranges.values()))]


def drawn(ranges: Mapping[str, Range], trials: int, seed: int) -> list[Params]:
    """So many different combinations by chance; the whole grid, in its order, where that has no more.

    Raises:
        ValueError: more are asked for than a search may have.
    """
    checked(trials)
    there = combinations(ranges)
    if there is not None and there <= trials:
        return grid(ranges)
    draw, found = random.Random(seed), dict[tuple[Number, ...], None]()
    for _ in range(_DRAWS * trials):
        found.setdefault(tuple(each.part(draw.random()) for each in ranges.values()))
        if len(found) == trials:
            break
    return [dict(zip(ranges, values, strict=True)) for values in islice(found, trials)]


def checked(trials: int) -> int:
    """So many trials.

    Raises:
        ValueError: they are none, or more than a search may have.
    """
    if not 1 <= trials <= MOST:
        raise ValueError(f"expected from 1 to {MOST:,} trials, got {trials:,}")
    return trials


def _all(each: Range) -> list[Number]:
    return [each.at(n) for n in range(each.count or 0)]

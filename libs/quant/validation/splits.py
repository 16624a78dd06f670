"""Which bars to choose on and which to look at the choice on: walk-forward, purged folds, combinatorial purged cross-validation.

Source of purging, embargo and the combinatorial kind: M. Lopez de Prado, Advances in Financial Machine Learning (2018), chapters 7 and 12.
What a bar is called by is its index, 0 the oldest.
"""

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import Final, NamedTuple

MOST_SPLITS: Final = 10_000
"""More are asked for by mistake: each is a search of its own."""


class Split(NamedTuple):
    """One choice and its test. Ranges are ascending and do not overlap; those of the test are one for each group."""

    train: tuple[range, ...]
    test: tuple[range, ...]


def walk_forward(bars: int, train: int, test: int, *, anchored: bool = False, embargo: int = 0) -> list[Split]:
    """Train on the past, test on what comes next, and go on by the length of the test.

    Every bar from `train + embargo` on is tested exactly once; the last test ends with the bars and may be shorter.

    Args:
        bars: how many there are.
        train: bars to choose on: all of them, or with `anchored` in the first window, from where it grows.
        test: bars of a test.
        embargo: bars between the two that count for neither.

    Raises:
        ValueError: lengths below 1, an embargo below 0, or too few bars for one test.
    """
    _at_least(1, train=train, test=test)
    _at_least(0, embargo=embargo)
    first = train + embargo
    if bars <= first:
        raise ValueError(f"Expected more bars than train + embargo = {first}, or nothing is tested, got {bars}")
    begins = range(first, bars, test)
    return [
        Split((range(0 if anchored else begin - first, begin - embargo),), (range(begin, min(begin + test, bars)),)) for begin in begins
    ]


def purged_folds(bars: int, folds: int, *, purge: int = 0, embargo: int = 0) -> list[Split]:
    """Each of so many folds is tested once, in order; the choice is made on the others, less what is too near to the test.

    Args:
        purge: a decision rests on or is judged by so many bars beside it: training stays further away on both sides.
        embargo: so many more bars after a test, into which what happened in it echoes.

    Raises:
        ValueError: fewer than two folds, more than bars, a length below 0, or a split that has no bar left to train on.
    """
    return combinatorial(bars, folds, 1, purge=purge, embargo=embargo)


def combinatorial(bars: int, groups: int, tested: int, *, purge: int = 0, embargo: int = 0) -> list[Split]:
    """Every way to test `tested` of `groups` parts of equal length (or one bar longer), in lexicographic order.

    Each split has the groups it tests as ranges of their own; `paths` says how they make whole backtests.

    Args:
        purge: as for `purged_folds`, and so is embargo.

    Raises:
        ValueError: as `purged_folds`; or not 1 <= tested < groups; or more than 10,000 splits.
    """
    _at_least(0, purge=purge, embargo=embargo)
    check_groups(groups, tested)
    if groups > bars:
        raise ValueError(f"Expected at least one bar for each of {groups} groups, got {bars} bars")
    edges = [bars * n // groups for n in range(groups + 1)]
    parts = [range(begin, end) for begin, end in zip(edges, edges[1:], strict=False)]
    splits = [
        Split(_kept(bars, [parts[n] for n in chosen], purge, embargo), tuple(parts[n] for n in chosen))
        for chosen in combinations(range(groups), tested)
    ]
    empty = next((split for split in splits if not split.train), None)
    if empty is not None:
        where = ", ".join(f"{part.start} to {part.stop - 1}" for part in empty.test)
        raise ValueError(
            f"Expected bars to train on beside each test, got none beside bars {where}:"
            f" fewer groups, a shorter purge ({purge}) or embargo ({embargo}), or more bars than {bars}"
        )
    return splits


def paths(groups: int, tested: int) -> list[tuple[int, ...]]:
    """How the tests of `combinatorial` make whole backtests: for each path, by group, the index of the split its test comes from.

    Each test of each group is in exactly one path, so there are comb(groups - 1, tested - 1) of them.

    Raises:
        ValueError: as `combinatorial`.
    """
    check_groups(groups, tested)
    splits = list(combinations(range(groups), tested))
    testing = [[n for n, chosen in enumerate(splits) if group in chosen] for group in range(groups)]
    return list(zip(*testing, strict=True))


def _kept(bars: int, tests: Sequence[range], purge: int, embargo: int) -> tuple[range, ...]:
    kept, begin = [], 0
    for test in tests:
        kept.append(range(begin, max(begin, test.start - purge)))
        begin = max(begin, test.stop + purge + embargo)
    kept.append(range(begin, max(begin, bars)))
    return tuple(part for part in kept if part)


def check_groups(groups: int, tested: int) -> None:
    """ValueError: not 1 <= tested < groups, or more than 10,000 splits."""
    if not 1 <= tested < groups:
        raise ValueError(f"Expected at least two groups and to test at least one and not all of them, got {groups} groups, {tested} tested")
    count = comb(groups, tested) if groups <= MOST_SPLITS else groups  # of one group each at the least: all of them may not be countable
    if count > MOST_SPLITS:
        got = f"{count:,}" if count < 10**12 and groups <= MOST_SPLITS else "many more"
        raise ValueError(f"Expected at most {MOST_SPLITS:,} splits, got {got} ({groups} groups, {tested} tested)")


def _at_least(least: int, **counts: int) -> None:
    for name, count in counts.items():
        if count < least:
            raise ValueError(f"Expected {name} of at least {least}, got {count}")

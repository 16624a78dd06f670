"""How the choice of a search does on periods that it did not see: the best of all trials on some periods is looked at on the others.

Nothing is played again: a trial's account does not know which of its periods count. Purging and embargo keep the choice away from what
reaches from one side to the other; see `libs/quant/validation/splits.py` for their source.
"""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from libs.quant.search.choice import Metric
from libs.quant.search.trial import Trial
from libs.quant.validation.splits import Split, check_groups, combinatorial, paths, purged_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PURGE: Final = 1
"""Periods: a decision at the end of one is filled in the next."""
EMBARGO: Final = 0.01
"""Of all periods, after each test: M. Lopez de Prado, Advances in Financial Machine Learning (2018), section 7.4.3."""
FORMS: Final = "expected purged:FOLDS such as purged:5, or combinatorial:GROUPS:TESTED such as combinatorial:6:2"


class Scheme(NamedTuple):
    """Which periods are tested together."""

    groups: int
    tested: int


class Fold(NamedTuple):
    """A choice and what became of it."""

    tested: tuple[range, ...]  # periods
    chosen: int  # number of the trial
    train: float  # its score where it was chosen
    test: float  # and where it was not
    median: float  # score of the middle one of all trials there: what choosing at random gives


class Validated(NamedTuple):
    """All folds, and where groups are tested together whole backtests made of them."""

    folds: tuple[Fold, ...]
    paths: tuple[float, ...]  # score of each


def scheme(text: str) -> Scheme:
    """`purged:5` or `combinatorial:6:2`.

    Raises:
        ValueError: it is neither, or makes more splits than anybody wants.
    """
    kind, *numbers = text.split(":")
    if not all(number.isascii() and number.isdecimal() for number in numbers):
        raise ValueError(f"--cv {text}: {FORMS}")
    match kind, [int(number) for number in numbers]:
        case "purged", [folds] if folds >= 2:
            return _counted(text, Scheme(folds, 1))
        case "combinatorial", [groups, tested] if 1 <= tested < groups:
            return _counted(text, Scheme(groups, tested))
    raise ValueError(f"--cv {text}: {FORMS}")


def _counted(text: str, found: Scheme) -> Scheme:
    """Before anything is played, for it is looked at only after that."""
    try:
        check_groups(*found)
    except ValueError as error:
        raise ValueError(f"--cv {text}: {error}") from error
    return found


def validated(trials: Sequence[Trial], how: Scheme, by: Metric) -> Validated:
    """
    Args:
        trials: that traded, all over the same periods. One that never did is never chosen, here as in a search.

    Raises:
        ValueError: too few trials or periods; the message says how many there are.
    """
    if len(trials) < 2:
        raise ValueError(f"--cv needs at least two trials that traded to choose among, and there are {len(trials)}")
    table = np.column_stack([trial.returns for trial in trials])
    folds = [_fold(table, trials, split, by) for split in _splits(len(table), how)]
    chosen = [[trial.n for trial in trials].index(fold.chosen) for fold in folds]
    edges = [len(table) * n // how.groups for n in range(how.groups + 1)]
    whole = (
        np.concatenate([table[edges[group] : edges[group + 1], chosen[fold]] for group, fold in enumerate(path)])
        for path in paths(how.groups, how.tested)
    )
    return Validated(tuple(folds), tuple(by.of_returns(returns) for returns in whole))


def _splits(periods: int, how: Scheme) -> list[Split]:
    embargo = int(periods * EMBARGO)
    if how.tested == 1:
        return purged_folds(periods, how.groups, purge=PURGE, embargo=embargo)
    return combinatorial(periods, how.groups, how.tested, purge=PURGE, embargo=embargo)


def _fold(table: "Floats", trials: Sequence[Trial], split: Split, by: Metric) -> Fold:
    train, test = _scores(table, split.train, by), _scores(table, split.test, by)
    chosen = max(range(len(trials)), key=lambda n: (train[n], -n))
    return Fold(split.test, trials[chosen].n, train[chosen], test[chosen], median(test))


def _scores(table: "Floats", parts: Sequence[range], by: Metric) -> list[float]:
    rows = np.concatenate([table[part.start : part.stop] for part in parts])
    return [by.of_returns(np.ascontiguousarray(column)) for column in rows.T]

"""Jumps that look like splits where no action explains them, and actions that no jump shows."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import log
from typing import TYPE_CHECKING, Final

from libs.domain.actions import CorporateAction
from libs.quant.adjustments import Adjustments
from libs.quant.quality import rules
from libs.quant.quality.finding import Finding, Kind
from libs.quant.quality.series import Series

if TYPE_CHECKING:
    from libs.quant.quality.rules import Floats

WHOLE: Final = 0.03
"""A jump within this fraction of 2, 3, 4 ... or of one in so many is a split, unless it is the rarest of chances."""
QUIET: Final = 0.05
"""A bar that ends within this fraction of its open is quiet: after a split trading goes on as before, after a crash it does not."""
MUCH: Final = 0.15
"""Log of the least ratio that can be told from the move of a day: about 7 for 6."""


def odd_splits(series: Series, actions: Sequence[CorporateAction], adjustments: Adjustments) -> Iterator[Finding]:
    """
    Args:
        actions: of the symbol, that its timeline meets.
    """
    told = list(_without_jump(series, actions))
    yield from told
    starts = {finding.first for finding in told}
    yield from (finding for finding in _without_action(series, adjustments) if finding.first not in starts)


def _without_jump(series: Series, actions: Sequence[CorporateAction]) -> Iterator[Finding]:
    """The open after a split should be nearer to the old close over its ratio than to the old close itself."""
    for action in actions:
        ratio, row = float(action.ratio), _row_of(series, action.effective)
        if action.kind != "split" or abs(log(ratio)) < MUCH or not 0 < row < len(series.start):
            continue
        before, after = float(series.close[row - 1]), float(series.open[row])
        if abs(log(after / before)) < abs(log(after * ratio / before)):
            expected = f"about {before / ratio:g} after {before:g}, for a split of {action.ratio}:1"
            yield _finding("split_without_jump", series, row, expected, f"an open of {after:g}", refused=True)


def _without_action(series: Series, adjustments: Adjustments) -> Iterator[Finding]:
    close, opened = _continued(series, adjustments)
    for row in rules.steps(close):
        before, after = float(close[row - 1]), float(close[row])
        ratio = rules.simple_ratio(before, after)
        got = f"a move from {before:g} to {after:g} that stays, nearest simple ratio {ratio.numerator}:{ratio.denominator}"
        yield _finding(
            "possible_split",
            series,
            row,
            f"a close within {rules.MOVE:.0%} of the one before",
            got,
            refused=_is_split(before, float(opened[row]), after),
        )


def _is_split(before: float, opened: float, close: float) -> bool:
    """Between two bars, by a whole number, and with no more going on than on other days."""
    times = max(opened / before, before / opened)
    return times > 1.5 and abs(times / round(times) - 1) < WHOLE and abs(close / opened - 1) < QUIET


def _continued(series: Series, adjustments: Adjustments) -> "tuple[Floats, Floats]":
    """Closes and opens on one scale across all actions that are known."""
    changes = adjustments.changes(series.symbol)
    if not changes:
        return series.close, series.open
    close, opened = series.close.copy(), series.open.copy()
    for change in changes:
        row = _row_of(series, change)
        factor = adjustments.price(series.symbol, change) / adjustments.price(series.symbol, change - 1)
        close[row:] *= factor
        opened[row:] *= factor
    return close, opened


def _row_of(series: Series, effective: int) -> int:
    """The first bar with trades at or after a moment."""
    return bisect_left(series.start, effective - series.length + 1)


def _finding(kind: Kind, series: Series, row: int, expected: str, got: str, *, refused: bool) -> Finding:
    return Finding(
        kind=kind,
        severity="refuse" if refused else "label",
        symbol=series.symbol,
        first=int(series.start[row]),
        expected=expected,
        got=got,
    )

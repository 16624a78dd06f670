"""The gate before each backtest: what is wrong or odd about a tape, and whether it may be played."""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Final

import msgspec

from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.tape import Tape
from libs.quant.calendars import DAY
from libs.quant.quality import rules
from libs.quant.quality.calendar_fit import fitting
from libs.quant.quality.finding import Finding, Kind, Policy, Unfit, told_of
from libs.quant.quality.numbers import impossible
from libs.quant.quality.prices import odd_prices
from libs.quant.quality.series import Series, series_of
from libs.quant.quality.sessions import beside_the_calendar
from libs.quant.quality.splits import odd_splits

FEWEST: Final = 30
"""Bars below which a figure is chance."""
WHOLE_YEAR: Final = 0.9
"""Share of the time with bars below which yearly figures, that count bars around the clock, are told much too large."""
UNCHECKED: Final = "the data were not looked at (quality off): nothing is known of gaps, spikes, splits and wrong zones"
_KEPT: Final = "quality"
_FITS: Final = "of a file say --calendar {}, in whose sessions these bars lie; else yearly figures are so much smaller"


def findings(tape: Tape) -> Sequence[Finding]:
    """All that is wrong or odd. Worked out once for a tape, however often it is played."""
    if _KEPT not in tape.kept:
        tape.kept[_KEPT] = tuple(_examined(tape))
    found: Sequence[Finding] = tape.kept[_KEPT]
    return found


def admitted(tape: Tape, policy: Policy, labels: Sequence[str] = ()) -> list[str]:
    """What stands in the notes of a result over this tape.

    Args:
        labels: what the reader of the data has said already, as `SYMBOL: kind: ...`; of the same symbol and kind it is not said again.

    Raises:
        Unfit: it may not be played under this policy.
    """
    if policy == "off":
        return [*labels, UNCHECKED]
    found = findings(tape)
    refused = [finding for finding in found if finding.severity == "refuse"]
    if refused or (policy == "strict" and (found or labels)):
        raise Unfit(found if policy == "strict" else refused, labels if policy == "strict" else (), policy)
    said = tuple(f"{label.partition(': ')[0]}: {label.split(': ')[1]}" for label in labels if label.count(": ") > 1)
    return [*labels, *told_of(finding for finding in found if f"{finding.symbol}: {finding.kind}" not in said)]


def _examined(tape: Tape) -> Iterator[Finding]:
    yield from _currencies(tape)
    for timeframe in tape.timeframes:
        for symbol, columns in sorted(tape.bars[timeframe].items()):
            series = series_of(symbol, TIMEFRAMES[timeframe], columns)
            broken = list(impossible(series))
            yield from broken
            if timeframe == tape.timeframes[0] and not broken:  # coarser ones are made of these
                yield from _odd(series, tape)


def _odd(series: Series, tape: Tape) -> Iterator[Finding]:
    yield from _few(series)
    if len(series.start) < 2:
        return
    if series.symbol in tape.instruments and tape.instruments[series.symbol].calendar != "24/7":
        yield from beside_the_calendar(series, tape.instruments[series.symbol].calendar)
    else:
        yield from _beside_its_rhythm(series)
    yield from odd_prices(series, tape.fill_on.get(series.symbol) == "bar")
    actions = [action for action in tape.actions if action.symbol == series.symbol and action.effective > tape.since]
    yield from odd_splits(series, actions, tape.adjustments)


def _currencies(tape: Tape) -> Iterator[Finding]:
    found = sorted({instrument.currency for instrument in tape.instruments.values()})
    if len(found) > 1:
        yield Finding(kind="currencies", severity="label", count=len(found), expected="one currency", got=", ".join(found))


def _few(series: Series) -> Iterator[Finding]:
    count = len(series.start)
    if count < FEWEST:
        kind: Kind = "few_bars" if count else "no_bars"
        yield _label(kind, series, 0, count, f"at least {FEWEST} bars", str(count))


def _beside_its_rhythm(series: Series) -> Iterator[Finding]:
    """Of a market without a calendar: what most of its own days and hours are like."""
    start, length = series.start, series.length
    if (least := rules.nearest_bars_apart(start, length)) is not None:
        yield _label("sparse", series, 0, len(start), "neighbours as near as the timeframe says", f"{least} lengths between the nearest")
    yield from _short_year(series)
    at, missing = rules.gaps(start, length)
    if len(at):
        got = f"{int(missing.sum()):,} missing in {len(at):,} places, at most {int(missing.max()):,} in one"
        yield _label("gap", series, int(at[0]), int(missing.sum()), "a bar for each stretch of its hours", got)
    at, missing = rules.missing_days(start, length)
    if len(at):
        got = f"{int(missing.sum()):,} days without, at most {int(missing.max()):,} in a row (holidays count)"
        yield _label("missing_day", series, int(at[0]), int(missing.sum()), "bars on each of its weekdays", got)
    for row in rules.skipped_hours(start, length):
        yield _label("local_time", series, row, 1, "an hour after each hour", "just the one missing that local clocks skip in spring")


def _short_year(series: Series) -> Iterator[Finding]:
    """Nothing says when a market without a calendar is closed, so its year is taken for 365 days of 24 hours."""
    count = len(series.start)
    share = count * series.length / (int(series.start[-1]) - int(series.start[0]) + series.length)
    if count >= FEWEST and share < WHOLE_YEAR:
        year = 365 * (DAY // series.length)
        got = f"{year * share:,.0f} (a year's Sharpe ratio and volatility are {sqrt(1 / share):.2f} times too large, growth more)"
        expected = f"{year:,} bars a year, as yearly figures count without a calendar"
        told = _label("year", series, 0, count, expected, got)
        yield told if (calendar := fitting(series)) is None else msgspec.structs.replace(told, advice=_FITS.format(calendar))


def _label(kind: Kind, series: Series, row: int, count: int, expected: str, got: str) -> Finding:
    first = int(series.start[row]) if len(series.start) else 0
    return Finding(kind=kind, severity="label", symbol=series.symbol, first=first, count=count, expected=expected, got=got)

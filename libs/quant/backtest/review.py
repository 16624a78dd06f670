"""Everything a report says of a backtest, as numbers: figures, curves thin enough to draw, and every round trip."""

from collections import Counter
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from libs.quant.backtest.benchmark import buy_and_hold
from libs.quant.backtest.costs import Costs, costs
from libs.quant.backtest.days import days_of, months_of
from libs.quant.backtest.report import Equity
from libs.quant.backtest.result import Played
from libs.quant.backtest.round_trips import RoundTrip, TripFigures, round_trips, trip_figures
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.statistics import Activity, Fall, Measures, activity, exposure, measures, worst_falls
from libs.quant.backtest.summary import summary_of
from libs.quant.backtest.tape import Tape
from libs.quant.backtest.thinning import COLUMNS, band, edges, thinned
from libs.quant.price_volatility import bars_per_year, sessions_per_year

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]

PICTURES: Final = 12
"""Symbols whose trades are drawn; those with most fills."""
STRETCHES: Final = 150
"""Of a picture of exposure."""
MARKS: Final = 80
"""Columns of a picture of trades: at most four fills of each are drawn."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Thinned to what a picture can show, every extreme kept."""

    of: int  # points there were
    times: list[int]  # market ns
    values: list[float]


class Fills(msgspec.Struct, frozen=True, kw_only=True):
    """Of one side of one symbol, thinned: of those of one time the dearest and the cheapest."""

    of: int
    times: list[int]
    prices: list[float]


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """The price of a symbol, and where it was traded."""

    symbol: str
    bars: int
    times: list[int]  # market ns at which each stretch ends
    low: list[float]
    high: list[float]
    close: list[float]
    buys: Fills
    sells: Fills


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A trading day's end."""

    day: date
    equity: float


class RefusedBy(msgspec.Struct, frozen=True, kw_only=True):
    """A control, and what it turned down."""

    code: str
    count: int
    first_at: int
    reason: str  # of the first
    limit: str
    seen: str


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One account over one tape. Money is in its currency, times are market ns, shares are fractions."""

    deposit: float
    by_day: Measures
    by_bar: Measures
    benchmark_by_day: Measures
    activity: Activity
    trades: TripFigures
    costs: Costs
    equity: Curve
    benchmark: Curve
    drawdown: Curve  # 0 or less
    gross: Curve  # of the equity; the mean of each stretch, where points are left out
    net: Curve
    days: list[Day]
    months: dict[int, dict[int, float | None]]  # by year and month; 0 is the year
    falls: list[Fall]
    markets: list[Market]
    undrawn: int  # symbols that were traded and are not among the markets
    refusals: list[RefusedBy]
    round_trips: list[RoundTrip]


def review(tape: Tape, setup: Setup, played: Played, curve: Equity) -> Review:
    """Of a finished backtest. Costs some passes over the bars, and so nothing that a search should ask for."""
    import numpy as np

    deposit, begins = float(setup.deposit), setup.begins(tape.since)
    curve = curve.after(begins)
    calendar = next(iter(tape.instruments.values())).calendar
    bars_a_year, days_a_year = bars_per_year(tape.timeframes[0], calendar), sessions_per_year(calendar)
    held = exposure(tape, summary_of(tape, played), curve)
    by_days = partial(days_of, starts_at=setup.day_starts_at, tz=setup.day_tz, grace_ns=tape.grace_ns)
    days, bought = by_days(curve), buy_and_hold(tape, curve.times, deposit)
    paid = costs(tape, played.trades, played.lines, setup.terms, setup.base_currency)
    trips = round_trips(played, tape.instruments, tape.actions)
    worth = np.concatenate(([deposit], curve.values))
    fallen = (curve.values / np.maximum.accumulate(worth)[1:] - 1) if len(curve.values) else curve.values
    markets, undrawn = _markets(tape, played)
    return Review(
        deposit=deposit,
        by_day=measures(days.values, deposit, days_a_year),
        by_bar=measures(curve.values, deposit, bars_a_year),
        benchmark_by_day=measures(by_days(Equity(curve.times, bought)).values, deposit, days_a_year),
        activity=activity(held, curve, paid.traded, len(days.dates) / days_a_year),
        trades=trip_figures(trips),
        costs=paid,
        equity=_curve(curve.times, curve.values),
        benchmark=_curve(curve.times, bought),
        drawdown=_curve(curve.times, fallen),
        gross=_means(curve.times, held.gross),
        net=_means(curve.times, held.net),
        days=[Day(day=day, equity=value) for day, value in zip(days.dates, days.values.tolist(), strict=True)],
        months=months_of(days, deposit),
        falls=worst_falls(curve, deposit, begins),
        markets=markets,
        undrawn=undrawn,
        refusals=_refusals(played),
        round_trips=trips,
    )


def _curve(times: "Times", values: "Floats") -> Curve:
    rows = thinned(times, values)
    return Curve(of=len(times), times=times[rows].tolist(), values=values[rows].tolist())


def _means(times: "Times", values: "Floats") -> Curve:
    """For what jumps between nothing and much with every trade: its extremes would be drawn as one block."""
    import numpy as np

    if len(times) <= 2 * COLUMNS:
        return _curve(times, values)
    begins = edges(times, STRETCHES)
    means = np.add.reduceat(values, begins[:-1]) / np.diff(begins)
    return Curve(of=len(times), times=times[begins[1:] - 1].tolist(), values=means.tolist())


def _markets(tape: Tape, played: Played) -> tuple[list[Market], int]:
    """Of the symbols with most fills, by name; and how many traded ones are left out. Without a fill all are drawn that fit."""
    fills = Counter(trade.symbol for trade in played.trades) or Counter(dict.fromkeys(sorted(tape.bars[tape.timeframes[0]]), 0))
    drawn = sorted(symbol for symbol, _ in fills.most_common(PICTURES))
    return [_market(tape, played, symbol) for symbol in drawn if tape.columns(symbol)], len(fills) - len(drawn)


def _market(tape: Tape, played: Played, symbol: str) -> Market:
    import numpy as np

    columns = tape.columns(symbol)
    assert columns is not None
    start, _, high, low, close, _ = (np.asarray(column) for column in columns)
    seen = band(start + tape.late_ns, low, high, close, COLUMNS)
    return Market(
        symbol=symbol,
        bars=len(start),
        times=seen.times.tolist(),
        low=seen.low.tolist(),
        high=seen.high.tolist(),
        close=seen.close.tolist(),
        buys=_fills(played, symbol, "buy"),
        sells=_fills(played, symbol, "sell"),
    )


def _fills(played: Played, symbol: str, side: str) -> Fills:
    import numpy as np

    mine = sorted((t.executed_at, float(t.executed_price)) for t in played.trades if (t.symbol, t.side) == (symbol, side))
    times, prices = np.array([at for at, _ in mine], np.int64), np.array([price for _, price in mine])
    rows = thinned(times, prices, MARKS)
    return Fills(of=len(mine), times=times[rows].tolist(), prices=prices[rows].tolist())


def _refusals(played: Played) -> list[RefusedBy]:
    """Most often first."""
    counts = Counter(refused.refusal.code for refused in played.refused)
    first = {refused.refusal.code: refused for refused in reversed(played.refused)}
    return [
        RefusedBy(
            code=code,
            count=count,
            first_at=first[code].signal.decided_at,
            reason=first[code].refusal.reason,
            limit=str(first[code].refusal.limit),
            seen=str(first[code].refusal.seen),
        )
        for code, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    ]

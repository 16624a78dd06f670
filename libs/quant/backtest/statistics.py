"""What a professional asks of an equity curve besides its Figures: by days and by bars. Made for reports, not in a search."""

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from libs.quant.backtest.report import Equity, equity_curve
from libs.quant.backtest.summary import Summary
from libs.quant.backtest.tape import Tape
from libs.quant.portfolio.returns import statistics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """Of returns of one length, a day or a bar. Fractions, 0.01 is 1 %; None where it is not defined: too few returns, no
    variation, no loss to divide by, or an account that was worth nothing at some time."""

    observations: int  # returns
    per_year: float  # of them
    cagr: float | None  # (last / deposit) ^ (per_year / observations) - 1
    volatility: float | None  # deviation of returns (n - 1) x sqrt(per_year)
    sharpe: float | None  # mean / deviation (n - 1) x sqrt(per_year), no riskless rate
    sortino: float | None  # mean / sqrt(mean(min(return, 0) ^ 2)) x sqrt(per_year)
    calmar: float | None  # cagr / max_drawdown
    max_drawdown: float | None  # largest fall from a high, the deposit among them
    longest_fall: int | None  # most observations in a row below an earlier high
    best: float | None
    worst: float | None
    positive: float | None  # share of the returns that are above 0


def returns_of(values: "Floats", deposit: float) -> "Floats":
    """Simple returns from one worth to the next, the first from the deposit, shape of `values`; empty once one is not above 0."""
    import numpy as np

    worth = np.concatenate(([deposit], values))
    return np.diff(worth) / worth[:-1] if (worth > 0).all() else np.empty(0)


def measures(values: "Floats", deposit: float, per_year: float) -> Measures:
    """Of an account's worth, oldest first, that began with `deposit`.

    Sources and formulas: libs/quant/portfolio/returns.py, where the live account's figures are made too.

    Args:
        values: shape (n,), base currency.
        per_year: days or bars of a year, 252 for days of US stocks.
    """
    returns = returns_of(values, deposit)
    found = statistics(returns.tolist(), per_year)
    some = len(returns) > 0
    return Measures(
        per_year=per_year,
        longest_fall=_longest(values, deposit) if some else None,
        best=float(returns.max()) if some else None,
        worst=float(returns.min()) if some else None,
        positive=float((returns > 0).mean()) if some else None,
        **found._asdict(),
    )


def _longest(values: "Floats", deposit: float) -> int:
    import numpy as np

    worth = np.concatenate(([deposit], values))
    at_a_high = np.flatnonzero(worth >= np.maximum.accumulate(worth))
    return int(np.diff(np.append(at_a_high, len(worth))).max()) - 1


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """From a high to the next time the account was worth as much. Times are market ns."""

    depth: float  # share of the high
    high_at: int
    bottom_at: int
    recovered_at: int | None  # None: not yet


def worst_falls(curve: Equity, deposit: float, since: int, most: int = 5) -> list[Fall]:
    """The deepest falls, each between two highs; the deposit, at `since`, is the first high. Deepest first, of equals the earlier."""
    import numpy as np

    worth, times = np.concatenate(([deposit], curve.values)), np.concatenate(([since], curve.times))
    highs = np.maximum.accumulate(worth)
    below = worth < highs
    edges = np.diff(np.concatenate(([0], below.astype(np.int8), [0])))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    falls = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        bottom = begin + int(worth[begin:end].argmin())
        falls.append(
            Fall(
                depth=float(1 - worth[bottom] / highs[begin]),
                high_at=int(times[begin - 1]),
                bottom_at=int(times[bottom]),
                recovered_at=int(times[end]) if end < len(worth) else None,
            )
        )
    return sorted(falls, key=lambda fall: (-fall.depth, fall.high_at))[:most]


class Exposure(NamedTuple):
    """What was held, as shares of the equity, at every time of the curve; 0 where the account is worth nothing."""

    gross: "Floats"  # longs plus shorts
    net: "Floats"  # longs less shorts


def exposure(tape: Tape, summary: Summary, curve: Equity) -> Exposure:
    """Positions of all strategies, those of one symbol taken together, at the last close. `curve` may begin within the tape."""
    import numpy as np

    held = summary._replace(cash=np.zeros(len(summary.at)))
    either = held._replace(units={symbol: np.abs(units) for symbol, units in held.units.items()})
    net, gross = (equity_curve(tape, each).values[-len(curve.times) :] for each in (held, either))
    worth = np.where(curve.values > 0, curve.values, np.inf)
    return Exposure(gross / worth, net / worth)


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """How much was held and traded."""

    mean_exposure: float  # of gross over equity, over all bars
    most_exposure: float
    mean_net: float
    in_market: float  # share of the bars at whose end something was held
    traded: float  # sum of quantity x price x multiplier of all fills, base currency
    turnover: float | None  # traded / mean equity, a year; a round trip of the whole equity counts 2


def activity(held: Exposure, curve: Equity, traded: float, years: float) -> Activity:
    """Of what was held and traded.

    Args:
        years: how many the curve spans.
    """
    if not len(curve.values):
        return Activity(mean_exposure=0.0, most_exposure=0.0, mean_net=0.0, in_market=0.0, traded=traded, turnover=None)
    mean = float(curve.values.mean())
    return Activity(
        mean_exposure=float(held.gross.mean()),
        most_exposure=float(held.gross.max()),
        mean_net=float(held.net.mean()),
        in_market=float((held.gross != 0).mean()),
        traded=traded,
        turnover=traded / mean / years if mean > 0 and years > 0 else None,
    )

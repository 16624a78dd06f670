"""What executing an order cost, and how long each step took. Pure.

Slippage compares with the arrival price: the middle of the market when the first request was about to leave. Implementation
shortfall compares with the price the decision was made at, and charges what was not filled with where the market went
meanwhile: Perold, "The Implementation Shortfall: Paper versus Reality", Journal of Portfolio Management 14 (1988). Positive is
worse for us, throughout.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from libs.domain.orders import Side

MOMENTS: Final = ("noticed", "signal", "approved", "sent", "answered", "first_fill", "done")
"""The steps of an order in their order, host time: the bar is known to be complete, the signal is stored, the order is
approved, its first request (or slice) is committed, the venue's first word, its first fill, its end."""


class Executed(NamedTuple):
    """What became of an order; money in the instrument's currency."""

    side: Side
    quantity: Decimal
    filled: Decimal
    average: Decimal | None  # price of what was filled; None where nothing was
    fees: Decimal
    multiplier: Decimal  # of the instrument


class Benchmarks(NamedTuple):
    """Prices to compare with; None: not known."""

    decision: Decimal | None  # close of the bar that was decided on
    arrival: Decimal | None  # mid, else last, when the first request was about to leave
    end: Decimal | None  # the same when the order ended


def fill_rate(executed: Executed) -> float:
    """Share of the quantity that was filled, 0 to 1."""
    return float(executed.filled / executed.quantity)


def slippage_bps(executed: Executed, arrival: Decimal | None) -> float | None:
    """How much worse than the arrival price the fills were, in hundredths of a percent of it; None where one is not known."""
    if executed.average is None or not arrival:
        return None
    return float(_worse(executed.side, executed.average - arrival) / arrival * 10_000)


def shortfall(executed: Executed, prices: Benchmarks) -> Decimal | None:
    """Perold's implementation shortfall, money: what the fills cost beyond the decision price, the fees, and for what was not filled
    how much worse the price has become. None where a price it takes is not known."""
    rest = executed.quantity - executed.filled
    if prices.decision is None or (executed.filled and executed.average is None) or (rest and prices.end is None):
        return None
    paid = executed.filled * ((executed.average or prices.decision) - prices.decision)
    missed = rest * ((prices.end or prices.decision) - prices.decision)
    return _worse(executed.side, paid + missed) * executed.multiplier + executed.fees


def hops_ms(moments: Mapping[str, int]) -> dict[str, float]:
    """Milliseconds from each step that is known to the next; by the step that was reached. `moments` in ns of one host's clock.

    Clocks of two processes may differ by a little: a step that seems to come before the one it follows took no time.
    """
    known = [(name, moments[name]) for name in MOMENTS if name in moments]
    return {name: round(max(0, at - before) / 1e6, 3) for (_, before), (name, at) in zip(known, known[1:], strict=False)}


def _worse(side: Side, difference: Decimal) -> Decimal:
    return difference if side == "buy" else -difference

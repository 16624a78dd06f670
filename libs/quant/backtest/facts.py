"""What the controls want to know of the market and of an account's past beside marks and books, out of a tape and what was played.

Read only where a limit asks for it: most backtests have none that does.
"""

from bisect import insort
from collections.abc import Iterable
from typing import Final, TypedDict

from libs.domain.orders import TERMINAL, Order, Status
from libs.domain.sizings import sizing
from libs.domain.trades import Trade
from libs.quant.backtest.result import Played
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.closed_trades import MOST_CLOSES, Close, close_of, edge_of
from libs.quant.risk.grid import Grid
from libs.quant.risk.view import Outcomes, Quoted
from libs.quant.sizing_factors import Edge

HOUR: Final = 3_600_000_000_000


class Known(TypedDict):
    """By symbol, and by strategy."""

    before: dict[str, float]
    quotes: dict[str, Quoted]
    volumes: dict[str, float]
    outcomes: dict[str, Outcomes]
    edges: dict[str, Edge]


class Facts:
    """Of one account."""

    def __init__(self, tape: Tape, setup: Setup) -> None:
        self._tape = tape
        every = [setup.limits, *(limits for _, limits in setup.limit_changes)]
        self._asked = frozenset().union(*(limits.names for limits in every if limits is not None))
        self.grids: dict[str, Grid] = {}
        self._closes: dict[str, list[Close]] = {config.id: [] for config in setup.strategies if sizing(config.sizing).kelly}
        self._edges: dict[str, Edge] = {}  # of all that is booked; made anew after a close

    def filled(self, trade: Trade, order: Order) -> None:
        """A fill is booked."""
        closes = self._closes.get(trade.strategy_id)
        if closes is not None and (close := close_of(trade, order)) is not None:
            insort(closes, close)
            self._edges.pop(trade.strategy_id, None)

    def edges(self) -> dict[str, Edge]:
        """By strategy, of those whose size hangs on it."""
        for strategy_id, closes in self._closes.items():
            if strategy_id not in self._edges:
                self._edges[strategy_id] = edge_of(closes[-MOST_CLOSES:], self._tape.instruments)
        return self._edges

    def of(self, symbols: Iterable[str], played: Played, now: int) -> Known:
        """As of `now`, market ns."""
        tape, asked = self._tape, self._asked
        before = ((s, tape.mark_before(s, now)) for s in symbols) if "max_price_jump" in asked else ()
        quotes = ((s, tape.quoted(s, now)) for s in symbols) if tape.quote_bars else ()
        volumes = ((s, tape.average_volume(s, now)) for s in symbols) if "max_adv_share" in asked else ()
        return Known(
            before={symbol: close for symbol, close in before if close is not None},
            quotes={symbol: quote for symbol, quote in quotes if quote is not None},
            volumes={symbol: volume for symbol, volume in volumes if volume is not None},
            outcomes=outcomes(played, now) if {"max_order_to_trade", "max_cancel_ratio"} & asked else {},
            edges=self.edges(),
        )


def outcomes(played: Played, now: int) -> dict[str, Outcomes]:
    """What has become of each strategy's orders of the last hour that have ended."""
    traded = {trade.order_id for trade in played.trades}
    found: dict[str, Outcomes] = {}
    for order in reversed(played.orders):
        if order.decided_at <= now - HOUR:
            break
        status = played.statuses.get(order.client_order_id)
        if order.purpose != "signal" or status not in TERMINAL:
            continue
        before = found.get(order.strategy_id, Outcomes(0, 0, 0))
        with_fill, canceled = order.order_id in traded, status is Status.CANCELED
        found[order.strategy_id] = Outcomes(before.ended + 1, before.traded + with_fill, before.canceled + canceled)
    return found

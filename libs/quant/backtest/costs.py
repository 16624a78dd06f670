"""What trading took from the account: fees as booked, spread and slippage worked back out of the prices."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from libs.domain.ledger import Entry
from libs.domain.trades import Trade
from libs.quant.backtest.tape import Tape
from libs.quant.fills import FillTerms

_TRADING: Final = frozenset({"cash", "position", "trading", "fees", "equity"})


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """In the instruments' currency; what was paid is positive."""

    traded: float  # sum of quantity x price x multiplier of all fills
    fees: float  # exactly as booked
    spread: float  # half the spread that was declared for trade bars, or that the quotes showed
    slippage: float
    flows: dict[str, float]  # received (paid: below 0) by ledger account, for what was held rather than traded: dividends, borrow, interest


def costs(tape: Tape, trades: Sequence[Trade], lines: Sequence[Entry], terms: FillTerms, currency: str) -> Costs:
    """Of all fills.

    A price p that was made worse by c (a fraction) was p / (1 + c) of a buy, p / (1 - c) of a sale. The rounding to the next tick
    against us is not in it: at most a tick a unit. A limit order that waited counts too: the market had to go so far beyond its limit.
    """
    traded = fees = spread = slippage = 0.0
    for trade in trades:
        units = float(trade.quantity * tape.instruments[trade.symbol].multiplier)
        on_bars = tape.fill_on[trade.symbol] == "bar"
        half, slip = float(terms.half_spread_bps if on_bars else 0) / 1e4, float(terms.slippage_bps) / 1e4
        price = float(trade.executed_price)
        before = price / (1 + half + slip if trade.side == "buy" else max(1 - half - slip, 1e-9))
        traded += units * price
        fees += float(trade.commission)
        slippage += units * before * slip
        spread += units * (before * half if on_bars else _shown(tape, trade))
    return Costs(traded=traded, fees=fees, spread=spread, slippage=slippage, flows=_flows(lines, currency))


def _shown(tape: Tape, trade: Trade) -> float:
    """Half the spread that the quote or quote bar of a fill showed; 0 where it is not found."""
    if tape.fill_on[trade.symbol] == "quote":
        quotes = tape.quotes[trade.symbol]
        times, bids, asks = quotes.ts, quotes.bid, quotes.ask
    else:
        bars = tape.quote_bars[trade.symbol]
        times, bids, asks = bars.start, bars.bid_open, bars.ask_open
    row = bisect_left(times, trade.executed_at)
    found = row < len(times) and times[row] == trade.executed_at
    return max(0.0, (asks[row] - bids[row]) / 2) if found and bids[row] > 0 and asks[row] > 0 else 0.0


def _flows(lines: Sequence[Entry], currency: str) -> dict[str, float]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.commodity == currency and line.ledger_account not in _TRADING:
            sums[line.ledger_account] -= line.amount
    return {name: float(amount) for name, amount in sums.items() if amount}

"""Fills as the trades a person counts: from the fill that opens a position of a strategy to the one that closes it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import fsum
from typing import Literal

import msgspec

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.ledger import Entry
from libs.domain.trades import Trade
from libs.quant.backtest.result import Played

_NOTHING = Decimal(0)


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """A position from flat to flat, all its fills together. Money is in the instrument's currency."""

    strategy_id: str
    symbol: str
    side: Literal["long", "short"]
    opened_at: int  # market ns
    closed_at: int | None  # None: still open
    quantity: float  # most units held
    entry: float  # mean price of the fills that enlarged it
    exit: float | None  # mean price of those that shrank it
    fills: int
    fees: float
    pnl: float  # realised, less the fees; dividends, borrow and interest are not in it
    result: float  # pnl over what the entries were worth


class TripFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of the round trips that are closed, net of fees. None where there is nothing to divide by."""

    closed: int
    open: int
    hit_rate: float | None  # share that gained; one that came out even did not
    profit_factor: float | None  # sum of gains / sum of losses
    average_win: float | None
    average_loss: float | None  # 0 or less
    payoff: float | None  # average win / average loss, without its sign
    expectancy: float | None  # mean pnl
    expected_result: float | None  # mean of pnl over what was put in
    best: float | None  # pnl
    worst: float | None
    mean_hours: float | None  # from the first fill to the last


@dataclass
class _Trip:
    """One that is being made."""

    strategy_id: str
    long: bool
    opened_at: int
    most: Decimal = _NOTHING
    entered: Decimal = _NOTHING  # units
    entries: Decimal = _NOTHING  # units x price
    left: Decimal = _NOTHING
    exits: Decimal = _NOTHING
    fees: Decimal = _NOTHING
    pnl: Decimal = _NOTHING
    fills: int = 0
    changed_at: int = 0  # market ns of the last fill

    def add(self, trade: Trade, quantity: Decimal, held: Decimal, *, enters: bool) -> None:
        """`quantity` of a fill, after which `held` units are there."""
        if enters:
            self.entered += quantity
            self.entries += quantity * trade.executed_price
        else:
            self.left += quantity
            self.exits += quantity * trade.executed_price
            self.pnl += trade.pnl
        self.fees += trade.commission * quantity / trade.quantity  # a fill that turns a position around belongs to two
        self.most = max(self.most, abs(held))
        self.fills += 1
        self.changed_at = trade.executed_at

    def told(self, symbol: str, closed_at: int | None, instrument: Instrument) -> RoundTrip:
        net, put_in = self.pnl - self.fees, self.entries * instrument.multiplier
        return RoundTrip(
            strategy_id=self.strategy_id,
            symbol=symbol,
            side="long" if self.long else "short",
            opened_at=self.opened_at,
            closed_at=closed_at,
            quantity=float(self.most),
            entry=float(self.entries / self.entered),
            exit=float(self.exits / self.left) if self.left else None,
            fills=self.fills,
            fees=float(self.fees),
            pnl=float(net),
            result=float(net / put_in) if put_in else 0.0,
        )


def round_trips(played: Played, instruments: Mapping[str, Instrument], actions: Sequence[CorporateAction] = ()) -> list[RoundTrip]:
    """The closed ones in the order in which they closed, then the open ones.

    Read off the ledger's lines, so a split changes what is held as it did then, and a renamed position stays the same trip. One
    that leaves no whole lot ends it: what was paid out for the rest is not in its P&L, as with every part of a lot.

    Args:
        actions: of the market, which say when such a one was.
    """
    trades = {trade.trade_id: trade for trade in played.trades}
    held: dict[tuple[str, str], Decimal] = {}
    open_: dict[tuple[str, str], _Trip] = {}
    found: list[RoundTrip] = []
    for line, heir in _changes(played.lines):
        key = (line.strategy_id, line.commodity)
        before = held.get(key, _NOTHING)
        after = held[key] = before + line.amount
        trade = trades.get(line.txn_id)
        if trade is None:
            if heir is not None and key in open_:
                open_[line.strategy_id, heir] = open_.pop(key)
            elif not after and key in open_:
                trip = open_.pop(key)
                found.append(trip.told(line.commodity, _acted(line.commodity, trip.changed_at, actions), instruments[line.commodity]))
            continue
        if before and (before > 0) != (line.amount > 0):
            trip = open_[key]
            trip.add(trade, min(abs(line.amount), abs(before)), before, enters=False)
            if not after or (after > 0) != (before > 0):
                found.append(open_.pop(key).told(line.commodity, trade.executed_at, instruments[line.commodity]))
        grown = abs(after) - (abs(before) if (after > 0) == (before > 0) else 0)
        if grown > 0:
            trip = open_.setdefault(key, _Trip(line.strategy_id, after > 0, trade.executed_at))
            trip.add(trade, grown, after, enters=True)
    return found + [trip.told(symbol, None, instruments[symbol]) for (_, symbol), trip in open_.items()]


def _acted(symbol: str, after: int, actions: Sequence[CorporateAction]) -> int:
    """When the next split of a symbol held."""
    splits = (each.effective for each in actions if each.symbol == symbol and each.kind != "dividend" and each.effective > after)
    return min(splits, default=after)


def _changes(lines: Sequence[Entry]) -> Iterator[tuple[Entry, str | None]]:
    """Every line that changes what is held; of the first of two symbols that one action exchanges, the second."""
    changes = [line for line in lines if line.ledger_account == "position" and line.amount]
    for n, line in enumerate(changes):
        after = changes[n + 1] if n + 1 < len(changes) else None
        same = after is not None and (after.txn_id, after.strategy_id) == (line.txn_id, line.strategy_id)
        yield line, after.commodity if same and after is not None else None


def trip_figures(trips: Sequence[RoundTrip]) -> TripFigures:
    """Of round trips; the open ones are only counted."""
    closed = [trip for trip in trips if trip.closed_at is not None]
    wins, losses = [t.pnl for t in closed if t.pnl > 0], [t.pnl for t in closed if t.pnl < 0]
    won, lost = _mean(wins), _mean(losses)
    hours = [(trip.closed_at - trip.opened_at) / 3.6e12 for trip in closed if trip.closed_at is not None]
    return TripFigures(
        closed=len(closed),
        open=len(trips) - len(closed),
        hit_rate=len(wins) / len(closed) if closed else None,
        profit_factor=fsum(wins) / -fsum(losses) if losses else None,
        average_win=won,
        average_loss=lost,
        payoff=won / -lost if won is not None and lost is not None else None,
        expectancy=_mean([trip.pnl for trip in closed]),
        expected_result=_mean([trip.result for trip in closed]),
        best=max((trip.pnl for trip in closed), default=None),
        worst=min((trip.pnl for trip in closed), default=None),
        mean_hours=_mean(hours),
    )


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None

"""Executions that the venue takes back, or changes, after they were booked: entries that reverse them, so that the ledger balances.

A bust is booked as the same trade the other way round at the same price, its fee given back; a correction as that and a
new trade as it holds now. The order keeps what it was told when it filled.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from libs.common.logs import about
from libs.domain.booking import book
from libs.domain.books import Position
from libs.domain.instruments import Instrument
from libs.domain.orders import Side, Step
from libs.domain.trades import Fill, Trade
from libs.venues.broker import Undone
from services.trade_executor.hop import Change, Held
from services.trade_executor.telling import ids

log = logging.getLogger(__name__)

Key = tuple[Side, Decimal, Decimal]


def meant(undone: Undone, traded: Iterable[Trade]) -> Trade | None:
    """The trade of an order that is spoken of: of that side and quantity, at that price where it was a bust, and not undone yet.

    None when there is none, or when a correction could mean several of different prices.
    """
    booked = list(traded)
    reversed_ = Counter(_key(trade) for trade in booked if trade.exec_key.startswith("bust:"))
    found = []
    for trade in booked:
        if trade.exec_key.startswith("bust:") or (trade.side, trade.quantity) != (undone.side, undone.quantity):
            continue
        opposite = (_other(trade.side), trade.quantity, trade.executed_price)
        if reversed_[opposite]:
            reversed_[opposite] -= 1
        elif (trade.executed_price == undone.price) is not undone.corrected:
            found.append(trade)
    return found[0] if len({trade.executed_price for trade in found}) == 1 else None


def reversal(undone: Undone, trade: Trade) -> list[Fill]:
    """What is booked instead of the trade: its opposite, and what holds now."""
    back = Fill(
        exec_key=undone.exec_key,
        client_order_id=undone.client_order_id,
        symbol=trade.symbol,
        side=_other(trade.side),
        quantity=trade.quantity,
        price=trade.executed_price,
        fee=-trade.commission,
        fee_currency=trade.fee_currency,
        liquidity=trade.liquidity,
        executed_at=undone.market_time,
        cumulative=trade.quantity,
    )
    if not undone.corrected:
        return [back]
    key = undone.exec_key.replace("bust:", "correct:", 1)
    return [back, msgspec.structs.replace(back, exec_key=key, side=trade.side, price=undone.price, fee=trade.commission)]


def undo(
    undone: Undone,
    held: Held,
    traded: Sequence[Trade],
    change: Change,
    positions: Mapping[tuple[str, str], Position],
    instrument: Instrument,
) -> None:
    """Books it and alarms. One that cannot be told from others is left to be found as a difference of position or cash."""
    trade = meant(undone, traded)
    told = about("execution_undone", "success" if trade else "failure", exec_key=undone.exec_key, **ids(held.order))
    if trade is None:
        log.critical("%s: none of the order's trades, or several, may be meant; nothing is booked", undone.detail, extra=told)
        change.step(held, "undone", Step(held.status, anomaly=True), f"{undone.detail}: not booked, as no one trade is meant")
        return
    log.critical("%s: trade %s is reversed", undone.detail, trade.exec_key, extra=told)
    for fill in reversal(undone, trade):
        position = change.positions.get(held.book) or positions.get(held.book) or Position()
        booked = book(fill, held.order, position, instrument)
        change.positions[held.book] = booked.position
        change.undone.append(booked.trade)
        change.entries += booked.entries
    change.step(held, "undone", Step(held.status, anomaly=True), f"{undone.detail}: trade {trade.exec_key} is reversed")


def _key(trade: Trade) -> Key:
    return trade.side, trade.quantity, trade.executed_price


def _other(side: Side) -> Side:
    return "sell" if side == "buy" else "buy"

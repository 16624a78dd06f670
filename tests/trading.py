"""What the services would have written of signals and fills, for tests that read the record."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from libs.common.database import Database, Write
from libs.domain.booking import book
from libs.domain.books import Position
from libs.domain.identity import client_order_id, order_id
from libs.domain.instruments import Instrument
from libs.domain.messages import Signal, VerdictKind
from libs.domain.orders import Order, OrderEvent, Side, Status
from libs.domain.trades import Fill
from libs.quant.strategies.sma_cross import State
from libs.store import execution, risk, strategies
from libs.store.execution import OrderChange
from libs.store.risk import Assessment
from tests.factories import INSTRUMENTS, SECOND


class Scene:
    """Writes what the services would have written."""

    def __init__(self, database: Database, instruments: Mapping[str, Instrument] = INSTRUMENTS) -> None:
        self._database = database
        self._instruments = instruments
        self._held: dict[tuple[str, str], Position] = {}

    async def wants(self, signal: Signal, verdict: VerdictKind, checks: Sequence[Any], code: str = "", reason: str = "") -> None:
        state = msgspec.msgpack.encode(
            (tuple(State([99_000_000, 100_000_000, 101_000_000], [7, 201, 300], [signal.target])), [signal.target], [])
        )
        numbers = ("50000.00", "61234.50") if code else ("", "")
        assessment = Assessment(
            signal.signal_id,
            "session",
            "paper",
            signal.strategy_id,
            signal.symbol,
            verdict,
            code,
            reason,
            *numbers,
            json.dumps(checks),
        )
        await self._database.write([strategies.store_signals([(signal, state)])])
        await self._database.write([risk.store_assessments([assessment])])

    async def trades(self, signal: Signal, side: Side, quantity: int, fills: Sequence[tuple[int, str]]) -> None:
        order = an_order_of(signal, side, quantity)
        steps = [("submit", Status.SUBMITTING), ("accepted", Status.ACKED), ("fill", Status.FILLED)]
        await self._database.write([risk.store_orders([order], 1)])
        await self._database.write([execution.store_attempts([(order.order_id, 1, order.client_order_id)], 1)])
        await self._database.write(
            [
                execution.store_events([an_event(order, n, event, status) for n, (event, status) in enumerate(steps, 1)]),
                execution.store_orders([OrderChange(order.order_id, Status.FILLED, order.quantity, Decimal(fills[0][1]), len(steps))]),
            ]
        )
        for n, (filled, price) in enumerate(fills, 1):
            await self._book(order, n, Decimal(filled), Decimal(price))

    async def _book(self, order: Order, n: int, quantity: Decimal, price: Decimal) -> None:
        instrument, key = self._instruments[order.symbol], (order.strategy_id, order.symbol)
        fill = Fill(
            exec_key=f"{order.order_id}:{n}",
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            fee=Decimal(1),
            fee_currency=instrument.currency,
            liquidity="taker",
            executed_at=order.decided_at + n * SECOND,
            cumulative=quantity,
        )
        booked = book(fill, order, self._held.get(key, Position()), instrument)
        self._held[key] = booked.position
        await self._database.write(
            [
                execution.store_trades([booked.trade]),
                execution.store_positions("paper", {key: booked.position}, fill.executed_at),
                execution.store_entries("paper", booked.entries, {booked.trade.trade_id: booked.trade.trade_id}),
                *execution.store_cash("paper", booked.entries),
                Write("select journal_append('trades.executed', array[%s::uuid], array['{}'])", (booked.trade.trade_id,)),
            ]
        )


def an_order_of(signal: Signal, side: Side, quantity: int) -> Order:
    id_ = order_id(signal.signal_id, 0)
    return Order(
        order_id=id_,
        client_order_id=client_order_id("TEST", id_, 1),
        account_id="paper",
        venue="paper",
        session_id="session",
        strategy_id=signal.strategy_id,
        symbol=signal.symbol,
        signal_id=signal.signal_id,
        leg=0,
        side=side,
        order_type="limit",
        quantity=Decimal(quantity),
        price=Decimal("102.00"),
        time_in_force="GTD",
        decided_at=signal.decided_at,
        valid_until=signal.valid_until,
        expires_at=signal.valid_until,
    )


def an_event(order: Order, n: int, event: str, status: Status) -> OrderEvent:
    return OrderEvent(
        order_id=order.order_id,
        account_id="paper",
        strategy_id=order.strategy_id,
        symbol=order.symbol,
        n=n,
        event=event,
        status=status,
        filled_quantity=order.quantity if status is Status.FILLED else Decimal(0),
        anomaly=False,
        detail="",
        market_time=order.decided_at,
    )

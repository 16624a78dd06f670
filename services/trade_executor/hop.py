"""One hop's worth of change to orders and books, gathered decision by decision and written in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from libs.common.database import Write
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing
from libs.domain.amounts import kept
from libs.domain.booking import Booked, action_transaction, book, book_action, joined
from libs.domain.books import Position
from libs.domain.instruments import Instrument
from libs.domain.ledger import Entry, action_mark
from libs.domain.messages import PositionUpdate
from libs.domain.orders import Evidence, Order, OrderEvent, Status, Step, after_child_fill
from libs.domain.streams import ORDERS_UPDATES, PORTFOLIO_UPDATES, TRADES_EXECUTED, Channel
from libs.domain.trades import Fill, Trade
from libs.quant.exchange.adjust import shared
from libs.store import execution
from libs.store.costs import Cost, store_costs
from libs.store.execution import OrderChange, OrderRow
from libs.venues.broker import Adjustment
from services.trade_executor.quotes import Price

_EVIDENCE: Final = frozenset(map(str, Evidence))


@dataclass(frozen=True)
class Held:
    """An order as the executor knows it."""

    order: Order
    status: Status
    filled: Decimal
    cost: Decimal  # sum of price x quantity of its fills
    events: int
    at_venue: Decimal  # the largest cumulative quantity the venue has told us of
    approved_ns: int  # the database's clock

    @classmethod
    def of(cls, row: OrderRow, before: "Held | None" = None) -> "Held":
        """As its row has it; `before`: as it was known until now, as rows do not have what the venue has told of fills to come."""
        cost = row.filled * (row.avg_fill_price or Decimal(0))
        told = row.filled if before is None else max(row.filled, before.at_venue)
        return cls(row.order(), row.status, row.filled, cost, row.events, told, row.approved_ns)

    @property
    def book(self) -> tuple[str, str]:
        return self.order.strategy_id, self.order.symbol

    @property
    def owed(self) -> bool:
        """Whether the venue has filled more of it than is booked: a fill is on its way, or was missed."""
        return self.at_venue > self.filled

    @property
    def avg_fill_price(self) -> Decimal | None:
        return kept(self.cost / self.filled) if self.filled else None


@dataclass
class Change:
    """What a hop does. Orders and books in it are as they will be once it is committed."""

    market_time: int
    orders: dict[UUID, Held] = field(default_factory=dict)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    events: list[OrderEvent] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    undone: list[Trade] = field(default_factory=list)  # that reverse earlier ones: no fills of their orders
    entries: list[Entry] = field(default_factory=list)
    children: list[Order] = field(default_factory=list)
    sends: list[Held] = field(default_factory=list)
    cancels: list[Order] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    arrivals: dict[UUID, Price] = field(default_factory=dict)  # of what is sent: the market it goes to
    costs: list[Cost] = field(default_factory=list)  # of what has ended

    def step(self, held: Held, event: str, step: Step, detail: str = "") -> Held:
        """An order's next step, with what it rests on."""
        after = replace(held, status=step.status, events=held.events + 1)
        self.orders[held.order.order_id] = after
        self.events.append(
            OrderEvent(
                order_id=held.order.order_id,
                account_id=held.order.account_id,
                strategy_id=held.order.strategy_id,
                symbol=held.order.symbol,
                n=after.events,
                event=event,
                status=after.status,
                filled_quantity=after.filled,
                anomaly=step.anomaly,
                detail=detail[:500],
                market_time=self.market_time,
            )
        )
        return after

    def spawn(self, child: Order, now_ns: int) -> Held:
        """A new order within an approved one; a later hop sends it. `now_ns`: host time, from which its latency counts."""
        held = Held(child, Status.APPROVED, Decimal(0), Decimal(0), 0, Decimal(0), now_ns)
        self.orders[child.order_id] = held
        self.children.append(child)
        return held

    def told(self, held: Held | None, at_venue: Decimal) -> None:
        """The venue's own sum of what an order has filled, which may be ahead of the books."""
        if held is not None and at_venue > held.at_venue:
            self.orders[held.order.order_id] = replace(held, at_venue=at_venue)

    def book(self, held: Held, fill: Fill, position: Position, instrument: Instrument, step: Step) -> None:
        """A fill goes into the books, whatever the order's status."""
        booked: Booked = book(fill, held.order, position, instrument)
        filled = replace(
            held,
            filled=held.filled + fill.quantity,
            cost=held.cost + fill.quantity * fill.price,
            at_venue=max(held.at_venue, fill.cumulative),
        )
        self.step(filled, "fill", step, f"{fill.exec_key}: {fill.quantity} @ {fill.price}")
        self.positions[held.book] = booked.position
        self.trades.append(booked.trade)
        self.entries += booked.entries

    def pass_on(self, parent: Held, fill: Fill) -> None:
        """What a slice has filled its parent has filled; the trade is the slice's."""
        filled = replace(parent, filled=parent.filled + fill.quantity, cost=parent.cost + fill.quantity * fill.price)
        step = after_child_fill(parent.status, parent.order.quantity, filled.filled)
        self.step(filled, "child_fill", step, f"{fill.exec_key}: {fill.quantity} @ {fill.price}")

    def adjust(
        self,
        account_id: str,
        adjustment: Adjustment,
        positions: Mapping[tuple[str, str], Position],
        instruments: Mapping[str, Instrument],
    ) -> None:
        """A corporate action goes into every book that holds its symbol, and on record even when none does.

        Args:
            positions: all books of the account as they are now.
        """
        action = adjustment.action
        self.entries.append(action_mark(action_transaction(account_id, action), action.symbol))
        books = {strategy: held for (strategy, symbol), held in positions.items() if symbol == action.symbol and held.quantity}
        shares = shared(books, adjustment.after, adjustment.cash, action, instruments[action.symbol])
        for strategy, (position, cash) in shares.items():
            self.entries += book_action(
                account_id, strategy, action, books[strategy].quantity, position.quantity, adjustment.currency, cash
            )
            if action.new_symbol:
                self.positions[strategy, action.symbol] = Position()
                held = positions.get((strategy, action.new_symbol), Position())
                position = joined(held, position, instruments[action.new_symbol].multiplier)
            self.positions[strategy, action.new_symbol or action.symbol] = position

    def as_hop(self, sealer: Sealer, account_id: str, epoch: int) -> Hop:
        """The statements and messages; without any when nothing changed."""
        hop = Hop(writes=list(self.writes))
        if self.trades:
            hop.within, hop.after = "CP15", "CP16"
        elif not _EVIDENCE.isdisjoint(event.event for event in self.events):
            hop.within = "CP13"
        new = {c.order_id for c in self.children}
        unchanged = {held.order.order_id for held in self.sends} | {id_ for id_ in new if self.orders[id_].status is Status.APPROVED}
        changed = [h for id_, h in self.orders.items() if id_ not in unchanged]
        hop.writes += _stands([h for h in changed if h.order.order_id not in new], [e for e in self.events if e.order_id not in new])
        hop.writes += execution.store_children(self.children, epoch)  # what ended in this hop has made room for them
        hop.writes += _stands([h for h in changed if h.order.order_id in new], [e for e in self.events if e.order_id in new])
        trades = [*self.trades, *self.undone]
        if trades:
            hop.writes.append(execution.store_trades(trades))
        if self.positions:
            hop.writes.append(execution.store_positions(account_id, self.positions, self.market_time))
        if self.sends:  # after the books: what may only close is judged by what they hold now
            orders = [held.order for held in self.sends]
            hop.writes.append(execution.submitting([o.order_id for o in orders], epoch, self.market_time))
            hop.writes.append(execution.store_attempts([(o.order_id, 1, o.client_order_id) for o in orders], epoch, self.arrivals))
        if self.entries:
            hop.writes.append(execution.store_entries(account_id, self.entries, {t.trade_id: t.trade_id for t in trades}))
            hop.writes += execution.store_cash(account_id, self.entries)
        if self.costs:
            hop.writes.append(store_costs(self.costs))
        hop.out = [
            _out(ORDERS_UPDATES, e, e.order_id, self.market_time, sealer, str(self.orders[e.order_id].order.signal_id)) for e in self.events
        ]
        hop.out += [
            _out(TRADES_EXECUTED, t, t.trade_id, t.executed_at, sealer, str(self.orders[t.order_id].order.signal_id)) for t in trades
        ]
        hop.out += [
            _out(
                PORTFOLIO_UPDATES,
                PositionUpdate(
                    account_id=account_id,
                    strategy_id=strategy,
                    symbol=symbol,
                    quantity=p.quantity,
                    avg_cost=p.avg_cost,
                    realized_pnl=p.realized_pnl,
                    market_time=self.market_time,
                ),
                None,
                self.market_time,
                sealer,
                "",
            )
            for (strategy, symbol), p in self.positions.items()
        ]
        return hop


def _stands(held: Sequence[Held], events: Sequence[OrderEvent]) -> list[Write]:
    """Where orders stand, and how they came to."""
    writes: list[Write] = []
    if held:
        changes = [OrderChange(h.order.order_id, h.status, h.filled, h.avg_fill_price, h.events) for h in held]
        writes.append(execution.store_orders(changes))
    return [*writes, execution.store_events(events)] if events else writes


def _out(channel: Channel, payload: object, key: UUID | None, at: int, sealer: Sealer, trace: str) -> Outgoing:
    stream = channel.stream or ""
    return Outgoing(stream, channel.address, key, sealer.seal(stream, payload, ts_event_ns=at, trace=trace))

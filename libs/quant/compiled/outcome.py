"""What the compiled desk did, as the event path tells it: the same orders, fills, books and refusals, made when somebody asks for them."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
import numpy as np

from libs.domain.booking import book
from libs.domain.books import Position
from libs.domain.configuration import LossLimitName
from libs.domain.ledger import deposit_entries
from libs.domain.losses import Halt
from libs.domain.messages import Signal
from libs.domain.orders import Order, OrderType, Status
from libs.domain.trades import Fill
from libs.quant.backtest.naked import naked_order
from libs.quant.backtest.result import Balance, Played, Refused
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.summary import Summary, worth_of
from libs.quant.backtest.tape import Tape
from libs.quant.compiled import venue
from libs.quant.compiled.changes import filled, last_of, lots_of
from libs.quant.compiled.exact import quotients
from libs.quant.compiled.layout import NONE, PROTECTIVE, Desk
from libs.quant.compiled.money import amount_of
from libs.quant.compiled.playing import Charged
from libs.quant.compiled.spoken import Spoken
from libs.quant.compiled.watch import DAILY_LOSS
from libs.quant.compiled.words import refusal
from libs.quant.execution.protection import Exit, child
from libs.quant.risk.assess import as_decided_now, leg_of, order_of, terms_of
from libs.quant.risk.view import View

if TYPE_CHECKING:
    from libs.quant.compiled.layout import Floats, Rows

STATUSES: Final = {
    venue.OPEN: Status.ACKED,
    venue.PARTIAL: Status.PARTIAL,
    venue.FILLED: Status.FILLED,
    venue.CANCELED: Status.CANCELED,
    venue.EXPIRED: Status.EXPIRED,
    venue.REJECTED: Status.REJECTED,
}
KINDS: Final[Mapping[int, OrderType]] = {venue.LIMIT: "limit", venue.STOP: "stop", venue.TRAILING_STOP: "trailing_stop"}
"""Of protective orders."""


@dataclass(frozen=True)
class Outcome:
    """A desk at its end."""

    tape: Tape
    setup: Setup
    spoken: Spoken
    desk: Desk
    left_out: Sequence[str] = ()
    charges: Sequence[Charged] = ()

    @cached_property
    def _signals(self) -> list[Signal]:
        return [signal for signal in self.spoken.signals if signal.decided_at >= self.setup.trades_from]

    @cached_property
    def _decided(self) -> Sequence[Signal]:
        """Those that the desk has judged, by their numbers."""
        signals = self._signals
        return signals if self.setup.orders_on_last_bar else [s for s in signals if s.decided_at < self.tape.last_known()]

    def played(self) -> Played:
        """Everything that happened, in order."""
        played = Played(self._signals, left_out=self.left_out)
        played.lines += deposit_entries(UUID(int=0), self.setup.base_currency, self.setup.deposit)
        played.balances.append(Balance(self._begins, float(self.setup.deposit), {}))
        played.orders += self._sent()
        played.statuses |= {
            order.client_order_id: STATUSES[int(row["status"])] for order, row in zip(self._orders, self._rows("orders"), strict=True)
        }
        self._book(played)
        played.halts = tuple(_halt(row) for row in self._rows("halts"))
        played.refused += [self._refused(row, played) for row in self._rows("refusals")]
        return played

    def summary(self) -> Summary:
        """What the figures are made of, without an object for each order."""
        fills, orders, books = self._rows("fills"), self._rows("orders"), self.desk.arrays["books"]
        last = last_of(fills["known"])
        deposit = float(self.setup.deposit)
        names = sorted(self.tape.bars[self.tape.timeframes[0]])
        units: dict[str, Floats] = {}
        for b in filled(orders, fills, len(books)):
            name = names[books["symbol"][b]]
            above, below = self.tape.instruments[name].lot.as_integer_ratio()
            held = units.setdefault(name, np.zeros(len(last) + 1))
            held[1:] += quotients(lots_of(b, orders, fills, last) * above, below)
        cash = np.append(np.array([deposit]), fills["cash_value"][last])
        at = np.append(np.array([self._begins], np.int64), fills["known"][last])
        if self.charges:
            charged = np.searchsorted(last, [charge.fills for charge in self.charges]) + 1  # changes before each, and the deposit
            at, cash = (np.insert(at, charged, [c.at for c in self.charges]), np.insert(cash, charged, [c.cash for c in self.charges]))
            units = {name: np.insert(held, charged, held[charged - 1]) for name, held in units.items()}
        worth = self._money(self.desk.row[0]["cash"])
        for b in np.flatnonzero(books["lots"]):
            name = names[books["symbol"][b]]
            worth += worth_of(self.tape, name, self.tape.instruments[name].quantity(int(books["lots"][b])))
        return Summary(
            at=at,
            cash=cash,
            units=units,
            worth=worth,
            fees=self._money(self.desk.row[0]["fees"]),
            fills=len(fills),
            orders=len(orders),
            refused=int(self.desk.row[0]["refusals_count"]),
            begins=self._bars_of(fills["row"][last]),
        )

    def _bars_of(self, rows: "Rows") -> "Rows | None":
        """As `Summary.begins`, of the bars that filled something."""
        told = self.desk.row[0]["alone"] and not self.charges
        return np.concatenate(([0], rows, [len(self.desk.bars)])) if told else None

    def _rows(self, name: str) -> "Rows":
        return self.desk.arrays[name][: int(self.desk.row[0][f"{name}_count"])]

    def _sent(self) -> list[Order]:
        """In the order in which they were; without protection that of the rows."""
        if not self.desk.row[0]["guarded"]:
            return self._orders
        return [self._orders[number] for number in np.argsort(self.desk.guards["announced"][: len(self._orders)])]

    @cached_property
    def _orders(self) -> list[Order]:
        """By row."""
        found: list[Order] = []
        for row in self._rows("orders"):
            found.append(self._protective(row, found) if row["leg"] == PROTECTIVE else self._order(row))
        return found

    def _protective(self, row: Any, before: Sequence[Order]) -> Order:
        guard = self.desk.guards[len(before)]
        entry, pair, replaces = before[int(guard["entry"])], int(guard["pair"]), int(guard["replaces"])
        instrument = self.tape.instruments[entry.symbol]
        price, stop, trail = (None if n == NONE else instrument.price(int(n)) for n in (row["price"], row["stop"], guard["trail"]))
        exit_ = Exit(
            "target" if row["kind"] == venue.LIMIT else "stop",
            "buy" if row["side"] > 0 else "sell",
            KINDS[int(row["kind"])],
            instrument.quantity(int(row["lots"])),
            price,
            stop,
            trail,
        )
        order = child(entry, int(guard["child"]), exit_, int(row["decided_at"]), None if replaces < 0 else before[replaces].order_id)
        first = order if pair == len(before) else before[pair]
        return order if pair < 0 else msgspec.structs.replace(order, oco=str(first.order_id))

    def _order(self, row: Any) -> Order:
        signal, setup = self._decided[int(row["signal"])], self.setup
        judged = signal if setup.limits is None else as_decided_now(signal, int(row["leg"]), int(row["decided_at"]))
        exits = setup.exits if setup.exits.any else None
        terms = {config.id: terms_of(config, exits) for config in setup.strategies}
        view = View(
            account_id=setup.account_id,
            account_name=setup.account_name,
            base_currency=setup.base_currency,
            kind=setup.kind,
            allow_short=setup.allow_short,
            now=0,
            stale=False,
            speed=0.0,
            grace_ns=self.tape.grace_ns,
            instruments=self.tape.instruments,
            terms=terms,
            cash={},
            marks={},
            killed={},
            positions={(signal.strategy_id, signal.symbol): -int(row["side"]) * int(row["lots"])} if row["closes"] else {},
        )
        price = int(row["price"])
        leg = leg_of(judged, int(row["leg"]), int(row["side"]) * int(row["lots"]), 0 if price == NONE else price, view)
        make = order_of if setup.limits is not None else naked_order(setup.entry)
        return make(leg, fleet_tag=setup.fleet_tag, venue=setup.venue, grace_ns=self.tape.grace_ns)

    def _book(self, played: Played) -> None:
        done: dict[int, tuple[int, Decimal]] = {}
        charges = deque(self.charges)
        for n, row in enumerate(self._rows("fills")):
            while charges and charges[0].fills <= n:
                self._charge(played, charges.popleft())
            number = int(row["order"])
            order = self._orders[number]
            instrument = self.tape.instruments[order.symbol]
            count, before = done.get(number, (0, Decimal(0)))
            quantity = instrument.quantity(int(row["lots"]))
            done[number] = count + 1, before + quantity
            fill = Fill(
                exec_key=f"{order.order_id}:{count + 1}",
                client_order_id=order.client_order_id,
                symbol=order.symbol,
                side=order.side,
                quantity=quantity,
                price=instrument.price(int(row["price"])),
                fee=self._money(row["fee"]),
                fee_currency=instrument.currency,
                liquidity="taker",
                executed_at=int(row["at"]),
                cumulative=before + quantity,
            )
            key = (order.strategy_id, order.symbol)
            booked = book(fill, order, played.positions.get(key, Position()), instrument)
            played.trades.append(booked.trade)
            played.positions[key] = booked.position
            played.lines += booked.entries
            known = int(row["known"])
            if played.balances[-1].at == known and len(played.balances) > 1:
                played.balances.pop()  # what was filled together is one change
            played.balances.append(Balance(known, float(row["cash_value"]), _units(played)))
        for charge in charges:
            self._charge(played, charge)

    def _charge(self, played: Played, charge: Charged) -> None:
        played.lines += charge.lines
        played.balances.append(Balance(charge.at, charge.cash, _units(played)))

    def _refused(self, row: Any, played: Played) -> Refused:
        signal = self._decided[int(row["signal"])]
        return Refused(signal, refusal(row, signal, self.tape, self.setup, self._orders, played.halts))

    @property
    def _begins(self) -> int:
        return self.setup.begins(self.tape.since)

    def _money(self, amount: Any) -> Decimal:
        return amount_of(int(amount), int(self.desk.row[0]["money"]))


def _units(played: Played) -> dict[str, float]:
    units: dict[str, float] = {}
    for (_, symbol), position in played.positions.items():
        if position.quantity:
            units[symbol] = units.get(symbol, 0.0) + float(position.quantity)
    return units


def _halt(row: Any) -> Halt:
    name: LossLimitName = "max_daily_loss" if row["limit"] == DAILY_LOSS else "max_drawdown"
    return Halt(name, int(row["at"]), float(row["equity"]), float(row["reference"]), float(row["most"]), float(row["seen"]))

"""The books of an account in a backtest: positions, cash and the ledger's lines, booked as trade_executor books them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from libs.domain.booking import book, book_action, joined
from libs.domain.books import Position
from libs.domain.ledger import Entry, deposit_entries
from libs.domain.orders import Order
from libs.domain.trades import Trade
from libs.quant.backtest.result import Balance, Played
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.exchange.adjust import shared
from libs.quant.exchange.book import Adjusted, Filled

_NOTHING: Final = Decimal(0)


class Account:
    """What is booked goes into `played` as well; `cash` and `lots` are what of it holds now, and stay the same dicts."""

    def __init__(self, tape: Tape, setup: Setup, played: Played) -> None:
        self._tape = tape
        self._account_id, self._base_currency = setup.account_id, setup.base_currency
        self._played = played
        self.cash: dict[str, Decimal] = {}  # by currency
        self.lots: dict[tuple[str, str], int] = {}  # by (strategy, symbol), where anything is held
        self.book_lines(deposit_entries(UUID(int=0), setup.base_currency, setup.deposit))
        played.balances.append(Balance(setup.begins(tape.since), float(setup.deposit), {}))

    def fill(self, record: Filled, order: Order) -> Trade:
        """Books a fill of an order: its trade."""
        key = (order.strategy_id, order.symbol)
        booked = book(record.fill, order, self._played.positions.get(key, Position()), self._tape.instruments[order.symbol])
        self._played.trades.append(booked.trade)
        self._keep(key, booked.position)
        self.book_lines(booked.entries)
        return booked.trade

    def adjust(self, record: Adjusted) -> set[tuple[str, str]]:
        """Books a corporate action: the (strategy, symbol) that it changed."""
        action = record.action
        touched: set[tuple[str, str]] = set()
        instrument = self._tape.instruments[action.symbol]
        books = {s: p for (s, symbol), p in self._played.positions.items() if symbol == action.symbol and p.quantity}
        for strategy_id, (position, cash) in shared(books, record.after, record.cash, action, instrument).items():
            old, new = (strategy_id, action.symbol), (strategy_id, action.new_symbol or action.symbol)
            before = books[strategy_id].quantity
            self.book_lines(book_action(self._account_id, strategy_id, action, before, position.quantity, record.currency, cash))
            self._keep(old, Position())
            held = self._played.positions.get(new, Position())
            self._keep(new, joined(held, position, self._tape.instruments[new[1]].multiplier) if action.new_symbol else position)
            touched |= {old, new}
        return touched

    def book_lines(self, lines: Sequence[Entry]) -> None:
        """Lines of the ledger, and the cash that they move."""
        self._played.lines += lines
        for line in lines:
            if line.ledger_account == "cash":
                self.cash[line.commodity] = self.cash.get(line.commodity, _NOTHING) + line.amount

    def balance(self, now: int) -> None:
        """Notes what is held from `now` on, market ns."""
        units: dict[str, float] = {}
        for (_, symbol), position in self._played.positions.items():
            if position.quantity:
                units[symbol] = units.get(symbol, 0.0) + float(position.quantity)
        self._played.balances.append(Balance(now, float(self.cash.get(self._base_currency, _NOTHING)), units))

    def _keep(self, key: tuple[str, str], position: Position) -> None:
        self._played.positions[key] = position
        if position.quantity:
            self.lots[key] = self._tape.instruments[key[1]].lots(position.quantity)
        else:
            self.lots.pop(key, None)

"""When an account of a backtest is charged for what it holds, and with what: each day, and at each funding time."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from libs.domain.books import Position
from libs.domain.identity import transaction_id
from libs.domain.ledger import Entry, financing_entries
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.financing import Charge, Financing, Holding, borrow, funding, interest, next_day, next_funding

_NEVER = 2**63 - 1

Positions = Mapping[tuple[str, str], Position]
"""By (strategy, symbol)."""


class Carrying:
    """What is due next, and what it comes to. Whoever holds the books says what is in them."""

    def __init__(self, tape: Tape, setup: Setup) -> None:
        self._tape = tape
        self._setup = setup
        self._rates = setup.financing or Financing()
        begins = setup.begins(tape.since)
        self._day = self._day_after(begins) if self._rates.any else _NEVER
        self._funding = self._funding_after(begins)

    @property
    def due(self) -> int:
        """The next moment at which something may have to be booked; market ns, after everything that is known by then."""
        return min(self._day, self._funding)

    def charge(self, cash: Mapping[str, Decimal], positions: Positions, seen: int) -> list[Entry]:
        """The lines of what is due, and on to the next.

        Args:
            seen: market ns up to which prices are known, and in whose units the positions are.
        """
        now = self.due
        holdings = [
            Holding(strategy_id, self._tape.instruments[symbol], position.quantity, self._price(symbol, position, seen))
            for (strategy_id, symbol), position in sorted(positions.items())
            if position.quantity
        ]
        charges: list[Charge] = []
        if self._funding == now:
            charges += funding(holdings, self._funded(now))
            self._funding = self._funding_after(now)
        if self._day == now:
            charges += [*borrow(holdings, self._rates), *interest(cash, holdings, self._rates)]
            self._day = self._day_after(now)
        return [line for charge in charges for line in self._lines(charge, now)]

    def _lines(self, charge: Charge, now: int) -> list[Entry]:
        kind, strategy_id, symbol, currency, amount = charge
        return financing_entries(self._named(f"{kind}|{strategy_id}|{symbol}|{currency}|{now}"), strategy_id, kind, currency, amount)

    def _named(self, key: str) -> UUID:
        return transaction_id(self._setup.account_id, "financing", key)

    def _price(self, symbol: str, position: Position, seen: int) -> Decimal:
        """The newest close; where none is known yet, what was paid."""
        mark = self._tape.mark(symbol, seen)
        return position.avg_cost if mark is None else Decimal(repr(mark))

    def _day_after(self, now: int) -> int:
        return next_day(now, self._setup.day_starts_at, self._setup.day_tz)

    # --- funding: as recorded, and by the given rate where a symbol has no record

    @cached_property
    def _given(self) -> dict[str, Decimal]:
        recorded = self._tape.funding
        rates = {symbol: self._rates.funding(instrument) for symbol, instrument in self._tape.instruments.items() if symbol not in recorded}
        return {symbol: rate for symbol, rate in rates.items() if rate}

    def _funding_after(self, now: int) -> int:
        times = [next_funding(now)] if self._given else []
        for recorded in self._tape.funding.values():
            row = bisect_right(recorded, now, key=lambda payment: payment.at)
            times += [recorded[row].at] if row < len(recorded) else []
        return min(times, default=_NEVER)

    def _funded(self, now: int) -> dict[str, Decimal]:
        rates = dict(self._given) if next_funding(now - 1) == now else {}
        for symbol, recorded in self._tape.funding.items():
            row = bisect_left(recorded, now, key=lambda payment: payment.at)
            if row < len(recorded) and recorded[row].at == now:
                rates[symbol] = recorded[row].rate
        return rates

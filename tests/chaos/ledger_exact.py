"""B: the ledger balances to the last digit, and cash and positions are those of the venue."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from libs.domain.books import signed
from tests.chaos.findings import Finding
from tests.chaos.record import Line, Record, Trade
from tests.chaos.venues import VenueHistory

ZERO = Decimal(0)


class Sums(NamedTuple):
    """The ledger, added up."""

    off: dict[tuple[UUID, str], Decimal]  # what a transaction does not sum to zero by, by commodity
    cash: dict[tuple[str, str], Decimal]
    positions: dict[tuple[str, str], Decimal]  # by account and symbol
    books: dict[tuple[str, str, str], Decimal]


def sums(ledger: Sequence[Line]) -> Sums:
    """By commodity; everything exact."""
    found = Sums(defaultdict(Decimal), defaultdict(Decimal), defaultdict(Decimal), defaultdict(Decimal))
    for line in ledger:
        found.off[line.txn_id, line.commodity] += line.amount
        if line.ledger_account == "cash":
            found.cash[line.account_id, line.commodity] += line.amount
        elif line.ledger_account == "position":
            found.positions[line.account_id, line.commodity] += line.amount
            found.books[line.account_id, line.strategy_id, line.commodity] += line.amount
    return found


def unbalanced(record: Record, venues: Mapping[str, VenueHistory]) -> Iterator[Finding]:
    """All that does not add up."""
    ledger = sums(record.ledger)
    yield from (Finding("B", str(txn), f"transaction {txn} is off by {off} {what}") for (txn, what), off in ledger.off.items() if off)
    yield from _unequal("position", {(p.account_id, p.strategy_id, p.symbol): p.quantity for p in record.positions}, ledger.books)
    yield from _unequal("balance", {(b.account_id, b.commodity): b.amount for b in record.balances}, ledger.cash)
    yield from _trades(record)
    for account, history in venues.items():
        yield from _unequal("venue's cash", _of(account, history.cash), _only(account, ledger.cash))
        yield from _unequal("venue's position", _of(account, history.positions), _only(account, ledger.positions))


def difference(record: Record, venues: Mapping[str, VenueHistory]) -> Decimal:
    """Sum of what ledger and venues hold different amounts of, in whatever unit: 0 when they agree."""
    ledger, total = sums(record.ledger), ZERO
    for account, history in venues.items():
        for theirs, ours in ((history.cash, ledger.cash), (history.positions, ledger.positions)):
            there, here = _of(account, theirs), _only(account, ours)
            total += sum((abs(there.get(key, ZERO) - here.get(key, ZERO)) for key in there.keys() | here.keys()), ZERO)
    return total.normalize()


def _trades(record: Record) -> Iterator[Finding]:
    """Each fill beside its transaction: the instrument, its price and the fee, nothing more."""
    lines: defaultdict[UUID, list[Line]] = defaultdict(list)
    for line in record.ledger:
        if line.kind == "trade":
            lines[line.txn_id].append(line)
    for trade in record.trades:
        moved: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for line in lines.pop(trade.trade_id, ()):
            moved[line.ledger_account, line.commodity] += line.amount
        if (position := moved["position", trade.symbol]) != signed(trade.side, trade.quantity):
            yield Finding("B", trade.exec_key, f"fill {trade.exec_key} is {trade.side} {trade.quantity}, its transaction moves {position}")
        paid, of_fill = sum((a for (kind, _), a in moved.items() if kind == "cash"), ZERO), _cash(trade, record)
        if paid != of_fill:
            yield Finding("B", trade.exec_key, f"fill {trade.exec_key} moves {of_fill} in cash, its transaction {paid}")
    for txn in lines:
        yield Finding("B", str(txn), f"transaction {txn} is of a trade, and there is no such trade")


def _cash(trade: Trade, record: Record) -> Decimal:
    return -signed(trade.side, trade.quantity) * trade.price * record.multipliers.get(trade.symbol, Decimal(1)) - trade.fee


def _of(account: str, amounts: Mapping[str, Decimal]) -> dict[tuple[str, ...], Decimal]:
    return {(account, name): amount for name, amount in amounts.items()}


def _only(account: str, amounts: Mapping[tuple[str, str], Decimal]) -> dict[tuple[str, ...], Decimal]:
    return {key: amount for key, amount in amounts.items() if key[0] == account}


def _unequal(what: str, found: Mapping[Any, Decimal], ledger: Mapping[Any, Decimal]) -> Iterator[Finding]:
    for key in sorted(found.keys() | ledger.keys()):
        there, here = found.get(key, ZERO), ledger.get(key, ZERO)
        if there != here:
            yield Finding("B", " ".join(key), f"the {what} of {' '.join(key)} is {there}, the ledger says {here}")

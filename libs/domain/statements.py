"""The day of an account by the venue's statement and by the record, compared to the last digit. Pure.

What is compared: each fill of the day (by its execution key: side, quantity, price, fee), the orders that are open, cash and positions
as they are, and whether the ledger sums to zero in each commodity. Amounts are those of the record's own precision, 1e-12.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from decimal import Decimal
from typing import Final, NamedTuple

from libs.domain.amounts import kept
from libs.domain.identity import item_id
from libs.domain.orders import Side
from libs.domain.reconciling import Amounts, Item, differences

UNDOING: Final = ("bust:", "correct:")
"""How execution keys begin that are the record's own: what takes an execution back, and what holds in its place."""


class Line(NamedTuple):
    """One execution, in either's words."""

    exec_key: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    executed_at: int  # market ns

    def __str__(self) -> str:
        fee = f", fee {_plain(self.fee)} {self.fee_currency}"
        return f"{self.side} {_plain(self.quantity)} {self.symbol} @ {_plain(self.price)}{fee}"

    @property
    def terms(self) -> tuple[object, ...]:
        """All that has to be the same; no fee has no currency."""
        amounts = tuple(map(kept, (self.quantity, self.price, self.fee)))
        return (self.symbol, self.side, *amounts, self.fee_currency if self.fee else "")


class Word(NamedTuple):
    """What one of the two says. Its lines reach somewhat beyond the day, so that one at its edge is not missed."""

    lines: Sequence[Line]
    open: Set[str]  # client order ids
    held: Amounts


class Day(NamedTuple):
    """From `start` to before `end`, market ns."""

    start: int
    end: int

    def has(self, line: Line) -> bool:
        """Whether it is an execution of this day."""
        return self.start <= line.executed_at < self.end


def breaks(account_id: str, day: Day, ours: Word, theirs: Word, ended: Set[str], off: Mapping[str, Decimal]) -> list[Item]:
    """Every difference, as an item of the kind `break`; empty when the two are the same to the last digit.

    Args:
        ended: of the orders that the venue has open, those that the record has ended.
        off: what the ledger's entries sum to in each commodity, where that is not zero.
    """
    found = [*_fills(account_id, day, ours.lines, theirs.lines), *_orders(account_id, ours.open, theirs.open, ended)]
    for different in differences(_rounded(ours.held), _rounded(theirs.held)):
        amounts, key = (_plain(different.ours), _plain(different.theirs)), f"{different.kind} {different.key}"
        detail = f"{different.kind} differs by {_plain(different.missing)}"
        found.append(_item(account_id, key, *amounts, detail, different.missing))
    for commodity, amount in sorted(off.items()):
        found.append(_item(account_id, f"ledger {commodity}", _plain(amount), "0", "the ledger's entries do not sum to zero", amount))
    return found


def agreed(before: Iterable[Item], now: Iterable[Item]) -> list[Item]:
    """Of what differs now, what differed alike before: a fill on its way is in one of two reads, not in both."""
    known = {item.id for item in before}
    return [item for item in now if item.id in known]


def _fills(account_id: str, day: Day, ours: Sequence[Line], theirs: Sequence[Line]) -> Iterable[Item]:
    booked, listed = {line.exec_key: line for line in ours}, {line.exec_key: line for line in theirs}
    for key, line in listed.items():
        mine = booked.get(key)
        if mine is None and day.has(line):
            yield _item(account_id, key, "not booked", str(line), "a fill of the statement is not in the record", line)
        elif mine is not None and mine.terms != line.terms and (day.has(line) or day.has(mine)):
            yield _item(account_id, key, str(mine), str(line), "a fill is not the same in both", line)
    undone = Counter(_opposite(line) for line in ours if line.exec_key.startswith(UNDOING[0]))
    for key, line in booked.items():
        if key in listed or key.startswith(UNDOING) or not day.has(line):
            continue
        if undone[_same(line)]:
            undone[_same(line)] -= 1  # the venue has taken it back, and lists it no more
            continue
        yield _item(account_id, key, str(line), "not in the statement", "a fill of the record is not in the statement", line)


def _orders(account_id: str, ours: Set[str], theirs: Set[str], ended: Set[str]) -> Iterable[Item]:
    for id_ in sorted(theirs & ended):
        yield _item(account_id, f"order {id_}", "ended", "open", "the venue has an order open that the record has ended", "")
    for id_ in sorted(ours - theirs):
        yield _item(account_id, f"order {id_}", "open", "not open", "the record has an order open that the venue does not have", "")


def _same(line: Line) -> tuple[object, ...]:
    return line.client_order_id, line.symbol, line.side, line.quantity, line.price


def _opposite(line: Line) -> tuple[object, ...]:
    return line.client_order_id, line.symbol, "sell" if line.side == "buy" else "buy", line.quantity, line.price


def _item(account_id: str, key: str, ours: str, theirs: str, detail: str, differs: object) -> Item:
    """The same difference on another day is the same one."""
    size = _plain(differs) if isinstance(differs, Decimal) else "" if differs == "" else f"{ours}|{theirs}"
    return Item(item_id(account_id, "break", key, size), account_id, "break", key, ours, theirs, detail)


def _rounded(held: Amounts) -> Amounts:
    return Amounts(*({name: kept(amount) for name, amount in side.items()} for side in held))


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"

"""What it means that record and venue say different things. Pure.

A difference is an `Item` whose id follows from what differs: found again, after a restart too, it is the same one, and
of another size it is another one. Some items close the gate of their account: until a person has decided on them nothing
leaves that adds to a book.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, Literal, NamedTuple
from uuid import UUID

from libs.domain.identity import is_ours, item_id

EXTERNAL: Final = "EXTERNAL"
"""The strategy whose book holds what none of ours has done. No strategy of the configuration can have its name."""

Kind = Literal["order", "fill", "position", "cash", "foreign", "lookup", "unapproved", "break"]
Choice = Literal["adopt", "close", "ignore", "halt"]
Owner = Literal["ours", "foreign", "external"]

GATES: Final[frozenset[Kind]] = frozenset({"fill", "position", "cash", "foreign", "lookup", "unapproved", "break"})
"""Kinds that hold back what would add to a book. An order that somebody placed by hand is counted, and harms nobody."""

CHOICES: Final[Mapping[Kind, tuple[Choice, ...]]] = {
    "order": ("adopt", "close", "ignore", "halt"),
    "fill": ("adopt", "ignore", "halt"),
    "position": ("adopt", "close", "ignore", "halt"),
    "cash": ("adopt", "ignore", "halt"),
    "foreign": ("adopt", "close", "ignore", "halt"),
    "lookup": ("ignore", "halt"),
    "unapproved": ("ignore", "halt"),
    "break": ("ignore", "halt"),
}

_ZERO: Final = Decimal(0)


class Item(NamedTuple):
    """Something of which record and venue say different things."""

    id: UUID
    account_id: str
    kind: Kind
    key: str  # client order id, execution key, symbol or currency
    ours: str
    theirs: str
    detail: str


class Amounts(NamedTuple):
    """What an account holds, by one side's word: cash by currency, quantity by symbol."""

    cash: Mapping[str, Decimal]
    positions: Mapping[str, Decimal]


class Difference(NamedTuple):
    """An amount that ledger and venue do not share."""

    kind: Literal["cash", "position"]
    key: str
    ours: Decimal
    theirs: Decimal

    @property
    def missing(self) -> Decimal:
        """What the ledger lacks of what the venue has (signed)."""
        return self.theirs - self.ours

    def __str__(self) -> str:
        return f"{self.kind} {self.key}: ledger {_plain(self.ours)}, venue {_plain(self.theirs)}"

    def item(self, account_id: str) -> Item:
        """Named by how much is missing: trading that goes on moves both sides alike, and it stays the same item."""
        missing = _plain(self.missing)
        detail = f"the venue has {missing.removeprefix('-')} {'less' if self.missing < 0 else 'more'} than the ledger"
        id_ = item_id(account_id, self.kind, self.key, missing)
        return Item(id_, account_id, self.kind, self.key, _plain(self.ours), _plain(self.theirs), detail)


def differences(ours: Amounts, theirs: Amounts) -> list[Difference]:
    """Everything of which the two do not hold the same."""
    cash = [Difference("cash", name, *amounts) for name, *amounts in _pairs(ours.cash, theirs.cash)]
    held = [Difference("position", name, *amounts) for name, *amounts in _pairs(ours.positions, theirs.positions)]
    return [found for found in (*cash, *held) if found.missing]


def agreed(before: Iterable[Difference], now: Iterable[Difference]) -> list[Difference]:
    """Of those that are there now, the ones that were as large before: trading moves what is on its way, not what is lost."""
    sizes = {(found.kind, found.key): found.missing for found in before}
    return [found for found in now if sizes.get((found.kind, found.key)) == found.missing]


def owner(client_order_id: str, fleet_tag: str) -> Owner:
    """Whose order a venue's client order id says it is. Ours that the record does not know is from before it was restored."""
    if not is_ours(client_order_id):
        return "external"
    return "ours" if client_order_id.startswith(fleet_tag) else "foreign"


def order_item(account_id: str, kind: Literal["order", "foreign"], client_order_id: str, ours: str, theirs: str, detail: str) -> Item:
    """An open order at the venue that none of our strategies has made."""
    return Item(item_id(account_id, kind, client_order_id, ""), account_id, kind, client_order_id, ours, theirs, detail)


def fill_item(account_id: str, exec_key: str, theirs: str, reason: str) -> Item:
    """A fill that contradicts the record, and is in none of the books."""
    return Item(item_id(account_id, "fill", exec_key, ""), account_id, "fill", exec_key, "not booked", theirs, reason)


def lookup_item(account_id: str, client_order_id: str, status: str, detail: str) -> Item:
    """An order of ours of which the venue, which answers everything else, says nothing."""
    return Item(item_id(account_id, "lookup", client_order_id, ""), account_id, "lookup", client_order_id, status, "no answer", detail)


def _pairs(ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal]) -> Iterable[tuple[str, Decimal, Decimal]]:
    return ((name, ours.get(name, _ZERO), theirs.get(name, _ZERO)) for name in sorted({*ours, *theirs}))


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"

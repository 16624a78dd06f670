"""What a broker holds and has done, against what was approved. Pure: it knows neither the venue nor the record.

Written for the case that the rest is wrong. An executor that sends what nobody approved, or more of it, or at another price, shows
at the broker and nowhere else; so the two ends are compared, and nothing in between is asked (Knight Capital, 1 August 2012: 212
orders in, four million out, and nobody compared them).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from libs.domain.identity import item_id
from libs.domain.orders import OrderType, Side, VenueOrder
from libs.domain.reconciling import Item
from libs.domain.trades import Fill

What = Literal["unapproved", "quantity", "children", "side", "symbol", "price"]
"""In what an order is not as it was approved."""

CODES: Final[Mapping[What, str]] = {
    "unapproved": "RC-D02",
    "quantity": "RC-D02",
    "children": "RC-D02",
    "side": "RC-D02",
    "symbol": "RC-D02",
    "price": "RC-D05",
}
_ZERO: Final = Decimal(0)


class Broker(NamedTuple):
    """One look at the broker. Read before the record, which has an approval before the broker can have its order."""

    orders: Sequence[VenueOrder]  # open ones
    fills: Sequence[Fill]  # since the last look that was judged, and perhaps some before


class Approval(NamedTuple):
    """An order on record."""

    order_id: str
    client_order_id: str
    parent_id: str  # "": it was approved itself; else the order that it is a part of
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None  # its limit
    purpose: str
    filled: Decimal  # as booked
    approved: bool  # by risk_manager, or as a part of an order that is; not adopted because it was found


class Finding(NamedTuple):
    """Something at the broker that nobody has approved."""

    what: What
    client_order_id: str
    symbol: str
    approved: str
    seen: str
    detail: str

    @property
    def code(self) -> str:
        """Of the control that it violates."""
        return CODES[self.what]

    def item(self, account_id: str) -> Item:
        """As a difference on record. Found again it is the same one; of another amount it is another."""
        id_ = item_id(account_id, "unapproved", self.client_order_id, f"{self.what}|{self.seen if self.what != 'unapproved' else ''}")
        return Item(id_, account_id, "unapproved", self.client_order_id, self.approved, self.seen, self.detail)


def compared(broker: Broker, approvals: Iterable[Approval], accepted: Set[str]) -> list[Finding]:
    """Everything at the broker that is not as approved, in the order of the broker's own list; one finding for each order.

    Args:
        approvals: of every order that `broker` names, where there is one, with all parts of those that are parts.
        accepted: client order ids, and keys of fills, that a person has decided to live with; of these nothing is found.
    """
    known = {approval.client_order_id: approval for approval in approvals}
    found: dict[str, Finding] = {}
    for order in broker.orders:
        if order.client_order_id not in accepted and (wrong := _order(order, known.get(order.client_order_id))):
            found.setdefault(order.client_order_id, wrong)
    for fill in broker.fills:
        if accepted.isdisjoint((fill.client_order_id, fill.exec_key)) and (wrong := _fill(fill, known.get(fill.client_order_id))):
            found.setdefault(fill.client_order_id, wrong)
    for wrong in _parents(broker, list(known.values())):
        found.setdefault(wrong.client_order_id, wrong)
    return list(found.values())


def agreed(before: Iterable[Finding], now: Iterable[Finding], account_id: str) -> list[Finding]:
    """Of what is found now, what the look before had found alike: one look alone may have met the record on its way."""
    sizes = {finding.item(account_id).id for finding in before}
    return [finding for finding in now if finding.item(account_id).id in sizes]


def _order(seen: VenueOrder, approval: Approval | None) -> Finding | None:
    """An order that is open at the broker."""
    terms = seen.terms
    side = f"{terms.side} " if terms else ""
    limit = f" @ {_plain(terms.price)}" if terms and terms.price is not None else ""
    if approval is None or not approval.approved:
        return _unapproved(seen.client_order_id, seen.symbol, f"{side}{_plain(seen.quantity)} {seen.symbol}{limit}, open", approval)
    if seen.symbol != approval.symbol:
        return _finding("symbol", approval, approval.symbol, seen.symbol)
    if terms is not None and terms.side != approval.side:
        return _finding("side", approval, approval.side, terms.side)
    if max(seen.quantity, seen.filled) > approval.quantity:
        return _finding("quantity", approval, _plain(approval.quantity), _plain(max(seen.quantity, seen.filled)))
    if terms is not None and approval.price is not None:
        if terms.order_type == "market":
            return _finding("price", approval, f"limit {_plain(approval.price)}", "at the market")
        if terms.price is not None and _worse(approval.side, terms.price, approval.price):
            return _finding("price", approval, f"limit {_plain(approval.price)}", f"limit {_plain(terms.price)}")
    return None


def _fill(fill: Fill, approval: Approval | None) -> Finding | None:
    """An execution. Its price may not be worse than the limit, which of a marketable order is the collar."""
    if approval is None or not approval.approved:
        seen = f"{fill.side} {_plain(fill.quantity)} {fill.symbol} @ {_plain(fill.price)}, filled"
        return _unapproved(fill.client_order_id or fill.exec_key, fill.symbol, seen, approval)
    if fill.symbol != approval.symbol:
        return _finding("symbol", approval, approval.symbol, fill.symbol)
    if fill.side != approval.side:
        return _finding("side", approval, approval.side, fill.side)
    filled = max(fill.cumulative, fill.quantity)
    if filled > approval.quantity:
        return _finding("quantity", approval, _plain(approval.quantity), _plain(filled))
    if approval.price is not None and _worse(approval.side, fill.price, approval.price):
        return _finding("price", approval, f"limit {_plain(approval.price)}", f"filled at {_plain(fill.price)}")
    return None


def _parents(broker: Broker, approvals: Sequence[Approval]) -> Iterable[Finding]:
    """Slices whose sum, at its worst case, is more than the order they are slices of; what the broker has of that itself counts too."""
    there = {order.client_order_id: max(order.quantity, order.filled) for order in broker.orders}
    filled: dict[str, Decimal] = {}
    for fill in broker.fills:
        filled[fill.client_order_id] = max(filled.get(fill.client_order_id, _ZERO), fill.cumulative, fill.quantity)
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for slice_ in approvals:
        if slice_.parent_id and slice_.purpose == "slice":
            id_ = slice_.client_order_id
            sums[slice_.parent_id] += max(there.get(id_, _ZERO), filled.get(id_, _ZERO), slice_.filled)
    for parent in approvals:
        if parent.order_id in sums:
            own = max(there.get(parent.client_order_id, _ZERO), filled.get(parent.client_order_id, _ZERO))
            if (taken := sums[parent.order_id] + own) > parent.quantity:
                yield _finding("children", parent, _plain(parent.quantity), _plain(taken))


def _unapproved(client_order_id: str, symbol: str, seen: str, approval: Approval | None) -> Finding:
    ours = "not on record" if approval is None else "on record because it was found there, and approved by nobody"
    return Finding("unapproved", client_order_id, symbol, ours, seen, "the broker has an order that was never approved")


_DETAILS: Final[Mapping[What, str]] = {
    "quantity": "the broker has more of an order than was approved",
    "children": "the parts of an order, open ones whole, are more than it was approved for",
    "side": "the broker has an order on the other side than was approved",
    "symbol": "the broker has an order in another symbol than was approved",
    "price": "the price is worse than was approved",
}


def _finding(what: What, approval: Approval, approved: str, seen: str) -> Finding:
    return Finding(what, approval.client_order_id, approval.symbol, approved, seen, _DETAILS[what])


def _worse(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price > limit if side == "buy" else price < limit


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"

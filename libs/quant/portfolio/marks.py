"""The price that a holding is valued at: the newest one known, in the units that the account holds."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from libs.domain.actions import CorporateAction


class Mark(NamedTuple):
    """A price and the market time (ns) that it is of."""

    price: float  # in the instrument's currency
    at: int


def price_of(bid: float | None, ask: float | None, last: float | None) -> float | None:
    """The middle between bid and ask; where one of them is missing the last trade; None without either."""
    if bid is not None and ask is not None:
        return (bid + ask) / 2
    return last


def exact(price: float) -> Decimal:
    """A price as an amount: its 15 leading digits, which is what Postgres makes of the same float.

    Every price on a tick grid comes out as it was written; only the middle of a spread or a quotient is rounded.
    """
    return Decimal(f"{price:.15g}")


def in_held_units(marks: Mapping[str, Mark], actions: Sequence[CorporateAction], booked: Collection[str]) -> dict[str, Mark]:
    """The marks in the units that the books hold, so that the booking of a corporate action by itself changes no worth.

    A price from before a booked action counts as (price - cash) / ratio, one from after an action that the books have not
    taken up yet as price x ratio + cash. A renamed symbol without a price of its own has that of the old one.

    Args:
        actions: of the account's timeline, by the time from which they hold.
        booked: keys of those that are in the account's ledger.
    """
    found = dict(marks)
    for action in actions:
        seen = found.get(action.symbol)
        if seen is None or action.key not in booked:
            continue
        if seen.at < action.effective:
            found[action.symbol] = seen = Mark((seen.price - float(action.cash)) / float(action.ratio), seen.at)
        if action.kind == "rename":
            found.setdefault(action.new_symbol, seen)
    for action in reversed(actions):
        seen = found.get(action.symbol)
        if seen is not None and action.key not in booked and seen.at >= action.effective:
            found[action.symbol] = Mark(seen.price * float(action.ratio) + float(action.cash), seen.at)
    return found

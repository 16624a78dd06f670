"""What an account holds, and how much of it its open orders have locked: a fold over its reports."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

from libs.domain.market import Quote
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Order
from libs.quant.sim_venue.reports import Report
from libs.quant.sim_venue.view import AccountView
from libs.quant.sizing import to_ticks

_NONE: Final = Decimal(0)

Slot = tuple[int, str]
"""An order, or a pair of which only one can fill, and the asset that it locks."""


class Holdings:
    """Of one account."""

    def __init__(self, account: AccountView, listings: Mapping[str, Listing], quote: Callable[[str], Quote | None]) -> None:
        self._listings = listings
        self._quote = quote
        self._totals = defaultdict(Decimal, account.balances)
        self._slots: defaultdict[Slot, dict[int, Decimal]] = defaultdict(dict)
        self._locked: defaultdict[str, Decimal] = defaultdict(Decimal)
        for order in account.open.values():
            self._lock(order)

    def apply(self, report: Report) -> None:
        """Takes in one report of the account."""
        for name, change in report.balances.items():
            self._totals[name] += change
        if report.order is not None:
            self._lock(report.order)

    def _lock(self, order: Order) -> None:
        name, amount = self._of_order(order)
        slot = (order.group if order.shape in ("oco", "bracket") else order.id), name
        before = max(self._slots[slot].values(), default=_NONE)
        if amount:
            self._slots[slot][order.id] = amount
        else:
            self._slots[slot].pop(order.id, None)
        self._locked[name] += max(self._slots[slot].values(), default=_NONE) - before
        if not self._slots[slot]:
            del self._slots[slot]

    def _of_order(self, order: Order) -> tuple[str, Decimal]:
        """What an order may still take: the asset of a sale, the money of a purchase with its fee; nothing once it has ended."""
        listing = self._listings[order.asked.symbol]
        lots = order.remaining if order.status == "open" else 0
        if order.asked.side == "sell":
            return listing.base or listing.symbol, listing.instrument.quantity(lots)
        money = listing.notional(lots, order.asked.limit or _with_margin(order.stop or self._asked_now(listing)))
        fees = listing.fees
        bps = max(fees.maker_bps, fees.taker_bps) if fees.paid_in == "quote" else _NONE
        return listing.instrument.currency, money + money * bps / 10_000

    def _asked_now(self, listing: Listing) -> int:
        shown = self._quote(listing.symbol)
        return to_ticks(shown.ask, float(listing.instrument.tick)) if shown is not None and shown.ask > 0 else 0

    def of(self, names: Iterable[str]) -> dict[str, tuple[Decimal, Decimal]]:
        """(free, locked) of some currencies and assets."""
        return {name: self._split(name) for name in names}

    def all(self, names: Iterable[str]) -> dict[str, tuple[Decimal, Decimal]]:
        """(free, locked) of everything that is held, and of some names whether or not they are; in alphabetical order."""
        return self.of(sorted({*self._totals, *names}))

    def _split(self, name: str) -> tuple[Decimal, Decimal]:
        total = self._totals.get(name, _NONE)
        locked = min(self._locked.get(name, _NONE), max(total, _NONE))
        return total - locked, locked


def _with_margin(ticks: int) -> int:
    """What is set aside of an order without a limit: its price and one part in a hundred, as the core does."""
    return ticks + -(-ticks // 100)

"""Which approved orders may leave now: one in flight per book, at most so many requests at once, in stream order."""

from collections.abc import Iterable, Mapping, Set
from decimal import Decimal
from typing import Final, Literal

from libs.domain.orders import AT_VENUE, Order, Status
from libs.quant.execution.protection import Standing, Way, way_of

SLOTS: Final = 8  # requests of one account on the wire at once

Fate = Literal["send", "work", "hold", "yield", "gone", "expire", "deny", "halt", "stop"]
"""`work`: it is one that is worked by its slices, and may begin. `stop`: such a one has begun and may not go on."""


def fates(
    orders: Iterable[Standing],
    killed: Set[tuple[str, str]],
    now: int,
    slots: int = SLOTS,
    *,
    halted: Mapping[tuple[str, str], Decimal] | None = None,
    held: Mapping[tuple[str, str], Decimal] | None = None,
) -> list[tuple[Order, Fate]]:
    """What to do with each order that is APPROVED or WORKING, given all open orders of an account in stream order.

    An order whose book has another one at the venue (UNKNOWN among them) is held back, whatever becomes of it. Protection
    that rests there does not count, but for an exit: that is to `yield` until the protection in its way has been cut back.

    Args:
        killed: (scope, key) of the active kill switches.
        now: market ns.
        held: what each book holds, where there is protection to think of; what was to close more than that is `gone`.
        halted: what each book (strategy, symbol) of an account holds that may only close; None of one that may trade.
    """
    standings = list(orders)
    busy = {_book(s.order) for s in standings if s.status in AT_VENUE and not s.rests}
    free = slots - sum(1 for s in standings if s.status is Status.SUBMITTING)
    found: list[tuple[Order, Fate]] = []
    for order, status, _ in standings:
        if status is Status.WORKING and scopes_of(order) & killed:
            found.append((order, "stop"))
        if status is not Status.APPROVED:
            continue
        if scopes_of(order) & killed:
            found.append((order, "deny"))
        elif now > order.valid_until or now >= order.expires_at:
            found.append((order, "expire"))
        elif _book(order) in busy or free <= 0:
            found.append((order, "hold"))
        elif halted is not None and not shrinks(order, halted.get(_book(order), Decimal(0))):
            found.append((order, "halt"))
        elif order.execution:
            found.append((order, "work"))
            busy.add(_book(order))
        elif held is not None and (way := _way(order, standings, held)) != "clear":
            found.append((order, way))
        else:
            found.append((order, "send"))
            busy.add(_book(order))
            free -= 1
    return found


def _way(order: Order, standings: list[Standing], held: Mapping[tuple[str, str], Decimal]) -> Way:
    beside = (s for s in standings if _book(s.order) == _book(order) and s.order is not order)
    return way_of(order, beside, held.get(_book(order), Decimal(0)))


def _book(order: Order) -> tuple[str, str]:
    return order.strategy_id, order.symbol


def shrinks(order: Order, held: Decimal) -> bool:
    """Whether an order that has its book to itself can only bring it nearer to zero."""
    return order.quantity <= (held if order.side == "sell" else -held)


def scopes_of(order: Order) -> set[tuple[str, str]]:
    """(scope, key) of every kill switch that would stop the order."""
    return {("fleet", ""), ("account", order.account_id), ("strategy", order.strategy_id), ("symbol", order.symbol)}

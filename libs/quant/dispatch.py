"""Which approved orders may leave now: one in flight per book, at most so many requests at once, in stream order."""

from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal

from libs.domain.kill import Kills, Mode, applying
from libs.domain.orders import AT_VENUE, PROTECTIVE, Order, Status
from libs.quant.execution.protection import Standing, Way, way_of

SLOTS: Final = 16  # requests of one account on the wire at once

Fate = Literal["send", "work", "hold", "yield", "expire", "deny", "halt", "flip", "stop"]
"""`work`: it is one that is worked by its slices, and may begin. `stop`: such a one has begun and may not go on. `yield`: protection
has to make room first. `deny` is the kill switch's, `halt` a loss limit's; `flip`: an order that may only reduce its book would do more."""

DENIED: Final[Mapping[Fate, str]] = {
    "deny": "RC-C01: kill switch",
    "halt": "RC-B05: the account may only close",
    "flip": "RC-A17: its book holds less than it was to close",
}
"""Why an order of that fate is not sent."""


def fates(
    orders: Iterable[Standing],
    kills: Kills,
    accounts: Sequence[str],
    now: int,
    slots: int = SLOTS,
    *,
    books: Mapping[tuple[str, str], Decimal],
    halted: bool = False,
    unreconciled: bool = False,
    silent: Container[str] = (),
) -> list[tuple[Order, Fate]]:
    """What to do with each order that is APPROVED or WORKING, given all open orders of an account in stream order.

    An order whose book has another one at the venue (UNKNOWN among them) is held back, whatever becomes of it. Protection
    that rests there does not count, but for an exit: that is to `yield` until the protection in its way has been cut back.

    Args:
        accounts: what the account is called: its id, and the name it is configured by.
        now: market ns.
        books: what each book (strategy, symbol) holds.
        halted: the account may only close.
        unreconciled: record and venue of the account differ, or the system is not fit: what would add to its books waits, and expires.
        silent: symbols of which the market says nothing any more: as if unreconciled, for these.
    """
    standings = list(orders)
    busy = {_book(s.order) for s in standings if s.status in AT_VENUE and not s.rests}
    free = slots - sum(1 for s in standings if s.status is Status.SUBMITTING)
    found: list[tuple[Order, Fate]] = []
    for order, status, filled in standings:
        hit = applying(kills, accounts, order.strategy_id, order.symbol)
        mode = None if hit is None else hit[1]
        held = books.get(_book(order), Decimal(0))
        if status is Status.WORKING and mode is not None and ended_by(order, mode, held, filled):
            found.append((order, "stop"))
        if status is not Status.APPROVED:
            continue
        if mode in ("halt", "flatten") and ended_by(order, mode, held):
            found.append((order, "deny"))
        elif now > order.valid_until or now >= order.expires_at:
            found.append((order, "expire"))
        elif _book(order) in busy or free <= 0:
            found.append((order, "hold"))
        elif mode is not None and ended_by(order, mode, held):
            found.append((order, "deny"))
        elif (halted or order.reduce_only) and not shrinks(order, held):
            found.append((order, "halt" if halted else "flip"))
        elif (unreconciled or order.symbol in silent) and not shrinks(order, held):
            found.append((order, "hold"))
        elif order.execution:
            found.append((order, "work"))
            busy.add(_book(order))
        elif _way(order, standings, held) != "clear":
            found.append((order, "yield"))
        else:
            found.append((order, "send"))
            busy.add(_book(order))
            free -= 1
    return found


def _way(order: Order, standings: list[Standing], held: Decimal) -> Way:
    return way_of(order, (s for s in standings if _book(s.order) == _book(order) and s.order is not order), held)


def _book(order: Order) -> tuple[str, str]:
    return order.strategy_id, order.symbol


def shrinks(order: Order, held: Decimal, filled: Decimal = Decimal(0)) -> bool:
    """Whether an order that has its book to itself can only bring it nearer to zero."""
    return order.quantity - filled <= (held if order.side == "sell" else -held)


def ended_by(order: Order, mode: Mode, held: Decimal, filled: Decimal = Decimal(0)) -> bool:
    """Whether a kill switch of that mode wants an order gone that is open or would be sent, its book being its own.

    Args:
        held: what its book holds.
        filled: of the order.
    """
    if mode == "halt":
        return True
    if mode == "flatten":  # stops and targets too: they would stand in the way of what closes the book
        return order.purpose != "liquidation"
    return order.purpose not in PROTECTIVE and not shrinks(order, held, filled)

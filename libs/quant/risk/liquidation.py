"""Closing every book of a scope, or one external book: which orders, at what price, attempt after attempt. Pure: no clock, no I/O.

An attempt is a limit so far beyond the newest price that it fills at once; what it leaves open is tried again a little later,
a little farther out, until the book is flat. The strategies have no part in it, whatever state they are in.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from libs.domain.identity import client_order_id, liquidation_id, order_id
from libs.domain.instruments import Instrument
from libs.domain.kill import Mode, applying
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Order, Side
from libs.domain.reconciling import EXTERNAL
from libs.domain.times import SECOND
from libs.quant.calendars import is_open, next_open
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import View
from libs.quant.sizing import ticks_towards

LONGEST_PAUSE_S: Final = 30.0
VALID_NS: Final = 5 * SECOND
RESTS_NS: Final = 10 * SECOND


ITEM: Final = "item"
"""Scope of what wants only one external book closed: a decision on a difference of that position. Its key is the item."""


class Switch(NamedTuple):
    """A kill switch that is on, or a decision that closes an external book."""

    scope: str
    key: str
    mode: Mode
    set_at: int  # host ns


class Attempts(NamedTuple):
    """Liquidation orders of a book since its switch was set."""

    n: int = 0
    age_s: float = 0.0  # host seconds since the newest
    ever: int = 0  # also of those before: no two orders of a book have one number, whatever is switched on and off meanwhile


class Exit(NamedTuple):
    """An order that closes a book."""

    switch: Switch
    strategy_id: str
    symbol: str
    attempt: int  # from 0
    side: Side
    lots: int
    price: int  # limit, ticks
    collar: float  # how far that is from the newest price, as a share of it
    instrument: Instrument
    number: int = 0  # of all liquidations of the book that there have been


class Stuck(NamedTuple):
    """A book that cannot be closed now."""

    strategy_id: str
    symbol: str
    why: str


class Plan(NamedTuple):
    """What is to be done for the books of an account, and what cannot be."""

    exits: tuple[Exit, ...]
    stuck: tuple[Stuck, ...]
    open: int  # books that are not closed yet


def plan(
    view: View,
    switches: Sequence[Switch],
    attempts: Mapping[tuple[str, str], Attempts],
    limits: Limits,
    widest: float,
    whole: Mapping[tuple[str, str], int] | None = None,
    closing: Mapping[str, Switch] | None = None,
) -> Plan:
    """What closes the books that are being flattened and have no open order in the way.

    Args:
        switches: those that are on, oldest first.
        attempts: by (strategy, symbol).
        widest: the farthest that an attempt may go from the newest price, as a share of it.
        whole: lots (signed) that a book holds without the part of one that nobody can trade; None: the view's are whole.
        closing: what wants the external book of a symbol closed, by symbol.
    """
    exits: list[Exit] = []
    stuck: list[Stuck] = []
    wanted = {book: _asked(view, switches, closing or {}, *book) for book, lots in view.positions.items() if lots}
    books = [(book, asked, view.positions[book]) for book, asked in sorted(wanted.items()) if asked is not None]
    for (strategy_id, symbol), switch, lots in books:
        tried = attempts.get((strategy_id, symbol), Attempts())
        if view.book_orders(strategy_id, symbol) or tried.age_s < pause_s(tried.n):
            continue
        mark = view.marks.get(symbol)
        if view.stale or mark is None or mark <= 0:
            stuck.append(Stuck(strategy_id, symbol, "there is no market clock" if view.stale else f"there is no price of {symbol}"))
            continue
        if not (lots := lots if whole is None else whole[strategy_id, symbol]):
            stuck.append(Stuck(strategy_id, symbol, f"it holds less than a lot of {symbol}, which no order can close"))
            continue
        found = _exit(switch, view, strategy_id, symbol, lots, mark, tried.n, limits, widest)
        exits.append(found._replace(number=tried.ever))
    return Plan(tuple(exits), tuple(stuck), len(books))


def _exit(
    switch: Switch, view: View, strategy_id: str, symbol: str, lots: int, mark: float, attempt: int, limits: Limits, widest: float
) -> Exit:
    subject = {"order": "*", "symbol": symbol, "strategy": strategy_id, "account": view.account_name, "fleet": "*"}
    collar = collar_of(limits.tightest("price_collar", equity=0.0, **subject), attempt, widest)
    instrument = view.instruments[symbol]
    price = ticks_towards(mark * (1 - collar if lots > 0 else 1 + collar), float(instrument.tick), mark)
    return Exit(switch, strategy_id, symbol, attempt, "sell" if lots > 0 else "buy", abs(lots), max(1, price), collar, instrument)


def collar_of(first: float | None, attempt: int, widest: float) -> float:
    """How far an attempt goes from the newest price: twice as far as the one before, up to the widest."""
    return widest if first is None else min(widest, first * 2.0 ** min(attempt, 32))


def pause_s(attempts: int) -> float:
    """Host seconds between an attempt and the next, after so many: a venue that refuses is not flooded."""
    return 0.0 if attempts == 0 else min(LONGEST_PAUSE_S, 2.0 ** min(attempts - 1, 32))


def order_of(exit_: Exit, view: View, *, session_id: str, venue: str, timeframe: str, fleet_tag: str) -> Order:
    """The order. Repeated work makes the same one again. Where the market is closed it waits for the next open.

    Args:
        timeframe: the finest of the session: on bars an order fills on one that begins after it.
    """
    switch, instrument = exit_.switch, exit_.instrument
    signal = liquidation_id(view.account_id, switch.scope, switch.key, switch.set_at, exit_.strategy_id, exit_.symbol, exit_.number)
    id_ = order_id(signal, 0)
    opens = view.now if is_open(instrument.calendar, view.now) else next_open(instrument.calendar, view.now)
    length, speed = TIMEFRAMES[timeframe], int(view.speed * SECOND)
    return Order(
        order_id=id_,
        client_order_id=client_order_id(fleet_tag, id_, 1),
        account_id=view.account_id,
        venue=venue,
        session_id=session_id,
        strategy_id=exit_.strategy_id,
        symbol=exit_.symbol,
        signal_id=signal,
        leg=0,
        side=exit_.side,
        order_type="limit",
        quantity=instrument.quantity(exit_.lots),
        price=instrument.price(exit_.price),
        time_in_force="GTD",
        decided_at=view.now,
        valid_until=opens + max(VALID_NS, length, speed),
        expires_at=opens + max(RESTS_NS, 2 * length, 2 * speed) + view.grace_ns,
        purpose="liquidation",
        reduce_only=True,
    )


def _asked(view: View, switches: Sequence[Switch], closing: Mapping[str, Switch], strategy_id: str, symbol: str) -> Switch | None:
    """What wants a book closed; None when nothing does, or where nothing may leave at all."""
    hit = applying(view.killed, (view.account_id, view.account_name), strategy_id, symbol)
    mode = None if hit is None else hit[1]
    if mode == "flatten":
        return next(s for s in switches if s.mode == "flatten" and _covers(s, view, strategy_id, symbol))
    return closing.get(symbol) if strategy_id == EXTERNAL and mode != "halt" else None


def _covers(switch: Switch, view: View, strategy_id: str, symbol: str) -> bool:
    accounts = (view.account_id, view.account_name)
    return applying({(switch.scope, switch.key): switch.mode}, accounts, strategy_id, symbol) is not None

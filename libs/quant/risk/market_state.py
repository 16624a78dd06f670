"""Whether there is a market for the order: a clock, an instrument, a session, and how near its end is."""

from typing import Final, NamedTuple

from libs.domain.instruments import Calendar
from libs.domain.messages import Signal
from libs.domain.times import SECOND, iso
from libs.quant.calendars import Session, next_open
from libs.quant.risk.lifetime import expires_at
from libs.quant.risk.limits import Bounds, Limits
from libs.quant.risk.view import Leg, Refusal, View

BEFORE_THE_CLOSE: Final = 600 * SECOND
"""How long before the end of a session what is held counts as held over night; market time."""


def market_clock(signal: Signal, view: View, bounds: Bounds) -> Refusal | None:
    """C03: without a market clock for three host seconds nothing can be known to be fresh."""
    if view.checks is not None:
        view.note("RC-C03", "market clock", "heard within 3 s", "stale" if view.stale else "heard")
    return Refusal("RC-C03", "no market clock for 3 s", "3 s", "stale") if view.stale else None


def known_instrument(signal: Signal, view: View, bounds: Bounds) -> Refusal | None:
    """A02: the symbol is an instrument of the account's market, in a currency we can count."""
    instrument = view.instruments.get(signal.symbol)
    if instrument is None:
        return Refusal("RC-A02", f"unknown instrument {signal.symbol}", "listed", "unknown")
    if instrument.currency != view.base_currency:
        return Refusal("RC-A05", f"no rate from {instrument.currency} to {view.base_currency}", view.base_currency, instrument.currency)
    if view.checks is not None:
        view.note("RC-A02", "instrument", "listed", instrument.symbol)
    return None


def market_open(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A15: the market is open, or opens while the order lives: then it waits for the open. Calendars know holidays, half days and
    clock changes; a symbol that is halted has a kill switch of its own (C01)."""
    calendar = leg.instrument.calendar
    if view.session(calendar) is not None:
        if view.checks is not None:
            view.note("RC-A15", f"market ({calendar})", "open, or opens in time", "open")
        return None
    opens, ends = next_open(calendar, view.now), expires_at(leg.signal, view.grace_ns, calendar)
    if view.checks is not None:
        view.note("RC-A15", f"market ({calendar})", "open, or opens in time", f"opens {iso(opens)}")
    if opens < ends:
        return None
    return Refusal("RC-A15", f"the market ({calendar}) is shut, and opens when the order has ended", iso(ends), f"opens {iso(opens)}")


def closing(calendar: Calendar, view: View) -> Session | None:
    """The session that is in its last ten minutes; None while there is none."""
    if calendar == "24/7":
        return None
    session = view.session(calendar)
    return None if session is None or view.now < session.close - BEFORE_THE_CLOSE else session


def overnight(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B13: in the last ten minutes of a session nothing is added beyond what may be held over night."""
    if bounds.overnight is None or closing(leg.instrument.calendar, view) is None:
        return None
    symbol, most = leg.signal.symbol, bounds.overnight.at(view.equity)
    worst = abs(view.value(symbol, view.worst_lots(symbol, None, leg.signed)))
    if view.checks is not None:
        view.note("RC-B13", "position over night", most, worst)
    if worst <= most or view.shrinks(leg, None):
        return None
    return Refusal("RC-B13", "position above max_overnight_notional, and the session is about to end", f"{most:.2f}", f"{worst:.2f}")


class TooLarge(NamedTuple):
    """What is about to be held over night, and may not be."""

    symbol: str
    most: float  # worth, base currency
    seen: float
    close: int  # of the session, market ns


def too_large_overnight(view: View, limits: Limits) -> list[TooLarge]:
    """Positions of the account above `max_overnight_notional` in the last ten minutes of their sessions, as they are: what is on order is
    for `overnight` to refuse.

    Raises:
        LookupError: the account cannot be valued.
    """
    if "max_overnight_notional" not in limits.names:
        return []
    held: dict[str, int] = {}
    for (_, symbol), lots in view.positions.items():
        held[symbol] = held.get(symbol, 0) + lots
    found = []
    for symbol, lots in sorted(held.items()):
        session = closing(view.instruments[symbol].calendar, view)
        bound = limits.over(view.account_name, "*", symbol).overnight
        if session is None or bound is None:
            continue
        most, seen = bound.at(view.equity), abs(view.value(symbol, lots))
        if seen > most:
            found.append(TooLarge(symbol, most, seen, session.close))
    return found

"""What a corporate action makes of a holding: whole lots of the new unit, and money for what is not whole."""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Final, NamedTuple

from libs.domain.actions import CorporateAction
from libs.domain.amounts import kept
from libs.domain.books import Position
from libs.domain.instruments import Instrument

_NOISE: Final = Decimal("1e-6")


class Share(NamedTuple):
    """What one book gets of an adjustment."""

    position: Position
    cash: Decimal  # signed, in the instrument's currency


def adjustment(held: Decimal, action: CorporateAction, instrument: Instrument) -> tuple[Decimal, Decimal]:
    """(units, cash) that a holding of `held` signed units becomes. A dividend is paid on it, by the holder of a short one.

    A part of a lot is paid out at the close before, in new units; without that close it is lost, as a venue does.
    """
    wanted = held * action.ratio
    whole = _whole(wanted, instrument)
    return whole, kept(held * action.cash * instrument.multiplier + (wanted - whole) * _new_price(action, instrument))


def shared(
    books: Mapping[str, Position], after: Decimal, cash: Decimal, action: CorporateAction, instrument: Instrument
) -> dict[str, Share]:
    """How the venue's `after` units and `cash` of one symbol are told apart by book (strategy).

    Each book gets its whole lots, what lots are left over go by largest remainder, and in money each gets what it is owed
    or owes; the first by name also what rounding left. Units and money sum to what the venue holds and paid.
    """
    names = sorted(books)
    wanted = {name: books[name].quantity * action.ratio for name in names}
    given = {name: _whole(wanted[name], instrument) for name in names}
    left = instrument.lots(after - sum(given.values(), Decimal(0)))
    more = 1 if left > 0 else -1  # to whom the most is missing in that direction
    for name in sorted(names, key=lambda name: more * (given[name] - wanted[name]))[: abs(left)]:
        given[name] += more * instrument.lot
    price = _new_price(action, instrument)
    owed = {name: kept(books[name].quantity * action.cash * instrument.multiplier + (wanted[name] - given[name]) * price) for name in names}
    if names:
        owed[names[0]] += cash - sum(owed.values(), Decimal(0))
    return {name: Share(_rescaled(books[name], given[name], action), owed[name]) for name in names}


def _rescaled(held: Position, quantity: Decimal, action: CorporateAction) -> Position:
    cost = kept(held.avg_cost / action.ratio) if quantity else Decimal(0)
    return Position(quantity, cost, held.realized_pnl)


def _whole(quantity: Decimal, instrument: Instrument) -> Decimal:
    """Whole lots, towards zero. A ratio such as 1/3 has no exact decimal: what misses a lot by that is a lot."""
    lots = quantity / instrument.lot
    nearest = lots.to_integral_value()
    return (nearest if abs(lots - nearest) <= _NOISE else lots.to_integral_value(ROUND_DOWN)) * instrument.lot


def _new_price(action: CorporateAction, instrument: Instrument) -> Decimal:
    return action.reference_price / action.ratio * instrument.multiplier

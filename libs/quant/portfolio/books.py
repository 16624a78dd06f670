"""An account's cash by strategy, carried on from look to look: adding up the whole ledger each time would take longer each day."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from libs.quant.portfolio.activity import Activity, Filled, added_up
from libs.quant.portfolio.valuation import NOBODY


class Line(NamedTuple):
    """Cash lines of the ledger, added up."""

    strategy_id: str
    currency: str
    deposit: bool
    amount: Decimal


class Books(NamedTuple):
    """What the ledger and the day's fills come to."""

    cash: Mapping[tuple[str, str], Decimal]  # by (strategy, currency)
    paid_in: Mapping[str, Decimal]  # deposits, by currency
    activities: Mapping[str, Activity]  # of the day by strategy, the account's under ""
    booked: frozenset[str]  # keys of the corporate actions that are in it
    unexplained: Mapping[str, Decimal]  # cash balance less the lines, by currency: all 0 unless the record contradicts itself


def opened(lines: Iterable[Line], fills: Iterable[Filled], balances: Mapping[str, Decimal], booked: Iterable[str]) -> Books:
    """Books of all lines there are and of the day's fills.

    Args:
        balances: the account's cash balances, by currency, of the same moment.
    """
    return _grown(Books({}, {}, {}, frozenset(booked), {}), lines, fills, balances)


def continued(
    books: Books, lines: Iterable[Line], fills: Iterable[Filled], balances: Mapping[str, Decimal], booked: Iterable[str]
) -> Books | None:
    """The books after new fills and their lines; None when something else has moved the cash: they have to be opened anew."""
    if frozenset(booked) != books.booked:
        return None
    grown = _grown(books, lines, fills, balances)
    return grown if grown.unexplained == books.unexplained else None


def _grown(books: Books, lines: Iterable[Line], fills: Iterable[Filled], balances: Mapping[str, Decimal]) -> Books:
    cash, paid_in = defaultdict(Decimal, books.cash), defaultdict(Decimal, books.paid_in)
    for line in lines:
        cash[line.strategy_id, line.currency] += line.amount
        if line.deposit:
            paid_in[line.currency] += line.amount
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (_, currency), amount in cash.items():
        sums[currency] += amount
    activities = dict(books.activities)
    for fill in fills:
        for name in (fill.strategy_id, NOBODY):
            activities[name] = added_up([fill], activities.get(name))
    unexplained = {currency: balances.get(currency, Decimal(0)) - sums[currency] for currency in balances.keys() | sums.keys()}
    return Books(dict(cash), dict(paid_in), activities, books.booked, {c: amount for c, amount in unexplained.items() if amount})

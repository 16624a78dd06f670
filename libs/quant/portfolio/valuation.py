"""What an account is worth: each strategy's own cash and positions, in the base currency, and their sum.

A strategy's part is what its ledger lines and books come to, so it is its gain since the account was opened. What belongs
to no strategy (its id is "") is what was paid in. Thus the parts add up to the equity, to the last digit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from libs.domain.amounts import kept
from libs.domain.instruments import Instrument
from libs.quant.portfolio.marks import Mark, exact

ZERO: Final = Decimal(0)
NOBODY: Final = ""
"""In the place of a strategy: the account's own."""


class Holding(NamedTuple):
    """One book that is not flat."""

    strategy_id: str
    symbol: str
    quantity: Decimal  # signed
    avg_cost: Decimal  # in the instrument's currency


class Part(NamedTuple):
    """What one strategy has brought in; money in the base currency."""

    cash: Decimal = ZERO
    values: Mapping[str, Decimal] = {}  # of its positions, signed, by symbol

    @property
    def invested(self) -> Decimal:
        return sum(self.values.values(), ZERO)

    @property
    def worth(self) -> Decimal:
        return self.cash + self.invested


class Worth(NamedTuple):
    """An account; money in its base currency."""

    parts: Mapping[str, Part]  # by strategy; that of "" is what belongs to none
    paid_in: Decimal  # less what was paid out
    unmarked: frozenset[str]  # symbols without any price yet: they count at cost

    @property
    def whole(self) -> Part:
        """The account as one part: its cash, and its symbols over all strategies."""
        values: defaultdict[str, Decimal] = defaultdict(Decimal)
        for part in self.parts.values():
            for symbol, value in part.values.items():
                values[symbol] += value
        return Part(sum((part.cash for part in self.parts.values()), ZERO), dict(values))

    @property
    def gain(self) -> Decimal:
        """Since the account was opened."""
        return self.whole.worth - self.paid_in


def valued(
    cash: Mapping[tuple[str, str], Decimal],
    paid_in: Mapping[str, Decimal],
    holdings: Iterable[Holding],
    marks: Mapping[str, Mark],
    instruments: Mapping[str, Instrument],
    rates: Mapping[str, float],
) -> Worth:
    """Cash plus quantity x multiplier x mark x rate of every position, each to 12 decimals.

    Args:
        cash: sums of the ledger's cash lines, by (strategy, currency).
        paid_in: those of deposits, by currency; they are in `cash` too.
        marks: in the units held; a symbol without one counts at its average cost.
        rates: units of the base currency for one of each currency that occurs.

    Raises:
        KeyError: an instrument or a rate is missing.
    """
    cash_of: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (strategy_id, currency), amount in cash.items():
        cash_of[strategy_id] += _converted(amount, rates[currency])
    values_of: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
    unmarked = set()
    for holding in holdings:
        instrument, mark = instruments[holding.symbol], marks.get(holding.symbol)
        if mark is None:
            unmarked.add(holding.symbol)
        price = holding.avg_cost if mark is None else exact(mark.price)
        value = _converted(holding.quantity * instrument.multiplier * price, rates[instrument.currency])
        values_of[holding.strategy_id][holding.symbol] = value
    parts = {name: Part(cash_of[name], values_of[name]) for name in sorted(cash_of.keys() | values_of.keys())}
    return Worth(parts, sum((_converted(amount, rates[currency]) for currency, amount in paid_in.items()), ZERO), frozenset(unmarked))


def gross(part: Part, equity: Decimal) -> float:
    """Longs plus shorts as a share of the equity; an account's symbols are netted over its strategies first."""
    return share(sum(map(abs, part.values.values()), ZERO), equity)


def net(part: Part, equity: Decimal) -> float:
    """Longs less shorts as a share of the equity."""
    return share(part.invested, equity)


def share(amount: Decimal, of: Decimal) -> float:
    """A share; 0 of what is not above 0: there is nothing to be a share of."""
    return float(amount / of) if of > 0 else 0.0


def _converted(amount: Decimal, rate: float) -> Decimal:
    return kept(amount * exact(rate))

"""What an account holds, in shares of its equity: looked at after every fill and with every price. Pure, and without numpy.

Positions count as they are. What open orders may still add counts in the gate, which has to look ahead (libs/quant/risk/exposure.py).
"""

from collections import defaultdict
from collections.abc import Mapping
from math import copysign, inf
from typing import NamedTuple

from libs.domain.instruments import Instrument
from libs.domain.measuring import MeasureName
from libs.quant.risk.exposure import MAINTENANCE
from libs.quant.risk.view import View


class Exposures(NamedTuple):
    """Shares of the equity; of an account that is worth nothing whatever it holds is infinitely much."""

    gross: float  # longs plus shorts, of one symbol netted
    net: float  # longs less shorts
    largest: float  # position, either side
    currencies: Mapping[str, float]  # of each but that of the account, shorts negative
    strategies: Mapping[str, float]  # longs plus shorts of each
    margin: float | None  # what a broker asks for holding it; None in a cash account

    @property
    def foreign(self) -> float:
        """The largest in a currency that is not the account's."""
        return max((abs(held) for held in self.currencies.values()), default=0.0)


def exposures(view: View) -> Exposures:
    """Of the account as it stands.

    Raises:
        LookupError: a position without a price, or money in a currency without a rate.
    """
    equity = view.equity
    symbols: dict[str, float] = defaultdict(float)
    strategies: dict[str, float] = defaultdict(float)
    currencies: dict[str, float] = defaultdict(float)
    for (strategy_id, symbol), lots in view.positions.items():
        value = view.value(symbol, lots)
        symbols[symbol] += value
        strategies[strategy_id] += abs(value)
        currency = currency_of(view.instruments[symbol])
        if currency != view.base_currency:
            currencies[currency] += value
    gross = sum(map(abs, symbols.values()))
    return Exposures(
        _share(gross, equity),
        _share(sum(symbols.values()), equity),
        _share(max(map(abs, symbols.values()), default=0.0), equity),
        {currency: _share(value, equity) for currency, value in currencies.items()},
        {strategy_id: _share(value, equity) for strategy_id, value in strategies.items()},
        _share(MAINTENANCE * gross, equity) if view.kind == "margin" else None,
    )


def currency_of(instrument: Instrument) -> str:
    """The money that what is held of an instrument is in: of a pair what is bought, of everything else what it is priced in."""
    pair = instrument.asset_class in ("crypto", "forex") and "/" in instrument.symbol
    return instrument.symbol.partition("/")[0] if pair else instrument.currency


def figures(held: Exposures, drawdown: float | None) -> Mapping[MeasureName, float]:
    """Those that `[[response]]` may bound; `drawdown` as of libs/domain/losses.py."""
    found: dict[MeasureName, float] = {
        "gross_exposure": held.gross,
        "net_exposure": abs(held.net),
        "largest_position": held.largest,
        "currency_exposure": held.foreign,
        "strategy_exposure": max(held.strategies.values(), default=0.0),
    }
    if held.margin is not None:
        found["margin_used"] = held.margin
    if drawdown is not None:
        found["drawdown"] = drawdown
    return found


def _share(value: float, equity: float) -> float:
    if equity > 0:
        return value / equity
    return copysign(inf, value) if value else 0.0

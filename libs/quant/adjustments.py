"""Prices on one scale across corporate actions: what strategies see, and what an old price is worth today."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

from libs.domain.actions import CorporateAction


def price_factor(action: CorporateAction) -> float:
    """What a new price is multiplied by to continue the old ones: the ratio of a split; of a dividend
    close / (close - cash), the proportional method of CRSP's total return; 1 when the close before is not known."""
    if action.kind == "dividend" and action.reference_price > action.cash > 0:
        return float(action.reference_price / (action.reference_price - action.cash))
    return float(action.ratio)


class Adjustments:
    """Factors of one timeline, from its start on. Nothing is adjusted before the action holds: no look-ahead."""

    def __init__(self, actions: Iterable[CorporateAction], since: int) -> None:
        """
        Args:
            since: market ns at which the scale is 1; what was effective at or before it is in the prices already.
        """
        by_symbol: defaultdict[str, list[CorporateAction]] = defaultdict(list)
        for action in sorted(actions, key=lambda a: (a.effective, a.kind)):
            if action.effective > since:
                by_symbol[action.symbol].append(action)
        self._times = {symbol: [a.effective for a in found] for symbol, found in by_symbol.items()}
        self._prices = {symbol: _products(map(price_factor, found)) for symbol, found in by_symbol.items()}
        self._ratios = {symbol: _products(float(a.ratio) for a in found) for symbol, found in by_symbol.items()}

    def changes(self, symbol: str) -> list[int]:
        """Times at which a factor of the symbol changes, ascending."""
        return self._times.get(symbol, [])

    def price(self, symbol: str, at: int) -> float:
        """What a price of that moment is multiplied by for a strategy. Of a bar take its last nanosecond: one that began
        before an open holds the trades after it."""
        return self._at(self._prices, symbol, at)

    def volume(self, symbol: str, at: int) -> float:
        """What a volume of that moment is divided by."""
        return self._at(self._ratios, symbol, at)

    def carried(self, symbol: str, price: float, seen: int, now: int) -> float:
        """A price of the moment `seen` in the units that hold at `now`: an old close after a split.

        Splits only: a dividend does lower what a share is worth.
        """
        if symbol not in self._times:
            return price
        before, after = self.volume(symbol, seen), self.volume(symbol, now)
        return price if before == after else price * before / after  # x * 1.5 / 1.5 is not always x

    def _at(self, factors: dict[str, list[float]], symbol: str, at: int) -> float:
        times = self._times.get(symbol)
        return 1.0 if times is None else factors[symbol][bisect_right(times, at)]


def _products(factors: Iterable[float]) -> list[float]:
    products = [1.0]
    for factor in factors:
        products.append(products[-1] * factor)
    return products

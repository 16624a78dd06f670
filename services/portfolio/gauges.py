"""An account's figures on /metrics. What is no longer known or held is taken off: an old number would look like a new one."""

from collections.abc import Iterable

from libs.common import metrics
from libs.domain.times import SECOND
from libs.quant.portfolio.activity import Filled, slippage
from libs.quant.portfolio.valuation import share
from libs.store.portfolio import Terms
from services.portfolio.pages import Valuation

_WHOLE = (metrics.GROSS_EXPOSURE, metrics.NET_EXPOSURE, metrics.TURNOVER, metrics.MARK_AGE)
_BY_CURRENCY = (metrics.EQUITY, metrics.CASH)
_BY_STRATEGY = (metrics.DAY_PNL, metrics.TOTAL_PNL)


class Gauges:
    """Those of one account."""

    def __init__(self, account: Terms) -> None:
        self._account_id = account.account_id
        self._currency = account.base_currency
        self._symbols: set[str] = set()
        self._strategies: set[str] = set()
        self._shown = False

    def show(self, found: Valuation) -> None:
        """Sets them all."""
        name, account = self._account_id, found.account
        equity = account.part.worth
        metrics.EQUITY.labels(account=name, currency=self._currency).set(float(equity))
        metrics.CASH.labels(account=name, currency=self._currency).set(float(account.part.cash))
        metrics.GROSS_EXPOSURE.labels(account=name).set(account.gross)
        metrics.NET_EXPOSURE.labels(account=name).set(account.net)
        metrics.TURNOVER.labels(account=name).set(account.turnover)
        oldest = min((row.at for row in found.marks), default=found.now)
        metrics.MARK_AGE.labels(account=name).set((found.now - oldest) / SECOND)
        for strategy, figures in found.figures.items():
            metrics.DAY_PNL.labels(account=name, strategy=strategy).set(float(figures.day_pnl))
            metrics.TOTAL_PNL.labels(account=name, strategy=strategy).set(float(figures.total_pnl))
        held = account.part.values
        for symbol, value in held.items():
            metrics.POSITION_SHARE.labels(account=name, symbol=symbol).set(share(value, equity))
        for symbol in self._symbols - held.keys():
            metrics.POSITION_SHARE.remove(name, symbol)
        self._symbols, self._strategies, self._shown = set(held), set(found.figures), True

    def clear(self) -> None:
        """Takes them all off."""
        if not self._shown:
            return
        for gauge in _WHOLE:
            gauge.remove(self._account_id)
        for gauge in _BY_CURRENCY:
            gauge.remove(self._account_id, self._currency)
        for gauge in _BY_STRATEGY:
            for strategy in self._strategies:
                gauge.remove(self._account_id, strategy)
        for symbol in self._symbols:
            metrics.POSITION_SHARE.remove(self._account_id, symbol)
        self._symbols, self._strategies, self._shown = set(), set(), False


def count_slippage(fills: Iterable[Filled]) -> None:
    """Each fill once."""
    for fill in fills:
        if (worse := slippage(fill)) is not None:
            metrics.SLIPPAGE.labels(strategy=fill.strategy_id).observe(worse)

"""What of a valuation goes into the record, and when: marks as they change, worth by the minute, the day as it goes, messages."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from libs.common.clocks import HostClock
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing
from libs.domain.messages import PortfolioSnapshot
from libs.domain.streams import PORTFOLIO_UPDATES
from libs.domain.times import SECOND
from libs.quant.portfolio.figures import Figures
from libs.quant.portfolio.valuation import NOBODY
from libs.quant.trading_day import TradingDay
from libs.store.portfolio import DayRow, EquityRow, MarkRow, Terms, store_days, store_equity, store_marks

MINUTE: Final = 60 * SECOND
TOLD_EVERY_S: Final = 1.0


class Valuation(NamedTuple):
    """An account, valued."""

    now: int  # market ns
    day: TradingDay
    marks: Sequence[MarkRow]  # of what is held
    figures: Mapping[str, Figures]  # by strategy; the account's under ""
    unmarked: frozenset[str]

    @property
    def account(self) -> Figures:
        return self.figures[NOBODY]


class Pages:
    """One account's pages in the record. `due` says what to write, `written` that it is."""

    def __init__(self, account: Terms, sealer: Sealer, host: HostClock, *, lockstep: bool) -> None:
        self._account = account
        self._sealer = sealer
        self._host = host
        self._every_s = 0.0 if lockstep else TOLD_EVERY_S
        self._last: Valuation | None = None  # the one written last, or that there was nothing to write of
        self._marks: dict[str, MarkRow] = {}
        self._minute = -1
        self._told: PortfolioSnapshot | None = None
        self._told_at = float("-inf")

    def due(self, found: Valuation, *, leaving: bool = False) -> Hop:
        """What this valuation adds to the record; `leaving`: it is the last one, and the day is written as it stands."""
        hop = Hop()
        account_id = self._account.account_id
        if changed := [row for row in found.marks if self._marks.get(row.symbol) != row]:
            hop.writes.append(store_marks(account_id, changed))
        days = []
        if self._last is not None and self._last.day != found.day:
            days += day_rows(self._last)
        if leaving or found.now // MINUTE > self._minute:
            days += day_rows(found)
        if found.now // MINUTE > self._minute:
            hop.writes.append(store_equity(account_id, equity_rows(found)))
        if days:
            hop.writes.append(store_days(account_id, days))
        message = self._message(found)
        if self._is_news(message):
            sealed = self._sealer.seal(PORTFOLIO_UPDATES.address, message, ts_event_ns=found.now)
            hop.out.append(Outgoing(PORTFOLIO_UPDATES.stream or "", PORTFOLIO_UPDATES.address, None, sealed))
        return hop

    def written(self, found: Valuation, hop: Hop) -> None:
        """The hop that was due is in the record."""
        self._last = found
        self._marks |= {row.symbol: row for row in found.marks}
        self._minute = max(self._minute, found.now // MINUTE)
        if hop.out:
            self._told, self._told_at = self._message(found), self._host.monotonic()

    def _is_news(self, message: PortfolioSnapshot) -> bool:
        """Whether the worth has changed since it was last told, and that is long enough ago."""
        if self._told is not None and msgspec.structs.replace(message, market_time=self._told.market_time) == self._told:
            return False
        return self._host.monotonic() - self._told_at >= self._every_s

    def _message(self, found: Valuation) -> PortfolioSnapshot:
        account = found.account
        return PortfolioSnapshot(
            account_id=self._account.account_id,
            currency=self._account.base_currency,
            equity=account.part.worth,
            cash=account.part.cash,
            day_pnl=account.day_pnl,
            total_pnl=account.total_pnl,
            drawdown=account.drawdown,
            gross_exposure=account.gross,
            net_exposure=account.net,
            market_time=found.now,
        )


def equity_rows(found: Valuation) -> list[EquityRow]:
    """Worth in the minute of the valuation."""
    at = found.now // MINUTE * MINUTE
    return [EquityRow(name, at, f.part.worth, f.drawdown, f.gross) for name, f in found.figures.items()]


def day_rows(found: Valuation) -> list[DayRow]:
    """The day as it stands."""
    return [
        DayRow(
            strategy_id=name,
            day=found.day.date,
            total_value=f.part.worth,
            cash_balance=f.part.cash,
            invested_value=f.part.invested,
            day_pnl=f.day_pnl,
            total_pnl=f.total_pnl,
            metrics=msgspec.json.encode(_metrics(f)).decode(),
            market_time=found.now,
        )
        for name, f in found.figures.items()
    ]


def _metrics(figures: Figures) -> dict[str, object]:
    """Performance of a day, as its row keeps it. Money is text, as in messages; what is not defined is null."""
    return {
        "return": figures.day_return,
        "peak": figures.peak,
        "drawdown": figures.drawdown,
        "gross": figures.gross,
        "net": figures.net,
        "turnover": figures.turnover,
        "hit_rate": figures.activity.hit_rate,
        "trades": figures.activity.trades,
        "fees": figures.fees,
        **figures.statistics._asdict(),
    }

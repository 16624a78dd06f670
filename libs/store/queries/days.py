"""One trading day of an account, for its report."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, LiteralString

import msgspec

from libs.common.database import Database


class Worth(msgspec.Struct, frozen=True):
    """What portfolio wrote down for the day: of the account (strategy_id "") or of one of its strategies."""

    strategy_id: str
    total_value: Decimal
    cash_balance: Decimal
    day_pnl: Decimal
    total_pnl: Decimal


class Traded(msgspec.Struct, frozen=True):
    """The day's trades of a strategy."""

    strategy_id: str
    trades: int
    realized_pnl: Decimal  # before fees
    fees: Decimal  # in the base currency; others are not counted
    worst_slippage: float | None  # fill against the signal's reference price, above 0 is worse; None: no trade answers a signal


class Refused(msgspec.Struct, frozen=True):
    """Signals refused under one code."""

    code: str
    count: int


class Halt(msgspec.Struct, frozen=True):
    """A loss limit that halted the account."""

    limit_name: str
    halted_at: datetime  # market time
    seen: float
    limit_value: float
    active: bool


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """An account's trading day so far."""

    account_id: str
    day: date  # on which it began, in the account's time zone
    currency: str
    worth: list[Worth]  # the account first; empty where portfolio has written nothing
    traded: list[Traded]
    refused: list[Refused]  # the most frequent first
    halts: list[Halt]


_ACCOUNTS: Final[LiteralString] = (
    "select account_id, (at_ns(%s) at time zone day_tz - day_starts_at::interval)::date, base_currency, day_starts_at::interval, day_tz"
    " from accounts where session_id = %s order by 1"
)
_WORTH: Final[LiteralString] = (
    "select strategy_id, total_value, cash_balance, day_pnl, total_pnl from portfolio_snapshots"
    " where account_id = %s and snapshot_date = %s order by 1"
)
_TRADED: Final[LiteralString] = (
    "select t.strategy_id, count(*), sum(t.pnl), sum(case when t.fee_currency = %(currency)s then t.commission else 0 end),"
    " max((t.executed_price::float8 / nullif(s.reference_price, 0) - 1) * case t.side when 'buy' then 1 else -1 end)"
    " from trades t join orders o on o.id = t.order_id left join signals s on s.signal_id = o.signal_id"
    " where t.account_id = %(account)s and t.executed_at >= %(begins)s and t.executed_at < %(ends)s group by 1 order by 1"
)
_REFUSED: Final[LiteralString] = (
    "select r.code, count(*) from risk_assessments r join signals s using (signal_id)"
    " where r.account_id = %(account)s and r.verdict = 'REFUSED' and s.decided_at >= %(begins)s and s.decided_at < %(ends)s"
    " group by 1 order by 2 desc, 1"
)
_HALTS: Final[LiteralString] = (
    "select limit_name, halted_at, seen, limit_value, active from risk_halts"
    " where account_id = %(account)s and halted_at >= %(begins)s and halted_at < %(ends)s order by halted_at"
)


async def days(database: Database, session_id: str, at: int) -> list[Day]:
    """Of every account of a session the trading day that a market time (ns) lies in."""
    found = []
    for account, day, currency, starts_at, zone in await database.fetch(_ACCOUNTS, (at, session_id)):
        [(begins, ends)] = await database.fetch(
            "select (%(day)s::date + %(at)s) at time zone %(zone)s, (%(day)s::date + 1 + %(at)s) at time zone %(zone)s",
            {"day": day, "at": starts_at, "zone": zone},
        )
        within = {"account": account, "currency": currency, "begins": begins, "ends": ends}
        found.append(
            Day(
                account_id=account,
                day=day,
                currency=currency,
                worth=[Worth(*row) for row in await database.fetch(_WORTH, (account, day))],
                traded=[Traded(*row) for row in await database.fetch(_TRADED, within)],
                refused=[Refused(*row) for row in await database.fetch(_REFUSED, within)],
                halts=[Halt(*row) for row in await database.fetch(_HALTS, within)],
            )
        )
    return found

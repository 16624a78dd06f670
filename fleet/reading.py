"""`fleet orders`, `account`, `performance` and `strategies status`: the record, read for an operator."""

import csv
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import msgspec
import typer

from fleet.operating import REFUSED, Answer, Hands, Json, ask, failed
from fleet.tables import NONE, called, change, moment, money, number, ratio, share, short, table
from libs.common.database import Database
from libs.domain.orders import OPEN, Status
from libs.store.queries import accounts, performance
from libs.store.queries import orders as trading
from libs.store.queries import strategies as standings
from libs.store.queries.accounts import AccountStanding
from libs.store.queries.orders import OrderLine, Place, TradeLine
from libs.store.queries.performance import Day, Summary, Worth
from libs.store.queries.strategies import StrategyStanding

orders = typer.Typer(no_args_is_help=True, help="What was ordered, and what became of it.")
account = typer.Typer(no_args_is_help=True, help="What the accounts hold and are worth.")
earned = typer.Typer(no_args_is_help=True, help="What the strategies have earned.")

AccountName = Annotated[str | None, typer.Option("--account", metavar="NAME", help="One account, also of an earlier session.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")]

STATUSES: Final = {"open": [str(status) for status in OPEN]} | {status.lower(): [str(status)] for status in Status}
PAGE: Final = 5_000
NO_TRADES: Final = "no trades yet: `fleet orders status` shows what is on its way, `fleet strategies list` what is on"


@orders.command("status")
def orders_status(
    account: AccountName = None,
    strategy: Annotated[str | None, typer.Option(metavar="ID")] = None,
    symbol: Annotated[str | None, typer.Option()] = None,
    status: Annotated[str | None, typer.Option(help="open, or one of: " + ", ".join(sorted(STATUSES.keys() - {"open"})) + ".")] = None,
    limit: Limit = 20,
    before: Annotated[UUID | None, typer.Option(metavar="ORDER_ID", help="Only orders decided before this one.")] = None,
    json: Json = False,
) -> None:
    """Orders of the newest session, the last decided first."""
    if status is not None and status.lower() not in STATUSES:
        raise typer.BadParameter(f"expected one of {', '.join(sorted(STATUSES))}, got {status!r}", param_hint="--status")
    wanted = STATUSES[status.lower()] if status else None

    async def work(hands: Hands) -> Answer:
        found = await trading.orders(
            hands.database, account=account, strategy=strategy, symbol=symbol, statuses=wanted, limit=limit + 1, before=before
        )
        page, more = found[:limit], len(found) > limit
        filtered = any(value is not None for value in (account, strategy, symbol, status, before))
        return Answer(orders_text(page, more=more, filtered=filtered), {"orders": page, "more": more})

    raise typer.Exit(ask(work, json=json))


def orders_text(page: Sequence[OrderLine], *, more: bool, filtered: bool) -> str:
    """A line for each order."""
    if not page:
        return (
            "no order matches: leave options out to see more"
            if filtered
            else "no orders yet: `fleet strategies list` shows which strategies are on"
        )
    head = ("DECIDED (UTC)", "ORDER", "ACCOUNT", "STRATEGY", "SYMBOL", "STATUS", "FOR", "SIDE", "QUANTITY", "PRICE", "FILLED", "AVERAGE")
    rows = [
        (
            moment(o.decided_at),
            short(o.order_id),
            o.account_id,
            o.strategy_id,
            o.symbol,
            o.status,
            o.purpose,
            o.side,
            number(o.quantity),
            number(o.price if o.price is not None else o.stop_price),
            number(o.filled_quantity),
            number(o.avg_fill_price),
        )
        for o in page
    ]
    last = f"older ones: --before {page[-1].order_id}; " if more else ""
    return f"{table(head, rows, left=8)}\n{last}why an order was made: `fleet explain {short(page[0].order_id)}`"


@account.command("status")
def account_status(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Without it, every account of the newest session.")] = None,
    json: Json = False,
) -> None:
    """Cash, positions at the newest close, equity, exposure, profit and loss."""

    async def work(hands: Hands) -> Answer:
        found = await accounts.standing(hands.database, name)
        text = "\n\n".join(map(account_text, found)) or "no accounts yet: a session opens them when the market begins; see `fleet status`"
        return Answer(text, {"accounts": found})

    raise typer.Exit(ask(work, json=json))


def account_text(a: AccountStanding) -> str:
    """One account."""
    currency = a.base_currency
    others = [f"{money(amount)} {other}" for other, amount in a.cash.items() if other != currency and amount]
    lines = [
        f"account     {a.account_id} at venue {a.venue}, session {a.session_id}, market time {moment(a.market_time)} UTC",
        f"equity      {money(a.equity)} {currency}, {change(a.equity - a.deposit)} on a deposit of {money(a.deposit)}",
        f"cash        {', '.join([f'{money(a.cash.get(currency, a.equity * 0))} {currency}', *others])}",
        f"exposure    gross {money(a.gross_exposure)}, net {money(a.net_exposure)}"
        + (f" ({share(float(a.gross_exposure / a.equity))} and {share(float(a.net_exposure / a.equity))} of equity)" if a.equity else ""),
        f"P&L         realised {change(a.realized_pnl)}, unrealised {change(a.unrealized_pnl)}, fees {money(a.fees)}",
    ]
    if not a.holdings:
        return "\n".join([*lines, "positions   none"])
    head = ("STRATEGY", "SYMBOL", "QUANTITY", "COST", "MARK", "VALUE", "UNREALISED", "REALISED")
    rows = [
        (
            h.strategy_id,
            h.symbol,
            number(h.quantity),
            number(round(h.avg_cost, 6)),
            number(h.mark) if h.mark is not None else "no bar",
            money(h.market_value),
            change(h.unrealized_pnl),
            change(h.realized_pnl),
        )
        for h in a.holdings
    ]
    return "\n".join([*lines, table(head, rows, left=2)])


@earned.command("daily")
def performance_daily(account: AccountName = None, limit: Limit = 366, json: Json = False) -> None:
    """Profit, fees and turnover by trading day and strategy, newest day first. P&L counts what is held at its marks."""

    async def work(hands: Hands) -> Answer:
        found = await performance.daily(hands.database, account, limit=limit)
        return Answer(daily_text(found), {"days": found})

    raise typer.Exit(ask(work, json=json))


def daily_text(days: Sequence[Day]) -> str:
    """A line for each day and strategy."""
    head = ("DAY", "ACCOUNT", "STRATEGY", "IN", "TRADES", "REALISED", "FEES", "NET", "P&L", "TURNOVER")
    rows = [
        (
            f"{d.day}",
            d.account_id,
            d.strategy_id,
            d.currency,
            f"{d.trades:,}",
            change(d.realized_pnl),
            money(d.fees),
            change(d.net_pnl),
            NONE if d.day_pnl is None else change(d.day_pnl),
            money(d.turnover),
        )
        for d in days
    ]
    return table(head, rows, left=4) if rows else NO_TRADES


@earned.command("summary")
def performance_summary(account: AccountName = None, json: Json = False) -> None:
    """What each strategy has made of its trades, in all, and how each account performs."""

    async def work(hands: Hands) -> Answer:
        found = await performance.summary(hands.database, account)
        worth = await performance.worth(hands.database, account)
        return Answer("\n\n".join([summary_text(found), *map(worth_text, worth)]), {"strategies": found, "accounts": worth})

    raise typer.Exit(ask(work, json=json))


def summary_text(strategies: Sequence[Summary]) -> str:
    """A line for each strategy of each account."""
    head = (
        "ACCOUNT",
        "STRATEGY",
        "IN",
        "TRADES",
        "HIT RATE",
        "GROSS",
        "FEES",
        "NET",
        "P&L",
        "AVG WIN",
        "AVG LOSS",
        "PROFIT FACTOR",
        "TURNOVER",
    )
    rows = [
        (
            s.account_id,
            s.strategy_id,
            s.currency,
            f"{s.trades:,}",
            share(s.hit_rate),
            change(s.gross_pnl),
            money(s.fees),
            change(s.net_pnl),
            NONE if s.total_pnl is None else change(s.total_pnl),
            money(s.average_win),
            money(s.average_loss),
            ratio(s.profit_factor),
            money(s.turnover),
        )
        for s in strategies
    ]
    return table(head, rows, left=3) if rows else NO_TRADES


def worth_text(w: Worth) -> str:
    """How an account performs."""
    return "\n".join(
        [
            f"{w.account_id:<11} worth {money(w.total_value)} {w.currency} at {moment(w.market_time)} UTC: cash {money(w.cash_balance)},"
            f" positions {money(w.invested_value)}",
            f"P&L         day {change(w.day_pnl)} (of {w.day}), in all {change(w.total_pnl)}; {share(w.drawdown)} below its highest",
            f"exposure    gross {share(w.gross)}, net {share(w.net)} of equity; traded today {ratio(w.turnover)} times the equity",
            _measures(w),
        ]
    )


def _measures(w: Worth) -> str:
    if not w.observations:
        return "measures    none yet: they are made of completed trading days"
    days = f"{w.observations} days" if w.observations > 1 else "1 day"
    return (
        f"{days:<11} Sharpe {ratio(w.sharpe)}, Sortino {ratio(w.sortino)}, Calmar {ratio(w.calmar)}, max drawdown"
        f" {share(w.max_drawdown)}; a year: volatility {share(w.volatility)}, growth {share(w.cagr)}"
    )


@earned.command("export")
def performance_export(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", dir_okay=False)],
    account: AccountName = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    json: Json = False,
) -> None:
    """Every trade as a line of CSV, the first executed first."""

    async def work(hands: Hands) -> Answer:
        if file.exists() and not overwrite:
            return failed(f"{file} is there already; name another file, or say --overwrite", REFUSED)
        try:
            written = await export(hands.database, account, file)
        except OSError as error:
            return failed(f"{file}: {error.strerror}", REFUSED)
        return Answer(f"wrote {written:,} trades to {file}", {"ok": True, "file": str(file), "trades": written})

    raise typer.Exit(ask(work, json=json))


async def export(database: Database, account: str | None, file: Path) -> int:
    """Writes every trade, or leaves the file as it was; how many they are.

    Raises:
        LookupError: there is no such account, or it has no trades.
        OSError: the file cannot be written.
    """
    partial = file.with_name(f"{file.name}.partial")
    try:
        with partial.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(TradeLine.__struct_fields__)
            written = 0
            async for trade in _all_trades(database, account):
                writer.writerow(msgspec.to_builtins(trade).values())
                written += 1
        if not written:
            raise LookupError(NO_TRADES)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)
    return written


async def _all_trades(database: Database, account: str | None) -> AsyncIterator[TradeLine]:
    after = None
    while page := await trading.trades(database, account=account, limit=PAGE, after=after):
        for trade in page:
            yield trade
        after = Place(page[-1].executed_at, page[-1].trade_id)


def strategy_status(
    strategy_id: Annotated[str, typer.Argument(metavar="ID", help="As in config/strategies.toml.")],
    json: Json = False,
) -> None:
    """One strategy: how it is configured, what it has done, what it wants and holds."""

    async def work(hands: Hands) -> Answer:
        (found,) = await standings.strategies(hands.database, strategy_id)
        return Answer(strategy_text(found), found)

    raise typer.Exit(ask(work, json=json))


def strategy_text(s: StrategyStanding) -> str:
    """One strategy."""
    symbols = "every instrument" if s.symbols == ["*"] else " ".join(s.symbols)
    on = "on" if s.enabled else f"OFF: it emits nothing; back with `fleet strategies enable {s.strategy_id}`"
    stopped = []
    if s.failed:
        stopped = [f"FAILED      {s.failed}", "            stopped until strategy_engine is started again; what it holds stays"]
    lines = [
        f"strategy    {s.strategy_id}, {on}",
        *stopped,
        f"is          {called(s.class_name, s.params)} on {s.timeframe} bars of {symbols}",
        f"may use     {share(s.allocation)} of the equity of account {s.account}, per symbol at target 1",
        f"session     {s.signals:,} signals, {s.refused:,} refused, {s.orders:,} orders, {s.trades:,} trades",
        f"P&L         realised {change(s.realized_pnl)}, fees {money(s.fees)}",
    ]
    if not s.last_targets:
        why = (
            "it failed"
            if s.failed
            else "it warms up, its market is closed, or its account is not traded in this one; see `fleet strategies list`"
        )
        return "\n".join([*lines, f"targets     none yet: {why}"])
    head = ("SYMBOL", "DECIDED (UTC)", "VERDICT", "TARGET", "HELD", "REALISED")
    rows = [
        (t.symbol, moment(t.decided_at), f"{t.verdict or NONE} {t.code}".strip(), f"{t.target:g}", number(t.held), change(t.realized_pnl))
        for t in s.last_targets
    ]
    return "\n".join([*lines, table(head, rows, left=3)])

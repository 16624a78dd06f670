"""The day's report: what each account is worth, what its strategies made, what was refused and what was halted."""

from collections.abc import Sequence
from decimal import Decimal

from libs.store.queries.days import Day, Halt, Traded, days
from services.scheduler.duty import Done, Duty


async def run(duty: Duty) -> Done:
    """Reports the day that has ended; by hand the one that goes on."""
    found = await days(duty.database, duty.played().session_id, duty.moment())
    title = headline(found)
    return Done(title, [duty.told("report", "info", title, "\n\n".join(map(report, found)))])


def headline(found: Sequence[Day]) -> str:
    """The day on one line."""
    made = [f"{day.account_id} {_signed(day.worth[0].day_pnl)} {day.currency}" for day in found if day.worth]
    trades = sum(traded.trades for day in found for traded in day.traded)
    when = min((day.day for day in found), default=None)
    return ", ".join([f"Day {when}" if when else "No account", *made, f"{trades:,} trades"])


def report(day: Day) -> str:
    """One account's day, Markdown."""
    lines = [f"## {day.account_id}, {day.day}", "", *_worth(day), "", *_traded(day)]
    if day.refused:
        lines += ["", "Refused: " + ", ".join(f"{refused.code} {refused.count:,}" for refused in day.refused)]
    lines += ["", *map(_halt, day.halts)] if day.halts else []
    return "\n".join(lines)


def _worth(day: Day) -> list[str]:
    if not day.worth:
        return ["There is no snapshot of this day: the portfolio service has written none. Trades are below."]
    account = day.worth[0]
    return [
        f"Equity {account.total_value:,.2f} {day.currency}, cash {account.cash_balance:,.2f};"
        f" the day {_signed(account.day_pnl)}, since the beginning {_signed(account.total_pnl)}."
    ]


def _traded(day: Day) -> list[str]:
    pnl = {worth.strategy_id: worth.day_pnl for worth in day.worth if worth.strategy_id}
    traded = {each.strategy_id: each for each in day.traded}
    if not (names := sorted(pnl.keys() | traded.keys())):
        return ["Nothing was traded."]
    head = ["| strategy | day P&L | trades | realised | fees | worst slippage |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    return [*head, *(_row(name, pnl.get(name), traded.get(name)) for name in names)]


def _row(name: str, pnl: Decimal | None, traded: Traded | None) -> str:
    cells = [name, "-" if pnl is None else _signed(pnl)]
    if traded is None:
        cells += ["0", "-", "-", "-"]
    else:
        slippage = "-" if traded.worst_slippage is None else f"{traded.worst_slippage * 1e4:+.1f} bps"
        cells += [f"{traded.trades:,}", _signed(traded.realized_pnl), f"{traded.fees:,.2f}", slippage]
    return f"| {' | '.join(cells)} |"


def _halt(halt: Halt) -> str:
    now = "may only close until it is re-armed" if halt.active else "was re-armed"
    return (
        f"**Halted** at {halt.halted_at:%Y-%m-%d %H:%M:%S} UTC, market time: {halt.limit_name} {halt.seen:.2%}"
        f" (limit {halt.limit_value:.2%}); the account {now}."
    )


def _signed(amount: Decimal) -> str:
    return f"{amount:+,.2f}"

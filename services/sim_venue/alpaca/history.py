"""/v2/account/portfolio/history: what the account was worth, from what it held then and what the bars of that time closed at."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from aiohttp import web

from libs.quant.calendars import DAY, MINUTE, sessions
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.view import AccountView
from services.sim_venue.alpaca import query
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import bad_value, unprocessable
from services.sim_venue.alpaca.market_hours import CALENDAR
from services.sim_venue.alpaca.valuation import Holding, Worth, before, exact, opening_deposit, worth
from services.sim_venue.alpaca.wire import Json, answer, rounded
from services.sim_venue.tape import Tape

_STEPS: Final = {"1Min": MINUTE, "5Min": 5 * MINUTE, "15Min": 15 * MINUTE, "1H": 60 * MINUTE, "1D": DAY}
_DAYS: Final = {"D": 1, "W": 7, "M": 30, "A": 365, "Y": 365}
MOST_POINTS: Final = 2_000


def worth_before(account: AccountView, listings: Mapping[str, Listing], tape: Tape, at: int) -> Worth:
    """The account as it was just before `at`, at the prices of then: closes of minutes, or what it cost where there is none."""
    cash, positions = before(account, at)
    held = []
    for symbol, lots in positions.items():
        if lots and symbol in listings:
            closed = close_before(tape, symbol, at)
            price = account.costs[symbol].avg_cost if closed is None else closed
            held.append(Holding(listings[symbol], lots, price, price))
    return worth(cash, held)


def close_before(tape: Tape, symbol: str, at: int) -> Decimal | None:
    """The last price of a symbol before `at`, to the minute; None where the tape holds none of the ten days before."""
    for reach in (DAY, 10 * DAY):
        found = tape.bars(symbol, "1m", at - reach, at, reach // MINUTE)
        if found:
            return exact(found[-1].close)
    return None


async def history(call: Call) -> web.Response:
    """GET /v2/account/portfolio/history?period=&timeframe=&start=&end="""
    end = min(query.time(call.query, "end") or query.time(call.query, "date_end") or call.now, call.now)
    start = query.time(call.query, "start")
    days = _days(call.query.get("period") or "1M") if start is None else (end - start) // DAY
    usual = "1Min" if days < 7 else "15Min" if days < 30 else "1D"
    written = query.choice(call.query, "timeframe", tuple(_STEPS), usual)
    starts = list(_starts(end - days * DAY if start is None else start, end, _STEPS[written]))
    if len(starts) > MOST_POINTS:
        raise unprocessable(f"{len(starts)} points are more than {MOST_POINTS}: ask for a shorter period or a longer timeframe")
    return answer(_history_json(call, starts, written))


def _history_json(call: Call, starts: Sequence[tuple[int, int]], timeframe: str) -> Json:
    opened = call.account.opened_at
    worths = [worth_before(call.account, call.listings, call.tape, end).equity if end >= opened else None for _, end in starts]
    base = worth_before(call.account, call.listings, call.tape, starts[0][0]).equity if starts and starts[0][0] > opened else None
    base = opening_deposit(call.account) if base is None else base
    equity = [Decimal(0) if value is None else value for value in worths]
    gains = [Decimal(0) if value is None else value - base for value in worths]
    return {
        "timestamp": [start // 1_000_000_000 for start, _ in starts],
        "equity": [float(value) for value in equity],
        "profit_loss": [float(gain) for gain in gains],
        "profit_loss_pct": [float(rounded(gain / base, 9)) if base else None for gain in gains],
        "base_value": float(base),
        "timeframe": timeframe,
        "cashflow": {},
    }


def _starts(start: int, end: int, step: int) -> Iterator[tuple[int, int]]:
    """Stretches of time within sessions, by start and end; of days the whole session is one."""
    for session in sessions(CALENDAR, start, end):
        if step == DAY:
            yield session.open, min(session.close, end)
            continue
        first = max(session.open, start - start % step)
        for at in range(first, min(session.close, end), step):
            yield at, min(at + step, session.close, end)


def _days(period: str) -> int:
    count, unit = period[:-1], period[-1:].upper()
    if not count.isdecimal() or len(count) > 4 or unit not in _DAYS:
        raise bad_value("invalid period: expected a number and D, W, M or A, like 1M")
    return int(count) * _DAYS[unit]

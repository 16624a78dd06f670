"""/v2/account/portfolio/history: what the account was worth, from what it held then and what the bars of that time closed at."""

import asyncio
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Final

from aiohttp import web

from libs.domain.times import SECOND
from libs.quant.calendars import DAY, MINUTE, sessions
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.view import AccountView
from services.sim_venue.alpaca import query
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import bad_value, unprocessable
from services.sim_venue.alpaca.market_hours import CALENDAR
from services.sim_venue.alpaca.valuation import Holding, Holdings, Worth, before, exact, middle, opening_deposit, rewound, worth
from services.sim_venue.alpaca.wire import Json, answer, rounded
from services.sim_venue.tape import Tape

_STEPS: Final = {"1Min": MINUTE, "5Min": 5 * MINUTE, "15Min": 15 * MINUTE, "1H": 60 * MINUTE, "1D": DAY}
_DAYS: Final = {"D": 1, "W": 7, "M": 30, "A": 365, "Y": 365}
_REACH: Final = 10 * DAY
MOST_POINTS: Final = 2_000


class Closes:
    """Prices of the past, to the minute: of a symbol's bars of at most ten days before, or of its newest quote where that is older."""

    def __init__(self, tape: Tape, start: int, end: int) -> None:
        """For times from `start` to `end`."""
        self._tape = tape
        self._start = start
        self._end = end
        self._bars: dict[str, tuple[list[int], list[float]]] = {}

    def before(self, symbol: str, at: int) -> Decimal | None:
        """The last price before `at`; None where the tape has none."""
        if symbol not in self._bars:
            found = self._tape.bars(symbol, "1m", self._start - _REACH, self._end, _REACH + self._end - self._start)
            self._bars[symbol] = [bar.start for bar in found], [bar.close for bar in found]
        starts, closes = self._bars[symbol]
        place = bisect_left(starts, at)
        if place:
            return exact(closes[place - 1])
        quote = self._tape.quote(symbol)
        return middle(quote) if quote is not None and quote.ts < at else None


def worth_of(held: Holdings, at: int, account: AccountView, listings: Mapping[str, Listing], closes: Closes) -> Worth:
    """What was held just before `at`, at the prices of then; what has no price is worth what it cost."""
    rows = []
    for symbol, lots in held.positions.items():
        if lots and symbol in listings:
            closed = closes.before(symbol, at)
            price = account.costs[symbol].avg_cost if closed is None else closed
            rows.append(Holding(listings[symbol], lots, price, price))
    return worth(held.cash, rows)


async def history(call: Call) -> web.Response:
    """GET /v2/account/portfolio/history?period=&timeframe=&start=&end="""
    end = min(query.time(call.query, "end") or query.time(call.query, "date_end") or call.now, call.now)
    start = query.time(call.query, "start")
    days = _days(call.query.get("period") or "1M") if start is None else (end - start) // DAY
    usual = "1Min" if days < 7 else "15Min" if days < 30 else "1D"
    written = query.choice(call.query, "timeframe", tuple(_STEPS), usual)
    since = max(end - days * DAY if start is None else start, 0)
    starts = list(islice(_starts(since, end, _STEPS[written]), MOST_POINTS + 1))
    if len(starts) > MOST_POINTS:
        raise unprocessable(f"more than {MOST_POINTS} points: ask for a shorter period or a longer timeframe")
    return answer(await _history_json(call, starts, written))


async def _history_json(call: Call, starts: Sequence[tuple[int, int]], timeframe: str) -> Json:
    account, first = call.account, starts[0][0] if starts else call.now
    ends = [end for _, end in starts]
    closes = Closes(call.tape, first, call.now)
    values: list[Decimal | None] = []
    for held, at in zip(rewound(account, ends), reversed(ends), strict=True):
        values.append(worth_of(held, at, account, call.listings, closes).equity if at >= account.opened_at else None)
        await asyncio.sleep(0)  # thousands of points are looked at between the requests of others
    values.reverse()
    began = worth_of(before(account, first), first, account, call.listings, closes).equity
    base = began if first > account.opened_at else opening_deposit(account)
    gains = [Decimal(0) if value is None else value - base for value in values]
    return {
        "timestamp": [start // SECOND for start, _ in starts],
        "equity": [float(value or 0) for value in values],
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

"""/v2/account/activities: fills, and money that came or went. Ids sort by time, and are where the next page goes on.

A fill that was busted is no activity any more, and one that was corrected shows the price that holds.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import islice, takewhile
from typing import Final, NamedTuple

from aiohttp import web

from libs.quant.sim_venue.orders import Execution
from libs.quant.sim_venue.reports import Report
from services.sim_venue.alpaca import query
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import bad_value, unprocessable
from services.sim_venue.alpaca.identity import count_of, uuid_of
from services.sim_venue.alpaca.valuation import CURRENCY, opening_deposit
from services.sim_venue.alpaca.wire import Json, answer, local, midnight, moment, text

PAGE: Final = 100
FILL: Final = "FILL"
DEPOSIT, WITHDRAWAL = "CSD", "CSW"
_CASH: Final = frozenset({DEPOSIT, WITHDRAWAL})
_WORDS: Final = {"TRANS": _CASH}
KNOWN: Final = frozenset({FILL, *_CASH, "DIV", "FEE", "INT", "JNLC", "JNLS", "MISC", "ACATC", "ACATS", "SPLIT", "SSP", "CFEE"})
"""Types that Alpaca has. Of most of them nothing happens here, and asking for them gives an empty list."""


class Activity(NamedTuple):
    """One thing that happened to the account."""

    at: int
    n: int  # of its report, or 0 of the deposit that the account was opened with
    type: str
    report: Report | None


async def every(call: Call) -> web.Response:
    """GET /v2/account/activities?activity_types=&category=&date=&after=&until=&direction=&page_size=&page_token="""
    category = query.choice(call.query, "category", ("trade_activity", "non_trade_activity", ""), "")
    asked = query.words(call.query, "activity_types")
    if category and asked:
        raise unprocessable("only one of category or activity_types is accepted")
    types = {"trade_activity": frozenset({FILL}), "non_trade_activity": _CASH}.get(category)
    return answer(_page(call, types if not asked else frozenset().union(*(_types(word) for word in asked))))


async def of_type(call: Call) -> web.Response:
    """GET /v2/account/activities/{type}"""
    return answer(_page(call, _types(call.part("activity_type"))))


def fill_json(execution: Execution, call: Call) -> Json:
    """One fill."""
    instrument = call.listings[execution.symbol].instrument
    order = call.account.orders[execution.order]
    left = order.lots - execution.cumulative
    return {
        "id": f"{_stamp(execution.at)}::{uuid_of('execution', execution.account, execution.id)}",
        "activity_type": FILL,
        "transaction_time": moment(execution.at),
        "type": "partial_fill" if left else "fill",
        "price": text(instrument.price(execution.ticks)),
        "qty": text(instrument.quantity(execution.lots)),
        "side": execution.side,
        "symbol": execution.symbol,
        "leaves_qty": text(instrument.quantity(left)),
        "order_id": str(uuid_of("order", execution.account, execution.order)),
        "cum_qty": text(instrument.quantity(execution.cumulative)),
        "order_status": "partially_filled" if left else "filled",
    }


def _types(word: str) -> frozenset[str]:
    if word not in KNOWN and word not in _WORDS:
        raise unprocessable(f"invalid activity type: {word[:40]}")
    return _WORDS.get(word, frozenset({word}))


def _page(call: Call, types: frozenset[str] | None) -> list[Json]:
    newest_first = query.choice(call.query, "direction", ("asc", "desc"), "desc") == "desc"
    day = call.query.get("date", "")
    size = query.whole(call.query, "page_size", 1_000_000 if day else PAGE, 1, 1_000_000 if day else PAGE)
    start, end = _bounds(call, day)
    token = _place(call)
    older, newer = (-1, token) if newest_first else (token, None)
    found = (
        activity
        for activity in _activities(call, newest_first, -1 if start is None else start, -1 if older is None else older)
        if (types is None or activity.type in types) and (end is None or activity.at < end) and (newer is None or activity.n < newer)
    )
    return [_shown(activity, call) for activity in islice(found, size)]


def _activities(call: Call, newest_first: bool, after: int, beyond: int) -> Iterable[Activity]:
    """Those later than `after`, of reports beyond a number. Nobody looks at more than that: clients that catch up ask for little."""
    recent = takewhile(lambda activity: activity.at > after and activity.n > beyond, _backwards(call))
    return recent if newest_first else reversed(list(recent))


def _backwards(call: Call) -> Iterator[Activity]:
    account = call.account
    for report in reversed(account.activity):
        execution = report.execution
        if report.kind == "fill" and execution is not None:
            if execution.id not in account.busted and execution.symbol in call.listings:
                yield Activity(report.at, report.n, FILL, report)
        elif report.kind == "transfer" and (amount := report.balances.get(CURRENCY)):
            yield Activity(report.at, report.n, DEPOSIT if amount > 0 else WITHDRAWAL, report)
    yield Activity(account.opened_at, 0, DEPOSIT, None)


def _shown(activity: Activity, call: Call) -> Json:
    report = activity.report
    if report is not None and report.execution is not None:
        return fill_json(call.account.executions[report.execution.id], call)
    amount = opening_deposit(call.account) if report is None else report.balances[CURRENCY]
    return {
        "id": f"{_stamp(activity.at)}::{uuid_of('report', call.name, activity.n)}",
        "activity_type": activity.type,
        "date": local(activity.at).date().isoformat(),
        "net_amount": text(amount),
        "description": "",
        "status": "executed",
    }


def _stamp(at: int) -> str:
    """New York's time to the millisecond, as digits."""
    return local(at).strftime("%Y%m%d%H%M%S") + f"{at // 1_000_000 % 1000:03}"


def _bounds(call: Call, day: str) -> tuple[int | None, int | None]:
    """Both ends are outside of what is wanted."""
    if not day:
        return query.time(call.query, "after"), query.time(call.query, "until")
    try:
        on = date.fromisoformat(day[:10])
        return midnight(on) - 1, midnight(on + timedelta(days=1))
    except (ValueError, OverflowError) as error:
        raise bad_value("invalid date: expected a date like 2024-01-02") from error


def _place(call: Call) -> int | None:
    """The number of the report that the page token is the id of."""
    token = call.query.get("page_token", "")
    if not token:
        return None
    _, _, written = token.partition("::")
    number = count_of("report", call.name, written)
    if number is not None:
        return number
    executed = count_of("execution", call.name, written)
    for report in reversed(call.account.activity):
        if report.execution is not None and report.execution.id == executed and report.kind == "fill":
            return report.n
    raise unprocessable("invalid page_token")

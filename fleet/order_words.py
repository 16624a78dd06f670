"""An order in words: what it asked for, what it filled and cost, and when each step of it came. What a story is put together from."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from fleet.tables import NONE, change, number, table, time_of_day
from libs.quant.execution.costs import MOMENTS
from libs.store.queries.stories import CostTold, FillTold, Ordered


def ordered(order: Ordered) -> str:
    """Side, quantity and prices."""
    price = f"limit {number(order.price)}" if order.price is not None else order.order_type.replace("_", " ")
    at = f" at {number(order.stop_price)}" if order.stop_price is not None else ""
    trail = f", {number(order.trail)} behind the best price" if order.trail is not None else ""
    return f"{order.side} {number(order.quantity)} {price}{at}{trail}"


def fill_line(fill: FillTold) -> str:
    """A fill, with what it was worse or better by where a signal has named a price."""
    bps = fill.slippage_bps
    slippage = "" if bps is None else f" {abs(bps):.2f} bps {'worse' if bps > 0 else 'better'} than the reference price,"
    pnl = f", realised {change(fill.pnl)}" if fill.pnl else ""
    done = f"{number(fill.quantity)} at {number(fill.executed_price)}"
    fee = f"fee {number(fill.commission)} {fill.fee_currency}, {fill.liquidity}"
    return f"fill        {done},{slippage} {fee}, executed {time_of_day(fill.executed_at)}{pnl}"


def cost_lines(cost: CostTold, currency: str) -> Iterator[str]:
    """What executing it cost."""
    spread = f", spread {number(cost.spread)}" if cost.spread is not None else ""
    slippage = "slippage not known" if cost.slippage_bps is None else f"slippage {cost.slippage_bps:+.2f} bps against it"
    yield f"cost        arrived at {number(cost.arrival_price)}{spread}; {cost.fill_rate:.0%} filled, {slippage} (positive is worse)"
    if cost.shortfall is not None:
        missed = f" and what was not filled, at {number(cost.end_price)}," if cost.fill_rate < 1 else ""
        yield f"            shortfall {change(cost.shortfall)} {currency} against {number(cost.decision_price)}, fees{missed} included"
    if cost.hops_ms:
        yield "            " + ", ".join(f"{name.replace('_', ' ')} {ms:,.1f} ms" for name, ms in _in_order(cost.hops_ms))


def _in_order(hops: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(name, hops[name]) for name in MOMENTS if name in hops]


class Moment(NamedTuple):
    """One line of the history."""

    host: datetime
    what: str
    detail: str = ""
    market: datetime | None = None


def steps(order: Ordered, leg: str = "") -> Iterator[Moment]:
    """Every event of an order."""
    for event in order.events:
        detail = f"{event.status} {event.detail.removeprefix(f'{order.order_id}:')}".strip()
        anomaly = " ANOMALY" if event.anomaly else ""
        yield Moment(event.at, f"{event.event.replace('_', ' ')}{leg}{anomaly}", detail, event.market_time)


def history(found: Iterable[Moment]) -> str:
    """What happened when: by the host's clock from the bar's completion on, and in the market's time where that is known."""
    moments = sorted(found, key=lambda m: m.host)
    begin = before = moments[0].host
    rows = []
    for m in moments:
        market = time_of_day(m.market) if m.market else NONE
        rows.append((m.what, m.detail, market, time_of_day(m.host), f"{_ms(begin, m.host):,.1f}", f"{_ms(before, m.host):,.1f}"))
        before = m.host
    return table(("HISTORY", "", "MARKET TIME", "HOST TIME", "SINCE, ms", "STEP, ms"), rows, left=2)


def _ms(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds() * 1000

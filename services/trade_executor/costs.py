"""What the orders cost that end in a hop, for the transaction in which they end."""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from libs.common import metrics
from libs.common.database import Unreachable
from libs.common.logs import about
from libs.domain.configuration import BestExecutionConfig
from libs.domain.instruments import Instrument
from libs.domain.orders import TERMINAL
from libs.domain.trades import Trade
from libs.quant.execution.costs import Benchmarks, Executed, fill_rate, hops_ms, shortfall, slippage_bps
from libs.store.costs import Cost, Facts
from libs.store.execution import ExecutionStore
from services.trade_executor.hop import Change, Held
from services.trade_executor.quotes import Quotes

log = logging.getLogger(__name__)

_DECIDED: Final = frozenset({"signal", "slice", "liquidation"})
"""Orders that were to be executed when they were made. A protective order waits for its price: what it costs is not how it is worked."""


async def add_costs(
    store: ExecutionStore,
    change: Change,
    read: Sequence[Facts],
    instruments: Mapping[str, Instrument],
    quotes: Quotes,
    now_ns: int,
) -> None:
    """Adds the record of every order that has ended with this change, or did more after its end.

    Args:
        read: what the record says of those that were expected to end; it is asked for the others.
        now_ns: host time, at which they end.

    What cannot be worked out is not recorded, and holds nothing up: the hop is about the orders themselves.

    Raises:
        Unreachable: the record is away.
    """
    new = {child.order_id for child in change.children}
    ended = [h for id_, h in change.orders.items() if h.status in TERMINAL and id_ not in new and h.order.purpose in _DECIDED]
    if not ended:
        return
    facts = {known.order_id: known for known in read}
    try:
        if unread := [held.order.order_id for held in ended if held.order.order_id not in facts]:
            facts |= await store.facts(unread)
        known = [(held, facts[held.order.order_id]) for held in ended if held.order.order_id in facts]
        change.costs += [_cost(held, fact, change, instruments[held.order.symbol], quotes, now_ns) for held, fact in known]
    except Unreachable:
        raise
    except Exception:
        log.exception("what the orders of a hop cost is not recorded", extra=about("costs_recorded", "failure"))


def show_bounds(config: BestExecutionConfig) -> None:
    """For the alert, which asks for them beside what was counted."""
    metrics.POOR_SHARE.set(config.share)
    metrics.POOR_LEAST.set(config.orders)


def count_costs(change: Change, worse: float) -> None:
    """For the screen of the order path; slices are in their parents. An order that was filled worse by more than `worse` is a bad one."""
    for cost in change.costs:
        order = change.orders[cost.order_id].order
        if cost.slippage_bps is not None and order.parent_id is None:
            slippage = cost.slippage_bps / 10_000
            metrics.ARRIVAL_SLIPPAGE.labels(strategy=order.strategy_id, venue=order.venue).observe(slippage)
            metrics.POOR_EXECUTIONS.labels(strategy=order.strategy_id, venue=order.venue).inc(slippage > worse)


def _cost(held: Held, fact: Facts, change: Change, instrument: Instrument, quotes: Quotes, now_ns: int) -> Cost:
    order, end = held.order, quotes.price(held.order.symbol)
    fees = _fees(fact.fees, _now_traded(order.order_id, change), held.avg_fill_price, instrument)
    executed = Executed(order.side, order.quantity, held.filled, held.avg_fill_price, fees, instrument.multiplier)
    decision = fact.arrival_price if order.purpose == "liquidation" else fact.decision_price  # no signal asked for it
    prices = Benchmarks(decision, fact.arrival_price, end.mid if end is not None else None)
    return Cost(
        order_id=order.order_id,
        account_id=order.account_id,
        decision_price=decision,
        arrival_price=fact.arrival_price,
        spread=fact.spread,
        end_price=prices.end,
        filled=held.filled,
        fill_rate=fill_rate(executed),
        avg_fill_price=held.avg_fill_price,
        slippage_bps=slippage_bps(executed, fact.arrival_price),
        shortfall=shortfall(executed, prices),
        fees=fees,
        hops_ms=msgspec.json.encode(hops_ms(_moments(held, fact, change, now_ns))).decode(),
    )


def _now_traded(order_id: UUID, change: Change) -> list[Trade]:
    """Trades of the order, or of its slices, that are booked in this very hop."""
    return [t for t in change.trades if order_id in (t.order_id, change.orders[t.order_id].order.parent_id)]


def _fees(before: Mapping[str, Decimal], now: Sequence[Trade], average: Decimal | None, instrument: Instrument) -> Decimal:
    """In the instrument's currency. A fee in the coin that was bought counts at the average price; one in anything else is left out."""
    paid = dict(before)
    for trade in now:
        paid[trade.fee_currency] = paid.get(trade.fee_currency, Decimal(0)) + trade.commission
    base = instrument.symbol.split("/")[0]
    return paid.get(instrument.currency, Decimal(0)) + paid.get(base, Decimal(0)) * (average or Decimal(0))


def _moments(held: Held, fact: Facts, change: Change, now_ns: int) -> dict[str, int]:
    told = {event.event for event in change.events if event.order_id == held.order.order_id}
    found: dict[str, int | None] = {
        "noticed": fact.noticed or None,
        "signal": fact.signal,
        "approved": fact.approved,
        "sent": fact.sent,
        "answered": fact.answered or (now_ns if fact.sent is not None else None),
        "first_fill": fact.first_fill or (now_ns if told & {"fill", "child_fill"} else None),
        "done": now_ns,
    }
    return {name: at for name, at in found.items() if at is not None}

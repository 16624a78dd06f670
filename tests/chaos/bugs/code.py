"""Bugs planted in the running code. Each is one that somebody's order path has had, or one guard of ours taken away.

Where two guards stand behind each other both are taken away: what is to be shown is that the judge sees what they prevent.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import pytest

from libs.common.database import Write
from libs.common.journal import Cursor, Hop
from libs.domain import ledger
from libs.domain.books import Position
from libs.domain.identity import client_order_id
from libs.domain.ledger import Entry
from libs.domain.orders import Evidence, Order, OrderEvent
from libs.domain.streams import TRADES_EXECUTED
from libs.domain.trades import Fill
from libs.quant import dispatch
from libs.quant.execution.protection import Standing
from libs.store import execution, risk
from libs.venues.alpaca.broker import AlpacaBroker
from libs.venues.broker import OutcomeUnknown
from services.trade_executor.beliefs import Beliefs
from services.trade_executor.evidence import News, Shown
from services.trade_executor.gate import Gate
from services.trade_executor.hop import Change, Held
from services.trade_executor.stage import ExecutionStage
from tests.chaos.findings import Letter

Patch = pytest.MonkeyPatch


class Bug(NamedTuple):
    """What is planted, and what that breaks."""

    name: str
    letter: Letter
    plant: Callable[[Patch], None]


# --- requests


def resends_on_timeout(patch: Patch) -> None:
    """As a client library that retries a POST by itself."""
    submit = AlpacaBroker.submit

    async def again(broker: AlpacaBroker, order: Order, deadline: float) -> None:
        try:
            await submit(broker, order, deadline)
        except OutcomeUnknown:
            await submit(broker, order, deadline)

    patch.setattr(AlpacaBroker, "submit", again)


def resends_under_another_id(patch: Patch) -> None:
    """The venue cannot know that it is the same order."""
    submit = AlpacaBroker.submit

    async def again(broker: AlpacaBroker, order: Order, deadline: float) -> None:
        try:
            await submit(broker, order, deadline)
        except OutcomeUnknown:
            await submit(broker, msgspec.structs.replace(order, client_order_id=client_order_id("TEST", order.order_id, 2)), deadline)

    patch.setattr(AlpacaBroker, "submit", again)


def writes_no_intent(patch: Patch) -> None:
    patch.setattr(execution, "store_attempts", lambda *_: Write("select 1", ()))


def sends_before_the_commit(patch: Patch) -> None:
    """The request leaves, then the intent is written."""
    hop = ExecutionStage.hop

    async def early(stage: ExecutionStage, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        found = await hop(stage, cursors, limit)
        change = stage._change
        if change is not None and change.sends:
            stage._start(change.sends, ())
            change.sends = []
            await asyncio.sleep(0.05)  # the database takes its time
        return found

    patch.setattr(ExecutionStage, "hop", early)


# --- answers


def _hears(patch: Patch, hear: Callable[[Shown], Shown]) -> None:
    """Every answer and report is heard otherwise."""
    show = ExecutionStage.show

    def otherwise(stage: ExecutionStage, evidence: Sequence[News]) -> None:
        show(stage, [hear(item) if isinstance(item, Shown) else item for item in evidence])

    patch.setattr(ExecutionStage, "show", otherwise)


def _instead(evidence: Evidence, heard: Evidence) -> Callable[[Patch], None]:
    return lambda patch: _hears(patch, lambda shown: shown._replace(evidence=heard) if shown.evidence is evidence else shown)


def a_failed_cancel_leaves_the_order_alive(patch: Patch) -> None:
    """A refused cancel is read as "still alive", so it is tried again, for ever; what the stream says of the end comes too early."""
    heard: set[str] = set()

    def hear(shown: Shown) -> Shown:
        if shown.evidence in (Evidence.CANCEL_REFUSED, Evidence.CANCEL_UNCLEAR):
            heard.add(shown.client_order_id)
            return shown._replace(evidence=Evidence.ACCEPTED)
        if shown.client_order_id in heard and shown.evidence is Evidence.CANCELED:
            return shown._replace(evidence=Evidence.ACCEPTED)
        return shown

    _hears(patch, hear)


# --- fills


def both_guards_of_fills_are_off(patch: Patch) -> None:
    """History and stream name a fill differently, and nobody adds up what the venue says is filled."""
    fills_since = AlpacaBroker.fills_since

    async def renamed(broker: AlpacaBroker, executed_at: int) -> Sequence[Fill]:
        return [msgspec.structs.replace(fill, exec_key=fill.exec_key + ".0") for fill in await fills_since(broker, executed_at)]

    patch.setattr(AlpacaBroker, "fills_since", renamed)
    patch.setattr(Beliefs, "_contradiction", lambda beliefs, fill, held: "no such order of ours" if held is None else None)


def _believes(patch: Patch, of: Callable[[Fill], Fill | None]) -> None:
    """Every fill is taken in otherwise, or not at all."""
    believe = Beliefs.believe

    def otherwise(beliefs: Beliefs, evidence: Sequence[News], *rest: Any) -> None:
        items = [of(item) if isinstance(item, Fill) else item for item in evidence]
        believe(beliefs, [item for item in items if item is not None], *rest)

    patch.setattr(Beliefs, "believe", otherwise)


def drops_a_fill(patch: Patch) -> None:
    """A fill is taken for booked that is not: the second part of an order."""
    _believes(patch, lambda fill: fill if fill.cumulative == fill.quantity else None)


def rounds_prices(patch: Patch) -> None:
    _believes(patch, lambda fill: msgspec.structs.replace(fill, price=fill.price.quantize(Decimal("0.1"))))


def status_is_the_fill(patch: Patch) -> None:
    """An order is filled because it says so, at the price that it was given: what it traded at nobody asks."""
    book = Change.book

    def at_its_limit(change: Change, held: Held, fill: Fill, *rest: Any) -> None:
        book(change, held, msgspec.structs.replace(fill, price=held.order.price), *rest)

    patch.setattr(Change, "book", at_its_limit)


def nobody_asks_for_what_was_missed(patch: Patch) -> None:
    """The stream is all there is: no refill, no poll."""

    async def nothing(*_: object, **__: object) -> list[Fill]:
        return []

    patch.setattr("libs.venues.alpaca.reading.Reading.fills_since", nothing)


# --- money


def float_money(patch: Patch) -> None:
    entries = ledger.trade_entries

    def through_float(txn_id: UUID, strategy_id: str, *, change: Decimal, price: Decimal, multiplier: Decimal, **rest: Any) -> list[Entry]:
        exact = entries(txn_id, strategy_id, change=change, price=price, multiplier=multiplier, **rest)
        paid = Decimal(float(change) * float(price) * float(multiplier)).quantize(Decimal(1).scaleb(-12))
        of_price = {("cash", -change * price * multiplier): -paid, ("trading", change * price * multiplier): paid}
        return [line._replace(amount=of_price.get((line.ledger_account, line.amount), line.amount)) for line in exact]

    patch.setattr("libs.domain.booking.trade_entries", through_float)


def a_sale_adds_to_the_book(patch: Patch) -> None:
    def added(held: Position, change: Decimal, price: Decimal, multiplier: Decimal) -> tuple[Position, Decimal]:
        return Position(held.quantity + abs(change), price, held.realized_pnl), Decimal(0)

    patch.setattr("libs.domain.booking.apply", added)


# --- limits


def _sends_whatever(patch: Patch, keep: Callable[[str], bool]) -> None:
    """Orders that would end unsent for some reasons are sent; and what is looked at once more before they leave is not."""
    fates = dispatch.fates

    def lax(orders: Any, *rest: Any, **more: Any) -> list[tuple[Order, dispatch.Fate]]:
        standings: list[Standing] = list(orders)
        return [(order, fate if keep(fate) else "send") for order, fate in fates(standings, *rest, **more)]

    patch.setattr("services.trade_executor.dispatching.fates", lax)
    patch.setattr(
        execution,
        "submitting",
        lambda ids, epoch, market_time: Write(
            "update orders set status = 'SUBMITTING', epoch = %s, events = events + 1 where id = any(%b::uuid[])", (epoch, list(ids))
        ),
    )


def the_kill_switch_is_not_asked(patch: Patch) -> None:
    _sends_whatever(patch, lambda fate: fate != "deny")
    submit, learn = AlpacaBroker.submit, Gate.learn
    patch.setattr(Gate, "learn", lambda gate, killed, asked_at: learn(gate, (), asked_at))

    async def slowly(broker: AlpacaBroker, order: Order, deadline: float) -> None:
        await asyncio.sleep(0.3)  # longer than what is on its way already may take
        await submit(broker, order, deadline)

    patch.setattr(AlpacaBroker, "submit", slowly)


def late_orders_are_sent(patch: Patch) -> None:
    _sends_whatever(patch, lambda fate: fate != "expire")


def no_control_is_asked(patch: Patch) -> None:
    patch.setattr("libs.quant.risk.assess.leg_controls", lambda given: ())


def what_is_unknown_is_free(patch: Patch) -> None:
    """Risk does not see orders of unknown outcome."""
    patch.setattr("libs.store.risk._READ", risk._READ.replace("'UNKNOWN', ", ""))


# --- the journal


def trades_are_not_told(patch: Patch) -> None:
    as_hop = Change.as_hop

    def silent(change: Change, *rest: Any) -> Hop:
        hop = as_hop(change, *rest)
        hop.out = [out for out in hop.out if out.stream != TRADES_EXECUTED.stream]
        return hop

    patch.setattr(Change, "as_hop", silent)


def the_cursor_runs_ahead(patch: Patch) -> None:
    hop = ExecutionStage.hop

    async def ahead(stage: ExecutionStage, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        found = await hop(stage, cursors, limit)
        if found is not None:
            found.moves = [move._replace(end=move.end + 100) for move in found.moves]
        return found

    patch.setattr(ExecutionStage, "hop", ahead)


def steps_are_lost(patch: Patch) -> None:
    """The second step of each order is not written: where it stands no one can tell how."""
    store_events = execution.store_events

    def forgetful(events: Sequence[OrderEvent]) -> Write:
        return store_events([event for event in events if event.n != 2])

    patch.setattr(execution, "store_events", forgetful)


BUGS: Final[Sequence[Bug]] = (
    Bug("a request is sent again when it was not answered", "D", resends_on_timeout),
    Bug("an order is sent again under another id", "D", resends_under_another_id),
    Bug("no intent is written", "D", writes_no_intent),
    Bug("a request leaves before its intent is written", "D", sends_before_the_commit),
    Bug("no answer is taken for a no", "L", _instead(Evidence.UNCLEAR, Evidence.REJECTED)),
    Bug("no answer is taken for a yes", "L", _instead(Evidence.UNCLEAR, Evidence.ACCEPTED)),
    Bug("no answer is taken for not sent", "L", _instead(Evidence.UNCLEAR, Evidence.NOT_SENT)),
    Bug("a failed cancel leaves the order alive", "L", a_failed_cancel_leaves_the_order_alive),
    Bug("a fill is booked under two names", "F", both_guards_of_fills_are_off),
    Bug("a fill is dropped", "F", drops_a_fill),
    Bug("prices are rounded", "F", rounds_prices),
    Bug("an order is filled by its status", "F", status_is_the_fill),
    Bug("what was missed is not asked for", "F", nobody_asks_for_what_was_missed),
    Bug("money goes through float", "B", float_money),
    Bug("a sale adds to its book", "B", a_sale_adds_to_the_book),
    Bug("the kill switch is not asked", "R", the_kill_switch_is_not_asked),
    Bug("late orders are sent", "R", late_orders_are_sent),
    Bug("no control is asked", "R", no_control_is_asked),
    Bug("what is unknown is free", "R", what_is_unknown_is_free),
    Bug("trades are not told", "S", trades_are_not_told),
    Bug("a cursor runs ahead", "S", the_cursor_runs_ahead),
    Bug("steps of orders are lost", "S", steps_are_lost),
)

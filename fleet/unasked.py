"""`fleet explain` of an order that no signal has asked for: whose it is, what made it, and what came of it."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

import msgspec

from fleet.operating import Answer
from fleet.order_words import Moment, cost_lines, fill_line, history, ordered, steps
from fleet.tables import moment
from libs.common.database import Database
from libs.domain.identity import is_ours
from libs.store.queries import unasked
from libs.store.queries.unasked import ItemTold, Unasked

SHORT: Final = 8  # characters of an item's id, as `fleet doctor` shows it


async def explain(database: Database, order_id: UUID | None) -> Answer:
    """The story of an order without a signal.

    Raises:
        LookupError: what made it is not in the record any more.
    """
    found = None if order_id is None else await unasked.story(database, order_id)
    if found is None:
        short = str(order_id)[:SHORT]
        raise LookupError(f"the record does not have what order {order_id} was made from any more; `fleet logs --order {short}` may tell")
    return Answer(told(found), msgspec.structs.asdict(found))


def told(found: Unasked) -> str:
    """The story for a person."""
    order = found.order
    lines = [
        f"order       {order.order_id}: {ordered(order)} {found.symbol}, {order.status}",
        f"whose       {_whose(found)}",
        f"why         {found.reason}",
        *_made_by(found),
        f"venue       knows it as {order.client_order_id}",
        *map(fill_line, order.fills),
        *(cost_lines(order.cost, found.currency) if order.cost is not None else ()),
    ]
    return "\n".join([*lines, "", history(_moments(found))])


def _whose(found: Unasked) -> str:
    book = f"book {found.strategy_id} of account {found.account_id}"
    if found.order.purpose == "liquidation":
        return f"ours: risk_manager closes the {book} with it; no signal asked for it"
    if any(item.kind == "foreign" for item in found.items):
        return f"another fleet's, as its id says; by a person's decision this one has taken it over, into the {book}"
    if is_ours(found.order.client_order_id):
        return f"ours, as its id says, from before the record was restored; its strategy is not known any more, so it counts in the {book}"
    return f"somebody else's: it was not placed by this fleet. It counts in every limit; what it fills goes into the {book}"


def _made_by(found: Unasked) -> Iterator[str]:
    """The items and kill switches behind it."""
    for item in found.items:
        yield f"item        {str(item.id)[:SHORT]} of `fleet doctor`, found {moment(item.found_at)} UTC: {item.detail}"
        yield f"            {_decided(item)}"
    for kill in found.kills:
        yield f"asked by    {kill.by}, kill switch of {kill.scope} at {moment(kill.at)} UTC: {kill.reason}"


def _decided(item: ItemTold) -> str:
    if not item.decision:
        return "nobody has decided on it" if item.resolved_at is None else "nobody had to decide: it is over"
    return f"decided: {item.decision} by {item.decided_by}: {item.reason}"


def _moments(found: Unasked) -> Iterator[Moment]:
    order = found.order
    yield Moment(order.created_at, "adopted into the record" if order.purpose == "external" else "order approved")
    yield from steps(order)

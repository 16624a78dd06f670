"""D: no leg has two orders at the venue, no request went out without its intent on record, none twice."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from uuid import UUID

from libs.domain.identity import order_of_client_id
from tests.chaos.findings import Finding, twice
from tests.chaos.record import Order, Record
from tests.chaos.venues import VenueHistory


def doubled(record: Record, venues: Mapping[str, VenueHistory]) -> Iterator[Finding]:
    """All that was ordered more than once, or without having been decided."""
    yield from twice("D", "leg {1} of signal {0} has {n} orders", ((o.signal_id, o.leg) for o in record.orders))
    yield from twice("D", "client order id {0} is on {n} orders", ((o.client_order_id,) for o in record.orders))
    yield from twice("D", "order {0} has {n} intents", ((attempt.client_order_id,) for attempt in record.attempts))
    parents = {order.order_id for order in record.orders if order.execution}
    for attempt in record.attempts:
        if attempt.order_id in parents:
            yield Finding("D", str(attempt.order_id), f"order {attempt.order_id} is worked by slices and was sent itself")
    for account, history in venues.items():
        yield from twice("D", "the venue took order {0} {n} times", ((taken.client_order_id,) for taken in history.taken))
        yield from _two_of_a_leg(record, history)
        yield from _requests(record, account, history)
        yield from _strangers(record, account, history)


def _order_of(client_order_id: str, orders: Mapping[UUID, Order]) -> Order | None:
    """Which of our orders an id at the venue is an attempt of."""
    try:
        return orders.get(order_of_client_id(client_order_id))
    except ValueError:
        return None


def _two_of_a_leg(record: Record, history: VenueHistory) -> Iterator[Finding]:
    """One leg under several ids: sent again with another one."""
    orders = {order.order_id: order for order in record.orders}
    legs: defaultdict[tuple[UUID, int], set[str]] = defaultdict(set)
    for taken in history.taken:
        order = _order_of(taken.client_order_id, orders)
        if order is not None and order.purpose != "external":
            legs[order.signal_id, order.leg].add(taken.client_order_id)
    for (signal, leg), ids in legs.items():
        if len(ids) > 1:
            text = f"leg {leg} of signal {signal} has {len(ids)} orders at the venue: {', '.join(sorted(ids))}"
            yield Finding("D", f"{signal} {leg}", text)


def _requests(record: Record, account: str, history: VenueHistory) -> Iterator[Finding]:
    """Requests as the venue counted them: each once, each after its intent was written."""
    intents = {attempt.client_order_id: attempt.at for attempt in record.attempts}
    ours = {order.client_order_id for order in record.orders if order.purpose != "external"} | intents.keys()
    for id_, times in history.submits.items():
        if id_ not in ours:
            continue
        if len(times) > 1:
            yield Finding("D", id_, f"the venue was asked {len(times)} times to take order {id_}")
        if id_ not in intents:
            yield Finding("D", id_, f"the venue of {account} was asked for order {id_}, of which no intent is on record")
        elif 0 < min(times) < intents[id_]:
            early = (intents[id_] - min(times)) / 1e6
            yield Finding("D", id_, f"the venue of {account} was asked for order {id_} {early:.3f} ms before its intent was written")


def _strangers(record: Record, account: str, history: VenueHistory) -> Iterator[Finding]:
    """Orders that the venue has and we know nothing of: neither ours, nor adopted, nor put before a person."""
    known = {order.client_order_id for order in record.orders} | {attempt.client_order_id for attempt in record.attempts}
    for id_ in dict.fromkeys(taken.client_order_id for taken in history.taken):
        if id_ not in known and id_ not in record.external:
            yield Finding("D", id_, f"the venue has order {id_} of {account}, the record does not")

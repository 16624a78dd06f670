"""The end of a run: everything comes to rest, then the record is judged by what the venues wrote down."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import psycopg

from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.journal import PostgresJournal
from libs.store.control import Control
from tests.chaos import venues
from tests.chaos.history import Verdict, judged
from tests.chaos.money_path import MoneyPath, TooSlow

REST_WITHIN_S: Final = 90.0
PAUSED_WITHIN_S: Final = 1.0  # of the order
HEARD_WITHIN_S: Final = 1.0  # of what a venue has done
STILL_WITHIN_LOOKS: Final = 20

_UNJUDGED = (
    "select count(*) from signals s where not exists (select from risk_assessments r where r.signal_id = s.signal_id"
    " and r.verdict <> 'WAITING')"
)
_MOVING = "select count(*) from orders where status = any(%b::text[])"
_IN_DOUBT = ["APPROVED", "SUBMITTING", "UNKNOWN", "PENDING_CANCEL", "CANCEL_UNKNOWN", "PENDING_REPLACE", "REPLACE_UNKNOWN"]


async def at_rest(path: MoneyPath, within_s: float = REST_WITHIN_S) -> float:
    """No more targets, and every one of those there are has come to its end; what rests at a venue may rest. The seconds it took.

    Raises:
        TooSlow: something stays in doubt.
    """
    path.load.flows = False
    await path.until(path.ready, "every service is ready again", within_s)
    if "strategy_engine" in path.services:
        await control(path).set_paused(True, "chaos")
        await asyncio.sleep(PAUSED_WITHIN_S)

    async def settled() -> bool:
        return not await path.one(_UNJUDGED) and not await path.one(_MOVING, _IN_DOUBT)

    took_s = await path.until(settled, "every signal has its verdict, and every order an answer", within_s)
    path.market.moves = False  # what rests does not fill any more, so that venue and ledger can be compared
    await control(path).reconcile("the run is over", "chaos")
    return took_s + await path.until(lambda: agrees(path), "the ledger agrees with the venues", within_s)


async def go_on(path: MoneyPath) -> None:
    """After a rest: targets and prices move again."""
    if "strategy_engine" in path.services:
        await control(path).set_paused(False, "chaos")
    path.load.flows = path.market.moves = True


def control(path: MoneyPath) -> Control:
    """The operator's hand, without a bell."""
    clock = SystemClock()
    return Control(path.looking, PostgresJournal(path.looking, MemoryBus(), clock), clock, "chaos", cool_off_s=0.0)


async def _judged(path: MoneyPath) -> tuple[Verdict, set[UUID]]:
    """The verdict, and the signals on record: as of a moment about which the venues did nothing, for an order that rests ends when its
    time is over, and then record and log, read one after the other, tell of two moments."""
    for _ in range(STILL_WITHIN_LOOKS):
        before = histories(path)
        await asyncio.sleep(HEARD_WITHIN_S)
        with psycopg.connect(path.database_url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            found = judged(connection, before, path.shape.limits)
            there = {row[0] for row in connection.execute("select signal_id from signals")}
        if histories(path) == before:
            break
    return found, there


async def agrees(path: MoneyPath) -> bool:
    """Whether each order has as much booked as its venue has filled."""
    found = await path.rows("select client_order_id, filled_quantity from orders where filled_quantity > 0")
    booked = dict(found)
    made: dict[str, object] = {}
    for history in histories(path).values():
        for taken in history.taken:
            if taken.filled:
                made[taken.client_order_id] = taken.filled
    return booked == made


def histories(path: MoneyPath) -> dict[str, venues.VenueHistory]:
    """What the venues wrote down, by account."""
    found = dict(venues.paper(path.folder / "paper"))
    if path.venue_state.exists():
        found |= venues.sim_venue(path.venue_state)
    return {account: history for account, history in found.items() if account in path.shape.venues}


async def verdict(path: MoneyPath, within_s: float = REST_WITHIN_S, stuck: Sequence[str] = ()) -> Verdict:
    """Lets it come to rest and judges it. What does not come to rest is judged as it stands, and is a finding itself.

    Args:
        stuck: what has not become true in time before, each a finding.
    """
    late = list(stuck)
    try:
        await at_rest(path, within_s)
    except TooSlow as error:
        late.append(str(error))
    found, there = await _judged(path)
    gone = [id_ for id_ in path.load.promised if id_ not in there]
    late += [f"the commit of signal {id_} was answered, and it is not in the record" for id_ in gone]
    counts = {**found.counts, "L": found.counts["L"] + len(late)}
    return found._replace(sentences=[*found.sentences, *(f"L: {said}" for said in late)], counts=counts, lost=found.lost + len(gone))

"""Record against venue: what was missed, orders whose truth only the venue knows, and whether the sums agree."""

import logging
from collections.abc import Awaitable, Mapping, Sequence, Set
from functools import partial
from typing import Final, NamedTuple, TypeVar

from libs.common.clocks import SECOND, HostClock
from libs.common.logs import about
from libs.domain import reconciling
from libs.domain.booking import action_transaction
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Evidence, Status, VenueOrder
from libs.domain.reconciling import Amounts, Difference
from libs.domain.trades import Fill
from libs.store.execution import ExecutionStore
from libs.store.sessions import Session
from libs.venues.broker import Adjustment, Broker, OutcomeUnknown
from libs.venues.line_file import LineFileError
from services.trade_executor.evidence import Shown
from services.trade_executor.hop import Held

T = TypeVar("T")

log = logging.getLogger(__name__)

AGREE_AFTER_S: Final = 2.0
AGREE_REMOTELY_AFTER_S: Final = 20.0
OVERLAP_NS: Final = 300 * SECOND  # market time by which fills are read again
OVERLAP_S: Final = 30.0  # and host seconds, at the least

_STATUS: Final = {
    "open": Evidence.ACCEPTED,
    "filled": Evidence.ACCEPTED,  # the fills themselves say that it is filled
    "canceled": Evidence.CANCELED,
    "expired": Evidence.EXPIRED,
    "rejected": Evidence.REJECTED,
}


class Looked(NamedTuple):
    """What looking orders up has brought."""

    shown: list[Shown]
    unanswered: dict[str, str]  # why, by client order id, of each that could not be looked up: no evidence of anything
    absent: list[str]  # client order ids that the venue did not find, which proves nothing by itself


async def answered(question: Awaitable[T], what: str) -> T:
    """The venue's answer to a question that changes nothing.

    Raises:
        OutcomeUnknown: there is none, or one that the adapter does not understand; neither is evidence.
        LineFileError: the paper venue's book cannot be used any more.
    """
    try:
        return await question
    except (OutcomeUnknown, LineFileError):
        raise
    except Exception as error:
        log.exception("asking the venue for %s", what, extra=about("venue_asked", "failure"))
        raise OutcomeUnknown(f"{what}: {type(error).__name__}: {error}") from error


async def missed(
    broker: Broker, store: ExecutionStore, account_id: str, session: Session, read_to: int | None = None, owing_since: int | None = None
) -> list[Fill | Adjustment]:
    """What the venue has that may not be in the books, in the order in which it happened there.

    That is every corporate action that is not booked, and the fills since shortly before the newest one we booked, or
    since before they were read last: those that are booked already change nothing. The newest one says nothing of those
    before it, as a stream may leave out one fill and tell the next.

    Args:
        read_to: market time at which they were read last; None: not yet since we began.
        owing_since: when the oldest order was decided of which the venue has filled more than is booked; None: of none.

    Raises:
        OutcomeUnknown: the venue does not answer.
    """
    told = {action_transaction(account_id, a.action): a for a in await answered(broker.adjustments(), "its corporate actions")}
    booked = await store.in_ledger(list(told)) if told else set()
    newest = await store.last_executed_at()
    overlap = max(OVERLAP_NS, int(OVERLAP_S * session.speed * SECOND))
    starts = [newest, newest if read_to is None else read_to, newest if owing_since is None else owing_since]
    since = min(starts) - overlap
    if not broker.abilities.absence_is_proof:  # an account of the world's has a history before us, of years perhaps
        since = max(since, session.start_time - overlap)
    fills = await answered(broker.fills_since(max(0, since)), "its fills")
    happened: list[Fill | Adjustment] = [a for transaction, a in told.items() if transaction not in booked]
    return sorted([*happened, *fills], key=partial(_happened, session))


def _happened(session: Session, item: Fill | Adjustment) -> tuple[int, bool]:
    """A fill after the corporate actions that held when it was made.

    A fill on a bar is dated to the bar's start, which of a coarse bar may lie before the open, and so before the time
    from which an action holds; the bar's end does not.
    """
    if isinstance(item, Adjustment):
        return item.action.effective, False
    on_bar = session.fills["on"].get(item.symbol, "quote") != "quote"
    return item.executed_at + (TIMEFRAMES[session.timeframes[0]] - 1 if on_bar else 0), True


async def looked_up(broker: Broker, held: Sequence[Held], in_flight: Set[str], listed: Mapping[str, VenueOrder] | None = None) -> Looked:
    """What the venue says of orders it may hold; orders whose own answer is still awaited are left alone.

    Args:
        listed: its open orders, by client order id: only those that are not among them are looked up one by one.
    """
    found = Looked([], {}, [])
    for item in held:
        id_ = item.order.client_order_id
        if id_ in in_flight:
            continue
        seen = (listed or {}).get(id_)
        if seen is None:
            try:
                seen = await answered(broker.find(id_), f"order {id_}")
            except OutcomeUnknown as error:
                found.unanswered[id_] = str(error)
                continue
        if item.status is Status.PENDING_REPLACE:  # its request is not under way any more, and may never have left
            found.shown.append(Shown(id_, Evidence.REPLACE_UNCLEAR, item.filled, "no answer on record"))
        if seen is not None:
            found.shown.append(shown_as(seen))
            continue
        found.absent.append(id_)
        if item.status is Status.SUBMITTING or broker.abilities.absence_is_proof:
            found.shown.append(Shown(id_, Evidence.UNCLEAR, item.filled, "no answer on record"))
            if broker.abilities.absence_is_proof:
                found.shown.append(Shown(id_, Evidence.NOT_ACCEPTED, item.filled, "the venue's own book does not have it"))
    return found


def owing_since(held: Sequence[Held], shown: Sequence[Shown]) -> int | None:
    """When the oldest of these orders was decided of which the venue has filled more than is booked; None when of none.

    Such an order would stay open for ever, and hold its book back, if the missing fill were not asked for from there on.
    """
    told = {answer.client_order_id: answer.filled for answer in shown}
    return min((h.order.decided_at for h in held if told.get(h.order.client_order_id, h.filled) > h.filled), default=None)


def shown_as(found: VenueOrder) -> Shown:
    """The venue's word on an order as evidence, as old as the question."""
    return Shown(found.client_order_id, _STATUS[found.status], found.filled, f"looked up: {found.status}", asked_for=True)


async def differences(broker: Broker, store: ExecutionStore) -> list[Difference]:
    """Where cash and positions of the ledger are not what the venue says; empty when all agree.

    Raises:
        OutcomeUnknown: the venue does not answer, which is no difference.
    """
    ours = Amounts(*await store.holdings())
    return reconciling.differences(ours, Amounts(*await answered(broker.holdings(), "its holdings")))


def agree_after_s(broker: Broker) -> float:
    """How long a difference has to last: what a remote venue shows of an account may lag behind what it has told us."""
    return AGREE_AFTER_S if broker.abilities.absence_is_proof else AGREE_REMOTELY_AFTER_S


class Asked:
    """When everything is to be looked at: now and then, when somebody says so, and after the venue was away."""

    def __init__(self, clock: HostClock, every_s: float) -> None:
        self._clock = clock
        self._every_s = every_s
        self._next = 0.0
        self._obeyed: object = None
        self._connected = True

    def now(self, order: object, *, connected: bool) -> bool:
        """Whether it is time; `order` is the newest of those that ask for it."""
        back, self._connected = connected and not self._connected, connected
        if not connected:
            self.again()  # an answer is what tells that the venue is back
        now = self._clock.monotonic()
        if now < self._next and order == self._obeyed and not back:
            return False
        self._obeyed, self._next = order, now + self._every_s
        return True

    def again(self, within_s: float = 5.0) -> None:
        """What was asked was not answered."""
        self._next = min(self._next, self._clock.monotonic() + within_s)


class Patience:
    """When orders in doubt are looked up again: soon at first, ever later while they stay the same ones."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._doubtful: Set[str] = frozenset()
        self._wait_s = first_s
        self._next = 0.0

    def wants(self, doubtful: Set[str], now: float) -> bool:
        """Whether to look now; `now` in monotonic seconds."""
        if not doubtful <= self._doubtful:
            self._wait_s, self._next = self._first_s, now
        self._doubtful = doubtful
        if not doubtful or now < self._next:
            return False
        self._next, self._wait_s = now + self._wait_s, min(2 * self._wait_s, self._most_s)
        return True

"""Bugs planted in the real code, each one that somebody's system has had. The simulations must find every one of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from decimal import Decimal
from typing import Any, Final
from unittest.mock import patch

from libs.common.database import Unreachable
from libs.common.journal import Hop, PostgresJournal
from libs.common.leases import Lease
from libs.domain.orders import Evidence, Order, Status
from libs.domain.trades import Fill
from libs.quant import dispatch
from libs.store import execution
from libs.venues.broker import NotSent, OutcomeUnknown
from services.trade_executor import absence, dispatching, reconciler
from services.trade_executor.absence import Absences
from services.trade_executor.beliefs import Beliefs
from services.trade_executor.evidence import News, Shown
from services.trade_executor.gate import Gate
from services.trade_executor.requests import Request
from services.trade_executor.send import Sender
from services.trade_executor.stage import ExecutionStage
from tests.chaos.simulation.broker import SimBroker
from tests.chaos.simulation.record import TradeRow
from tests.chaos.simulation.statements import STATEMENTS

Plant = Callable[[], AbstractContextManager[object]]


def _resends_when_unclear() -> AbstractContextManager[object]:
    """A request without an answer is sent once more (Catalyst 317, hummingbot 493)."""
    submit = SimBroker.submit

    async def twice(broker: SimBroker, order: Order, deadline: float) -> None:
        try:
            await submit(broker, order, deadline)
        except OutcomeUnknown:
            await submit(broker, order, float("inf"))

    return patch.object(SimBroker, "submit", twice)


def _takes_silence_for_a_no() -> AbstractContextManager[object]:
    """A request without an answer is taken for rejected (nautilus 4152)."""
    answers = Request.answers

    def sure(request: Request, outcome: Evidence, why: str) -> list[Shown]:
        return answers(request, Evidence.REJECTED if outcome is Evidence.UNCLEAR else outcome, why)

    return patch.object(Request, "answers", sure)


def _takes_silence_for_not_sent() -> AbstractContextManager[object]:
    """A request without an answer is taken for one that did not leave (hummingbot 8457)."""
    submit = SimBroker.submit

    async def sure(broker: SimBroker, order: Order, deadline: float) -> None:
        try:
            await submit(broker, order, deadline)
        except OutcomeUnknown as error:
            raise NotSent(str(error)) from error

    return patch.object(SimBroker, "submit", sure)


def _books_fills_again() -> AbstractContextManager[object]:
    """Which fills are booked is not looked at, and nothing in the tables would mind (nautilus 3493, 3046)."""
    read = execution.ExecutionStore.read

    async def blind(store: execution.ExecutionStore, *args: Any) -> execution.Snapshot:
        snapshot = await read(store, *args)
        snapshot.booked = []
        return snapshot

    stack = ExitStack()
    stack.enter_context(patch.object(execution.ExecutionStore, "read", blind))
    stack.enter_context(patch.object(Beliefs, "_contradiction", lambda *_: None))
    stack.enter_context(patch.dict(STATEMENTS, {("insert into trades (", ""): _without_keys}))
    return stack


def _without_keys(record: Any, params: Any) -> list[Any]:
    for values in zip(*params, strict=True):
        record.put("trades", values[0], TradeRow(*values))
    return []


def _cursor_moves_by_itself() -> AbstractContextManager[object]:
    """The cursor is moved in a transaction of its own, before the rows it stands for are written."""
    commit = PostgresJournal.commit

    async def split(journal: PostgresJournal, hop: Hop) -> None:
        if hop.moves:
            await commit(journal, Hop(moves=hop.moves))
        await commit(journal, Hop(writes=hop.writes, out=hop.out))

    stack = ExitStack()
    stack.enter_context(patch.object(PostgresJournal, "commit", split))
    stack.enter_context(patch.object(ExecutionStage, "_passed_over", _never))
    stack.enter_context(patch.object(ExecutionStage, "load", _load_without_approved))
    return stack


async def _never(_: ExecutionStage) -> bool:
    return False


async def _load_without_approved(self: ExecutionStage) -> None:
    await _LOAD(self)
    known = self._known
    known.open = {id_: held for id_, held in known.open.items() if held.status is not Status.APPROVED}


_LOAD: Final = ExecutionStage.load


def _sends_before_the_commit() -> AbstractContextManager[object]:
    """Requests leave when the hop is decided, not when it is durable."""
    hop = ExecutionStage.hop

    async def hasty(stage: ExecutionStage, *args: Any) -> Hop | None:
        made = await hop(stage, *args)
        change = stage._change
        if made is not None and change is not None and (change.sends or change.cancels):
            stage._start(change.sends, change.cancels)
            change.sends, change.cancels = [], []
        return made

    return patch.object(ExecutionStage, "hop", hasty)


def _ignores_its_lease() -> AbstractContextManager[object]:
    """Whoever was paused goes on sending when it wakes: neither lease nor deadline is looked at."""
    start = Sender.start

    def regardless(sender: Sender, sends: Any, cancels: Any) -> None:
        until, sender._lease.valid_until = sender._lease.valid_until, float("inf")
        with patch.object(Lease, "SEND_DEADLINE_S", float("inf")):
            start(sender, sends, cancels)
        sender._lease.valid_until = until

    return patch.object(Sender, "start", regardless)


def _writes_without_the_epoch() -> AbstractContextManager[object]:
    """Cursors and leases do not fence: a paused holder may still write."""

    def move(record: Any, params: Any) -> list[Any]:
        consumer, stream, _, end, _ = params
        record.put("cursors", (consumer, stream), (end, record.cursors[consumer, stream][1]))
        return [("",)]

    fences = {("select cursor_move(", ""): move, ("select lease_guard(", ""): _nothing, ("select lease_renew(", ""): _nothing}
    stack = ExitStack()
    stack.enter_context(patch.dict(STATEMENTS, fences))
    stack.enter_context(patch.object(Lease, "held", lambda _: True))
    stack.enter_context(_ignores_its_lease())
    return stack


def _nothing(_: Any, __: Any) -> list[Any]:
    return [("",)]


def _believes_one_look() -> AbstractContextManager[object]:
    """An order that a look does not find was never there (freqtrade 4403, nautilus 4411)."""
    stack = ExitStack()
    stack.enter_context(patch.object(absence, "LOOKS", 1))
    stack.enter_context(patch.object(absence, "LAG_S", 0.0))
    return stack


def _forgets_unknown_orders() -> AbstractContextManager[object]:
    """After a while an order in doubt is given up (hummingbot 1878)."""
    note = Absences.note

    def impatient(absences: Absences, held: Any, absent: Any, unanswered: Any, now: float) -> list[str]:
        note(absences, held, absent, unanswered, now)
        return [id_ for id_, missed in absences._missed.items() if now - missed.since >= 10.0]

    stack = ExitStack()
    stack.enter_context(patch.object(Absences, "note", impatient))
    stack.enter_context(patch.object(reconciler, "never_accepted", _all_absent))
    return stack


async def _all_absent(_: Any, __: Any, ids: Any) -> list[Shown]:
    return [Shown(id_, Evidence.NOT_ACCEPTED, Decimal(0), "given up") for id_ in ids]


def _drops_evidence_when_the_record_is_away() -> AbstractContextManager[object]:
    """What was shown while a commit failed is not shown again."""
    commit = PostgresJournal.commit
    hop = ExecutionStage.hop
    stages: dict[int, ExecutionStage] = {}

    async def remembered(stage: ExecutionStage, *args: Any) -> Hop | None:
        made = await hop(stage, *args)
        if made is not None:
            stages[id(made)] = stage
        return made

    async def careless(journal: PostgresJournal, made: Hop) -> None:
        stage = stages.pop(id(made), None)
        try:
            await commit(journal, made)
        except Unreachable:
            if stage is not None:
                stage._evidence.clear()
            raise

    stack = ExitStack()
    stack.enter_context(patch.object(ExecutionStage, "hop", remembered))
    stack.enter_context(patch.object(PostgresJournal, "commit", careless))
    stack.enter_context(patch.object(reconciler, "RECONCILE_EVERY_S", 1e9))
    return stack


def _trusts_the_stream() -> AbstractContextManager[object]:
    """Fills are never asked for: what the stream leaves out is never known (LEAN IB 249, TradeStation 101)."""

    async def none(*_: Any) -> list[Fill]:
        return []

    return patch.object(SimBroker, "fills_since", none)


def _two_orders_of_a_book() -> AbstractContextManager[object]:
    """An order in doubt does not keep the next one of its book back."""
    fates = dispatch.fates

    def careless(orders: Any, *args: Any, **named: Any) -> Any:
        return fates([o for o in orders if o.status is not Status.UNKNOWN], *args, **named)

    return patch.object(dispatching, "fates", careless)


def _reads_a_refused_cancel_as_the_end() -> AbstractContextManager[object]:
    """A cancel that is refused is taken for one that was done (Qubx 434, the other way round)."""
    show = ExecutionStage.show

    def sure(stage: ExecutionStage, evidence: Sequence[News]) -> None:
        unclear = (Evidence.CANCEL_REFUSED, Evidence.CANCEL_UNCLEAR)
        show(stage, [e._replace(evidence=Evidence.CANCELED) if isinstance(e, Shown) and e.evidence in unclear else e for e in evidence])

    return patch.object(ExecutionStage, "show", sure)


def _looks_at_the_kill_switch_too_early() -> AbstractContextManager[object]:
    """The kill switch is looked at when an order is decided on, and not once more before it leaves."""

    async def at_once(*_: object) -> None:
        pass

    stack = ExitStack()
    stack.enter_context(patch.object(Gate, "hold", lambda *_: ""))
    stack.enter_context(patch.object(Gate, "known", at_once))
    return stack


BUGS: Final[Mapping[str, Plant]] = {
    "resends when unclear": _resends_when_unclear,
    "takes silence for a no": _takes_silence_for_a_no,
    "takes silence for not sent": _takes_silence_for_not_sent,
    "books fills again": _books_fills_again,
    "moves the cursor by itself": _cursor_moves_by_itself,
    "sends before the commit": _sends_before_the_commit,
    "ignores its lease": _ignores_its_lease,
    "writes without the epoch": _writes_without_the_epoch,
    "believes one look": _believes_one_look,
    "forgets unknown orders": _forgets_unknown_orders,
    "drops evidence when the record is away": _drops_evidence_when_the_record_is_away,
    "trusts the stream": _trusts_the_stream,
    "two orders of a book": _two_orders_of_a_book,
    "looks at the kill switch too early": _looks_at_the_kill_switch_too_early,
    "reads a refused cancel as the end": _reads_a_refused_cancel_as_the_end,
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The bug is there while the body runs."""
    with BUGS[name]():
        yield

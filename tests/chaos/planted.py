"""Bugs to be found: each is one that somebody's system has had. They show that a run that is sound would not be if it were not."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec


def plant(name: str) -> None:
    """Puts the bug into this process, if it is the one that can have it."""
    BUGS[name]()


def _sends_twice() -> None:
    """Every seventh order is sent a second time under another id, as by a retry that makes its ids anew."""
    from libs.venues.broker import Broker
    from services.trade_executor.requests import Request

    send, sent = Request.send, [0]

    async def twice(request: Request, broker: Broker, deadline: float) -> None:
        await send(request, broker, deadline)
        sent[0] += 1
        if sent[0] % 7 == 0:
            order = request.orders[0]
            await broker.submit(msgspec.structs.replace(order, client_order_id=order.client_order_id[:-1] + "2"), deadline)

    Request.send = twice  # type: ignore[method-assign, assignment]


def _drops_fills() -> None:
    """One fill of eleven is believed to be booked already."""
    from libs.domain.trades import Fill
    from services.trade_executor.beliefs import Beliefs
    from services.trade_executor.evidence import News

    believe = Beliefs.believe

    def forgetful(beliefs: Beliefs, evidence: Sequence[News], *rest: Any) -> None:
        believe(beliefs, [e for e in evidence if not (isinstance(e, Fill) and sum(e.exec_key.encode()) % 11 == 0)], *rest)

    Beliefs.believe = forgetful  # type: ignore[method-assign, assignment]


def _takes_silence_for_no() -> None:
    """An order that was not answered is taken for refused."""
    from libs.domain.orders import Evidence
    from services.trade_executor.evidence import News, Shown
    from services.trade_executor.stage import ExecutionStage

    show = ExecutionStage.show

    def sure(stage: ExecutionStage, evidence: Sequence[News]) -> None:
        show(
            stage,
            [e._replace(evidence=Evidence.REJECTED) if isinstance(e, Shown) and e.evidence is Evidence.UNCLEAR else e for e in evidence],
        )

    ExecutionStage.show = sure  # type: ignore[method-assign, assignment]


BUGS: Final[Mapping[str, Callable[[], None]]] = {
    "sends_twice": _sends_twice,
    "drops_fills": _drops_fills,
    "takes_silence_for_no": _takes_silence_for_no,
}

"""The kill switch at one desk: who watches for it, who sees to its cancels, and what a person hears of them."""

import logging
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final

from libs.common.clocks import HostClock
from libs.common.database import Rejected, Unreachable
from libs.common.journal import PostgresJournal
from libs.common.logs import about
from libs.common.runner import Context
from libs.common.within import within
from libs.domain.messages import Notification
from libs.store import notifications
from libs.store.control import Control
from libs.venues.broker import Broker
from services.trade_executor.gate import Gate
from services.trade_executor.kill_watch import KillWatch
from services.trade_executor.send import Sender
from services.trade_executor.sweep import Book, Sweep, Swept

log = logging.getLogger(__name__)

RUNBOOK: Final = "runbooks/kill-switch"
TOLD_WITHIN_S: Final = 1.0


def guards(
    context: Context, gate: Gate, book: Book, broker: Broker, sender: Sender, ring: Callable[[], None]
) -> Sequence[Coroutine[object, object, None]]:
    """What obeys the kill switch, each until cancelled and whatever else the desk waits for. From here on the broker asks the gate before
    the wire."""
    account = gate.accounts[0]
    writing, saying = context.database(f"kill_file:{account}"), context.database(f"kill_told:{account}")
    control = Control(writing, PostgresJournal(writing, context.bus, context.clock), context.clock, context.name)

    async def tell(swept: Swept) -> None:
        if (said := told(context.clock, swept)) is None:
            return
        try:
            await within(TOLD_WITHIN_S, saying.write([notifications.store([said], context.name)]))
            await context.bus.publish(notifications.bells([said], context.sealer, context.clock))
        except (Unreachable, Rejected, TimeoutError) as error:
            unsaid = about("notified", "failure", account_id=account)
            log.warning("no notification of it, the record is away: %s", str(error) or "no answer", extra=unsaid)

    sweep = Sweep(gate, book, broker, context.clock, lambda orders: sender.start([], orders), tell)

    def changed() -> None:
        ring()
        sweep.wake()

    looking = context.database(f"kill:{account}")
    watch = KillWatch(gate, looking, Path(context.settings.state_dir), context.clock, control.record)
    gate.changed, broker.hold = changed, gate.hold
    sweep.wake()  # what was stopped before we began
    return watch.watch_record(), watch.watch_file(), watch.put_on_record(), sweep.run()


def told(clock: HostClock, swept: Swept) -> Notification | None:
    """Logs how a sweep stands; what to notify a person of, None when there is nothing to know."""
    account, key = swept.account_id, fault(swept.account_id)
    unknown = f" {swept.unknown} orders are UNKNOWN, and are canceled as soon as they are found." if swept.unknown else ""
    if swept.gone:
        text = f"{swept.orders} orders of {account} are gone from the venue {swept.seconds:.1f} s after the kill switch: {swept.scopes}"
        log.warning("verified: %s.%s", text, unknown, extra=about("kill_verified", "success", account_id=account, orders=swept.orders))
        if not swept.orders and not swept.late:
            return None
        body = f"Verified by the venue's own list of open orders.{unknown}"
        state: notifications.State = "resolved" if swept.late else "note"
        severity: notifications.Severity = "critical" if swept.late else "info"
        return notifications.notification(clock, "risk", severity, f"Kill switch: {text}", body, state=state, key=key if swept.late else "")
    left = "the venue does not list its open orders" if swept.unlisted else f"the venue still lists {len(swept.left)} orders"
    title = f"Kill switch of {account}: {left} after {swept.seconds:.0f} s"
    log.critical("%s: %s", title, ", ".join(swept.left[:20]), extra=about("kill_verified", "failure", account_id=account))
    body = (
        f"Stopped is {swept.scopes}. They are asked to go again and again.{unknown} Look at the venue itself, and cancel there what"
        f" stands:\n\n    fleet orders status --status open\n\n{', '.join(swept.left[:50])}"
    )
    return notifications.notification(clock, "risk", "critical", title, body, state="firing", key=key, link=RUNBOOK)


def fault(account_id: str) -> str:
    """What fires while orders that a kill switch ends are still there."""
    return f"kill_unverified:{account_id}"

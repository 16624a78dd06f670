"""What a person should hear of: written down when there is a database, however much later; the log has it at once."""

import asyncio
import logging
from typing import Final

from libs.common.database import Rejected, Unreachable
from libs.common.runner import Context
from libs.domain.messages import Notification
from libs.store import notifications
from libs.store.notifications import Severity, State

log = logging.getLogger(__name__)

AGAIN_S: Final = 5.0
MOST: Final = 1_000  # that wait for a database; the oldest are dropped


class Telling:
    """Notifications, oldest first. Nothing waits for them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._database = context.database("notifications") if context.settings.database_url else None
        self._waiting: list[Notification] = []
        self._news = asyncio.Event()

    def tell(self, account: str, severity: Severity, title: str, body: str, state: State) -> None:
        """Has it told."""
        said = notifications.notification(
            self._context.clock, "risk", severity, title, body, state=state, key=f"deadman:{account}", link="/runbooks/deadman"
        )
        self._waiting = [*self._waiting, said][-MOST:]
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while self._database is not None:
            await self._news.wait()
            self._news.clear()
            said = self._waiting[:]
            try:
                await self._database.write([notifications.store(said, self._context.name)])
            except (Unreachable, Rejected) as error:
                log.warning("%d notifications wait for the database: %s", len(said), error)
                await asyncio.sleep(AGAIN_S)
                self._news.set()
                continue
            self._waiting = [one for one in self._waiting if one not in said]
            await self._context.bus.publish(notifications.bells(said, self._context.sealer, self._context.clock))

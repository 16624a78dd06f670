"""An account's events on a connection: from the moment it is asked for, each report in the venue's words, until either side leaves."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from services.sim_venue.binance.desk import Desk
from services.sim_venue.binance.order_answers import Json
from services.sim_venue.binance.user_stream import Teller
from services.sim_venue.lines import Line

log = logging.getLogger(__name__)

Spelled = Callable[[Json], str]
"""An event as a frame of the connection it goes to."""


class AccountFeed:
    """One subscription to an account."""

    def __init__(self, desk: Desk, account: str, line: Line, spelled: Spelled) -> None:
        """Nothing that happens after this is missed. VenueError: the account is not there."""
        self._teller = Teller(desk, account)
        self._reports: Final = desk.host.reports(account)
        self._line = line
        self._spelled = spelled
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for report in self._reports:
            try:
                for symbol, event in self._teller.events(report):
                    self._line.send(self._spelled(event), symbol)
            except Exception:
                log.exception("report %d was not told", report.n)
        await self._line.close()  # it fell behind, or the venue is leaving: the client has to look and ask again

    def close(self) -> None:
        """No more of it."""
        self._task.cancel()
        self._reports.close()

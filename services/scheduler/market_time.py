"""Jobs by the time of the market that is played. It stands, jumps over closed hours and runs fast: so it is looked at, not waited for."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from libs.common.bus import Bus
from libs.common.clocks import HostClock
from libs.common.database import Database, Unreachable
from libs.domain.instruments import Calendar
from libs.quant.calendars import MINUTE
from libs.store import jobs, sessions
from libs.store.market_clock import ClockKeeper
from libs.store.sessions import Session
from services.scheduler.configuration import Planned
from services.scheduler.due import Watch
from services.scheduler.running import Runs

log = logging.getLogger(__name__)

LOOK_S: Final = 0.25
AFTER_THE_END: Final = 60 * MINUTE
"""A recording ends with its last close. What is due within an hour of it still belongs to that day."""


class MarketTime:
    """The market-time jobs of whatever session is played."""

    def __init__(self, planned: Sequence[Planned], database: Database, clocks: Database, bus: Bus, clock: HostClock, runs: Runs) -> None:
        """`clocks` is a connection for the market's clock alone."""
        self._planned = planned
        self._database = database
        self._clocks = clocks
        self._bus = bus
        self._clock = clock
        self._runs = runs

    async def run(self) -> None:
        """Until cancelled, session after session.

        Raises:
            LeaseLost: somebody else may act, not we.
        """
        while True:
            session = await sessions.awaited(self._database, asyncio.Event())
            assert session is not None  # nobody asks this wait to end
            try:
                await self._play(session)
            except* Unreachable as error:
                log.warning("jobs by market time begin again: %s", error.exceptions[0])
                await asyncio.sleep(LOOK_S)

    async def _play(self, session: Session) -> None:
        calendars = await calendars_of(self._database, session)
        decided = await jobs.decided_to(self._database, session.session_id)
        watch = Watch(self._planned, calendars, session.session_id, decided, session.start_time - 1, self._database, self._runs)
        await watch.show()
        keeper = ClockKeeper(self._clocks, self._bus, self._clock, session)
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(keeper.listen()), group.create_task(keeper.watch())]
            while not keeper.over.is_set():
                await self._look(watch, keeper.market.heard())  # a day is not reported before it has ended
                await asyncio.sleep(LOOK_S)
            for task in background:
                task.cancel()
        if await sessions.is_finished(self._database, session.session_id):
            await watch.look(keeper.market.heard() + AFTER_THE_END)
        await watch.rest()

    async def _look(self, watch: Watch, now: int) -> None:
        try:
            await watch.look(now)
        except Unreachable as error:
            log.warning("jobs by market time wait for the database: %s", error)


async def calendars_of(database: Database, session: Session) -> tuple[Calendar, ...]:
    """Of what a session plays. What trades around the clock has no say where something keeps hours."""
    instruments = await sessions.instruments(database, session.venue)
    found = {instruments[symbol].calendar for symbol in session.fills["on"] if symbol in instruments}
    return tuple(sorted(found - {"24/7"})) or ("24/7",)

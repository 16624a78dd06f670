"""Where all that a person should hear of comes in, is decided on, written down, and handed to the couriers."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from libs.common.clocks import HostClock
from libs.common.consumer import Bell
from libs.common.database import Database, Unreachable, Write
from libs.domain.configuration import ChannelConfig, NotificationsConfig
from libs.domain.gathering import WINDOW
from libs.domain.messages import Notification
from libs.domain.notifying import TOO_OLD, Delivery, Memory, Note, dropped, plan
from libs.store import deliveries
from services.monitor.couriers import Courier
from services.monitor.recorder import Recorder
from services.monitor.times import utc

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
COMMIT_WITHIN_S: Final = 1.0  # what the monitor itself has to say waits no longer for the record
REMEMBERED: Final = timedelta(days=7)


class Desk:
    """The queue: rows of all producers, and the monitor's own words, which need no database to be delivered."""

    def __init__(
        self, database: Database, recorder: Recorder, config: NotificationsConfig, couriers: Mapping[str, Courier], clock: HostClock
    ) -> None:
        self.bell = Bell()
        self._database = database
        self._recorder = recorder
        self._config = config
        self._couriers = couriers
        self._clock = clock
        self._memory = Memory()
        self._taken: set[UUID] = set()  # decided on here; their rows may not say so yet
        self._recalled = asyncio.Event()

    @property
    def _channels(self) -> list[ChannelConfig]:
        return [channel for channel in self._config.channel if channel.kind in self._couriers]

    async def say(self, said: Sequence[Notification], with_: Sequence[Write] = ()) -> None:
        """Tells of what the monitor has noticed, and writes it down with the rows that belong to it, if need be later."""
        now = utc(self._clock)
        plans = [(one, self._plan(deliveries.note_of(one, now), now)) for one in said]
        writes = [*with_]
        for one, planned in plans:
            writes += [*deliveries.made(one, now), *deliveries.planned(one.notification_id, planned, now)]
        await asyncio.wait({self._recorder.keep(writes)}, timeout=COMMIT_WITHIN_S)
        for _, planned in plans:
            self._hand_over(planned)

    async def run(self) -> None:
        """Decides on the rows of others, at each bell and each second, until cancelled; through outages."""
        while True:
            try:
                if not self._recalled.is_set():
                    await self._recall()
                await self._look()
            except (Unreachable, TimeoutError) as error:
                log.info("notifications of others wait for the database: %s", str(error) or "no answer")
            await self.bell.wait(LOOK_S)

    async def _recall(self) -> None:
        """What was told before, and what was still to be delivered when the monitor ended."""
        now = utc(self._clock)
        async with asyncio.timeout(COMMIT_WITHIN_S * 5):
            told = await deliveries.told(self._database, now - REMEMBERED)
            waiting = await deliveries.waiting(self._database)
            sent_at = await deliveries.sent_at(self._database, now - WINDOW)
        for note in told:
            if note.id not in self._taken:
                self._memory.recall(note)
        for name, moments in sent_at.items():
            if name in self._couriers:
                self._couriers[name].remember(moments)
        old = [delivery for delivery in waiting if now - delivery.note.created_at > TOO_OLD]
        self._recorder.keep(deliveries.kept([dropped(delivery, "more than 24 hours old") for delivery in old], now))
        fresh = [delivery for delivery in waiting if delivery not in old and delivery.note.id not in self._taken]
        self._hand_over(fresh)
        self._recalled.set()
        log.info("taken up: %d deliveries that were waiting", len(fresh))

    async def _look(self) -> None:
        async with asyncio.timeout(COMMIT_WITHIN_S * 5):
            found = await deliveries.undecided(self._database)
        now = utc(self._clock)
        for note in found:
            if note.id in self._taken:
                continue
            planned = self._plan_of_others(note, now)
            kept = self._recorder.keep(deliveries.planned(note.id, planned, now))
            kept.add_done_callback(lambda done, planned=planned: self._hand_over(planned))  # type: ignore[misc]
        if len(found) == deliveries.AT_ONCE:
            self.bell.ring()
        self._taken &= {note.id for note in found} | self._unwritten

    def _plan(self, note: Note, now: datetime) -> list[Delivery]:
        self._taken.add(note.id)
        return plan(note, self._channels, self._config.quiet_hours, self._memory, now)

    def _plan_of_others(self, note: Note, now: datetime) -> list[Delivery]:
        try:
            return self._plan(note, now)
        except Exception as error:  # one row that makes no sense must not silence the others
            log.error("notification %s is told nobody: %s: %s", note.id, type(error).__name__, error)
            return []

    def _hand_over(self, planned: Sequence[Delivery]) -> None:
        for delivery in planned:
            if delivery.state == "waiting" and delivery.channel in self._couriers:
                self._couriers[delivery.channel].take([delivery])

    @property
    def _unwritten(self) -> set[UUID]:
        return self._taken if self._recorder.waiting else set()

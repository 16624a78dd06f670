"""One active, one in reserve: a holder acts only while its lease is its own, on its own monotonic clock.

See docs/adr/0006-leases.md for why a paused holder cannot double an order.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.database import Database, LeaseLost, Unreachable
from libs.common.logs import about

log = logging.getLogger(__name__)


class Behind(NamedTuple):
    """Whose a lease is that we wait for."""

    holder: str
    renewed: bool  # it was seen to be renewed just now: the holder lives


def nobody_asks(_: Behind) -> None:
    """Whoever waits without telling."""


class Lease:
    """A named right to act, renewed each second, good for four."""

    TTL_S: Final = 4.0
    RENEW_S: Final = 1.0
    SEND_DEADLINE_S: Final = 3.0

    def __init__(self, database: Database, name: str, holder: str, clock: HostClock) -> None:
        self._database = database
        self._clock = clock
        self.name = name
        self.holder = holder
        self.epoch = 0
        self.valid_until = float("-inf")  # on the monotonic clock

    def held(self) -> bool:
        """Whether we may act now."""
        return self._clock.monotonic() < self.valid_until

    async def acquire(self, streams: Sequence[str], stopping: asyncio.Event, waiting: Callable[[Behind], None] = nobody_asks) -> bool:
        """Waits until the lease is ours: at once when it is free or released, else after its expiry and the send deadline.

        Taking it raises the epoch here and in the consumer's cursors of `streams`. False when asked to stop first.
        `waiting` is told of the holder at each look that finds one.
        """
        waited_for, ends_at, renewed_at = "", float("-inf"), float("-inf")
        while not stopping.is_set():
            asked_at = self._clock.monotonic()
            try:
                rows = await self._database.fetch(
                    "select epoch, holder, wait_s from lease_take(%s, %s, %s, %s, %b::text[])",
                    (self.name, self.holder, self.TTL_S, self.SEND_DEADLINE_S, list(streams)),
                )
            except Unreachable as error:
                away = about("database_lost", "failure", lease=self.name)
                log.warning("lease %s: waiting for the database: %s", self.name, error, extra=away)
                await asyncio.sleep(0.5)
                continue
            epoch, holder, wait_s = rows[0]
            if holder == self.holder:
                self.epoch, self.valid_until = epoch, asked_at + self.TTL_S
                metrics.LEASE_EPOCH.labels(lease=self.name).set(epoch)
                log.info("lease %s taken, epoch %d", self.name, epoch, extra=about("lease_taken", "success", lease=self.name))
                return True
            if holder != waited_for:
                held = about("lease_taken", "failure", lease=self.name)
                log.info("lease %s is held by %s; waiting up to %.1f s", self.name, holder, wait_s, extra=held)
                waited_for, ends_at, renewed_at = holder, asked_at + wait_s, float("-inf")
            if asked_at + wait_s > ends_at + self.RENEW_S / 2:  # its end has moved
                ends_at, renewed_at = asked_at + wait_s, asked_at
            waiting(Behind(holder, asked_at - renewed_at < 3 * self.RENEW_S))
            await asyncio.sleep(min(max(wait_s, 0.05), 0.5))
        return False

    async def keep(self, lost: Callable[[str], None]) -> None:
        """Renews until cancelled, also one that ran out and that nobody took. Calls `lost` once, with the reason, when it is another's."""
        while True:
            await asyncio.sleep(self.RENEW_S)
            asked_at = self._clock.monotonic()
            try:
                await self._database.fetch("select lease_renew(%s, %s, %s, %s)", (self.name, self.holder, self.epoch, self.TTL_S))
                self.valid_until = asked_at + self.TTL_S
            except LeaseLost as error:
                self.valid_until = float("-inf")
                metrics.LEASE_EPOCH.labels(lease=self.name).set(0)
                lost(str(error))
                return
            except Unreachable as error:
                left_s = self.valid_until - asked_at
                told = about("lease_renewed", "unknown", lease=self.name)
                log.warning("lease %s not renewed, good for %.1f s: %s", self.name, left_s, error, extra=told)

    async def release(self) -> None:
        """Gives it back, so that a successor need not wait."""
        self.valid_until = float("-inf")
        if self.epoch:
            metrics.LEASE_EPOCH.labels(lease=self.name).set(0)
            await self._database.fetch("select lease_release(%s, %s)", (self.name, self.holder))

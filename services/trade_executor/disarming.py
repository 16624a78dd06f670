"""Watches the ground an account stands on, and disarms it while that is not sound: host, clocks, releases of the fleet, venue.

Four looks a second at this host, two at the record. What it finds goes to the gate at once, which holds back what adds to a book; and
on record, where risk_manager, the monitor, `fleet status` and the live screen read it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from libs.common import host, metrics
from libs.common.clocks import SECOND, HostClock
from libs.common.database import Database, Rejected, Unreachable, Write
from libs.common.leases import Lease
from libs.common.logs import about
from libs.common.within import within
from libs.domain.configuration import GuardsConfig
from libs.domain.guards import LAGS, Build, ClockSteps, Guard, Look, Reason, differing
from libs.domain.health import TRADING
from libs.store import disarmed
from libs.store.disarmed import Asked
from libs.store.sessions import Account
from services.trade_executor.gate import Gate

log = logging.getLogger(__name__)

EVERY_S: Final = 0.25
RECORD_EVERY_S: Final = 0.5
ANSWER_WITHIN_S: Final = 1.0
TOLD_AGAIN_S: Final = 5.0  # figures of a reason that goes on


class Ground(NamedTuple):
    """What a process stands on, and how much of it there has to be."""

    own: Build
    bounds: GuardsConfig
    state_dir: Path
    needed: frozenset[str] = TRADING  # services that have to run the same


class GroundWatch:
    """Of one account, while it is traded under its lease."""

    def __init__(
        self,
        ground: Ground,
        gate: Gate,
        database: Database,
        writing: Database,
        clock: HostClock,
        lease: Lease,
        *,
        account: Account,
        lockstep: bool,
        reached: Callable[[], bool],
        pending: Callable[[], str],
        said: Callable[[], None],
    ) -> None:
        """
        Args:
            database: for looking only.
            writing: for what is found, which may wait for a server that does not answer.
            reached: whether the venue is there.
            pending: why record and venue are not known to agree; "" when they are.
            said: called when reasons have come or gone.
        """
        self._ground = ground
        self._gate = gate
        self._database = database
        self._writing = writing
        self._clock = clock
        self._lease = lease
        self._account = account
        self._reached = reached
        self._pending = pending
        self._said = said
        self._lockstep = lockstep
        self._guard = Guard(ground.bounds, lockstep=lockstep)
        self._steps = ClockSteps()
        self._reached_at = self._answered_at = clock.monotonic()
        self._lag_s = 0.0
        self._asked: Asked | None = None
        self._offset_s: float | None = None
        self._written: Sequence[Reason] | None = None
        self._written_at = float("-inf")
        self._warned = ""
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()  # it has looked at everything once, and in lockstep found the fleet of one build

    def tasks(self) -> Sequence[Coroutine[object, object, None]]:
        """Each until cancelled."""
        return self.watch_host(), self.watch_record(), self.put_on_record()

    async def begun(self, over: asyncio.Event, say: Callable[[str], None]) -> None:
        """Once it has looked at everything, or it is all over. In lockstep, which has time, once the fleet is of one build."""
        while not self._ready.is_set() and not over.is_set():
            say("; ".join(reason.text for reason in self._gate.disarmed) or "looks at host, clocks and releases")
            with suppress(TimeoutError):
                await within(EVERY_S, self._ready.wait())

    # --- looking

    async def watch_host(self) -> None:
        """Until cancelled. It measures its own lateness: whatever holds it up holds up what sends orders too."""
        while True:
            due = self._clock.monotonic() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._lag_s = max(self._lag_s, self._clock.monotonic() - due)
            self.look()

    async def watch_record(self) -> None:
        """Until cancelled."""
        while True:
            began = self._clock.monotonic()
            try:
                await within(ANSWER_WITHIN_S, self._ask())
            except (Unreachable, Rejected, TimeoutError) as error:
                log.debug("the record does not say how the fleet is: %s", str(error) or "no answer")
            await asyncio.sleep(max(0.0, began + RECORD_EVERY_S - self._clock.monotonic()))

    async def _ask(self) -> None:
        """Asks the record, and compares its clock with ours: what the round trip leaves uncertain counts as no offset."""
        self._steps.look(self._clock.now_ns(), self._clock.monotonic())
        stepped_s = self._steps.unconfirmed_s
        began, asked_ns = self._clock.monotonic(), self._clock.now_ns()
        asked = await disarmed.ask(self._database, self._account.account_id)
        took_s = self._clock.monotonic() - began
        offset_s = (asked_ns - asked.now_ns) / SECOND + took_s / 2
        self._asked, self._answered_at = asked, self._clock.monotonic()
        self._offset_s = max(0.0, abs(offset_s) - took_s / 2) * (1 if offset_s > 0 else -1)
        self.look()
        if abs(self._offset_s) < self._ground.bounds.clock_block_s and self._steps.unconfirmed_s == stepped_s:  # not set meanwhile
            self._steps.confirmed()

    def look(self) -> None:
        """One judgement of all that is known."""
        now = self._clock.monotonic()
        self._steps.look(self._clock.now_ns(), now)
        self._reached_at = now if self._reached() else self._reached_at
        disk, kernel, asked = host.disk(self._ground.state_dir), host.clock(), self._asked
        if kernel is not None:
            metrics.CLOCK_SYNCHRONISED.set(kernel.synchronised)
        ntp_offset_s = kernel.offset_s if kernel is not None and kernel.synchronised else None
        look = Look(
            disk_free=None if disk is None else disk.free,
            disk_free_bytes=None if disk is None else disk.free_bytes,
            memory_available=host.memory(),
            loop_lag_s=self._lag_s,
            journal_lag_s=None if asked is None else asked.journal_lag_s,
            offset_s=self._offset_s,
            ntp_offset_s=ntp_offset_s,
            stepped_s=self._steps.unconfirmed_s,
            differing="" if asked is None else differing(self._ground.own, asked.builds, self._ground.needed, asked.schema),
            away_s=now - self._reached_at,
            pending=self._pending(),
            unread_s=now - self._answered_at,
        )
        self._lag_s = 0.0
        self._warn(look)
        self._take(self._guard.look(look, now), now)
        if asked is not None and not (self._lockstep and self._gate.disarmed):
            self._ready.set()

    def _take(self, reasons: Sequence[Reason], now: float) -> None:
        before = {reason.key for reason in self._gate.disarmed}
        keys = {reason.key for reason in reasons}
        self._gate.disarm(reasons)
        if keys != before:
            self._tell(reasons, before)
            self._said()
        if keys != {reason.key for reason in self._written or ()} or self._written is None or now - self._written_at > TOLD_AGAIN_S:
            self._changed.set()

    def _tell(self, reasons: Sequence[Reason], before: set[str]) -> None:
        account = self._account.account_id
        for reason in reasons:
            metrics.DISARMED.labels(account=account, reason=reason.key).set(1)
            if reason.key not in before:
                level = logging.WARNING if reason.key in LAGS else logging.ERROR
                told = about("disarmed", "success", account_id=account, reason=reason.key)
                log.log(level, "%s is disarmed: %s (%s); what only closes still goes", account, reason.text, reason.code, extra=told)
        for key in before - {reason.key for reason in reasons}:
            metrics.DISARMED.remove_by_labels({"account": account, "reason": key})
        if before and not reasons:
            log.warning("%s is armed again", account, extra=about("armed", "success", account_id=account))

    def _warn(self, look: Look) -> None:
        """A clock that is off, but not by so much that nothing may be sent."""
        offsets = [offset for offset in (look.offset_s, look.ntp_offset_s) if offset is not None]
        off = next((offset for offset in offsets if abs(offset) > self._ground.bounds.clock_warn_s), None)
        now = "" if off is None else "off"
        if now and now != self._warned and off is not None:
            most = self._ground.bounds.clock_block_s * 1000
            log.warning("the host's clock is %+.0f ms off; beyond %g ms it disarms", off * 1000, most, extra=about("clock_off", "failure"))
        self._warned = now

    # --- on record

    async def put_on_record(self) -> None:
        """Keeps the rows as the reasons are, under the account's lease, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            reasons = tuple(self._gate.disarmed)
            if reasons == self._written:
                self._written_at = self._clock.monotonic()
                continue
            try:
                await self._write(reasons)
            except (Unreachable, Rejected) as error:
                told = about("disarmed_recorded", "failure", account_id=self._account.account_id)
                log.warning("what disarms %s waits for the record: %s", self._account.account_id, error, extra=told)
                await asyncio.sleep(RECORD_EVERY_S)
                self._changed.set()

    async def leave(self) -> None:
        """Nobody watches the ground any more, and nothing is said of it; under the lease, when the tasks have ended."""
        for reason in self._gate.disarmed:
            metrics.DISARMED.remove_by_labels({"account": self._account.account_id, "reason": reason.key})
        self._gate.disarm(())
        if self._written:
            with suppress(Unreachable, Rejected, TimeoutError):
                await within(ANSWER_WITHIN_S, self._write(()))

    async def _write(self, reasons: Sequence[Reason]) -> None:
        guard = Write("select lease_guard(%s, %s)", (self._lease.name, self._lease.epoch))
        await self._writing.write([guard, *disarmed.store(self._account.account_id, reasons)])
        self._written, self._written_at = reasons, self._clock.monotonic()

"""The dead man of one account: counts its absence, and once it trips sweeps until nothing is open, for as long as nobody is back."""

import asyncio
import logging
from typing import Final

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.logs import Outcome as Logged
from libs.common.logs import about
from libs.domain.configuration import VenueConfig
from libs.domain.deadman import Terms, Watch, looked
from services.deadman.hand import Hand, Outcome
from services.deadman.telling import Telling

log = logging.getLogger(__name__)

AGAIN_S: Final = 2.0  # between two tries while something may be open
LOOK_AGAIN_S: Final = 60.0  # when nothing was: an order that was on its way when we looked
CHECK_AFTER_S: Final = 15.0  # a fleet that is starting has other things to do
CHECK_EVERY_S: Final = 3600.0
CHECK_AGAIN_S: Final = 60.0  # after one that failed


class Guard:
    """Of one account at a venue that is not within this fleet's own processes."""

    def __init__(
        self, account: str, venue: VenueConfig, terms: Terms, hand: Hand, telling: Telling, clock: HostClock, check_after_s: float
    ) -> None:
        self._account = account
        self._venue = venue
        self._terms = terms
        self._hand = hand
        self._telling = telling
        self._clock = clock
        self._watch = Watch()
        self._sweeping: asyncio.Task[None] | None = None
        self._swept: Outcome | None = None  # the newest sweep of this absence
        self._key: Outcome | None = None  # the newest look at our key; None: not looked at yet
        self._checking = asyncio.create_task(self._check(check_after_s))

    # --- how it is

    @property
    def trouble(self) -> str:
        """Why we could not act; "" when we could, or do not know yet."""
        return self._key.trouble if self._key is not None and self._key.wrong_key else ""

    def shown(self) -> dict[str, object]:
        """For /info."""
        key = "not looked at yet" if self._key is None else self._key.trouble or "good"
        swept = None if self._swept is None else self._swept.trouble or "nothing is open"
        return {
            "venue": self._venue.name,
            "absent_s": round(self._watch.absent_s(), 1),
            "tripped": self._watch.tripped,
            "swept": swept,
            "key": key,
        }

    # --- what happens

    def look(self, at: float, *, attended: bool) -> None:
        """Takes in one look at it, which began then."""
        before, self._watch = self._watch, looked(self._watch, at, attended=attended, terms=self._terms)
        metrics.DEADMAN_ABSENT.labels(account=self._account).set(self._watch.absent_s())
        metrics.DEADMAN_TRIPPED.labels(account=self._account).set(self._watch.tripped)
        if self._watch.tripped and not before.tripped:
            self._trip()
        elif before.tripped and not self._watch.tripped:
            self._untrip()

    async def leave(self) -> None:
        """Ends what it does."""
        tasks = [task for task in (self._sweeping, self._checking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for measure in (metrics.DEADMAN_ABSENT, metrics.DEADMAN_TRIPPED, metrics.DEADMAN_KEY):
            measure.remove_by_labels({"account": self._account})

    def _trip(self) -> None:
        absent = f"nobody has attended to account {self._account} for {self._watch.absent_s():.0f} s"
        log.critical(
            "%s: all its open orders at %s are canceled", absent, self._venue.name, extra=self._about("deadman_tripped", "success")
        )
        body = (
            f"{absent[0].upper()}{absent[1:]}: no trade_executor that holds its lease answers. All its open orders at venue"
            f" {self._venue.name} are being canceled, but for protective stops.\n\n**What that means:** positions stay as they are."
        )
        self._telling.tell(self._account, "critical", f"The dead man has tripped: {self._account}", body, "firing")
        self._swept = None
        self._sweeping = asyncio.create_task(self._sweep())

    def _untrip(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        log.warning("account %s is attended to again", self._account, extra=self._about("deadman_rearmed", "success"))
        body = f"A trade_executor holds the lease of {self._account} again, and looks what became of its orders before it sends any."
        self._telling.tell(self._account, "info", f"Attended to again: {self._account}", body, "resolved")

    async def _sweep(self) -> None:
        """Until cancelled: again soon while something may be open, now and then afterwards."""
        while True:
            before, self._swept = self._swept, await self._hand.sweep(self._account, self._venue)
            found = self._swept
            if found.found > 0:
                metrics.DEADMAN_FOUND.labels(account=self._account).inc(found.found)
            if before is None or (found.verified, found.trouble) != (before.verified, before.trouble) or found.found:
                self._say(found)
            await asyncio.sleep(LOOK_AGAIN_S if found.verified else AGAIN_S)

    def _say(self, found: Outcome) -> None:
        if found.verified:
            but = f" but {found.kept} that protect positions" if found.kept else ""
            text = f"venue {self._venue.name} lists no open order of {self._account} any more{but}; {found.found} were open"
            log.warning("%s", text, extra=self._about("deadman_swept", "success"))
            body = f"Venue {self._venue.name} lists no open order of {self._account} any more{but}; {found.found} were open at this look."
            self._telling.tell(self._account, "critical", f"Nothing is open any more: {self._account}", body, "firing")
        else:
            told = self._about("deadman_swept", "failure")
            log.critical("orders of account %s may still be open, tried again: %s", self._account, found.trouble, extra=told)

    async def _check(self, after_s: float) -> None:
        """Whether our key opens the account, now and then: found out before it is needed. Not while it is used."""
        await asyncio.sleep(after_s)
        while True:
            if self._sweeping is None:
                before, self._key = self._key, await self._hand.check(self._account, self._venue)
                metrics.DEADMAN_KEY.labels(account=self._account).set(self._key.verified)
                if before is None or before.trouble != self._key.trouble:
                    self._say_key(self._key)
            await asyncio.sleep(CHECK_EVERY_S if self._key is None or self._key.verified else CHECK_AGAIN_S)

    def _say_key(self, found: Outcome) -> None:
        if found.verified:
            good = self._about("deadman_key", "success")
            log.info("the dead man's key opens account %s at venue %s", self._account, self._venue.name, extra=good)
        else:
            wrong = self._about("deadman_key", "failure")
            log.error("account %s could not be swept now: %s", self._account, found.trouble, extra=wrong)

    def _about(self, action: str, outcome: Logged) -> dict[str, object]:
        return about(action, outcome, account_id=self._account)

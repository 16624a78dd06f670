"""The limits that an account is judged by: those of the record, followed from hop to hop. Which held when goes into the record."""

import logging

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.database import Database
from libs.common.journal import Hop
from libs.common.logs import about
from libs.domain.limits import CONTROL
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import Check
from libs.store import limits
from libs.store.limits import LimitsInForce
from libs.store.risk import Snapshot
from libs.store.sessions import Account

log = logging.getLogger(__name__)


class LimitsKeeper:
    """One account under one lease."""

    def __init__(self, database: Database, account: Account, host: HostClock) -> None:
        """`database`: that of the hop."""
        self._database = database
        self._account = account
        self._kept = LimitsInForce(database, host)
        self.limits = Limits(())  # as last followed
        self._stored: tuple[int, list[int]] | None = None  # how many rows of limits used there are, and what the newest says
        self._storing: tuple[int, list[int]] | None = None

    async def follow(self, snapshot: Snapshot) -> bool:
        """Before anything is decided on the snapshot: whether other limits hold than at the last one."""
        if self._stored is None:
            used = await limits.used(self._database, self._account.account_id)
            self._stored = len(used), used[-1][1] if used else []
        changed = await self._kept.follow(snapshot.limits)
        standing = self._kept.standing
        metrics.LIMITS_VERSION.labels(account=self._account.account_id).set(standing.version)
        metrics.LIMITS_PENDING.labels(account=self._account.account_id).set(len(standing.pending))
        if changed:
            self.limits = Limits(self._kept.limits)
            told = about("limits_in_force", "success", account_id=self._account.account_id)
            log.info("%s is judged by limits %s", self._account.account_id, standing.stamp, extra=told)
            most = self.limits.multiple("max_position_notional", account=self._account.name)
            if most is None:
                metrics.POSITION_LIMIT.remove(self._account.account_id)
            else:
                metrics.POSITION_LIMIT.labels(account=self._account.account_id).set(most)
        return changed

    def check(self) -> Check:
        """By which limits it was decided: the first thing that an assessment says."""
        return Check(CONTROL, "limits", None, self._kept.standing.stamp)

    def add_to(self, hop: Hop, now: int) -> None:
        """Where other limits have come to hold, from which market time on goes on record."""
        assert self._stored is not None
        n, before = self._stored
        versions = self._kept.standing.versions
        self._storing = None
        if versions != before:
            self._storing = n + 1, versions
            hop.writes.append(limits.store_used(self._account.account_id, n + 1, now, versions))

    def committed(self) -> None:
        """What went into the hop is on record."""
        self._stored, self._storing = self._storing or self._stored, None

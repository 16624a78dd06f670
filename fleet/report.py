"""The one JSON line of a run: what it did, and whether it was healthy."""

from collections.abc import Mapping

import msgspec

from fleet.venue_books import VenueBooks
from fleet.watching import BARS, TICKS, Latency, Samples
from libs.common.database import Database
from libs.store import activity, strategies
from libs.store.activity import Counts, Start
from libs.store.audit import ledger_faults


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds; null when no order was approved."""

    p50: float | None
    p99: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are those of the run, `seconds` those it played after all services were ready."""

    healthy: bool
    seconds: float | int
    services: Mapping[str, str]
    ticks: int
    bars: int
    signals: int
    assessments: int
    orders: int
    trades: int
    rejected: int
    ledger_balanced: bool
    tick_to_order_ms: Percentiles
    restarts: int
    faults: list[str]  # why it is not healthy; empty when it is

    def line(self) -> str:
        """As JSON on one line."""
        return msgspec.json.encode(self).decode()


async def report(
    database: Database,
    start: Start,
    samples: Samples,
    books: VenueBooks,
    *,
    seconds: float,
    services: Mapping[str, str],
    restarts: int,
) -> Report:
    """The report of a run that has come to rest; `services` as they were just before they were stopped.

    Raises:
        Unreachable: the database is away.
    """
    counts = await activity.counts(database, start.at)
    theirs = await books.read(await activity.accounts(database))
    ledger = theirs.unreadable + await ledger_faults(database, theirs.held)
    faults = faults_of(services, counts, ledger, await strategies.failed(database))
    latency = samples.latency or Latency(n=0, p50=None, p99=None)
    return Report(
        healthy=not faults,
        seconds=int(seconds) if seconds == int(seconds) else seconds,
        services=services,
        ticks=samples.total(TICKS),
        bars=samples.total(BARS),
        signals=counts.signals,
        assessments=counts.assessments,
        orders=counts.orders,
        trades=counts.trades,
        rejected=counts.rejected,
        ledger_balanced=not ledger,
        tick_to_order_ms=Percentiles(p50=latency.p50, p99=latency.p99),
        restarts=restarts,
        faults=faults,
    )


def faults_of(services: Mapping[str, str], counts: Counts, ledger: list[str], failed: Mapping[str, str]) -> list[str]:
    """Everything that makes a run unhealthy, one sentence each. Restarts do not."""
    faults = [f"{name} was not ready at the end: {state}" for name, state in services.items() if state != "healthy"]
    if counts.quarantined:
        faults.append(f"{counts.quarantined} messages or fills were put into quarantine")
    if counts.unsettled:
        faults.append(f"{counts.unsettled} orders are SUBMITTING or UNKNOWN")
    return [*faults, *failed.values(), *ledger]

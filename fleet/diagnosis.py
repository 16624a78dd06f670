"""What is wrong with a fleet, what it means, and where to read on. Pure: judges what `facts` has gathered, the worst first."""

from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec

from fleet.facts import Facts
from libs.domain.fleet import MEMBERS, SERVICES, STANDBYS
from libs.domain.kill import MEANING, named, written

Severity = Literal["critical", "warning"]

LAG_S: Final = 5.0
UNSETTLED_S: Final = 5.0
WAITING_S: Final = 120.0
DISK_LOW: Final = 0.10
DISK_OUT: Final = 0.03
MEMORY_LOW: Final = 0.10
SKEW_S: Final = 0.05
SKEW_BLOCKS_S: Final = 0.5
PATIENT: Final = ("backtester", *STANDBYS)
"""Services that trading does not need."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    severity: Severity
    what: str
    means: str
    runbook: str  # page of docs/runbooks, without its ending; "" when the finding says it all


def findings(facts: Facts) -> list[Finding]:
    """Everything that is wrong, the worst first; empty when nothing is, as far as could be seen."""
    found = [finding for look in LOOKS for finding in look(facts)]
    return sorted(found, key=lambda finding: finding.severity != "critical")


def _servers(facts: Facts) -> Iterator[Finding]:
    if facts.postgres is not None and not facts.postgres.ok:
        yield Finding(
            severity="critical",
            what=f"Postgres does not answer: {facts.postgres.detail}",
            means="nothing is decided, sent or booked until it is back; what is at the venue stays there. The rest of this page that comes"
            " from the record is missing",
            runbook="server-down",
        )
    if facts.redis is not None and not facts.redis.ok:
        yield Finding(
            severity="warning",
            what=f"Redis does not answer: {facts.redis.detail}",
            means="no order is lost or doubled: bars, signals and orders are read from Postgres instead, about half a second later",
            runbook="server-down",
        )


def _services(facts: Facts) -> Iterator[Finding]:
    for service in facts.services:
        if service.state == "healthy":
            continue
        member = MEMBERS.get(service.name)
        stopped = service.state == "does not answer"
        yield Finding(
            severity="warning" if service.name in PATIENT else "critical",
            what=f"{service.name}: {service.state}" + ("; its process is there but stands still" if stopped else ""),
            means=member.stops if member else "it does none of its work",
            runbook="broker-outage" if " is away: " in service.state else "service-down",
        )


def _durable(facts: Facts) -> Iterator[Finding]:
    for name, value in (facts.record.server.settings if facts.record else {}).items():
        if value in ("off", "local"):
            yield Finding(
                severity="critical",
                what=f"Postgres runs with {name} = {value}",
                means="what was committed may be lost in a power cut: orders that were sent would be forgotten. Set it to on and restart",
                runbook="",
            )


def _market(facts: Facts) -> Iterator[Finding]:
    session = facts.record.session if facts.record else None
    if session is None:
        return
    if facts.market_moves is False:
        yield Finding(
            severity="critical",
            what=f"the market of {session.feed} stands still: its time has not moved for 3 s",
            means="every new order is refused (RC-C03); open orders and cancels go on",
            runbook="feed-stale",
        )
    if session.paused:
        yield Finding(
            severity="warning",
            what="the fleet is paused",
            means="no strategy emits a signal; go on with `fleet resume`",
            runbook="",
        )


def _leases(facts: Facts) -> Iterator[Finding]:
    record = facts.record
    if record is None or record.session is None or record.session.state != "running":
        return
    held = {lease.name for lease in record.leases if lease.held}
    for account in record.session.accounts:
        for role, service in (("risk", "risk_manager"), ("executor", "trade_executor")):
            name = f"{role}:{account}"
            if name not in held:
                yield Finding(
                    severity="critical",
                    what=f"nobody holds the lease {name}",
                    means=f"{service} does not act for {account}: {SERVICES[service].stops}",
                    runbook="lease-lost",
                )


def _behind(facts: Facts) -> Iterator[Finding]:
    for lag in facts.record.behind if facts.record else []:
        if lag.age_s > LAG_S:
            yield Finding(
                severity="critical" if ":" in lag.consumer else "warning",
                what=f"{lag.consumer} is {lag.messages:,} messages behind in {lag.stream}; the oldest waits for {lag.age_s:,.0f} s",
                means="what waits is late: signals and orders that are too old are refused or expire, nothing is lost",
                runbook="journal-lag",
            )


def _unsettled(facts: Facts) -> Iterator[Finding]:
    for order in facts.record.unsettled if facts.record else []:
        if order.age_s > UNSETTLED_S:
            yield Finding(
                severity="critical",
                what=f"order {order.order_id} is {order.status} for {order.age_s:,.0f} s ({order.strategy_id} on {order.symbol})",
                means="only the venue knows what became of it; it counts in full, and its book gets no new order. `fleet logs --order"
                f" {str(order.order_id)[:8]}` tells its story",
                runbook="unknown-order",
            )


def _quarantine(facts: Facts) -> Iterator[Finding]:
    record = facts.record
    if record is not None and record.quarantined:
        newest = record.put_aside[0]
        yield Finding(
            severity="critical",
            what=f"{record.quarantined} messages or fills are in quarantine; the newest: {newest.what}: {newest.error}",
            means="they were handled by nobody; a fill that is not booked makes ledger and venue differ",
            runbook="quarantine",
        )


def _differences(facts: Facts) -> Iterator[Finding]:
    for found in facts.record.differences if facts.record else []:
        yield Finding(
            severity="critical",
            what=f"account {found.account_id}: the venue differs in {found.kind} {found.key} since {found.found_at:%Y-%m-%d %H:%M:%S} UTC:"
            f" ours {found.ours}, the venue's {found.theirs}",
            means="nothing is sent that adds to a book of the account before somebody decides with `fleet doctor`; exits and cancels go on",
            runbook="reconciliation",
        )


def _ledger(facts: Facts) -> Iterator[Finding]:
    for fault in facts.ledger or []:
        if fault in facts.ledger_listed:
            continue  # `_differences` tells it, and what to do
        yield Finding(
            severity="critical",
            what=f"the books do not agree: {fault}",
            means="a position or a balance is not what we think it is: stop trading before anything else",
            runbook="ledger-difference",
        )


def _stopped(facts: Facts) -> Iterator[Finding]:
    for killed in facts.killed:
        yield Finding(
            severity="warning",
            what=f"the kill switch of {named(killed.scope, killed.key)} is on ({written(killed.mode)}) since"
            f" {killed.at:%Y-%m-%d %H:%M:%S} UTC, by {killed.by}: {killed.reason}",
            means=f"by a person's decision: {MEANING[killed.mode]}",
            runbook="kill-switch",
        )
    for halt in facts.record.halts if facts.record else []:
        yield Finding(
            severity="critical",
            what=f"{halt.account_id} is halted by {halt.limit_name}: {halt.seen:.2%} seen, limit {halt.limit_value:.2%}",
            means="the account may only close until a person re-arms it",
            runbook="loss-limit",
        )
    for strategy in facts.strategies:
        if strategy.failed:
            yield Finding(
                severity="critical",
                what=f"strategy {strategy.strategy_id} has failed: {strategy.failed}",
                means="it says nothing more until strategy_engine is started again; what it holds stays",
                runbook="strategy-failed",
            )


def _host(facts: Facts) -> Iterator[Finding]:
    host = facts.host
    if host.disk_free < DISK_LOW:
        yield Finding(
            severity="critical" if host.disk_free < DISK_OUT else "warning",
            what=f"{host.disk_free:.1%} of the disk is free ({host.disk_free_bytes / 1e9:,.1f} GB)",
            means="a full disk stops Postgres, and with it everything",
            runbook="disk",
        )
    if host.memory_free is not None and host.memory_free < MEMORY_LOW:
        yield Finding(
            severity="warning",
            what=f"{host.memory_free:.1%} of the memory is available",
            means="the system may kill a service, or all slow down",
            runbook="memory",
        )
    ahead = facts.postgres.clock_ahead_s if facts.postgres else None
    if ahead is not None and abs(ahead) > SKEW_S:
        yield Finding(
            severity="critical" if abs(ahead) > SKEW_BLOCKS_S else "warning",
            what=f"this host's clock is {abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} the database's",
            means="times of orders and logs do not fit together; leases are safe, they are timed on one clock each",
            runbook="clock-skew",
        )


def _beside(facts: Facts) -> Iterator[Finding]:
    record = facts.record
    for job in record.jobs if record else []:
        if job.state == "failed":
            yield Finding(
                severity="warning",
                what=f"job {job.job_id} has failed: {job.detail}",
                means="its last run did not do its work",
                runbook="job-failed",
            )
    for channel in record.channels if record else []:
        if channel.oldest_s is not None and channel.oldest_s > WAITING_S:
            yield Finding(
                severity="critical",
                what=f"{channel.waiting} notifications wait for {channel.channel}, the oldest for {channel.oldest_s:,.0f} s"
                + (f": {channel.last_error}" if channel.last_error else ""),
                means="nobody is told of what goes wrong",
                runbook="notifications-stuck",
            )
    if facts.config.error:
        yield Finding(
            severity="warning",
            what=f"the configuration cannot be used: {facts.config.error}",
            means="what runs goes on with what it read; the next start is refused",
            runbook="",
        )
    elif facts.config.changed_since_start:
        yield Finding(
            severity="warning",
            what=f"changed since the fleet was started: {', '.join(facts.config.changed_since_start)}",
            means="what runs does not know of it; it counts from the next start",
            runbook="",
        )
    if facts.record is None and facts.postgres is not None and facts.postgres.ok:
        yield Finding(
            severity="warning",
            what=f"the record cannot be read: {facts.record_missing}",
            means="most of this page is missing",
            runbook="",
        )


LOOKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    _servers,
    _services,
    _durable,
    _ledger,
    _differences,
    _unsettled,
    _quarantine,
    _market,
    _leases,
    _behind,
    _stopped,
    _host,
    _beside,
)
"""Another look is a line here."""

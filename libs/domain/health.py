"""From what is seen to what is wrong: each symptom says what is down, what that stops, and where to read what to do.

One cause is told once. While Postgres is away nothing that is read from it is judged, and a service that waits for it is
not called down; an account's lease is not looked for while the service that would hold it is away.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from libs.domain import limits
from libs.domain.fleet import MEMBERS
from libs.domain.guards import LAGS, TOLD_ELSEWHERE
from libs.domain.kill import MEANING, written
from libs.domain.observed import ChannelSeen, HostSeen, RecordSeen, Seen, ServerSeen, ServiceSeen

Severity = Literal["info", "warning", "critical"]
Kind = Literal["system", "risk"]
RANK: Final[Mapping[str, int]] = {"info": 0, "warning": 1, "critical": 2}

TRADING: Final = frozenset({"data_collector", "strategy_engine", "risk_manager", "trade_executor"})
"""Services without which nothing is ordered."""
HOLDERS: Final = {"risk": "risk_manager", "executor": "trade_executor", "scheduler": "scheduler"}
"""Who holds a lease, by the beginning of its name; the same name is the consumer's."""

ON_RECORD: Final = (
    "feed_stale",
    "journal_lag:",
    "lease_lost:",
    "unknown_order",
    "quarantine",
    "kill_switch:",
    "loss_limit:",
    "disarmed:",
    "limit_loosens:",
    "strategy_failed:",
)
"""What cannot be judged without the record."""

SERVERS: Final = {"postgres": "Postgres", "redis": "Redis"}

AWAY_S: Final = 3.0
UNREADY_S: Final = 5.0
START_S: Final = 20.0  # a service that has not been seen ready yet may take that long
LEFT_S: Final = 60.0  # one that was stopped in order may take that long to come back
UNHELD_S: Final = 5.0
STILL_S: Final = 5.0
STILL_LOCKSTEP_S: Final = 15.0
UNSETTLED_S: Final = 10.0
LAG_S: Final = 5.0
PUT_ASIDE_S: Final = 900.0  # rows of quarantine stay; what is told is that one has been added
WATCHDOG_S: Final = 180.0
STUCK_S: Final = 300.0
LOW_S: Final = 10.0
DISK: Final = ((0.03, "critical"), (0.10, "warning"))
MEMORY: Final = ((0.02, "critical"), (0.05, "warning"))


class Symptom(NamedTuple):
    """Something that looks wrong at one look; it is a fault when it lasts."""

    key: str
    severity: Severity
    title: str
    body: str  # Markdown: what it is, what that stops, what to do
    runbook: str
    after_s: float = 0.0
    lasted_s: float = 0.0  # before this look
    kind: Kind = "system"

    @property
    def link(self) -> str:
        """Where to read what to do."""
        return f"/runbooks/{self.runbook}"


class Findings(NamedTuple):
    """What a look shows; keys that begin with one of `hidden` cannot be judged by it, and stay as they were."""

    symptoms: Sequence[Symptom]
    hidden: tuple[str, ...]


def judge(seen: Seen) -> Findings:
    """All that is wrong at one look."""
    symptoms = [*_servers(seen.servers), *_services(seen), *_host(seen.host), *_prometheus(seen), *_channels(seen.channels)]
    hidden = [f"service_down:{name}" for name in _waiting(seen)]
    if seen.record is None:
        hidden += ON_RECORD
    else:
        away = {name for name, service in seen.services.items() if not service.ready}
        hidden += [f"{kind}:{prefix}" for prefix, holder in HOLDERS.items() if holder in away for kind in ("lease_lost", "journal_lag")]
        hidden += ["feed_stale"] if "data_collector" in away else []
        symptoms += _record(seen.record, seen.still_s)
    return Findings([symptom for symptom in symptoms if not symptom.key.startswith(tuple(hidden))], tuple(hidden))


def overall(severities: Sequence[str]) -> Literal["ok", "degraded", "down"]:
    """The fleet in one word, from the severities of its faults."""
    worst = max((RANK[severity] for severity in severities), default=0)
    return "down" if worst == RANK["critical"] else "degraded" if worst else "ok"


def worth(name: str) -> Severity:
    """How bad it is when a service is away."""
    return "critical" if name in TRADING else "warning"


def _waiting(seen: Seen) -> list[str]:
    """Services that wait for a server which is away: the server is the fault."""
    away = {name for name, server in seen.servers.items() if not server.up}
    return [name for name, service in seen.services.items() if not service.ready and service.answers and service.waits_for & away]


def _servers(servers: Mapping[str, ServerSeen]) -> Iterator[Symptom]:
    told: Mapping[str, tuple[Severity, str]] = {
        "postgres": ("critical", "nothing is decided, ordered or booked; services wait for it and go on from the record"),
        "redis": ("warning", "quotes between bars reach nobody and everything is slower; orders and fills go on from the record"),
    }
    for name, server in servers.items():
        (severity, stops), title = told[name], SERVERS[name]
        if not server.up:
            body = _body(f"{title} does not answer: {server.detail}", stops)
            yield Symptom(f"server_down:{name}", severity, f"{title} does not answer", body, "server-down", AWAY_S, server.lasted_s)


def _services(seen: Seen) -> Iterator[Symptom]:
    for name, service in seen.services.items():
        if service.ready:
            continue
        title, what, after = _away(name, service)
        body = _body(what, MEMBERS[name].stops)
        yield Symptom(f"service_down:{name}", worth(name), title, body, "service-down", after, service.lasted_s)


def _away(name: str, service: ServiceSeen) -> tuple[str, str, float]:
    """Title, text, and after how many seconds it is told."""
    if service.left:
        return f"{name} was stopped", f"{name} was stopped in order and has not come back: {service.detail}", LEFT_S
    if not service.known:
        return f"{name} has not started", f"{name} has not been ready since the monitor began to look: {service.detail}", START_S
    if not service.answers:
        return f"{name} is down", f"{name} does not answer: {service.detail}", AWAY_S
    return f"{name} is not ready", f"{name} runs and says that it is not ready: {service.detail}", UNREADY_S


def _host(host: HostSeen) -> Iterator[Symptom]:
    if severity := _low(host.disk_free, DISK):
        what = f"{host.disk_free:.1%} of the disk that holds the state folder is free"
        stops = "when it is full Postgres stops, and with it everything"
        yield Symptom("disk", severity, "The disk is nearly full", _body(what, stops), "disk", LOW_S)
    if severity := _low(host.memory_available, MEMORY):
        what = f"{host.memory_available:.1%} of the memory is available"
        stops = "when there is none the system kills a process, perhaps Postgres"
        yield Symptom("memory", severity, "Memory is nearly used up", _body(what, stops), "memory", LOW_S)


def _low(share: float, levels: Sequence[tuple[float, str]]) -> Severity | None:
    found = next((severity for level, severity in levels if share < level), None)
    return "critical" if found == "critical" else "warning" if found else None


def _prometheus(seen: Seen) -> Iterator[Symptom]:
    silent = seen.prometheus_silent_s
    if silent is not None and silent > WATCHDOG_S:
        what = f"Prometheus has sent no watchdog for {WATCHDOG_S / 60:.0f} minutes"
        stops = "alerts on latency, slippage, refusals and exposure reach nobody; the monitor itself goes on watching services"
        yield Symptom("prometheus_silent", "warning", "Prometheus is silent", _body(what, stops), "monitor-down")


def _channels(channels: Mapping[str, ChannelSeen]) -> Iterator[Symptom]:
    for name, channel in channels.items():
        if channel.failing_s > STUCK_S:
            what = f"Nothing could be delivered by {name} for {channel.failing_s / 60:.0f} minutes: {channel.detail}"
            stops = f"what only {name} tells, nobody hears; it is tried again for 24 hours"
            yield Symptom(f"notifications_stuck:{name}", "warning", f"{name} does not deliver", _body(what, stops), "notifications-stuck")


def _record(record: RecordSeen, still_s: float) -> Iterator[Symptom]:
    yield from _feed(record, still_s)
    for name, held in record.leases.items():
        if not held:
            what = f"Nobody holds the lease {name}"
            severity: Severity = "critical" if ":" in name else "warning"  # of an account; the other one is the scheduler's
            stops = "its account is neither judged nor traded" if ":" in name else "no job is started"
            yield Symptom(f"lease_lost:{name}", severity, f"Nobody holds {name}", _body(what, stops), "lease-lost", UNHELD_S)
    yield from _lags(record)
    if record.unsettled and record.unsettled_age_s > UNSETTLED_S:
        what = f"{record.unsettled} order(s) have been SUBMITTING or UNKNOWN, the oldest for {record.unsettled_age_s:.0f} s"
        stops = "the books concerned order nothing more until the venue has been asked; the order counts at its worst case"
        yield Symptom("unknown_order", "critical", "The outcome of an order is not known", _body(what, stops), "unknown-order")
    yield from _put_aside(record)
    for kill in record.kills:
        what = f"The kill switch of {kill.scope} is on ({written(kill.mode)}), set by {kill.by}: {kill.reason}"
        stops = f"{MEANING[kill.mode]}; `fleet risk rearm --scope {kill.scope} --reason ...` allows orders again"
        yield Symptom(f"kill_switch:{kill.scope}", "warning", f"Kill switch on: {kill.scope}", _body(what, stops), "kill-switch")
    for halt in record.halts:
        what = f"{halt.account_id} has reached {halt.limit}: {halt.seen:.2%}, the limit is {halt.limit_value:.2%}"
        body = _body(what, "the account may only close until a person re-arms it")
        title = f"{halt.account_id} is halted: {halt.limit}"
        yield Symptom(f"loss_limit:{halt.account_id}:{halt.limit}", "critical", title, body, "loss-limit", kind="risk")
    yield from _disarmed(record)
    for looser in record.looser:
        which = f"{looser.name} of {limits.written(looser.scope, looser.key)}"
        what = f"{looser.by} asks that {which} be {limits.amount(looser.value, looser.unit)}, looser than what holds: {looser.reason}"
        stops = (
            f"it holds from {looser.effective_at} UTC on, unless somebody withdraws it:"
            f' `fleet risk limits withdraw {looser.version} --reason "..."`'
        )
        title = f"{which} is to be loosened"
        yield Symptom(f"limit_loosens:{which}", "info", title, _body(what, stops), "limits", kind="risk")
    for strategy_id, why in record.failed_strategies.items():
        body = _body(why, f"{strategy_id} says nothing more there until strategy_engine is started again; what it holds stays")
        yield Symptom(f"strategy_failed:{strategy_id}", "warning", f"{strategy_id} has failed", body, "strategy-failed")


def _disarmed(record: RecordSeen) -> Iterator[Symptom]:
    """One for each account, of all that disarms it and has no alert of its own."""
    for account_id in dict.fromkeys(reason.account_id for reason in record.disarmed):
        mine = [reason for reason in record.disarmed if reason.account_id == account_id and reason.key not in TOLD_ELSEWHERE]
        if not mine:
            continue
        what = f"{account_id} is disarmed: {'; '.join(f'{reason.text} ({reason.code})' for reason in mine)}"
        stops = "nothing is sent that adds to a book; what only closes, protection and cancels go on, and it is armed again by itself"
        severity: Severity = "warning" if all(reason.key in LAGS for reason in mine) else "critical"
        yield Symptom(f"disarmed:{account_id}", severity, f"{account_id} is disarmed", _body(what, stops), "disarmed", kind="risk")


def _feed(record: RecordSeen, still_s: float) -> Iterator[Symptom]:
    session = record.session
    if session is None or session.state != "running" or session.paused:
        return
    patience = STILL_LOCKSTEP_S if session.mode == "lockstep" else STILL_S
    if still_s > patience:
        what = f"Market time of {session.feed} has not moved for {still_s:.0f} s"
        stops = "strategies see no bars and nothing new is ordered; cancels and fills go on"
        yield Symptom("feed_stale", "critical", "The market stands still", _body(what, stops), "feed-stale")


def _lags(record: RecordSeen) -> Iterator[Symptom]:
    """One for each consumer, of the stream in which it is worst."""
    told: set[str] = set()
    for lag in sorted(record.lags, key=lambda lag: -lag.age_s):
        if lag.age_s <= LAG_S or lag.consumer in told:
            continue
        told.add(lag.consumer)
        what = f"{lag.consumer} has not read {lag.messages} message(s) of {lag.stream}, the oldest for {lag.age_s:.0f} s"
        stops = "what was decided is not acted on in time; signals and orders expire"
        yield Symptom(f"journal_lag:{lag.consumer}", "critical", f"{lag.consumer} is behind", _body(what, stops), "journal-lag")


def _put_aside(record: RecordSeen) -> Iterator[Symptom]:
    fresh = [kind for kind, age in record.quarantined_age_s.items() if age < PUT_ASIDE_S]
    if fresh:
        rows = ", ".join(f"{record.quarantined[kind]} {kind}(s)" for kind in sorted(fresh))
        fill = "fill" in fresh
        stops = "the venue holds what the ledger does not know" if fill else "the signal or order concerned was refused"
        body = _body(f"Something was put aside for a person; there are {rows}", stops)
        yield Symptom("quarantine", "critical" if fill else "warning", "Something was put into quarantine", body, "quarantine")


def _body(what: str, stops: str) -> str:
    return f"{what}.\n\n**What that means:** {stops}."

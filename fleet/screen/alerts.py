"""All that is wrong, from everybody who can tell: the run itself, the record, and monitor."""

from collections.abc import Sequence
from typing import Final

from fleet.screen.model import STARTING, STOPPED, Alert, Light
from fleet.screen.words import lasted
from libs.domain.fleet import MEMBERS
from libs.domain.guards import LAGS, TOLD_ELSEWHERE
from libs.domain.kill import MEANING, named, written
from libs.store.control import Killed
from libs.store.queries.screen import AlertSeen, DisarmedSeen, HaltSeen, ItemSeen, Seen

RUNBOOKS: Final = "docs/runbooks"
OLD_S: Final = 3.0  # without an answer of the record
_RANK: Final = {"critical": 0, "warning": 1}
_SERVER_KEYS: Final = {"Postgres": "server_down:postgres", "Valkey": "server_down:redis"}  # as monitor calls them


def firing(seen: Seen | None, services: Sequence[Light], silent_s: float) -> list[Alert]:
    """The worst first. What monitor says too is told once, in the words of whoever noticed it first hand.

    Args:
        silent_s: host seconds since the record last answered.
    """
    found = [_silent(silent_s)] if silent_s > OLD_S else []
    down = [light for light in services if not light.well and light.state not in (STARTING, STOPPED)]
    found += map(_down, sorted(down, key=lambda light: light.name in MEMBERS))  # a server that is down explains the services
    if seen is not None:
        found += map(_killed, seen.killed)
        found += map(_halted, seen.halts)
        found += _differing(seen.differences)
        found += _disarmed(seen.disarmed)
        found += [_failed(strategy, why) for strategy, why in seen.failed.items()]
        known = {alert.key for alert in found}
        found += [_said(alert) for alert in seen.alerts if not _known(alert.key, known)]
    return sorted(found, key=lambda alert: _RANK.get(alert.severity, 2))


def _known(key: str, known: set[str]) -> bool:
    """Whether it is told already; of a kill switch or a failed strategy monitor may say it under a key without a name."""
    return key in known or key in ("kill_switch", "strategy_failed") and any(other.startswith(f"{key}:") for other in known)


def _silent(silent_s: float) -> Alert:
    return Alert(
        "record_silent",
        "critical",
        f"the record has not answered for {lasted(silent_s)}",
        "figures are as old as that; services wait for Postgres, and go on when it is back",
        f"{RUNBOOKS}/server-down.md",
        "",
    )


def _down(light: Light) -> Alert:
    member = MEMBERS.get(light.name)
    body = f"for {lasted(light.for_s)}" + (f"; meanwhile: {member.stops}" if member is not None else "")
    key = _SERVER_KEYS.get(light.name, f"service_down:{light.name}")
    page = "service-down" if member is not None else "server-down"
    return Alert(key, "critical", f"{light.name}: {light.state}", body, f"{RUNBOOKS}/{page}.md", "")


def _killed(killed: Killed) -> Alert:
    scope = named(killed.scope, killed.key)
    return Alert(
        f"kill_switch:{scope}",
        "warning",
        f"kill switch of {scope} is on ({written(killed.mode)})",
        f"{killed.reason} (set by {killed.by}); {MEANING[killed.mode]}",
        f"R here, or `fleet risk rearm --scope {scope} --reason ...`",
        f"{killed.at:%H:%M:%S}",
    )


def _halted(halt: HaltSeen) -> Alert:
    return Alert(
        f"loss_limit:{halt.account_id}:{halt.limit_name}",
        "critical",
        f"account {halt.account_id} may only close: {halt.limit_name} reached",
        f"limit {halt.limit_value:.2%}, seen {halt.seen:.2%}; what is held is kept, nothing is added",
        f"{RUNBOOKS}/loss-limit.md, then R here, or `fleet risk rearm --scope account:{halt.account_id} --reason ...`",
        f"{halt.at:%H:%M:%S}",
    )


def _differing(found: Sequence[ItemSeen]) -> list[Alert]:
    """All of them as one, as monitor has them."""
    if not found:
        return []
    first = found[0]
    others = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return [
        Alert(
            "ledger_difference",
            "critical",
            f"account {first.account_id} and its venue differ in {first.kind} {first.key}{others}",
            f"ours {first.ours}, the venue's {first.theirs}; nothing is sent that adds to a book before somebody decides",
            f"`fleet doctor`, {RUNBOOKS}/reconciliation.md",
            f"{first.found_at:%H:%M:%S}",
        )
    ]


def _disarmed(found: Sequence[DisarmedSeen]) -> list[Alert]:
    """One for each account, of all that has no alert of its own."""
    told = [reason for reason in found if reason.key not in TOLD_ELSEWHERE]
    return [
        Alert(
            f"disarmed:{account}",
            "warning" if all(reason.key in LAGS for reason in mine) else "critical",
            f"account {account} is disarmed: {mine[0].text}" + (f", and {len(mine) - 1} more" if len(mine) > 1 else ""),
            "nothing is sent that adds to a book; what only closes still goes, and it is armed again by itself",
            f"{RUNBOOKS}/disarmed.md",
            f"{mine[0].since:%H:%M:%S}",
        )
        for account in dict.fromkeys(reason.account_id for reason in told)
        if (mine := [reason for reason in told if reason.account_id == account])
    ]


def _failed(strategy: str, why: str) -> Alert:
    return Alert(
        f"strategy_failed:{strategy}",
        "warning",
        f"strategy {strategy} was stopped",
        why,
        f"{RUNBOOKS}/strategy-failed.md",
        "",
    )


def _said(alert: AlertSeen) -> Alert:
    body = " ".join(alert.body.replace("**", "").split())  # Markdown for a phone; here it is one line
    return Alert(alert.key, alert.severity, alert.title, body, alert.link, f"{alert.since:%H:%M:%S}")

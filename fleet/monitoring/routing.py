"""alertmanager.yml: who is told of which alert, how soon and how often, and which alerts another one explains."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fleet.monitoring.layout import Email, Layout

WEBHOOK: Final = "/alertmanager"
"""Where the monitor takes in what Alertmanager has to say."""
MOST_ALERTS: Final = 20

PACE: Final[Mapping[str, tuple[str, str, str]]] = {
    "critical": ("5s", "30s", "1h"),
    "warning": ("15s", "1m", "6h"),
    "info": ("30s", "5m", "24h"),
}
"""By severity: how long to wait for more of the same fault, between two words on it, until it is said again."""

HEARTBEAT: Final = ("0s", "30s", "50s")  # said at every second look: each minute

FOLLOW_FROM_POSTGRES: Final = (
    "FeedStale|JournalLag|LeaseLost|OrderNotSent|UnknownOrder|ReconcileDifference|RefusalSurge|Latency|EventLoopLag|JobFailed"
    "|NotificationsStuck"
)
SYMPTOMS: Final = "JournalLag|LeaseLost|UnknownOrder|EventLoopLag|ClockSkew"


def config(layout: Layout) -> Mapping[str, Any]:
    """All to the monitor, which knows the ways to the operator; with an e-mail address, what is critical goes there too."""
    return {
        **({"global": _smtp(layout.email)} if layout.email else {}),
        "route": _routes(layout.email is not None),
        "inhibit_rules": _inhibitions(),
        "receivers": [_monitor("monitor", layout), _monitor("watchdog", layout, resolved=False), *_mail(layout.email)],
    }


def _routes(by_mail: bool) -> Mapping[str, Any]:
    critical = ['severity="critical"']
    return {
        "receiver": "monitor",
        "group_by": ["fault"],
        **_pace(PACE["warning"]),
        "routes": [
            {"matchers": ['alertname="Watchdog"'], "receiver": "watchdog", **_pace(HEARTBEAT)},
            *([{"matchers": critical, "receiver": "email", "continue": True, **_pace(PACE["critical"])}] if by_mail else []),
            {"matchers": critical, "receiver": "monitor", **_pace(PACE["critical"])},
            {"matchers": ['severity="info"'], "receiver": "monitor", **_pace(PACE["info"])},
        ],
    }


def _pace(pace: tuple[str, str, str]) -> Mapping[str, str]:
    return dict(zip(("group_wait", "group_interval", "repeat_interval"), pace, strict=True))


def _inhibitions() -> Sequence[Mapping[str, Any]]:
    """What need not be told because something else says it."""
    return [
        # Without Postgres nobody can decide, send or keep up.
        _unless(['fault="server_down:postgres"'], [f'alertname=~"{FOLLOW_FROM_POSTGRES}"']),
        # A service that is down is behind, and holds no lease.
        _unless(['alertname="ServiceDown"'], [f'alertname=~"{SYMPTOMS}"'], ["service"]),
        # Without a clock every signal is refused for want of one.
        _unless(['alertname="FeedStale"'], ['fault="refusal_surge:RC-C03"']),
        # The worse of two words on one fault: a halt over its warning, a full disk over a filling one.
        _unless(['severity="critical"'], ['severity="warning"'], ["fault"]),
    ]


def _unless(source: Sequence[str], target: Sequence[str], equal: Sequence[str] = ()) -> Mapping[str, Any]:
    return {"source_matchers": source, "target_matchers": target, **({"equal": equal} if equal else {})}


def _monitor(name: str, layout: Layout, *, resolved: bool = True) -> Mapping[str, Any]:
    proof = {"http_config": {"authorization": {"type": "Bearer", "credentials_file": layout.token_file}}} if layout.token_file else {}
    hook = {"url": f"http://{layout.monitor}{WEBHOOK}", "send_resolved": resolved, "max_alerts": MOST_ALERTS, **proof}
    return {"name": name, "webhook_configs": [hook]}


def _smtp(email: Email) -> Mapping[str, Any]:
    secret = {"smtp_auth_username": email.username, "smtp_auth_password_file": email.password_file} if email.password_file else {}
    return {"smtp_smarthost": email.server, "smtp_from": email.sender, **secret}


def _mail(email: Email | None) -> Sequence[Mapping[str, Any]]:
    return [{"name": "email", "email_configs": [{"to": email.to, "send_resolved": True}]}] if email else []

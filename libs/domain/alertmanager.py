"""What Prometheus' Alertmanager sends to a webhook (its payload, version 4), and what is made of it."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec

from libs.domain.faults import Fault
from libs.domain.health import RANK, Severity

WATCHDOG: Final = "Watchdog"
"""The alert that always fires: while it comes, the whole way from Prometheus to here works."""
AGREES: Final = "Prometheus agrees: "
MOST: Final = {"title": 200, "body": 4000, "link": 500, "key": 300}  # characters


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of the group; what else it carries is passed over."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime | None = None
    generator_url: str = msgspec.field(default="", name="generatorURL")


class Payload(msgspec.Struct, frozen=True, rename="camel"):
    """A notification of Alertmanager."""

    version: Literal["4"]
    alerts: list[Alert]


class Received(NamedTuple):
    """One alert that begins or ends."""

    state: Literal["firing", "resolved"]
    fault: Fault

    @property
    def quiet(self) -> bool:
        """Whether a person had heard of it by the direct path when it began."""
        return self.fault.title.startswith(AGREES)


def payload_of(raw: bytes) -> Payload:
    """ValueError: it is no such payload; the text says where and what was expected."""
    try:
        payload = msgspec.json.decode(raw, type=Payload)
    except msgspec.MsgspecError as error:
        raise ValueError(f"expected a webhook payload of Alertmanager, version 4: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError("expected a webhook payload of Alertmanager, version 4: it is not UTF-8") from error
    nameless = next((n for n, alert in enumerate(payload.alerts) if not alert.labels.get("alertname")), None)
    if nameless is not None:
        raise ValueError(f"expected every alert to have the label alertname; the one at `$.alerts[{nameless}]` has none")
    return payload


def watched(payload: Payload) -> bool:
    """Whether the watchdog is among them."""
    return any(alert.labels["alertname"] == WATCHDOG and alert.status == "firing" for alert in payload.alerts)


def received(payload: Payload, known: Mapping[str, Fault], direct: Collection[str], now: datetime) -> list[Received]:
    """What is new: an alert is taken once when it fires and once when it is resolved, however often it is sent.

    Two rules may speak of one fault, a warning and something worse: the worse is told again, and ends it alone.

    Args:
        known: alerts of Prometheus that fire, by key.
        direct: keys of faults that the monitor has seen itself.
    """
    firing, found = dict(known), []
    for alert in _but_watchdogs(payload):
        key = identity(alert.labels)
        rank = RANK[_severity(alert.labels)]
        if alert.status == "firing" and (key not in firing or rank > RANK[firing[key].severity]):
            firing[key] = fault = _fault(key, alert, AGREES if key in direct else "", now)
            found.append(Received("firing", fault))
        elif alert.status == "resolved" and key in firing and rank >= RANK[firing[key].severity]:
            found.append(Received("resolved", firing.pop(key)))
    return found


def _but_watchdogs(payload: Payload) -> Iterator[Alert]:
    return (alert for alert in payload.alerts if alert.labels["alertname"] != WATCHDOG)


def identity(labels: Mapping[str, str]) -> str:
    """The fault that an alert speaks of, else its name and labels."""
    if fault := labels.get("fault"):
        return _clean(fault, "key")
    rest = ",".join(f"{name}={value}" for name, value in sorted(labels.items()) if name not in ("alertname", "severity"))
    return _clean(labels["alertname"] + (f"{{{rest}}}" if rest else ""), "key")


def _fault(key: str, alert: Alert, prefix: str, now: datetime) -> Fault:
    notes = alert.annotations
    title = prefix + (notes.get("summary") or alert.labels["alertname"])
    body = notes.get("description") or notes.get("message") or ", ".join(f"{k}={v}" for k, v in sorted(alert.labels.items()))
    link = notes.get("runbook") or notes.get("runbook_url") or alert.generator_url
    since = alert.starts_at if alert.starts_at and alert.starts_at.tzinfo and alert.starts_at.year > 1 else now
    return Fault(key, _severity(alert.labels), _clean(title, "title"), _clean(body, "body"), _clean(link, "link"), since)


def _severity(labels: Mapping[str, str]) -> Severity:
    given = labels.get("severity", "warning")
    return "critical" if given in ("critical", "page") else "info" if given in ("info", "none") else "warning"


def _clean(text: str, what: str) -> str:
    """Without what no column can hold, and not longer than a phone can show."""
    return text.replace("\x00", "")[: MOST[what]]

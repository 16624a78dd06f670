"""Symptoms that last are faults, and faults that are gone for a while are over: what flickers is not told."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from libs.domain.health import RANK, SERVERS, Findings, Kind, Severity, Symptom

CLEAR_S: Final = 2.0


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with the fleet."""

    key: str
    severity: Severity
    title: str
    body: str
    link: str
    since: datetime
    kind: Kind = "system"


class Changes(NamedTuple):
    """What one look has changed."""

    raised: list[Fault]  # also those that have become worse
    cleared: list[Fault]


class Faults:
    """What is wrong now. Times are host seconds on a clock that never goes back; `now` beside them is the time of day."""

    def __init__(self) -> None:
        self._firing: dict[str, Fault] = {}
        self._began: dict[str, float] = {}  # of symptoms that have not lasted long enough
        self._gone: dict[str, float] = {}  # of faults that are not seen any more
        self._hidden: dict[str, float] = {}  # when what begins so could last not be judged

    @property
    def firing(self) -> list[Fault]:
        """The worst first, then the oldest."""
        return sorted(self._firing.values(), key=lambda fault: (-RANK[fault.severity], fault.since))

    def restore(self, known: Iterable[Fault]) -> None:
        """Faults that were told before a restart: they are over only when they are seen to be."""
        for fault in known:
            self._firing.setdefault(fault.key, fault)

    def look(self, findings: Findings, seconds: float, now: datetime) -> Changes:
        """Takes in one look."""
        self._hidden |= dict.fromkeys(findings.hidden, seconds)
        seen = {symptom.key: symptom for symptom in findings.symptoms}
        changes = Changes([], [])
        for symptom in seen.values():
            self._gone.pop(symptom.key, None)
            if fault := self._taken_in(symptom, seconds, now):
                changes.raised.append(fault)
        self._began = {key: at for key, at in self._began.items() if key in seen and key not in self._firing}
        for key in [key for key in self._firing if key not in seen]:
            if key.startswith(findings.hidden):
                self._gone.pop(key, None)
            elif seconds - self._gone.setdefault(key, seconds) >= CLEAR_S:
                del self._gone[key]
                changes.cleared.append(self._firing.pop(key))
        return changes

    def _taken_in(self, symptom: Symptom, seconds: float, now: datetime) -> Fault | None:
        known = self._firing.get(symptom.key)
        if known is not None:
            fault = _fault(symptom, known.since)
            worse = RANK[fault.severity] > RANK[known.severity]
            self._firing[symptom.key] = fault if worse else replace(fault, title=known.title)  # it is called as it was told
            return fault if worse else None
        judged_from = max((at for prefix, at in self._hidden.items() if symptom.key.startswith(prefix)), default=float("-inf"))
        began = self._began.setdefault(symptom.key, max(seconds - symptom.lasted_s, judged_from))
        if seconds - began < symptom.after_s:
            return None
        self._firing[symptom.key] = fault = _fault(symptom, now - timedelta(seconds=seconds - began))
        return fault


def _fault(symptom: Symptom, since: datetime) -> Fault:
    return Fault(symptom.key, symptom.severity, symptom.title, symptom.body, symptom.link, since, symptom.kind)


ENDINGS: Final = {
    "service_down": "{} is back",
    "server_down": "{} answers again",
    "feed_stale": "The market moves again",
    "lease_lost": "{} is held again",
    "journal_lag": "{} has caught up",
    "unknown_order": "The outcome of every order is known again",
    "quarantine": "Nothing more was put into quarantine",
    "kill_switch": "Kill switch off: {}",
    "liquidation_stuck": "{} can be closed again",
    "kill_unverified": "{}: what the kill switch ends is gone from the venue",
    "loss_limit": "{} is re-armed",
    "disarmed": "{} is armed again",
    "limit_loosens": "{}: the looser limit holds, or was withdrawn",
    "strategy_failed": "{} runs again",
    "disk": "The disk has room again",
    "memory": "There is memory again",
    "prometheus_silent": "Prometheus is heard again",
    "notifications_stuck": "{} delivers again",
}
"""How the end of a fault is told, by the beginning of its key; {} is the rest of it."""


def ending(fault: Fault, now: datetime) -> tuple[str, str]:
    """Title and text of the word that it is over."""
    kind, _, what = fault.key.partition(":")
    what = SERVERS.get(what, what)
    title = ENDINGS[kind].format(what) if kind in ENDINGS else f"Over: {fault.title}"
    return title, f"It lasted {lasted((now - fault.since).total_seconds())}, since {fault.since:%Y-%m-%d %H:%M:%S} UTC."


def lasted(seconds: float) -> str:
    """A duration for a person: `42 s`, `3 min`, `5 h 10 min`, `2 d 3 h`."""
    whole = max(int(seconds), 0)
    if whole < 120:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{days} d {hours % 24} h"

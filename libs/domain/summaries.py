"""The daily word to the operator: that all is well, or what is not. Its absence is a message too."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from libs.domain.configuration import clock_time
from libs.domain.faults import Fault, lasted
from libs.domain.health import Severity

LATE: Final = timedelta(hours=1)  # a monitor that was away at the hour says it that much later at most
_NAMES: Final = UUID("2f0b9c52-5a0e-5b0f-9d9a-6f3f2f3f7d11")


class Worth(NamedTuple):
    """An account at its newest daily snapshot, in its base currency."""

    account_id: str
    currency: str
    total: Decimal
    day: Decimal
    all_time: Decimal


class Day(NamedTuple):
    """What happened within the last day of host time."""

    trades: int
    orders: int
    refused: int
    worth: Sequence[Worth]
    alerts: Sequence[str]  # titles of what began to be wrong


class Summary(NamedTuple):
    """What is told."""

    severity: Severity
    title: str
    body: str


def due(now: datetime, at: str, tz: str) -> UUID | None:
    """The id of the summary that should have been told by now, one for each day; None at all other hours, or when `at` is ""."""
    if not at:
        return None
    local = now.astimezone(ZoneInfo(tz))
    for day in (local.date(), local.date() - timedelta(days=1)):
        planned = datetime.combine(day, clock_time(at), ZoneInfo(tz))
        if timedelta(0) <= local - planned < LATE:
            return uuid5(_NAMES, day.isoformat())
    return None


def summary(faults: Sequence[Fault], up_s: Mapping[str, float | None], day: Day | None) -> Summary:
    """The text; without a record (`day` is None) it says so."""
    lines = [f"- **{fault.title}**, since {fault.since:%Y-%m-%d %H:%M} UTC" for fault in faults]
    if lines:
        lines.append("")
    if day is None:
        lines.append("The record does not answer: what was traded is not known here.")
    else:
        lines += [f"- {w.account_id}: {w.total:,.2f} {w.currency}, day {w.day:+,.2f}, in all {w.all_time:+,.2f}" for w in day.worth]
        lines.append(f"- last 24 hours: {_count(day.trades, 'trade')}, {_count(day.orders, 'order')}, {_count(day.refused, 'refusal')}")
        lines.append("- nothing went wrong" if not day.alerts else f"- went wrong: {_titles(day.alerts)}")
    lines += [f"- {name}: {'up ' + lasted(up) if up is not None else 'not heard'}" for name, up in up_s.items()]
    severity: Severity = "warning" if faults else "info"
    title = "All is well" if not faults else f"Not well: {_count(len(faults), 'fault')}"
    return Summary(severity, title, "\n".join(lines))


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _titles(titles: Sequence[str], most: int = 8) -> str:
    shown = "; ".join(titles[:most])
    return shown if len(titles) <= most else f"{shown}; and {len(titles) - most} more"

"""What an alert is: when it fires, how bad that is, what a person is told, and which page says what to do."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

Severity = Literal["critical", "warning", "info"]

LINK_BASE: Final = "http://127.0.0.1:8008"
"""Where the monitor shows the runbooks, unless the operator names another address that his phone can reach."""

# What Prometheus puts in for an alert's value.
SECONDS: Final = "{{ $value | humanizeDuration }}"
SHARE: Final = "{{ $value | humanizePercentage }}"
COUNT: Final = "{{ $value | humanize }}"


def label(name: str) -> str:
    """What Prometheus puts in for a label of an alert."""
    return f"{{{{ $labels.{name} }}}}"


class Alert(NamedTuple):
    """One alerting rule. In texts and in `fault` Prometheus puts in labels and the value."""

    name: str
    runbook: str  # docs/runbooks/<this>.md
    severity: Severity
    fault: str  # the same fault has the same key, whichever way it is noticed; two that can last side by side have two
    expr: str
    summary: str  # what is wrong, in a line
    description: str  # what is seen, since when, what it stops
    hold: str = ""  # for so long it must be so; "" is one look
    service: str = ""  # whose symptom it is: not told while that service is down

    def rule(self, link_base: str) -> Mapping[str, Any]:
        """As a rule file has it."""
        labels = {"severity": self.severity, "fault": self.fault}
        return {
            "alert": self.name,
            "expr": self.expr,
            **({"for": self.hold} if self.hold else {}),
            "labels": labels | ({"service": self.service} if self.service else {}),
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{link_base.rstrip('/')}/runbooks/{self.runbook}",
            },
        }


class Group(NamedTuple):
    """Alerts about one thing."""

    name: str
    alerts: Sequence[Alert]


def grown(aggregation: str, counter: str, window: str) -> str:
    """A counter has risen within the window, or was not there before it: one with labels is born with its first event."""
    born = f"{aggregation} ({counter}) > 0 unless {aggregation} ({counter} offset {window})"
    return f"{aggregation} (increase({counter}[{window}])) > 0 or ({born})"

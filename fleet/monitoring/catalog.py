"""The metrics of libs/common/metrics.py as a catalog: what each is called, counts in, means, and who sets it."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from libs.common import metrics

UNITS: Final[Mapping[str, str]] = {
    "_timestamp_seconds": "seconds since the epoch",
    "_time_seconds": "seconds since the epoch",
    "_seconds": "seconds",
    "_ratio": "share; 1 is the whole",
    "_total": "count",
    "_equity": "the account's currency",
    "_cash": "the account's currency",
    "_pnl": "the account's currency",
}
"""By the end of a name, the first that fits. What has none of these is a count, or yes (1) and no (0)."""

_HEADING: Final = re.compile(r"# --- (?P<title>.+?): set by (?P<setter>.+)")
_METRIC: Final = re.compile(r"(?P<constant>[A-Z_]+): Final = (?:Counter|Gauge|Measured|Histogram)\(")


class Metric(NamedTuple):
    """One metric, as /metrics shows it."""

    name: str
    kind: str
    labels: Sequence[str]
    meaning: str

    @property
    def unit(self) -> str:
        """What its value counts in."""
        if self.meaning.startswith("1 while") or self.meaning.startswith("1 when"):
            return "1 or 0"
        return next((unit for end, unit in UNITS.items() if self.name.endswith(end)), "count")

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus stores it."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(self.name + part for part in ("_bucket", "_count", "_sum"))


class Section(NamedTuple):
    """Metrics with one subject."""

    title: str
    setter: str
    metrics: Sequence[Metric]


def sections() -> list[Section]:
    """Every metric, under the headings of its file and in its order."""
    found: list[Section] = []
    for title, setter, constants in _headings(inspect.getsource(metrics)):
        found.append(Section(title, setter, [_described(getattr(metrics, constant)) for constant in constants]))
    return found


def every() -> list[Metric]:
    """All of them."""
    return [metric for section in sections() for metric in section.metrics]


def _headings(source: str) -> Iterator[tuple[str, str, list[str]]]:
    headings = list(_HEADING.finditer(source))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        body = source[heading.end() : following.start() if following else len(source)]
        yield heading["title"], heading["setter"], [metric["constant"] for metric in _METRIC.finditer(body)]


def _described(metric: Counter | Gauge | Histogram) -> Metric:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return Metric(name, family.type, metric._labelnames, family.documentation)


def page() -> str:
    """docs/metrics.md"""
    lines = [
        "# Metrics",
        "",
        "Made by `make docs` from [libs/common/metrics.py](../libs/common/metrics.py); do not edit.",
        "",
        "Each service shows on `/metrics` what it sets itself; counters and histograms without labels are shown by all, as 0. A counter",
        "begins at 0 with its process; a histogram `x` is stored as `x_bucket`, `x_count` and `x_sum` (no sum where its values may be",
        "negative). Prometheus adds `job`, which is the service that was asked, and `instance`; a label of our own that is called `job`",
        "is stored as `exported_job`.",
    ]
    for section in sections():
        lines += ["", f"## {section.title}", "", f"Set by {section.setter}.", ""]
        lines += ["| name | kind | labels | unit | meaning |", "| --- | --- | --- | --- | --- |", *map(_row, section.metrics)]
    return "\n".join([*lines, ""])


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.unit} | {metric.meaning} |"

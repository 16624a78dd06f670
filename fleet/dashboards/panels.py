"""Grafana dashboards as plain dicts: a few kinds of panel, laid out row by row, twenty-four columns wide.

Only what Grafana 11 and later take as it is; a dashboard's JSON is made by `make docs` and committed, so that it can be provisioned.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

DATASOURCE: Final[Mapping[str, str]] = {"type": "prometheus", "uid": "prom"}
WIDE: Final = 24
SCHEMA: Final = 41  # Grafana 11.6; newer ones migrate it when they load it

Unit = Literal["short", "s", "percentunit", "bytes", "ops", "none", "dateTimeAsIso", "bool_on_off"]
Json = dict[str, Any]


class Query(NamedTuple):
    """One PromQL query and how its series are called; `{{label}}` stands for a label's value."""

    expr: str
    legend: str = ""
    instant: bool = False


class Panel(NamedTuple):
    """One picture. `about` is what a person reads who does not know it: what it shows, and what would be wrong."""

    kind: Literal["timeseries", "stat", "bargauge"]
    title: str
    about: str
    queries: Sequence[Query]
    unit: Unit = "short"
    width: int = 8
    height: int = 7
    thresholds: Sequence[tuple[float, str]] = ()  # (from this value on, colour)
    stacked: bool = False
    names: Mapping[str, str] = {}  # of values: {"0": "down", "1": "up"}


class Row(NamedTuple):
    """A heading and the panels under it."""

    title: str
    panels: Sequence[Panel]


class Dashboard(NamedTuple):
    """One page."""

    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    by_account: bool = False  # whether it has a choice of `$account`


def lines(title: str, about: str, *queries: Query, unit: Unit = "short", width: int = 8, stacked: bool = False) -> Panel:
    """How something goes over time."""
    return Panel("timeseries", title, about, queries, unit, width, stacked=stacked)


def figure(
    title: str,
    about: str,
    *queries: Query,
    unit: Unit = "short",
    width: int = 4,
    thresholds: Sequence[tuple[float, str]] = (),
    names: Mapping[str, str] = {},
) -> Panel:
    """How something is now."""
    now = [query._replace(instant=True) for query in queries]
    return Panel("stat", title, about, now, unit, width, 4, thresholds, names=names)


def bars(title: str, about: str, *queries: Query, unit: Unit = "short", width: int = 8) -> Panel:
    """A few values beside each other, now."""
    return Panel("bargauge", title, about, [query._replace(instant=True) for query in queries], unit, width)


def rendered(dashboard: Dashboard) -> Json:
    """The dashboard as Grafana wants it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["tradewinds"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "utc",
        "links": [{"type": "dashboards", "tags": ["tradewinds"], "title": "Other pages", "asDropdown": True, "keepTime": True}],
        "templating": {"list": [_accounts()] if dashboard.by_account else []},
        "panels": list(_panels(dashboard)),
    }


def _accounts() -> Json:
    query = "label_values(tradewinds_portfolio_equity, account)"
    return {
        "name": "account",
        "label": "Account",
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": "accounts"},
        "definition": query,
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": False,
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(dashboard: Dashboard) -> Iterator[Json]:
    number, top = 0, 0
    for row in dashboard.rows:
        number += 1
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": _place(0, top, WIDE, 1)}
        top, left, deepest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > WIDE:
                top, left, deepest = top + deepest, 0, 0
            number += 1
            yield {"id": number, "gridPos": _place(left, top, panel.width, panel.height), **_panel(panel)}
            left, deepest = left + panel.width, max(deepest, panel.height)
        top += deepest


def _place(left: int, top: int, width: int, height: int) -> Json:
    return {"x": left, "y": top, "w": width, "h": height}


def _panel(panel: Panel) -> Json:
    steps: list[Json] = [{"value": None, "color": "text" if panel.kind == "stat" else "green"}]
    steps += [{"value": at, "color": colour} for at, colour in panel.thresholds]
    defaults: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.names:
        defaults["mappings"] = [{"type": "value", "options": {value: {"text": text} for value, text in panel.names.items()}}]
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 20 if panel.stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "targets": [_target(query, n) for n, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
    }


def _target(query: Query, n: int) -> Json:
    kind = {"instant": True, "range": False} if query.instant else {"instant": False, "range": True}
    legend = query.legend or "__auto"
    return {"refId": chr(ord("A") + n), "datasource": DATASOURCE, "expr": query.expr, "legendFormat": legend, **kind}


def _options(panel: Panel) -> Json:
    now = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "stat":
        named = "value_and_name" if panel.queries[0].legend else "value"
        return {"reduceOptions": now, "colorMode": "value", "graphMode": "none", "textMode": named}
    return {"reduceOptions": now, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True}

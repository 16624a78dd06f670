"""What takes the middle of the screen on request: all alerts with what to do about them, and the keys."""

import textwrap
from typing import Final

from rich.text import Text

from fleet.screen.blocks import Block, cut
from fleet.screen.columns import line, rule
from fleet.screen.model import Alert, Snapshot
from fleet.screen.words import LOSS, WARN, counted

_KEYS: Final = (
    ("p  r", "Pause: no strategy emits a signal; market, open orders and cancels go on. Resume: signals again."),
    ("k", "Kill switch of the whole fleet: nothing new leaves and all open orders are cancelled, until it is re-armed. Asks for a reason."),
    ("F", "Flatten the whole fleet: all open orders are cancelled and all positions closed. Asks for a reason; Esc leaves."),
    ("R", "Re-arm what a kill switch or a loss limit stops, one after the other. Asks for a reason; a kill switch cools off first."),
    ("a", "All that is wrong, in full, with what to do about it."),
    ("q", "Stop in order, as Ctrl-C does; a second Ctrl-C ends everything at once."),
)
_MEANING: Final = (
    "● healthy, ○ not. `again` counts restarts. `today` is the change since the market day began (UTC).",
    "Average, mark and profits are before fees; equity and day P&L after them. `of limit` is gross exposure as a share of",
    "max_gross_exposure. Signals, orders, trades and refusals are those of this run; refusals by code: docs/risk-controls.md.",
    "What is done here is recorded with the user's name, as with `fleet pause`, `fleet risk kill` and the like.",
)


def keys(width: int) -> Block:
    """What each key does."""
    rows: list[Text] = []
    for key, text in _KEYS:
        first, *more = textwrap.wrap(text, width - 10)
        rows += [line((f" {key:<6}", "bold"), first, width=width), *(line(" " * 7, text, width=width) for text in more)]
    rows += [line(width=width), *(line(f" {text}", width=width) for text in textwrap.wrap(" ".join(_MEANING), width - 2))]
    return _page(rule("Keys", width), rows, width)


def alerts(snapshot: Snapshot, width: int) -> Block:
    """Every alert with its remedy."""
    if not snapshot.alerts:
        return _page(rule("Alerts", width), [line(" Nothing is wrong that anybody knows of.", width=width)], width)
    rows = [row for alert in snapshot.alerts for row in _alert(alert, width)]
    return _page(rule(counted(len(snapshot.alerts), "alert"), width, f"bold {LOSS}"), rows, width)


def _alert(alert: Alert, width: int) -> list[Text]:
    style = f"bold {LOSS}" if alert.severity == "critical" else f"bold {WARN}"
    since = f"  since {alert.since} UTC" if alert.since else ""
    body = textwrap.wrap(alert.body, width - 4)
    remedy = [line("   ", (f"-> {alert.remedy}", "bold"), width=width)] if alert.remedy else []
    return [
        line(" ", (alert.title, style), (f"  {alert.severity}{since}", "dim"), width=width),
        *(line(f"   {text}", width=width) for text in body),
        *remedy,
    ]


def _page(head: Text, rows: list[Text], width: int) -> Block:
    return Block(0, 2, 1 + len(rows), lambda most: [head, *cut(rows, most - 1, width)])

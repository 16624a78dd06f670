"""The state of the fleet as one page: whole in itself, readable on a phone, in light and dark, without a script."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

from libs.domain.faults import Fault, lasted
from libs.domain.observed import DaySeen
from services.monitor.runbooks import markdown
from services.monitor.status import OverStatus, ServerStatus, Status
from services.monitor.style import STYLE

HEADLINE: Final = {"ok": "All is well", "degraded": "Something is not well", "down": "Something is badly wrong"}
COLOUR: Final = {"ok": "ok", "degraded": "warning", "down": "critical"}
STATE: Final = {
    "ready": "ok",
    "clean": "ok",
    "up": "ok",
    "on": "ok",
    "starting": "info",
    "off": "info",
    "stopped": "warning",
    "waits": "warning",
}
REFRESH_S: Final = 5


def page(status: Status) -> str:
    """HTML of the state."""
    body = [
        f'<h1 class="{COLOUR[status.overall]}">{HEADLINE[status.overall]}</h1>',
        f'<p class="soft">{_at(status.at)} UTC{_playing(status)}</p>',
        *(_fault(fault, status.at) for fault in status.faults),
        _section("Services", [_service(name, status) for name in status.services]),
        _section("Servers", [_server(name, server, status.at) for name, server in status.servers.items()]),
        _section("Days by the venue's statement", [_day(account, day) for account, day in status.days.items()]),
        _section("Who is told", [_row(name, str(c["state"]), _channel(c, status.at)) for name, c in status.channels.items()]),
        _section("Prometheus says", [_row(f.title, f.severity, f"since {_at(f.since, status.at)}") for f in status.prometheus]),
        _section("Over", [_row(o.title, "", _then(o, status.at)) for o in status.over[:10]]),
        f'<p class="soft">Disk {status.host["disk_free"]:.0%} free, memory {status.host["memory_available"]:.0%} available. Times are UTC. '
        '<a href="/runbooks">Runbooks</a> · <a href="/status">JSON</a></p>',
    ]
    return document(f"{HEADLINE[status.overall]} - Tradewinds", "\n".join(body), REFRESH_S)


def document(title: str, body: str, refresh_s: int | None = None) -> str:
    """A whole page around a body."""
    again = f'<meta http-equiv="refresh" content="{refresh_s}">' if refresh_s else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{again}<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _playing(status: Status) -> str:
    session = status.session
    if session is None:
        return " · no session is known" if status.servers["postgres"].state == "up" else " · the record does not answer"
    orders = sum(session.open_orders.values())
    state = "paused" if session.paused else session.state
    return escape(f" · {session.feed}, {state}, market time {_at(session.market_time)} · {orders} open order{'' if orders == 1 else 's'}")


def _fault(fault: Fault, now: datetime) -> str:
    link = f'<p><a href="{escape(fault.link)}">What to do</a></p>' if fault.link else ""
    return (
        f'<div class="card {fault.severity}"><h3>{escape(fault.title)}</h3>'
        f'<p class="soft">{fault.severity} · since {_at(fault.since, now)}, {_for(fault.since, now)}</p>{markdown(fault.body)}{link}</div>'
    )


def _service(name: str, status: Status) -> str:
    service = status.services[name]
    if service.state == "ready":
        text = f'<span class="soft">{escape(service.about)}</span>{_up(service.up_s)}'
    else:
        stops = "" if service.state in ("waits", "starting") else f"<br>{escape(service.stops)}"
        text = f"{escape(service.detail)}, since {_at(service.since, status.at)}{stops}"
    return f"<tr><th>{escape(name)}</th>{_state(service.state)}<td>{text}</td></tr>"


def _up(seconds: float | None) -> str:
    return "" if seconds is None else f'<span class="soft wide"> · up {lasted(seconds)}</span>'


def _server(name: str, server: ServerStatus, now: datetime) -> str:
    text = f"{server.detail}, since {_at(server.since, now)}" if server.detail else _for(server.since, now)
    return _row(name, server.state, text)


def _day(account: str, day: DaySeen) -> str:
    clean = f"clean to the last digit on {day.last_clean}" if day.last_clean else "no day has been compared and clean yet"
    since = f"; {day.broken} {'day' if day.broken == 1 else 'days'} since differ: fleet doctor" if day.broken else ""
    return _row(account, "critical" if day.broken else "clean" if day.last_clean else "", clean + since)


def _then(over: OverStatus, now: datetime) -> str:
    return f"{_at(over.since, now)}, lasted {lasted((over.until - over.since).total_seconds())}"


def _channel(channel: object, now: datetime) -> str:
    values = channel if isinstance(channel, dict) else {}
    if values.get("state") == "off":
        return str(values.get("why", ""))
    last = values.get("last_sent")
    parts = [f"last {_at(last, now)}" if isinstance(last, datetime) else "nothing sent yet"]
    parts += [f"{values['waiting']} wait"] if values.get("waiting") else []
    parts += [str(values["last_error"])] if values.get("last_error") else []
    return "; ".join(parts)


def _section(title: str, rows: Sequence[str]) -> str:
    found = "".join(rows)
    return f"<h2>{title}</h2><table>{found}</table>" if found else ""


def _row(name: str, state: str, text: str) -> str:
    return f'<tr><th>{escape(name)}</th>{_state(state)}<td class="soft">{escape(text)}</td></tr>'


def _state(state: str) -> str:
    colour = STATE.get(state, state if state in ("warning", "critical") else "critical" if state else "info")
    return f'<td class="state {colour}">{escape(state)}</td>'


def _at(moment: datetime, now: datetime | None = None) -> str:
    """Without the date when it is today's."""
    today = now is not None and moment.date() == now.date()
    return f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M:%S}"


def _for(since: datetime, now: datetime) -> str:
    return f"for {lasted((now - since).total_seconds())}"

"""What comes from Prometheus' Alertmanager. Answered with 2xx only when it is in the record; else Alertmanager sends it again."""

import asyncio
import hmac
import ipaddress
from typing import Final, NamedTuple

from aiohttp import web

from libs.common.clocks import HostClock
from libs.common.database import Database, Rejected, Unreachable, Write
from libs.domain.alertmanager import AGREES, Received, payload_of, received, watched
from libs.domain.faults import Fault, ending
from libs.domain.messages import Notification
from libs.store import alerts
from libs.store.notifications import notification, store
from services.monitor.times import utc

COMMIT_WITHIN_S: Final = 5.0
BY_PROMETHEUS: Final = "prometheus:"
"""Begins the key of a notification by this way: its end is not taken for that of the monitor's own."""


class Taken(NamedTuple):
    """What a payload has left behind."""

    watchdog: bool  # it was among the alerts
    firing: list[Fault]  # all that Prometheus says is wrong now


class Receiver:
    """Alerts of Prometheus: each is told once when it fires and once when it is resolved."""

    def __init__(self, database: Database, clock: HostClock) -> None:
        self._database = database
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def take(self, raw: bytes, direct: list[Fault]) -> Taken:
        """Takes in a payload.

        Raises:
            ValueError: it is no payload of Alertmanager.
            Unreachable: it could not be kept.
        """
        payload, now = payload_of(raw), utc(self._clock)
        try:
            async with self._one_at_a_time, asyncio.timeout(COMMIT_WITHIN_S):
                known = {fault.key: fault for fault in (await alerts.firing(self._database))["prometheus"]}
                found = received(payload, known, {fault.key for fault in direct}, now)
                if found:
                    await self._database.write(self._writes(found))
                for one in found:
                    known.pop(one.fault.key, None)
                    known |= {one.fault.key: one.fault} if one.state == "firing" else {}
        except TimeoutError:
            raise Unreachable(f"the record did not answer within {COMMIT_WITHIN_S:g} s") from None
        return Taken(watched(payload), list(known.values()))

    def _writes(self, found: list[Received]) -> list[Write]:
        now = utc(self._clock)
        return [
            *(
                alerts.began(one.fault, "prometheus") if one.state == "firing" else alerts.ended(one.fault.key, "prometheus", now)
                for one in found
            ),
            store([self._said(one) for one in found], "monitor"),
        ]

    def _said(self, one: Received) -> Notification:
        fault = one.fault
        title, body = fault.title, fault.body
        if one.state == "resolved":
            title, body = ending(fault, utc(self._clock))
            title = AGREES + title.removeprefix("Over: ").removeprefix(AGREES) if one.quiet else title
        severity, key = "info" if one.quiet else fault.severity, BY_PROMETHEUS + fault.key
        return notification(self._clock, fault.kind, severity, title, body, state=one.state, key=key, link=fault.link)


def must_be_allowed(request: web.Request, token: str) -> None:
    """Raises HTTPUnauthorized without the token; where none is set, HTTPForbidden from any other machine."""
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(errors="replace"), token.encode()):
            raise web.HTTPUnauthorized(
                text="expected `Authorization: Bearer ...` with MONITOR_TOKEN", headers={"WWW-Authenticate": "Bearer"}
            )
    elif not _loopback(request.remote):
        raise web.HTTPForbidden(text="from another machine only with a token: set MONITOR_TOKEN here and in alertmanager.yml")


def _loopback(remote: str | None) -> bool:
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False


async def answer(request: web.Request, receiver: Receiver, direct: list[Fault]) -> Taken:
    """Takes in the body of a request. Faults are those of HTTP."""
    try:
        return await receiver.take(await request.read(), direct)
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    except Unreachable as error:
        raise web.HTTPServiceUnavailable(text="the record is away; send it again", headers={"Retry-After": "5"}) from error
    except Rejected as error:
        raise web.HTTPBadRequest(text=f"it cannot be stored: {error}") from error

"""Monitors in the process of a test, one after another on the same record, in a fleet of services that answer as ours do."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.http import Readiness, application
from libs.common.runner import Context
from libs.domain.configuration import ChannelConfig, NotificationsConfig
from libs.domain.fleet import PORTS
from libs.domain.messages import Notification
from libs.store.notifications import notification, store
from services.monitor.app import Monitor
from services.monitor.routes import routes
from services.monitor.settings import MonitorSettings
from tests.faults.fleet import free_offset
from tests.gotify import NEW_TOKEN, Gotify, serving
from tests.waiting import until

QUIET: Final = NotificationsConfig(daily_summary="", channel=(ChannelConfig(kind="gotify"),))
"""Gotify only, and nothing that is said without an occasion."""


@asynccontextmanager
async def ready_services(*, but: str = "") -> AsyncIterator[int]:
    """A PORT_OFFSET at which every service but monitor, and one more, answers that it is ready."""
    found = free_offset()
    async with AsyncExitStack() as stack:
        for name, port in PORTS.items():
            if name not in (but, "monitor"):
                await stack.enter_async_context(serving(a_service(name), port + found))
        yield found


def a_service(name: str) -> web.Application:
    """Ready, whoever asks: no check is there to fail."""
    return application(name, Readiness(), dict)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
            return True
    except OSError:
        return False


class Rig:
    """Starts monitors in this process: one after another on the same record."""

    def __init__(self, url: str, redis_url: str, gotify: Gotify, offset: int, folder: Path) -> None:
        self.settings = MonitorSettings(
            database_url=url,
            redis_url=redis_url,
            port_offset=offset,
            state_dir=str(folder),
            gotify_url=gotify.url,
            gotify_token=NEW_TOKEN,
        )

    @asynccontextmanager
    async def monitor(self, config: NotificationsConfig = QUIET, **changed: Any) -> AsyncIterator[Monitor]:
        """One that is asked to leave at the end of the block."""
        settings = msgspec.structs.replace(self.settings, **changed)
        context = Context("monitor", settings)
        async with aiohttp.ClientSession() as http:
            monitor = Monitor(context, settings, config, http)
            running = asyncio.create_task(monitor.run())
            try:
                await until(lambda: monitor.watch.record.record is not None or running.done())
                yield monitor
                context.stopping.set()
                await running
            finally:
                running.cancel()
                await asyncio.wait({running})
                await context.close()


def a_note(title: str = "hello", **changed: Any) -> Notification:
    values: dict[str, Any] = {"kind": "system", "severity": "warning", "title": title, "body": "", **changed}
    return notification(SystemClock(), **values)


async def say(database: Database, *said: Notification) -> None:
    for one in said:  # each in its own transaction, so that they are made one after another
        await database.write([store([one], "test")])


async def delivered(database: Database) -> list[tuple[Any, ...]]:
    """Deliveries: title, state, attempts, detail."""
    rows = await database.fetch(
        "select n.title, d.state, d.attempts, d.detail from notification_deliveries d join notifications n on n.id = d.notification_id"
        " order by n.created_at, n.id"
    )
    return [tuple(row) for row in rows]


async def written(database: Database, expected: Sequence[tuple[str, str]]) -> None:
    """Waits until the deliveries stand so: a send is written down just after it."""
    async with asyncio.timeout(5):
        while [row[:2] for row in await delivered(database)] != list(expected):  # noqa: ASYNC110 - no bell for this
            await asyncio.sleep(0.02)


@asynccontextmanager
async def asked(monitor: Monitor, token: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody who asks the monitor over HTTP."""
    app = application("monitor", Readiness(), dict)
    app.add_routes(routes(lambda: monitor, token))
    async with serving(app) as base, aiohttp.ClientSession(base) as http:
        yield http

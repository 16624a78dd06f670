"""A real Prometheus and a real Alertmanager with the configuration that `fleet monitoring config` writes, between a service and the
monitor's webhook: how long it takes until a person could know."""

import asyncio
import shlex
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fleet.embedded import ports
from fleet.monitoring import command
from fleet.monitoring.alerts.alert import LINK_BASE
from fleet.monitoring.command import MonitoringSettings
from fleet.monitoring.layout import ALERTMANAGER_PORT, PROMETHEUS_PORT
from fleet.monitoring.routing import WEBHOOK
from libs.common.settings import from_environment
from libs.domain.fleet import PORTS

SERVICE = "risk_manager"
KNOWN_WITHIN_S = 45.0
OVER_WITHIN_S = 60.0
STARTS_WITHIN_S = 120.0  # what Alertmanager is not there for yet is sent again a minute later
TOKEN = "a token"


class Phone:
    """What the monitor would be told, one alert after another."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    async def hook(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        for alert in (await request.json())["alerts"]:
            self.heard.put_nowait(alert)
        return web.Response()

    async def hears(self, name: str, status: str, within_s: float) -> Mapping[str, Any]:
        async with asyncio.timeout(within_s):
            while True:
                alert = await self.heard.get()
                if (alert["labels"]["alertname"], alert["status"]) == (name, status):
                    return alert


@asynccontextmanager
async def listening(port: int, *routes: web.RouteDef) -> AsyncIterator[None]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(line: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*shlex.split(line), stderr=asyncio.subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


class Shown:
    """What the service shows on /metrics."""

    def __init__(self) -> None:
        self.silent_s = 0.5

    async def __call__(self, _: web.Request) -> web.Response:
        lines = [f'tradewinds_service_ready{{service="{SERVICE}"}} 1', "tradewinds_session_playing 1"]
        lines.append(f'tradewinds_market_clock_silent_seconds{{service="{SERVICE}"}} {self.silent_s}')
        return web.Response(text="\n".join([*lines, ""]))


def free_offset() -> int:
    used = (PROMETHEUS_PORT, ALERTMANAGER_PORT, PORTS["monitor"], PORTS[SERVICE])
    return next(offset for offset in range(15_000, 50_000, 97) if all(ports.is_free(port + offset) for port in used))


@pytest.mark.timeout(400)
async def test_a_service_that_goes_and_a_market_that_stands_still_are_told_within_45_s_and_their_ends_within_a_minute(
    tmp_path: Path,
) -> None:
    if missing := [tool for tool in ("prometheus", "prometheus-alertmanager") if shutil.which(tool) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian's packages are called so)")
    offset, phone, shown = free_offset(), Phone(), Shown()
    page = web.get("/metrics", shown.__call__)
    settings = from_environment(MonitoringSettings, {"PORT_OFFSET": str(offset), "MONITOR_TOKEN": TOKEN})
    command.write(tmp_path, settings, {SERVICE: PORTS[SERVICE] + offset}, LINK_BASE, by_email=False)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(listening(PORTS["monitor"] + offset, web.post(WEBHOOK, phone.hook)))
        for line in reversed(command.starting(tmp_path, offset)):
            await stack.enter_async_context(running(line))
        async with listening(PORTS[SERVICE] + offset, page):
            await phone.hears("Watchdog", "firing", STARTS_WITHIN_S)
        told = await phone.hears("ServiceDown", "firing", KNOWN_WITHIN_S)
        assert told["labels"]["fault"] == f"service_down:{SERVICE}"
        assert told["annotations"]["runbook_url"] == f"{LINK_BASE}/runbooks/service-down"
        async with listening(PORTS[SERVICE] + offset, page):
            await phone.hears("ServiceDown", "resolved", OVER_WITHIN_S)
            shown.silent_s = 9.0
            told = await phone.hears("FeedStale", "firing", KNOWN_WITHIN_S)
            assert told["annotations"]["runbook_url"] == f"{LINK_BASE}/runbooks/feed-stale"
            shown.silent_s = 0.1
            await phone.hears("FeedStale", "resolved", OVER_WITHIN_S)

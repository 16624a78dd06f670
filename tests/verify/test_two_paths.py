"""A real fleet with a real Prometheus and Alertmanager beside it, and a Gotify on loopback: what a person hears, how soon, by both
ways; and whether every panel of every dashboard has something to show."""

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from fleet.dashboards import pages
from fleet.embedded.server import wait_until
from fleet.monitoring import command
from fleet.monitoring.alerts.alert import LINK_BASE
from fleet.monitoring.command import MonitoringSettings
from fleet.monitoring.layout import PROMETHEUS_PORT
from fleet.running import offset
from libs.common.clocks import SystemClock
from libs.common.settings import from_environment
from libs.domain.fleet import PORTS
from tests.gotify import OLD_TOKEN, Gotify, a_gotify
from tests.verify.running import Fleet, a_fleet

CONFIG = Path(__file__).parents[2] / "config"
DIRECT_WITHIN_S = 10.0
SECOND_WITHIN_S = 60.0
OVER_WITHIN_S = 120.0
QUIET = 2  # Gotify's priority of what only agrees
INTERVALS = {"$__rate_interval": "1m", "$__interval": "15s", "$account": ".*"}


NOT_HERE: Final = re.compile(r"tradewinds_risk_(value_at_risk|expected_shortfall|volatility|correlation|worst_stress|exit|margin_used)")
"""What is not measured before there are thirty returns of something that is held, or not at all in an account that trades with cash."""


OBEYED: Final = (
    "select (select count(distinct u.account_id) from risk_limits_used u join risk_limits l on l.version = any(u.versions)"
    " where l.name = 'max_daily_loss' and l.value = 0.5) = (select count(*) from accounts)"
)
"""Whether risk_manager goes by the looser limit, for every account."""


class Beside:
    """The fleet, and what stands beside it."""

    def __init__(self, fleet: Fleet, gotify: Gotify, by: int) -> None:
        self.fleet = fleet
        self.gotify = gotify
        self._by = by

    def pid(self, service: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORTS[service] + self._by}/info", timeout=5) as answer:
            return int(json.load(answer)["pid"])

    def query(self, expression: str) -> list[Any]:
        """What Prometheus answers, now."""
        return self._ask("query", query=expression)

    def lately(self, expression: str, now: float) -> list[Any]:
        """The same within the last minute and a half: an account may hold nothing at this moment."""
        return self._ask("query_range", query=expression, start=f"{now - 90:.0f}", end=f"{now:.0f}", step="5")

    def _ask(self, page: str, **asked: str) -> list[Any]:
        url = f"http://127.0.0.1:{PROMETHEUS_PORT + self._by}/api/v1/{page}?{urllib.parse.urlencode(asked)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        found: list[Any] = said["data"]["result"]
        return found

    async def until(self, expression: str, within_s: float) -> None:
        """Until Prometheus has an answer to it."""
        assert await asyncio.to_thread(wait_until, lambda: bool(self.query(expression)), within_s), expression

    async def hears(self, title: str, within_s: float, *, quiet: bool = False, after: int = 0) -> dict[str, Any]:
        """The first message, of those after so many, whose title begins so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    self.gotify.heard.clear()
                    for message in self.gotify.messages[after:]:
                        if message["title"].startswith(title) and (message["priority"] <= QUIET) == quiet:
                            return message
                    await self.gotify.heard.wait()
        raise AssertionError(
            f"{title!r} was not heard within {within_s:g} s; before: {self.gotify.titles[:after]}, then: {self.gotify.titles[after:]}"
        )


def link(message: dict[str, Any]) -> str:
    return str(message["extras"]["client::notification"]["click"]["url"])


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that stands still, until the end of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def set_to(file: Path, before: str, value: str) -> None:
    """Puts a value in place of the number behind what matches; it has to be there."""
    text, found = re.subn(before, rf"\g<1>{value}", file.read_text())
    assert found == 1, f"{file}: {before}"
    file.write_text(text)


@asynccontextmanager
async def running(line: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*shlex.split(line), stderr=asyncio.subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture(scope="module")
async def beside(tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str) -> AsyncIterator[Beside]:
    if missing := [tool for tool in ("prometheus", "prometheus-alertmanager") if shutil.which(tool) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian's packages are called so)")
    folder = tmp_path_factory.mktemp("beside")
    shutil.copytree(CONFIG, folder / "config")
    set_to(folder / "config" / "risk.toml", r"(\[limit_changes\]\ncool_off = )\d+", "1")  # what is looser holds a second later
    # All four tests fall into one window of ten minutes; the fleet's own 20 would gather the last of them, as they should.
    set_to(folder / "config" / "notifications.toml", r"(most_per_10_minutes = )\d+", "1000")
    async with AsyncExitStack() as stack:
        gotify = await stack.enter_async_context(a_gotify())
        environment = {"GOTIFY_URL": gotify.url, "GOTIFY_TOKEN": OLD_TOKEN, "CONFIG_DIR": str(folder / "config")}
        fleet = stack.enter_context(a_fleet(folder / "state", database_url, redis_url, [], environment))
        by = fleet.offset
        settings = from_environment(MonitoringSettings, {"PORT_OFFSET": str(by)})
        command.write(folder / "monitoring", settings, offset(PORTS, by), LINK_BASE, by_email=False)
        for line in reversed(command.starting(folder / "monitoring", by)):
            await stack.enter_async_context(running(line))
        found = Beside(fleet, gotify, by)
        await asyncio.to_thread(fleet.play_until_traded, 5)
        await found.until('ALERTS{alertname="Watchdog", alertstate="firing"}', 60)
        yield found


@pytest.mark.timeout(240)
async def test_every_panel_of_every_dashboard_has_something_to_show(beside: Beside) -> None:
    await beside.until("min(count_over_time((up == 1)[5m:5s])) >= 18", 200)  # rates want a minute
    now, empty = SystemClock().now_ns() / 1e9, []
    for name, text in pages.pages().items():
        for panel in json.loads(text)["panels"]:
            for target in panel.get("targets", ()):
                if NOT_HERE.search(target["expr"]):
                    continue
                expression = re.sub("|".join(map(re.escape, INTERVALS)), lambda found: INTERVALS[found[0]], target["expr"])
                if not await asyncio.to_thread(beside.lately, expression, now):
                    empty.append(f"{name}: {panel['title']}: {target['expr']}")
    assert empty == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("service", "stops"),
    [
        pytest.param("trade_executor", "approved orders wait", id="an executor"),
        pytest.param("data_collector", "the market stands still", id="a market"),
    ],
)
async def test_what_stands_still_is_told_by_both_ways_with_what_it_stops_and_so_is_its_end(
    beside: Beside, service: str, stops: str
) -> None:
    before = len(beside.gotify.messages)
    with stopped(beside.pid(service)):
        direct = await beside.hears(service, DIRECT_WITHIN_S, after=before)
        second = await beside.hears(f"Prometheus agrees: {service}", SECOND_WITHIN_S, quiet=True, after=before)
    assert direct["priority"] >= 8
    for message in (direct, second):
        assert stops in message["message"]
        assert link(message).endswith("/runbooks/service-down")
    await beside.hears(f"{service} is back", DIRECT_WITHIN_S + 10, after=before)
    await beside.hears(f"Prometheus agrees: {service} is back", OVER_WITHIN_S, quiet=True, after=before)


@pytest.mark.timeout(300)
async def test_a_loss_beyond_its_limit_is_told_by_both_ways_until_a_person_rearms(beside: Beside) -> None:
    before = len(beside.gotify.messages)
    set_ = ("risk", "limits", "set", "--scope", "account", "--name", "max_daily_loss", "--reason", "a test", "--value")
    await asyncio.to_thread(beside.fleet.operate, *set_, "0.00001")
    halted = "select min(account_id) from risk_halts where active"
    assert await asyncio.to_thread(wait_until, lambda: bool(beside.fleet.ask(halted)), 90)
    account = str(beside.fleet.ask(halted))
    direct = await beside.hears(f"Account {account} halted: loss of the day", DIRECT_WITHIN_S, after=before)
    second = await beside.hears("Prometheus agrees: ", SECOND_WITHIN_S, quiet=True, after=before)
    assert link(direct).endswith("/runbooks/loss-limit")
    assert link(second).endswith("/runbooks/loss-limit")
    assert f"fleet risk rearm --scope account:{account}" in direct["message"]
    await asyncio.to_thread(beside.fleet.operate, *set_, "0.5")
    assert await asyncio.to_thread(wait_until, lambda: bool(beside.fleet.ask(OBEYED)), 30), "or the tight limit halts it once more"
    for name in ("crypto", "stocks"):  # the other one may have lost as much by now
        await asyncio.to_thread(beside.fleet.operate, "risk", "rearm", "--scope", f"account:{name}", "--reason", "the limit was a test")
    await beside.hears(f"Account {account} re-armed", DIRECT_WITHIN_S + 10, after=beside.gotify.messages.index(direct) + 1)
    await beside.hears("Prometheus agrees: ", OVER_WITHIN_S, quiet=True, after=beside.gotify.messages.index(second) + 1)

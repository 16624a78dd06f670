"""The monitor on a real record and bus: what it sees, what it tells, what survives."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from fleet.embedded.server import wait_until
from libs.common.bus import RedisBus
from libs.common.clocks import SystemClock
from libs.common.database import Database, Write
from libs.common.envelope import HEALTH_CHANNEL, Heartbeat, Sealer, array, numbered
from libs.domain.configuration import QuietHours
from libs.domain.fleet import PORTS, STANDBYS
from libs.domain.health import LEFT_S, judge
from libs.store.notifications import bells, store
from tests.chaos.proxy import a_proxy, through
from tests.fleets import FAKE
from tests.gotify import Gotify, a_gotify, serving
from tests.monitors import QUIET, Rig, a_note, a_service, answers, asked, delivered, ready_services, say, written
from tests.unit.test_alertmanager import a_payload, an_alert
from tests.waiting import until

ALL_DAY = msgspec.convert({"from": "00:00", "to": "23:59"}, QuietHours)


@pytest.fixture
async def gotify() -> AsyncIterator[Gotify]:
    async with a_gotify() as server:
        yield server


@pytest.fixture
async def offset() -> AsyncIterator[int]:
    async with ready_services(but="risk_manager") as found:
        yield found


@pytest.fixture
def risk_manager(offset: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers as risk_manager would."""
    port = PORTS["risk_manager"] + offset
    process = subprocess.Popen([sys.executable, "-S", str(FAKE), str(port), "steady"])
    assert wait_until(lambda: answers(port), 10)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def rig(url: str, redis_url: str, gotify: Gotify, offset: int, tmp_path: Path) -> Rig:
    return Rig(url, redis_url, gotify, offset, tmp_path)


# --- seeing


async def test_a_killed_service_is_told_within_ten_seconds_and_its_return_once(
    rig: Rig, gotify: Gotify, offset: int, risk_manager: subprocess.Popen[bytes], database: Database
) -> None:
    async with rig.monitor() as monitor:
        await until(lambda: monitor.watch.services["risk_manager"].seen.ready)
        risk_manager.send_signal(signal.SIGKILL)
        assert await gotify.until(1, within_s=10) == ["risk_manager is down"]
        assert monitor.board.status().overall == "down"
        async with serving(a_service("risk_manager"), PORTS["risk_manager"] + offset):
            assert await gotify.until(2) == ["risk_manager is down", "risk_manager is back"]
            assert [message["priority"] for message in gotify.messages] == [8, 5]
            assert [over.key for over in monitor.board.status().over] == ["service_down:risk_manager"]
    rows = await database.fetch("select key, source, resolved_at is null from alerts")
    assert rows == [("service_down:risk_manager", "direct", False)]


async def test_a_standby_is_watched_where_there_is_one(rig: Rig, gotify: Gotify, offset: int, database: Database) -> None:
    name = "trade_executor_standby"
    async with rig.monitor() as monitor:
        assert name not in monitor.board.status().services
        eye = monitor.watch.services[name]
        async with serving(a_service(name), STANDBYS[name].port + offset):
            await until(lambda: eye.seen.ready)
            assert monitor.board.status().services[name].state == "ready"
        await until(lambda: not eye.seen.answers)
        found = [symptom for symptom in judge(monitor.watch.seen()).symptoms if name in symptom.key]
        assert [(symptom.severity, symptom.title) for symptom in found] == [("warning", f"{name} is down")]
        eye.heard(Heartbeat(service=name, instance="i", version="v", ready=False, uptime_s=5.0, leaving=True))
        assert name not in monitor.watch.seen().services
    async with rig.monitor(standby=True) as monitor:  # as `fleet run --standby` says
        assert monitor.board.status().services[name].state == "starting"


async def test_one_that_says_that_it_leaves_is_not_called_down(
    rig: Rig, gotify: Gotify, risk_manager: subprocess.Popen[bytes], redis_url: str, database: Database
) -> None:
    bus = RedisBus(redis_url)
    async with rig.monitor() as monitor:
        eye = monitor.watch.services["risk_manager"]
        await until(lambda: eye.seen.ready)
        risk_manager.send_signal(signal.SIGTERM)
        beat = Heartbeat(service="risk_manager", instance="i", version="v", ready=False, uptime_s=5.0, leaving=True)
        sealed = Sealer("risk_manager", SystemClock()).seal(HEALTH_CHANNEL, beat, ts_event_ns=0)
        await bus.publish([(HEALTH_CHANNEL, array([numbered(sealed, 1)]))])
        await until(lambda: eye.seen.left and not eye.seen.answers)
        assert [symptom.after_s for symptom in judge(monitor.watch.seen()).symptoms] == [LEFT_S]
        assert monitor.board.status().services["risk_manager"].state == "stopped"
    await bus.close()


async def test_one_that_dies_and_is_back_at_once_is_a_note(rig: Rig, gotify: Gotify, redis_url: str, database: Database) -> None:
    bus, sealer = RedisBus(redis_url), Sealer("backtester", SystemClock())

    async def beat(instance: str, *, leaving: bool = False) -> None:
        said = Heartbeat(service="backtester", instance=instance, version="v", ready=True, uptime_s=1.0, leaving=leaving)
        await bus.publish([(HEALTH_CHANNEL, array([numbered(sealer.seal(HEALTH_CHANNEL, said, ts_event_ns=0), 1)]))])

    async with rig.monitor() as monitor:
        eye = monitor.watch.services["backtester"]
        await until(lambda: monitor.watch.bus.joined)
        for instance, leaving in [("first", False), ("first", True), ("second", False), ("third", False)]:
            await beat(instance, leaving=leaving)
        assert await gotify.until(1) == ["backtester was restarted"]
        assert eye.uptime_s == 1.0
    await bus.close()


async def test_what_the_record_shows_is_told(rig: Rig, gotify: Gotify, database: Database) -> None:
    kill = Write("insert into kill_switch (scope, key, active, reason, set_by) values ('symbol', 'ALFA', true, 'why', 'me')", ())
    async with rig.monitor() as monitor:
        await database.write([kill])
        assert await gotify.until(1) == ["Kill switch on: symbol:ALFA"]
        here = rig.settings.peer("monitor", PORTS["monitor"])
        assert gotify.messages[0]["extras"]["client::notification"]["click"]["url"] == f"{here}/runbooks/kill-switch"
        assert monitor.watch.record.record is not None


# --- delivering


async def test_a_row_of_any_producer_is_delivered_once(rig: Rig, gotify: Gotify, database: Database, redis_url: str) -> None:
    said = a_note("bought", kind="trade", severity="info", body="**51 DELT**", link="docs/runbooks/kill-switch.md")
    async with rig.monitor():
        await say(database, said)
        bus, clock = RedisBus(redis_url), SystemClock()
        await bus.publish(bells([said], Sealer("test", clock), clock))
        await gotify.until(1)
        await written(database, [("bought", "sent")])
        await bus.close()
    (message,) = gotify.messages
    assert (message["priority"], message["message"]) == (2, "**51 DELT**")
    assert message["extras"]["client::display"] == {"contentType": "text/markdown"}
    assert message["extras"]["client::notification"]["click"]["url"].endswith("/runbooks/kill-switch")


async def test_an_outage_of_gotify_is_waited_out(rig: Rig, gotify: Gotify, database: Database) -> None:
    gotify.answers = [503]
    async with rig.monitor():
        await say(database, a_note("through"))
        assert await gotify.until(1) == ["through"]
        await written(database, [("through", "sent")])
    assert (await delivered(database))[0][2] == 2
    assert gotify.refused == 1


async def test_a_token_that_is_not_taken_is_final_and_in_no_row(rig: Rig, gotify: Gotify, database: Database) -> None:
    async with rig.monitor(gotify_token="wrong-token-123") as monitor:
        await say(database, a_note("lost"))
        await written(database, [("lost", "dropped")])
        shown = msgspec.json.encode(monitor.board.status()).decode()
    assert "answered 401" in (await delivered(database))[0][3]
    assert "wrong-token-123" not in shown + str(await delivered(database))


async def test_what_waits_survives_a_kill_and_is_delivered_once(rig: Rig, gotify: Gotify, database: Database) -> None:
    gotify.status = 503
    async with rig.monitor() as first:
        await say(database, a_note("one"), a_note("two"))
        await until(lambda: len(first.couriers["gotify"].shown()) > 0 and first.couriers["gotify"].shown()["waiting"] == 2)
        await until(lambda: gotify.refused > 0)
    gotify.status = 200
    async with rig.monitor():
        assert sorted(await gotify.until(2)) == ["one", "two"]
        await written(database, [("one", "sent"), ("two", "sent")])
    async with rig.monitor():
        await say(database, a_note("three"))
        await gotify.until(3)
    assert sorted(gotify.titles) == ["one", "three", "two"]


async def test_in_quiet_hours_only_what_is_critical_goes_out(rig: Rig, gotify: Gotify, database: Database) -> None:
    async with rig.monitor(msgspec.structs.replace(QUIET, quiet_hours=ALL_DAY)):
        await say(database, a_note("later"), a_note("now", severity="critical"))
        assert await gotify.until(1) == ["now"]
        await written(database, [("later", "waiting"), ("now", "sent")])
    assert (await delivered(database))[0][3] == "quiet hours"


async def test_beyond_the_rate_what_is_left_comes_as_one(rig: Rig, gotify: Gotify, database: Database) -> None:
    said = [a_note(f"t{n}") for n in range(5)]
    await database.write([store(said, "test")])
    async with rig.monitor(msgspec.structs.replace(QUIET, most_per_10_minutes=3)):
        titles = await gotify.until(3)
    assert sorted(titles[:2]) < ["t5"]
    assert titles[2] == "3 more notifications"
    assert [row[1] for row in await delivered(database)] == ["sent"] * 5


async def test_a_row_that_makes_no_sense_silences_nobody(rig: Rig, gotify: Gotify, database: Database) -> None:
    odd = Write(
        "insert into notifications (id, kind, severity, state, key, title, body, link, producer)"
        " values (gen_random_uuid(), 'odd', 'shrill', 'odd', 'k', 'odd', '', '', 'test')",
        (),
    )
    async with rig.monitor():
        await database.write([odd])
        await say(database, a_note("after"))
        assert await gotify.until(1) == ["after"]
    assert await database.fetch("select count(*) from notifications where planned_at is null") == [(0,)]


# --- receiving, and showing


async def test_alerts_of_prometheus_are_told_once_when_they_fire_and_once_when_they_end(
    rig: Rig, gotify: Gotify, database: Database
) -> None:
    async with rig.monitor() as monitor, asked(monitor) as http:
        for payload in [an_alert(), an_alert(), an_alert("resolved"), an_alert("resolved")]:
            async with http.post("/alertmanager", data=a_payload(payload)) as answer:
                assert answer.status == 200
        assert await gotify.until(2) == ["risk_manager is down", "Over: risk_manager is down"]
        assert [m["priority"] for m in gotify.messages] == [8, 5]
        assert monitor.board.status().prometheus == []
    assert await database.fetch("select source, resolved_at is null from alerts") == [("prometheus", False)]


async def test_prometheus_is_quiet_about_what_was_told_directly(rig: Rig, gotify: Gotify, database: Database) -> None:
    await database.write([Write("insert into kill_switch values ('fleet', '', true, 'why', 'me')", ())])
    async with rig.monitor() as monitor, asked(monitor) as http:
        await gotify.until(1)
        async with http.post("/alertmanager", data=a_payload(an_alert(fault="kill_switch:fleet"))) as answer:
            assert answer.status == 200
        assert await gotify.until(2) == ["Kill switch on: fleet", "Prometheus agrees: risk_manager is down"]
        assert gotify.messages[1]["priority"] == 2


@pytest.mark.parametrize(
    ("token", "header", "body", "status"),
    [
        ("", "", b"garbage", 400),
        ("", "", a_payload(version="3"), 400),
        ("secret", "", a_payload(an_alert()), 401),
        ("secret", "Bearer wrong", a_payload(an_alert()), 401),
        ("secret", "Bearer secret", a_payload(an_alert()), 200),
    ],
)
async def test_what_is_not_taken_is_answered_with_the_reason(
    rig: Rig, database: Database, token: str, header: str, body: bytes, status: int
) -> None:
    async with rig.monitor() as monitor, asked(monitor, token) as http:
        async with http.post("/alertmanager", data=body, headers={"Authorization": header} if header else {}) as answer:
            assert answer.status == status
            said = json.loads(await answer.read())
    assert status == 200 or "expected" in said["detail"]
    assert len(await database.fetch("select from alerts")) == (status == 200)


async def test_without_the_record_alertmanager_is_told_to_repeat(rig: Rig, url: str, database: Database) -> None:
    async with a_proxy(url) as line, rig.monitor(database_url=through(url, line.port)) as monitor, asked(monitor) as http:
        await line.cut()
        async with http.post("/alertmanager", data=a_payload(an_alert())) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_the_page_stands_alone_and_leads_to_the_runbooks(rig: Rig, database: Database) -> None:
    await database.write([Write("insert into kill_switch values ('fleet', '', true, '<script>', 'me')", ())])
    async with rig.monitor() as monitor, asked(monitor) as http:
        await until(lambda: bool(monitor.watch.faults.firing))
        async with http.get("/") as answer:
            page = await answer.text()
        assert "Kill switch on: fleet" in page
        assert "<script" not in page
        assert 'href="/runbooks/kill-switch"' in page
        async with http.get("/runbooks/kill-switch") as answer:
            assert answer.status == 200
            assert "<h1" in await answer.text()
        async with http.get("/runbooks") as answer:
            assert 'href="/runbooks/kill-switch"' in await answer.text()


@pytest.mark.parametrize("path", ["/runbooks/nope", "/runbooks/..%2f..%2fREADME", "/runbooks/README.md", "/runbooks/a%00b"])
async def test_no_other_file_is_served(rig: Rig, database: Database, path: str) -> None:
    async with rig.monitor() as monitor, asked(monitor) as http:
        async with http.get(path) as answer:
            assert answer.status == 404

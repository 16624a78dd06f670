"""What `fleet diagnose` and `fleet checklist` make of what they see."""

import tarfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from fleet import diagnose, facts
from fleet.checklist import Checked, checked, hours, text
from fleet.diagnosis import findings
from fleet.facts import Complaint, ConfigSeen, Facts, HostSeen, ServerSeen, ServiceSeen
from fleet.log_lines import LogLine
from fleet.operating import Answer
from fleet.venue_links import VenueLink, Venues
from libs.common import secrets
from libs.domain.fleet import SERVICES
from libs.store.control import Killed, StrategyStatus
from libs.store.queries.condition import (
    AlertStands,
    Behind,
    ChannelStands,
    Condition,
    DayEarned,
    Halt,
    JobEnded,
    LeaseStands,
    OrderStands,
    PutAside,
    ServerSays,
    SessionStands,
)

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NOON = 1_772_452_800_000_000_000  # Monday 2026-03-02 12:00 UTC
SESSION = SessionStands(
    session_id="s",
    feed="synthetic",
    venue="synthetic",
    state="running",
    mode="free",
    speed=1.0,
    paused=False,
    market_time=NOON,
    accounts=["paper"],
    calendars=["us_equity"],
)
SERVER = ServerSays(version="18.6", size_bytes=10**7, settings={"fsync": "on", "synchronous_commit": "on"}, schema="0003")


def a_lease(name: str, **changed: Any) -> LeaseStands:
    return msgspec.structs.replace(LeaseStands(name=name, holder="boot:1:2", epoch=3, released=False, left_s=3.0), **changed)


RECORD = Condition(
    server=SERVER,
    session=SESSION,
    channels=[],
    leases=[a_lease("risk:paper"), a_lease("executor:paper")],
    behind=[],
    orders={},
    unsettled=[],
    quarantined=0,
    put_aside=[],
    halts=[],
    jobs=[],
    alerts=[],
    earned=[],
)
STRATEGY = StrategyStatus("fast", "sma_cross", ["*"], "1s", "paper", 0.5, True, "")
CONFIG = ConfigSeen(
    environment="development",
    fingerprint="f" * 16,
    error="",
    changed_since_start=[],
    limits=["price_collar"],
    collar=0.02,
    wide="",
)
WELL = Facts(
    at=AT,
    state_dir="/nowhere",
    nothing_runs="",
    pid=1,
    since="2026-03-01 00:00:00",
    services=[ServiceSeen(name=name, state="healthy", pid=1, version="1", uptime_s=100.0) for name in SERVICES],
    venues=Venues(venues={"paper": VenueLink(venue="paper", up=True)}),
    postgres=ServerSeen(ok=True, detail="", latency_ms=1.0, clock_ahead_s=0.001),
    redis=ServerSeen(ok=True, detail="", latency_ms=1.0),
    record=RECORD,
    record_missing="",
    killed=[],
    strategies=[STRATEGY],
    ledger=[],
    ledger_missing="",
    market_moves=True,
    holders={},
    host=HostSeen(disk_free=0.5, disk_free_bytes=10**11, memory_free=0.5, load=0.1, cpus=2, python="3", system="Linux"),
    config=CONFIG,
    channels=[],
    complaints=[],
    releases={},
)


def with_record(**changed: Any) -> dict[str, Any]:
    return {"record": msgspec.structs.replace(RECORD, **changed)}


ORDER = OrderStands(order_id=UUID(int=7), status="UNKNOWN", account_id="paper", strategy_id="fast", symbol="ALFA", age_s=61.0)
REFUSED = ServerSeen(ok=False, detail="refused")
RAN_OUT = [a_lease("risk:paper", left_s=-9.0), a_lease("executor:paper")]
LATE = Behind(consumer="risk:paper", stream="signals", messages=53, age_s=15.0)
FAILED = JobEnded(job_id="nightly", state="failed", detail="no disk", at=AT)
WRONG = [
    pytest.param(
        {"postgres": ServerSeen(ok=False, detail="refused"), "record": None}, "Postgres does not answer", "server-down", id="postgres"
    ),
    pytest.param({"redis": ServerSeen(ok=False, detail="refused")}, "Redis does not answer", "server-down", id="redis"),
    pytest.param({"services": [ServiceSeen(name="risk_manager", state="down")]}, "risk_manager: down", "service-down", id="service"),
    pytest.param({"ledger": ["paper: off by 1"]}, "off by 1", "ledger-difference", id="ledger"),
    pytest.param(with_record(unsettled=[ORDER]), "is UNKNOWN for 61 s", "unknown-order", id="unknown"),
    pytest.param(
        with_record(quarantined=1, put_aside=[PutAside(what="fill 1", error="no such order", at=AT)]),
        "no such order",
        "quarantine",
        id="quarantine",
    ),
    pytest.param({"market_moves": False}, "stands still", "feed-stale", id="feed"),
    pytest.param(with_record(leases=[a_lease("risk:paper")]), "nobody holds the lease executor:paper", "lease-lost", id="lease"),
    pytest.param(
        with_record(leases=[a_lease("risk:paper", left_s=-9.0), a_lease("executor:paper")]),
        "lease risk:paper",
        "lease-lost",
        id="lease ran out",
    ),
    pytest.param(
        with_record(behind=[Behind(consumer="risk:paper", stream="signals", messages=53, age_s=15.0)]),
        "53 messages",
        "journal-lag",
        id="lag",
    ),
    pytest.param({"killed": [Killed("fleet", "", "a test", "me", AT)]}, "a test", "kill-switch", id="kill switch"),
    pytest.param(
        with_record(halts=[Halt(account_id="paper", limit_name="max_daily_loss", limit_value=0.02, seen=0.03, at=AT)]),
        "halted by max_daily_loss: 3.00% seen",
        "loss-limit",
        id="halt",
    ),
    pytest.param({"strategies": [STRATEGY._replace(failed="line 3")]}, "has failed: line 3", "strategy-failed", id="strategy"),
    pytest.param({"host": msgspec.structs.replace(WELL.host, disk_free=0.02)}, "2.0% of the disk", "disk", id="disk"),
    pytest.param({"host": msgspec.structs.replace(WELL.host, memory_free=0.02)}, "2.0% of the memory", "memory", id="memory"),
    pytest.param(
        {"postgres": ServerSeen(ok=True, detail="", latency_ms=1.0, clock_ahead_s=-0.7)}, "0.700 s behind", "clock-skew", id="clock"
    ),
    pytest.param(
        with_record(jobs=[JobEnded(job_id="nightly", state="failed", detail="no disk", at=AT)]),
        "nightly has failed",
        "job-failed",
        id="job",
    ),
    pytest.param(
        with_record(channels=[ChannelStands(channel="gotify", waiting=4, oldest_s=300.0, last_sent=None, last_error="401")]),
        "4 notifications wait for gotify",
        "notifications-stuck",
        id="notifications",
    ),
]


def test_a_fleet_that_is_well_has_no_findings_and_passes() -> None:
    assert findings(WELL) == []
    assert {item.state for item in checked(WELL, "pre-market")} == {"pass", "skip"}
    assert {item.state for item in checked(WELL, "post-market")} == {"pass", "skip"}


def test_a_venue_that_is_away_is_explained_by_the_page_of_its_outage() -> None:
    away = ServiceSeen(name="trade_executor", state="not ready: service: venue binance is away: lost")
    assert [finding.runbook for finding in findings(msgspec.structs.replace(WELL, services=[away]))] == ["broker-outage"]


@pytest.mark.parametrize(("changed", "said", "runbook"), WRONG)
def test_what_is_wrong_is_found_with_its_runbook(changed: dict[str, Any], said: str, runbook: str) -> None:
    found = findings(msgspec.structs.replace(WELL, **changed))
    assert [finding.runbook for finding in found if said in finding.what] == [runbook]
    assert all(finding.means for finding in found)


@pytest.mark.parametrize(("changed", "said", "runbook"), WRONG)
def test_what_is_wrong_fails_an_item_of_the_checklist(changed: dict[str, Any], said: str, runbook: str) -> None:
    seen = msgspec.structs.replace(WELL, channels=["gotify"], **changed)
    assert runbook in {item.runbook for item in checked(seen, "pre-market") if item.state == "fail"}


def test_the_worst_comes_first() -> None:
    killed = {"killed": [Killed("fleet", "", "a test", "me", AT)], "ledger": ["paper: off by 1"]}
    assert [finding.severity for finding in findings(msgspec.structs.replace(WELL, **killed))] == ["critical", "warning"]


def test_what_cannot_be_known_fails_without_a_runbook() -> None:
    seen = msgspec.structs.replace(WELL, record=None, record_missing="Postgres does not answer", ledger=None)
    unknown = [item for item in checked(seen, "pre-market") if "not known" in item.seen]
    assert len(unknown) > 8
    assert {(item.state, item.runbook) for item in unknown} == {("fail", "")}


@pytest.mark.parametrize(
    ("changed", "name", "state", "seen"),
    [
        pytest.param({"error": "risk.toml, line 3: no"}, "limits are sane", "fail", "line 3", id="configuration"),
        pytest.param({"collar": None}, "limits are sane", "fail", "no price_collar", id="no collar"),
        pytest.param({"wide": "max_gross_exposure 35"}, "limits are sane", "fail", "is a percentage meant", id="a percentage"),
        pytest.param({"collar": 0.5}, "limits are sane", "fail", "0.5, expected", id="wide collar"),
        pytest.param({"changed_since_start": ["risk.toml"]}, "configuration as read", "fail", "risk.toml changed", id="changed"),
    ],
)
def test_the_configuration_is_looked_at(changed: dict[str, Any], name: str, state: str, seen: str) -> None:
    facts_ = msgspec.structs.replace(WELL, config=msgspec.structs.replace(CONFIG, **changed))
    (item,) = (item for item in checked(facts_, "pre-market") if item.name == name)
    assert item.state == state
    assert seen in item.seen


@pytest.mark.parametrize(
    ("channels", "state", "said"),
    [
        pytest.param(["gotify"], "fail", "nothing sent in 7 days on gotify", id="untested"),
        pytest.param([], "skip", "no channel is on", id="none"),
        pytest.param(None, "fail", "the monitor does not answer", id="nobody to ask"),
    ],
)
def test_the_ways_to_a_person_are_those_that_the_monitor_has(channels: list[str] | None, state: str, said: str) -> None:
    (item,) = (item for item in checked(msgspec.structs.replace(WELL, channels=channels), "pre-market") if item.name == "notifications")
    assert item.state == state
    assert said in item.seen


def test_a_channel_that_sent_something_lately_is_tested() -> None:
    sent = ChannelStands(channel="gotify", waiting=0, oldest_s=None, last_sent=AT - timedelta(days=1), last_error="")
    seen = msgspec.structs.replace(WELL, channels=["gotify"], **with_record(channels=[sent]))
    assert Checked(name="notifications", state="pass", seen="gotify", runbook="") in checked(seen, "pre-market")


def test_the_last_day_is_told_and_an_alert_fails() -> None:
    earned = DayEarned(account_id="paper", day=date(2026, 3, 1), pnl=Decimal("-12.5"), currency="USD")
    alert = AlertStands(key="ledger_difference", severity="critical", title="t", since=AT)
    found = {
        item.name: item for item in checked(msgspec.structs.replace(WELL, **with_record(earned=[earned], alerts=[alert])), "post-market")
    }
    assert found["last day's profit"].seen == "paper -12.50 USD on 2026-03-01"
    assert found["no alert"].state == "fail"


def test_orders_left_open_fail_after_a_market_that_closes_only() -> None:
    left = with_record(orders={"ACKED": 2})
    round_the_clock = with_record(orders={"ACKED": 2}, session=msgspec.structs.replace(SESSION, calendars=["24/7", "us_equity"]))
    for changed, state in ((left, "fail"), (round_the_clock, "skip")):
        found = {item.name: item.state for item in checked(msgspec.structs.replace(WELL, **changed), "post-market")}
        assert found["no order open"] == state


@pytest.mark.parametrize(
    ("calendar", "day", "told"),
    [
        ("us_equity", date(2025, 1, 6), "us_equity 14:30 to 21:00 UTC"),
        ("us_equity", date(2025, 11, 28), "us_equity 14:30 to 18:00 UTC (short day)"),
        ("us_equity", date(2025, 12, 25), "us_equity closed"),
        ("us_equity", date(2025, 1, 4), "us_equity closed"),
        ("24/7", date(2025, 12, 25), "24/7 open all day"),
        ("forex", date(2025, 1, 6), "forex open all day"),
    ],
)
def test_a_days_hours_are_told(calendar: Any, day: date, told: str) -> None:
    assert hours(calendar, day) == told


def test_a_checklist_fits_a_hundred_columns() -> None:
    lines = text("pre-market", AT, checked(msgspec.structs.replace(WELL, ledger=["paper: " + "off by one " * 20]), "pre-market"))
    assert max(map(len, lines.splitlines())) <= 100
    assert "1 FAILED" in lines
    assert "FAIL  ledger balances" in lines


def test_a_diagnosis_fits_a_hundred_columns_and_begins_with_what_is_wrong() -> None:
    line = LogLine(at=AT, service="risk_manager", level="error", message="a word " * 40)
    seen = msgspec.structs.replace(WELL, ledger=["paper: " + "off by one " * 20], complaints=[Complaint(line=line, times=3)])
    page = diagnose.text(seen, findings(seen))
    assert page.startswith("CRITICAL  the books do not agree: paper: off by one")
    assert max(map(len, page.splitlines())) <= 100
    assert "(3 times)" in " ".join(page.split())


def test_complaints_that_differ_in_numbers_only_are_one(tmp_path: Path) -> None:
    record = '{"@timestamp":"2026-03-01T00:00:0%dZ","log.level":"warning","message":"lease not renewed, good for -%d.0 s"}\n'
    (tmp_path / "one.log").write_text("".join(record % (n, n) for n in range(5)) + "no record\n")
    (found,) = facts.complaints(tmp_path)
    assert (found.times, found.line.message) == (5, "lease not renewed, good for -4.0 s")


def test_a_bundle_holds_page_data_and_logs_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", ())
    secrets.learn(["hunter-the-second"])
    (tmp_path / "one.log").write_text("postgresql://fleet:short@db hunter-the-second\n")
    path = tmp_path / "bundle.tar.gz"
    diagnose.pack(path, Answer("the page: hunter-the-second", {"said": "hunter-the-second"}), tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    with tarfile.open(path) as tar:
        packed = {member.name: (tar.extractfile(member) or pytest.fail(member.name)).read() for member in tar}
    assert packed == {
        "diagnose/diagnose.txt": b"the page: ***",
        "diagnose/diagnose.json": b'{"said":"***"}',
        "diagnose/logs/one.log": b"postgresql://fleet:***@db ***\n",
    }


def test_services_that_log_in_as_the_owner_of_the_record_are_warned_of_and_fail_nothing() -> None:
    server = msgspec.structs.replace(SERVER, as_owner=["fleet", "psql", "trade_executor"])
    item = next(i for i in checked(msgspec.structs.replace(WELL, **with_record(server=server)), "pre-market") if "roles" in i.name)
    assert (item.state, item.seen.partition(" may ")[0]) == ("skip", "WARNING: trade_executor")

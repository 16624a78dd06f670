"""What the monitor calls wrong, when, and what it calls over: pure, with the clock in the test's hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.domain.faults import Changes, Fault, Faults, ending, lasted
from libs.domain.fleet import SERVICES
from libs.domain.health import RANK, Findings, judge, overall
from libs.domain.observed import (
    ChannelSeen,
    DisarmedSeen,
    HaltSeen,
    HostSeen,
    KillSeen,
    Lag,
    LooserSeen,
    RecordSeen,
    Seen,
    ServerSeen,
    ServiceSeen,
    SessionSeen,
)

NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)
SESSION = SessionSeen("session", "synthetic", "free", "running", False, 1)
RECORD = RecordSeen(session=SESSION, leases={"risk:paper": True, "executor:paper": True})
UP = {"postgres": ServerSeen(True), "redis": ServerSeen(True)}
WELL = Seen(services={name: ServiceSeen(True) for name in SERVICES}, servers=UP, record=RECORD)
GONE = ServiceSeen(False, "Connection refused", answers=False)


def seen(**changed: ServiceSeen) -> Seen:
    """A fleet that is well but for these services."""
    return replace(WELL, services={**WELL.services, **changed})


def recorded(still_s: float = 0.0, **changed: object) -> Seen:
    """A fleet that is well but for this in its record."""
    return replace(WELL, record=replace(RECORD, **changed), still_s=still_s)  # type: ignore[arg-type]


def keys(found: Seen) -> list[str]:
    return [symptom.key for symptom in judge(found).symptoms]


class Looking:
    """A keeper of faults that is shown one thing for so many seconds, a look each second."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.seconds = 1000.0
        self.raised: list[str] = []
        self.cleared: list[str] = []

    def at(self, found: Seen | Findings) -> Changes:
        findings = judge(found) if isinstance(found, Seen) else found
        changes = self.faults.look(findings, self.seconds, NOON + timedelta(seconds=self.seconds))
        self.raised += [fault.key for fault in changes.raised]
        self.cleared += [fault.key for fault in changes.cleared]
        return changes

    def see(self, found: Seen, for_s: int) -> None:
        for _ in range(for_s + 1):
            self.at(found)
            self.seconds += 1
        self.seconds -= 1


def test_a_fleet_that_is_well_has_no_symptom() -> None:
    assert judge(WELL) == Findings([], ())


@pytest.mark.parametrize(
    ("wrong", "key", "severity"),
    [
        (seen(risk_manager=GONE), "service_down:risk_manager", "critical"),
        (seen(backtester=GONE), "service_down:backtester", "warning"),
        (replace(WELL, servers={**UP, "postgres": ServerSeen(False, "refused")}), "server_down:postgres", "critical"),
        (replace(WELL, servers={**UP, "redis": ServerSeen(False, "refused")}), "server_down:redis", "warning"),
        (recorded(still_s=5.1), "feed_stale", "critical"),
        (recorded(leases={"risk:paper": False}), "lease_lost:risk:paper", "critical"),
        (recorded(lags=[Lag("executor:paper", "orders.approved", 3, 5.1)]), "journal_lag:executor:paper", "critical"),
        (recorded(unsettled=1, unsettled_age_s=10.1), "unknown_order", "critical"),
        (recorded(quarantined={"message": 2}, quarantined_age_s={"message": 5.0}), "quarantine", "warning"),
        (recorded(quarantined={"fill": 1}, quarantined_age_s={"fill": 5.0}), "quarantine", "critical"),
        (recorded(kills=[KillSeen("symbol:ALFA", "why", "me")]), "kill_switch:symbol:ALFA", "warning"),
        (recorded(halts=[HaltSeen("paper", "max_daily_loss", 0.02, 0.021)]), "loss_limit:paper:max_daily_loss", "critical"),
        (
            recorded(looser=[LooserSeen(9, "account", "*", "max_daily_loss", "fraction", None, "ann", "why", "2026-11-28 07:20:10")]),
            "limit_loosens:max_daily_loss of account",
            "info",
        ),
        (recorded(disarmed=[DisarmedSeen("paper", "disk", "RC-C10", "9% is free")]), "disarmed:paper", "critical"),
        (recorded(disarmed=[DisarmedSeen("paper", "loop", "RC-C10", "stood still")]), "disarmed:paper", "warning"),
        (recorded(failed_strategies={"fast": "it raised"}), "strategy_failed:fast", "warning"),
        (replace(WELL, host=HostSeen(disk_free=0.09)), "disk", "warning"),
        (replace(WELL, host=HostSeen(disk_free=0.02)), "disk", "critical"),
        (replace(WELL, host=HostSeen(memory_available=0.04)), "memory", "warning"),
        (replace(WELL, prometheus_silent_s=181.0), "prometheus_silent", "warning"),
        (replace(WELL, channels={"gotify": ChannelSeen(301.0, "no answer")}), "notifications_stuck:gotify", "warning"),
    ],
)
def test_what_is_wrong_has_its_key_and_says_what_it_means(wrong: Seen, key: str, severity: str) -> None:
    (symptom,) = judge(wrong).symptoms
    assert (symptom.key, symptom.severity) == (key, severity)
    assert "What that means" in symptom.body
    assert symptom.link.startswith("/runbooks/")


@pytest.mark.parametrize(
    "borderline",
    [
        recorded(still_s=5.0),
        recorded(still_s=15.0, session=SESSION._replace(mode="lockstep")),
        recorded(still_s=600.0, session=SESSION._replace(paused=True)),
        recorded(still_s=600.0, session=SESSION._replace(state="finished")),
        recorded(lags=[Lag("executor:paper", "orders.approved", 3, 5.0)]),
        recorded(unsettled=1, unsettled_age_s=10.0),
        recorded(disarmed=[DisarmedSeen("paper", "venue", "RC-C04", "away"), DisarmedSeen("paper", "reconciliation", "RC-C07", "differ")]),
        recorded(quarantined={"fill": 1}, quarantined_age_s={"fill": 900.0}),
        replace(WELL, host=HostSeen(0.10, 0.05)),
        replace(WELL, prometheus_silent_s=180.0),
        replace(WELL, channels={"gotify": ChannelSeen(300.0, "no answer")}),
    ],
)
def test_up_to_its_threshold_nothing_is_wrong(borderline: Seen) -> None:
    assert keys(borderline) == []


def test_in_lockstep_the_market_may_stand_still_for_longer() -> None:
    lockstep = SESSION._replace(mode="lockstep")
    assert keys(recorded(still_s=14.0, session=lockstep)) == []
    assert keys(recorded(still_s=15.1, session=lockstep)) == ["feed_stale"]


def test_the_text_of_a_missing_service_says_what_that_stops() -> None:
    (symptom,) = judge(seen(trade_executor=GONE)).symptoms
    assert SERVICES["trade_executor"].stops in symptom.body
    assert symptom.title == "trade_executor is down"


# --- one cause is told once


def test_services_that_wait_for_postgres_are_not_called_down_besides() -> None:
    waits = ServiceSeen(False, "postgres: refused", waits_for=frozenset({"postgres"}))
    away = replace(WELL, servers={**UP, "postgres": ServerSeen(False, "refused")}, services=dict.fromkeys(SERVICES, waits), record=None)
    assert keys(away) == ["server_down:postgres"]


def test_a_service_that_calls_a_server_missing_which_answers_is_itself_at_fault() -> None:
    assert keys(seen(risk_manager=ServiceSeen(False, "redis: unreachable", waits_for=frozenset({"redis"})))) == [
        "service_down:risk_manager"
    ]


def test_a_service_that_is_gone_while_postgres_is_away_is_called_down() -> None:
    away = replace(seen(risk_manager=GONE), servers={**UP, "postgres": ServerSeen(False, "refused")}, record=None)
    assert keys(away) == ["server_down:postgres", "service_down:risk_manager"]


@pytest.mark.parametrize(
    ("service", "wrong"),
    [
        ("risk_manager", {"leases": {"risk:paper": False}, "lags": [Lag("risk:paper", "signals", 9, 60.0)]}),
        ("trade_executor", {"leases": {"executor:paper": False}}),
        ("data_collector", {}),
    ],
)
def test_what_follows_from_a_missing_service_is_not_told_besides(service: str, wrong: dict[str, object]) -> None:
    found = recorded(still_s=60.0 if service == "data_collector" else 0.0, **wrong)
    assert keys(found) != []
    assert keys(replace(found, services={**WELL.services, service: GONE})) == [f"service_down:{service}"]


# --- what lasts is a fault, what is gone for a while is over


def test_a_service_is_told_of_after_three_seconds_and_once() -> None:
    looking = Looking()
    looking.see(seen(risk_manager=GONE), 2)
    assert looking.raised == []
    looking.see(seen(risk_manager=GONE), 30)
    assert looking.raised == ["service_down:risk_manager"]


def test_time_before_the_look_counts() -> None:
    looking = Looking()
    changes = looking.at(seen(risk_manager=GONE._replace(lasted_s=3.0)))
    assert [fault.since for fault in changes.raised] == [NOON + timedelta(seconds=997)]


def test_a_restart_within_three_seconds_is_not_told() -> None:
    looking = Looking()
    for _ in range(20):
        looking.see(seen(risk_manager=GONE), 2)
        looking.see(WELL, 1)
    assert (looking.raised, looking.cleared) == ([], [])


def test_the_end_is_told_once_and_not_while_it_flickers() -> None:
    looking = Looking()
    looking.see(seen(risk_manager=GONE), 5)
    looking.see(WELL, 1)
    looking.see(seen(risk_manager=GONE), 1)
    assert looking.cleared == []
    looking.see(WELL, 10)
    assert (looking.raised, looking.cleared) == (["service_down:risk_manager"], ["service_down:risk_manager"])
    assert looking.faults.firing == []


def test_while_the_record_is_away_what_it_said_stays_as_it_was() -> None:
    looking = Looking()
    looking.see(recorded(kills=[KillSeen("fleet", "why", "me")]), 1)
    away = replace(WELL, servers={**UP, "postgres": ServerSeen(False, "refused")}, record=None)
    looking.see(away, 60)
    assert {fault.key for fault in looking.faults.firing} == {"kill_switch:fleet", "server_down:postgres"}
    looking.see(WELL, 5)
    assert sorted(looking.cleared) == ["kill_switch:fleet", "server_down:postgres"]


def test_after_an_outage_of_postgres_a_service_gets_its_time_anew() -> None:
    waits = ServiceSeen(False, "postgres: refused", lasted_s=60.0, waits_for=frozenset({"postgres"}))
    looking = Looking()
    looking.see(replace(seen(risk_manager=waits), servers={**UP, "postgres": ServerSeen(False, "refused")}, record=None), 10)
    looking.see(seen(risk_manager=waits), 3)
    assert looking.raised == ["server_down:postgres"]
    looking.see(WELL, 5)
    assert looking.raised == looking.cleared == ["server_down:postgres"]


def test_what_gets_worse_is_told_again_and_what_gets_better_is_not() -> None:
    looking = Looking()
    for free in (0.09, 0.02, 0.09):
        looking.see(replace(WELL, host=HostSeen(disk_free=free)), 15)
    assert looking.raised == ["disk", "disk"]
    assert [fault.severity for fault in looking.faults.firing] == ["warning"]


def test_a_fault_keeps_the_name_it_was_told_by() -> None:
    looking = Looking()
    looking.see(seen(risk_manager=GONE), 5)
    looking.see(seen(risk_manager=ServiceSeen(False, "service: starting")), 5)
    assert [fault.title for fault in looking.faults.firing] == ["risk_manager is down"]


def test_one_that_was_stopped_in_order_is_not_told_for_a_minute() -> None:
    looking = Looking()
    left = seen(risk_manager=GONE._replace(left=True))
    looking.see(left, 59)
    assert looking.raised == []
    looking.see(left, 2)
    assert looking.raised == ["service_down:risk_manager"]


def test_one_that_starts_gets_twenty_seconds() -> None:
    looking = Looking()
    starting = seen(risk_manager=GONE._replace(known=False))
    looking.see(starting, 19)
    assert looking.raised == []
    looking.see(starting, 2)
    assert looking.raised == ["service_down:risk_manager"]


def test_what_was_told_before_a_restart_is_not_told_again_but_its_end_is() -> None:
    fault = Fault("service_down:risk_manager", "critical", "risk_manager is down", "", "", NOON)
    looking = Looking()
    looking.faults.restore([fault])
    looking.see(seen(risk_manager=GONE), 10)
    looking.see(WELL, 5)
    assert (looking.raised, looking.cleared) == ([], ["service_down:risk_manager"])


def test_the_worst_comes_first_and_gives_the_fleet_its_word() -> None:
    looking = Looking()
    looking.see(replace(seen(backtester=GONE), servers={**UP, "postgres": ServerSeen(False, "refused")}), 5)
    assert [fault.key for fault in looking.faults.firing] == ["server_down:postgres", "service_down:backtester"]
    words = {"ok": [], "degraded": ["info", "warning"], "down": ["warning", "critical"]}
    assert {word: overall(severities) for word, severities in words.items()} == {word: word for word in words}
    assert sorted(RANK, key=lambda word: RANK[word]) == ["info", "warning", "critical"]


def test_an_end_says_what_is_well_again_and_how_long_it_lasted() -> None:
    fault = Fault("service_down:risk_manager", "critical", "risk_manager is down", "", "", NOON)
    assert ending(fault, NOON + timedelta(seconds=42)) == ("risk_manager is back", "It lasted 42 s, since 2025-01-06 12:00:00 UTC.")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (0.9, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h 0 min"), (172800, "2 d 0 h")],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert lasted(seconds) == words

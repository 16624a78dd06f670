from datetime import UTC, datetime
from typing import Any

import msgspec

from fleet.screen.alerts import firing
from fleet.screen.model import Light
from libs.store.control import Killed
from libs.store.queries.screen import AlertSeen, DisarmedSeen, HaltSeen, Seen

WHEN = datetime(2025, 1, 6, 14, 0, 1, tzinfo=UTC)
DOWN = Light("risk_manager", "not listening", 4.0, 0)


def a_record(**changed: Any) -> Seen:
    nothing: dict[str, Any] = {"session": None, "open_orders": 0, "failed": {}}
    lists: dict[str, Any] = {name: [] for name in ("accounts", "books", "killed", "halts", "alerts")}
    return Seen(**(nothing | lists | changed))


def monitors(key: str, severity: str = "critical") -> AlertSeen:
    return AlertSeen(key=key, severity=severity, title=f"monitor: {key}", body="", link="docs/runbooks/x.md", since=WHEN)


def keys(seen: Seen | None, *lights: Light, silent_s: float = 0.0) -> list[str]:
    return [alert.key for alert in firing(seen, lights, silent_s)]


def test_nothing_is_wrong_with_a_fleet_that_is_well() -> None:
    assert keys(a_record(), Light("risk_manager", "healthy", 1.0, 3)) == []


def test_a_service_that_starts_or_was_stopped_is_no_alert() -> None:
    assert keys(a_record(), Light("risk_manager", "starting", 1.0, 0), Light("monitor", "stopped", 1.0, 0)) == []


def test_a_service_that_is_down_says_what_does_not_happen_meanwhile() -> None:
    (alert,) = firing(a_record(), [DOWN], 0.0)
    assert alert.title == "risk_manager: not listening"
    assert "no order is approved" in alert.body
    assert alert.remedy == "docs/runbooks/service-down.md"


def test_what_is_wrong_is_told_once_whoever_noticed_it() -> None:
    noticed = a_record(
        alerts=[monitors("service_down:risk_manager"), monitors("server_down:redis"), monitors("kill_switch"), monitors("feed_stale")],
        killed=[Killed("fleet", "", "too hot", "ann", WHEN)],
    )
    found = keys(noticed, DOWN, Light("Valkey", "down, starting again", 1.0, 1))
    assert found == ["server_down:redis", "service_down:risk_manager", "feed_stale", "kill_switch:fleet"]


def test_what_disarms_an_account_is_one_alert_and_says_what_still_goes() -> None:
    rows = [("disk", "RC-C10", "9% is free"), ("clock_step", "RC-C06", "the clock was set"), ("venue", "RC-C04", "away")]
    found = [DisarmedSeen(account_id="paper", key=key, code=code, text=text, since=WHEN) for key, code, text in rows]
    (alert,) = firing(a_record(disarmed=found, alerts=[monitors("disarmed:paper")]), [], 0.0)
    assert alert.title == "account paper is disarmed: 9% is free, and 1 more"
    assert "only closes still goes" in alert.body


def test_a_kill_switch_says_who_why_and_how_to_rearm() -> None:
    (alert,) = firing(a_record(killed=[Killed("symbol", "ALFA", "odd", "ann", WHEN)]), [], 0.0)
    assert alert.title == "kill switch of symbol:ALFA is on (halt)"
    assert "odd (set by ann)" in alert.body
    assert "fleet risk rearm --scope symbol:ALFA" in alert.remedy
    assert alert.since == "14:00:01"


def test_a_loss_limit_and_a_failed_strategy_are_alerts() -> None:
    halt = HaltSeen(account_id="paper", limit_name="max_daily_loss", limit_value=0.02, seen=0.024, at=WHEN)
    found = firing(a_record(halts=[halt], failed={"mine": "strategy mine failed: ..."}), [], 0.0)
    assert [alert.key for alert in found] == ["loss_limit:paper:max_daily_loss", "strategy_failed:mine"]
    assert "limit 2.00%, seen 2.40%" in found[0].body


def test_a_record_that_is_silent_is_told_with_or_without_anything_known() -> None:
    assert keys(None, silent_s=3.5) == ["record_silent"]
    assert keys(a_record(), silent_s=2.0) == []


def test_the_worst_comes_first() -> None:
    assert keys(a_record(alerts=[monitors("disk", "warning"), monitors("feed_stale")])) == ["feed_stale", "disk"]


def test_what_the_monitor_writes_for_a_phone_is_one_line_here() -> None:
    seen = msgspec.structs.replace(monitors("disk"), body="what.\n\n**What that means:** more.\n\nSince 12:00.")
    (alert,) = firing(a_record(alerts=[seen]), [], 0.0)
    assert alert.body == "what. What that means: more. Since 12:00."

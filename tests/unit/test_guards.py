"""What disarms an account: exactly at a bound nothing, one step beyond it its reason; and it is over when it is clearly better."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from libs.domain.configuration import GuardsConfig
from libs.domain.guards import GIB, Build, ClockSteps, Guard, Look, differing, reasons
from libs.store.builds import SCHEMA

BOUNDS = GuardsConfig()
NEEDED = frozenset({"data_collector", "risk_manager", "trade_executor"})
OWN = Build("trade_executor", "me", "1.4.0", "0005", "c0ffee")
COLLECTOR = Build("data_collector", "feed", "1.4.0", "0005", "c0ffee", 1.0)
RISK = Build("risk_manager", "risk", "1.4.0", "0005", "c0ffee", 1.0)


@pytest.mark.parametrize(
    ("at_the_bound", "beyond", "key", "code"),
    [
        ({"disk_free": 0.1}, {"disk_free": 0.0999}, "disk", "RC-C10"),
        ({"disk_free": 0.5, "disk_free_bytes": GIB}, {"disk_free": 0.5, "disk_free_bytes": GIB - 1}, "disk", "RC-C10"),
        ({"memory_available": 0.1}, {"memory_available": 0.0999}, "memory", "RC-C10"),
        ({"loop_lag_s": 0.5}, {"loop_lag_s": 0.501}, "loop", "RC-C10"),
        ({"journal_lag_s": 5.0}, {"journal_lag_s": 5.01}, "journal", "RC-C10"),
        ({"offset_s": -0.5}, {"offset_s": -0.501}, "clock_offset", "RC-C06"),
        ({"offset_s": 0.0, "ntp_offset_s": 0.5}, {"offset_s": 0.0, "ntp_offset_s": 0.501}, "clock_offset", "RC-C06"),
        ({"stepped_s": 1.0}, {"stepped_s": -1.01}, "clock_step", "RC-C06"),
        ({"away_s": 10.0}, {"away_s": 10.1}, "venue", "RC-C04"),
        ({"unread_s": 3.0}, {"unread_s": 3.1}, "look", "RC-C10"),
        ({"differing": ""}, {"differing": "risk_manager runs another"}, "releases", "RC-REL"),
        ({"pending": ""}, {"pending": "record and venue differ"}, "reconciliation", "RC-C07"),
    ],
)
def test_at_its_bound_nothing_and_beyond_it_a_reason(at_the_bound: dict[str, Any], beyond: dict[str, Any], key: str, code: str) -> None:
    assert reasons(Look(**at_the_bound), BOUNDS) == []
    (reason,) = reasons(Look(**beyond), BOUNDS)
    assert (reason.key, reason.code) == (key, code)
    assert reason.text


@pytest.mark.parametrize(
    ("key", "better", "clearly_better"),
    [
        ("disk", {"disk_free": 0.12}, {"disk_free": 0.125}),
        ("memory", {"memory_available": 0.12}, {"memory_available": 0.125}),
        ("loop", {"loop_lag_s": 0.45}, {"loop_lag_s": 0.4}),
        ("journal", {"journal_lag_s": 4.5}, {"journal_lag_s": 4.0}),
        ("clock_offset", {"offset_s": 0.45}, {"offset_s": 0.4}),
    ],
)
def test_what_holds_ends_only_where_it_is_clearly_better(key: str, better: dict[str, Any], clearly_better: dict[str, Any]) -> None:
    assert [reason.key for reason in reasons(Look(**better), BOUNDS, {key})] == [key]
    assert reasons(Look(**better), BOUNDS) == []
    assert reasons(Look(**clearly_better), BOUNDS, {key}) == []


def test_a_reason_has_to_be_gone_for_a_while_before_the_account_is_armed() -> None:
    guard = Guard(BOUNDS)
    assert [reason.key for reason in guard.look(Look(loop_lag_s=0.9), 100.0)] == ["loop"]
    assert [reason.key for reason in guard.look(Look(), 100.0 + BOUNDS.calm_s)] == ["loop"]
    assert guard.look(Look(), 100.1 + BOUNDS.calm_s) == ()


def test_what_flickers_keeps_it_disarmed() -> None:
    guard = Guard(BOUNDS)
    seen = [bool(guard.look(Look(loop_lag_s=0.9 if n % 6 == 0 else 0.0), n * 0.25)) for n in range(60)]
    assert all(seen)


def test_when_record_and_venue_agree_again_it_is_armed_at_once() -> None:
    guard = Guard(BOUNDS)
    assert guard.look(Look(pending="they differ"), 100.0)
    assert guard.look(Look(), 100.25) == ()


def test_in_lockstep_nothing_is_late_and_only_another_release_disarms() -> None:
    everything = Look(0.01, 1, 0.01, 9.0, 9.0, 9.0, 9.0, 9.0, "another release", 99.0, "they differ", 99.0)
    assert [reason.key for reason in reasons(everything, BOUNDS, lockstep=True)] == ["releases"]
    assert len(reasons(everything, BOUNDS)) == 10


@dataclass
class Clocks:
    """Both clocks of a host, looked at four times a second."""

    steps: ClockSteps
    wall_ns: int = 1_700_000_000_000_000_000
    steady_s: float = 1000.0

    def pass_(self, seconds: float, set_by_s: float = 0.0) -> float:
        self.steady_s += seconds
        self.wall_ns += int((seconds + set_by_s) * 1e9)
        self.steps.look(self.wall_ns, self.steady_s)
        return self.steps.unconfirmed_s


def test_a_clock_that_was_set_is_believed_when_another_has_confirmed_it() -> None:
    clocks = Clocks(ClockSteps())
    assert clocks.pass_(0.25) == clocks.pass_(0.25, 0.999) == 0.0
    assert clocks.pass_(0.25, -3600.0) == pytest.approx(-3600.0)
    assert clocks.pass_(0.25) == pytest.approx(-3600.0)
    clocks.steps.confirmed()
    assert clocks.pass_(0.25) == 0.0


def test_a_loop_that_stood_still_for_long_is_no_step_of_the_clock() -> None:
    clocks = Clocks(ClockSteps())
    clocks.pass_(0.25)
    assert clocks.pass_(30.0) == 0.0


@pytest.mark.parametrize(
    ("known", "said"),
    [
        pytest.param([COLLECTOR, RISK], "", id="all alike"),
        pytest.param([COLLECTOR], "risk_manager has not said", id="one that has never run here"),
        pytest.param([COLLECTOR, RISK._replace(release="1.3.9")], "risk_manager runs release 1.3.9", id="another release"),
        pytest.param([COLLECTOR, RISK._replace(schema="0004")], "risk_manager runs schema 0004", id="written for another schema"),
        pytest.param([COLLECTOR, RISK._replace(config="decaf")], "risk_manager runs configuration decaf", id="another configuration"),
        pytest.param([COLLECTOR, RISK._replace(release="1.3.9", age_s=900.0)], "risk_manager runs release 1.3.9", id="down, and old"),
        pytest.param(
            [COLLECTOR, RISK, RISK._replace(instance="old", release="1.3.9", age_s=2.0)], "risk_manager runs", id="a second one that lives"
        ),
        pytest.param([COLLECTOR, RISK, RISK._replace(instance="old", release="1.3.9", age_s=6.0)], "", id="its predecessor is gone"),
        pytest.param([COLLECTOR, RISK, OWN._replace(instance="standby", release="1.3.9")], "trade_executor runs", id="an old standby"),
        pytest.param([COLLECTOR, RISK, Build("portfolio", "p", "1.3.9", "0005", "c")], "", id="of a service that orders nothing"),
    ],
)
def test_the_fleet_is_of_one_build_or_says_who_is_not(known: list[Build], said: str) -> None:
    found = differing(OWN, known, NEEDED, "0005")
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_database_at_another_schema_than_the_code_is_written_for_disarms() -> None:
    assert differing(OWN, [COLLECTOR, RISK], NEEDED, "0006") == "the database is at schema 0006, trade_executor 1.4.0 is written for 0005"


def test_the_schema_that_the_code_is_written_for_is_the_newest_migration() -> None:
    names = sorted(path.name for path in (Path(__file__).parents[2] / "migrations" / "versions").glob("0*.py"))
    assert names[-1].partition("_")[0] == SCHEMA

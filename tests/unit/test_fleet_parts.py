from dataclasses import replace
from pathlib import Path

import pytest

from fleet import paper_books, running
from fleet.backoff import Backoff
from fleet.plan import Options, Plan
from fleet.report import faults_of
from fleet.running import NothingRuns
from fleet.watching import summed
from libs.common.clocks import SystemClock
from libs.common.settings import ConfigError
from libs.domain.fleet import PORTS
from libs.domain.kill import scope_of
from libs.store.activity import Counts
from tests.fleets import configuration, environment
from tests.paper import DEPOSIT, an_order, open_paper

GOOD = Counts(signals=5, assessments=5, rejected=1, orders=3, trades=3, quarantined=0, unsettled=0)


def test_three_tries_within_a_minute_each_later_than_the_last() -> None:
    backoff = Backoff()
    assert [backoff.delay(now) for now in (0.0, 1.0, 2.0, 3.0)] == [0.1, 1.0, 3.0, None]


def test_tries_come_back_after_a_minute() -> None:
    backoff = Backoff()
    assert [backoff.delay(now) for now in (0.0, 30.0, 45.0, 60.0)] == [0.1, 1.0, 3.0, 3.0]


def test_a_run_with_all_ready_and_balanced_has_no_faults() -> None:
    assert faults_of({"risk_manager": "healthy"}, GOOD, [], {}) == []


def test_a_strategy_that_was_stopped_makes_a_run_unhealthy() -> None:
    assert faults_of({}, GOOD, [], {"mine": "strategy mine failed"}) == ["strategy mine failed"]


@pytest.mark.parametrize(
    ("services", "counts", "ledger", "said"),
    [
        ({"risk_manager": "given up"}, GOOD, [], "risk_manager was not ready at the end: given up"),
        ({}, replace(GOOD, quarantined=2), [], "2 messages or fills"),
        ({}, replace(GOOD, unsettled=1), [], "1 orders are SUBMITTING or UNKNOWN"),
        ({}, GOOD, ["main: off by 1"], "main: off by 1"),
    ],
)
def test_each_fault_is_named(services: dict[str, str], counts: Counts, ledger: list[str], said: str) -> None:
    (fault,) = faults_of(services, counts, ledger, {})
    assert said in fault


def test_counters_are_summed_over_their_labels() -> None:
    page = '# TYPE a_total counter\na_total{x="1"} 4.0\na_total{x="2"} 2e3\na_total_created{x="1"} 9.0\nb_total 7.0\n'
    assert summed(page, ("a_total", "b_total", "c_total")) == {"a_total": 2004, "b_total": 7}


@pytest.mark.parametrize(("text", "scope"), [("fleet", ("fleet", "")), ("symbol:BTC/USDT:USDT", ("symbol", "BTC/USDT:USDT"))])
def test_a_scope_is_read(text: str, scope: tuple[str, str]) -> None:
    assert scope_of(text) == scope


@pytest.mark.parametrize("text", ["", "fleet:main", "account", "account:", "desk:1"])
def test_no_scope_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected fleet, account:NAME"):
        scope_of(text)


async def test_the_paper_venues_holdings_are_read_from_its_book(tmp_path: Path) -> None:
    broker = open_paper(tmp_path / "main.log")
    await broker.submit(an_order(), float("inf"))
    held, unreadable = paper_books.held(tmp_path, ["main", "other"])
    broker.close()
    assert held["main"].cash == DEPOSIT
    assert held["other"].cash == {}
    assert not unreadable


def test_a_damaged_paper_book_is_named(tmp_path: Path) -> None:
    (tmp_path / "main.log").write_text("00000000 []\n00000000 []\n")
    held, unreadable = paper_books.held(tmp_path, ["main"])
    assert "main" not in held
    assert "main.log cannot be read" in unreadable[0]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("risk", '[[limit]]\nscope = "order"\nname = "max_order_notional"\nvalue = -1\nunit = "currency"\n', "risk.toml, line 4"),
        ("strategies", "[[strategy]]\n", "strategies.toml, line 1"),
        ("system", "account = 3\n", "system.toml, line 1"),
    ],
)
def test_a_wrong_configuration_is_named_with_file_and_line(tmp_path: Path, file: str, text: str, said: str) -> None:
    config = configuration(tmp_path / "config", **{file: text})
    with pytest.raises(ConfigError, match=said):
        Plan.of(Options(), environment(tmp_path / "state", config))


@pytest.mark.parametrize(
    ("name", "said"),
    [("equities", "MARKET_DATA_DIR is not set"), ("tulips", "no recorded market is called 'tulips'; there are equities: .*aapl_split")],
)
def test_a_replay_that_cannot_be_played_says_what_to_do(tmp_path: Path, name: str, said: str) -> None:
    config = configuration(tmp_path / "config")
    with pytest.raises(ConfigError, match=said):
        Plan.of(Options(replay=name), environment(tmp_path / "state", config))


@pytest.mark.parametrize(
    ("options", "played"),
    [
        (Options(), "closes"),
        (Options(market="synthetic"), "synthetic"),
        (Options(market="closes", seed=4), "closes"),
    ],
)
def test_the_default_market_has_real_closes(tmp_path: Path, options: Options, played: str) -> None:
    plan = Plan.of(options, environment(tmp_path / "state", configuration(tmp_path / "config")))
    assert plan.environment["FEED"] == played
    assert ("simulated" in str(plan.market)) == (played == "closes")


def test_two_markets_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name two markets"):
        Plan.of(Options(market="closes", replay="crypto"), environment(tmp_path / "state", configuration(tmp_path / "config")))


def test_services_are_told_what_to_play(tmp_path: Path) -> None:
    config = configuration(tmp_path / "config")
    plan = Plan.of(
        Options(market="synthetic", speed=20, seed=5, lockstep=True), environment(tmp_path / "state", config, PORT_OFFSET="1000")
    )
    assert {k: plan.environment[k] for k in ("FEED", "SPEED", "SEED", "LOCKSTEP")} == {
        "FEED": "synthetic",
        "SPEED": "20",
        "SEED": "5",
        "LOCKSTEP": "1",
    }
    assert [service.port for service in plan.services] == [port + 1000 for port in PORTS.values()]


def test_a_state_folder_has_one_fleet_and_names_it(tmp_path: Path) -> None:
    with (
        running.alone(tmp_path),
        pytest.raises(ConfigError, match="a fleet runs in .* already \\(process \\d+\\)"),
        running.alone(tmp_path),
    ):
        pytest.fail("two fleets in one folder")


def test_commands_find_the_fleet_while_it_runs_and_only_then(tmp_path: Path) -> None:
    with running.alone(tmp_path):
        running.announce(tmp_path, "postgresql://x", "redis://x", {"risk_manager": 9103}, SystemClock())
        assert running.find(tmp_path, "", "", 0).database_url == "postgresql://x"
        assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(NothingRuns, match="no fleet is running"):
        running.find(tmp_path, "", "", 0)


def test_a_fleet_started_by_other_means_is_found_by_its_database(tmp_path: Path) -> None:
    found = running.find(tmp_path, "postgresql://mine", "", 100)
    assert (found.database_url, found.ports["data_collector"]) == ("postgresql://mine", 9201)
    assert found.peer("risk_manager") == "http://127.0.0.1:9203"


def test_a_service_in_a_container_is_found_by_the_name_of_its_container(tmp_path: Path) -> None:
    found = running.find(tmp_path, "postgresql://mine", "", 0, "{name}")
    assert found.peer("risk_manager") == "http://risk-manager:9103"

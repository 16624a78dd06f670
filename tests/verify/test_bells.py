"""Bells are hints: dropped, doubled, shuffled and forged ones change nothing but how soon things happen."""

import os
import signal
from collections.abc import Iterator

import pytest

from fleet.embedded.postgres import EmbeddedPostgres
from libs.common.clocks import SECOND
from libs.domain.market import Clock
from tests.chaos import venues
from tests.chaos.history import judged
from tests.faults.fleet import SERVICES, Fleet, a_fleet, record_of
from tests.faults.hostile_bus import FORGED, HostileBus, hostile_bus, sealed

SEED = int(os.environ.get("FAULTS_SEED", "20"))
SPEED = "4"  # a signal is good for 5 s of market time: looking every half second has to be soon enough


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One fleet for all that is done to its bus; its books are looked at when it has ended."""
    folder = tmp_path_factory.mktemp("bells")
    try:
        with a_fleet(folder, "--speed", SPEED) as fleet:
            pids = [fleet.pid(name) for name in SERVICES]
            yield fleet
            assert [fleet.pid(name) for name in SERVICES] == pids, "a service did not live through it"
            ended = fleet.stop()
        assert ended.report["healthy"], ended.said[-4000:]
        with record_of(fleet.state) as record:
            assert judged(record, venues.paper(fleet.state / "paper")).sentences == []
    finally:
        EmbeddedPostgres(folder / "state" / "postgres").wipe()


@pytest.fixture
def hostile(fleet: Fleet) -> Iterator[HostileBus]:
    print(f"FAULTS_SEED={SEED}")
    with hostile_bus(fleet.running.redis_url, SEED) as bus:
        yield bus


def test_it_trades_on_while_bells_are_doubled_shuffled_and_forged(fleet: Fleet, hostile: HostileBus) -> None:
    fleet.until_more_trades(fleet.trades() + 8)
    assert hostile.said > 100


def test_a_forged_order_signal_cancel_or_command_does_nothing(fleet: Fleet, hostile: HostileBus) -> None:
    for _ in range(5):
        hostile.claim()
        fleet.until_more_trades(fleet.trades())
    assert fleet.rows("select 1 from orders where client_order_id = %s", FORGED.client_order_id) == []
    assert fleet.rows("select 1 from signals where signal_id = %s", FORGED.signal_id) == []
    assert fleet.rows("select 1 from kill_switch where active") == []
    assert fleet.rows("select 1 from sessions where state <> 'running'") == []


def test_bad_messages_are_counted_and_named_in_the_log(fleet: Fleet, hostile: HostileBus) -> None:
    fleet.until(lambda: "dropped a bad message on market_data." in fleet.log("trade_executor"), "the executor names a bad message")
    assert "dropped a bad message on market_data." in fleet.log("strategy_engine")


def test_it_trades_on_while_subscribers_are_cut_off_again_and_again(fleet: Fleet) -> None:
    with fleet.bus() as bus:
        for _ in range(4):
            bus.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            fleet.until_more_trades(fleet.trades())


def test_it_decides_and_orders_from_the_record_while_the_bus_hangs(fleet: Fleet) -> None:
    valkey = fleet.kill("valkey", signal.SIGSTOP)
    try:
        before = counted(fleet, "orders")
        fleet.until(lambda: counted(fleet, "orders") > before + 3, "orders without a bell")
    finally:
        os.kill(valkey, signal.SIGCONT)
    fleet.until_more_trades(fleet.trades())  # fills need quotes, which are live or nothing


def test_signals_are_answered_while_nobody_may_speak(fleet: Fleet) -> None:
    before = counted(fleet, "risk_assessments")
    with fleet.bus() as bus:
        bus.execute_command("CLIENT", "PAUSE", "15000", "ALL")
    fleet.until(lambda: counted(fleet, "risk_assessments") > before + 1, "verdicts without a bell", 15)
    fleet.until_more_trades(fleet.trades())


def test_a_forged_clock_of_this_session_does_not_stop_trading(fleet: Fleet) -> None:
    session, now = fleet.rows("select session_id, market_time from sessions where state = 'running'")[0]
    tomorrow = Clock(session_id=session, market_time=now + 86_400 * SECOND, speed=1.0, closed=[], noticed_ns=0, events=0, step=0)
    with fleet.bus() as bus:
        bus.publish("market_data.clock", sealed("market_data.clock", tomorrow, session))
    approved = counted(fleet, "orders")
    fleet.until(lambda: counted(fleet, "orders") > approved + 2, "orders")


def counted(fleet: Fleet, table: str) -> int:
    return int(fleet.rows(f"select count(*) from {table}")[0][0])

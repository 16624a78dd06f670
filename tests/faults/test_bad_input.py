"""Rows and messages that make no sense: each is named and put aside, and the fleet trades on."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from uuid import uuid4

import pytest

from fleet.embedded.postgres import EmbeddedPostgres
from tests.chaos import venues
from tests.chaos.history import judged
from tests.faults.dirty_market import write
from tests.faults.fleet import SERVICES, Fleet, a_fleet, record_of

STRANGE = uuid4()  # a signal of a symbol that nobody knows
LOST = uuid4()  # a signal of which there is only the message
SIGNAL = (
    "insert into signals (signal_id, session_id, account_id, strategy_id, symbol, timeframe, bar_time, decided_at, target, confidence,"
    " reference_price, valid_until, reason, triggered_ns) select %s, session_id, 'paper', 'sma_fast', 'NOSUCH', '1m', at_ns(market_time),"
    " at_ns(market_time), 1, 1, 100, at_ns(market_time + 3600000000000), 'planted', 0 from sessions"
)
MESSAGE = "select journal_append(%s, array[%s::uuid], array[%s])"


class Dirty(NamedTuple):
    """A fleet on a dirty market, and the spoiled rows' symbols by the code of the refusal."""

    fleet: Fleet
    spoiled: Mapping[str, str]


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dirty]:
    """It must live through everything with the processes it began with."""
    folder = tmp_path_factory.mktemp("dirty")
    spoiled = write(folder / "data")
    try:
        with a_fleet(folder, "--replay", "equities", "--speed", "300", MARKET_DATA_DIR=str(folder / "data")) as fleet:
            pids = [fleet.pid(name) for name in SERVICES]
            yield Dirty(fleet, spoiled)
            assert [fleet.pid(name) for name in SERVICES] == pids, "a service did not live through it"
            ended = fleet.stop()
        assert ended.report["ledger_balanced"]
        assert ended.report["faults"] == ["2 messages or fills were put into quarantine"]
        with record_of(fleet.state) as record:
            found = [said for said in judged(record, venues.paper(fleet.state / "paper")).sentences if "put aside" not in said]
        assert found == []
    finally:
        EmbeddedPostgres(folder / "state" / "postgres").wipe()


def test_rows_that_make_no_sense_are_put_aside_with_a_reason_and_the_rest_is_traded(dirty: Dirty) -> None:
    fleet, spoiled = dirty

    def refused() -> dict[str, str]:
        return dict(fleet.rows("select split_part(reason, ':', 1), symbol from data_quarantine"))

    fleet.until(lambda: refused().keys() >= spoiled.keys(), f"{sorted(spoiled)} are refused")
    assert refused() == spoiled
    assert "refused a row of IBM at market time" in fleet.log("data_collector")
    fleet.until_more_trades(0)


def test_a_signal_of_an_unknown_symbol_is_refused_by_name(dirty: Dirty) -> None:
    fleet = dirty.fleet
    fleet.rows(SIGNAL, STRANGE)
    fleet.rows(MESSAGE, "signals", STRANGE, '{"payload":{}}')
    verdict = "select verdict, code, reason from risk_assessments where signal_id = %s"
    fleet.until(lambda: bool(fleet.rows(verdict, STRANGE)), "a verdict")
    kind, code, reason = fleet.rows(verdict, STRANGE)[0]
    assert (kind, code) == ("REFUSED", "RC-A02")
    assert "NOSUCH" in reason


@pytest.mark.parametrize(("stream", "consumer"), [("signals", "risk:paper"), ("orders.approved", "executor:paper")])
def test_a_message_that_cannot_be_handled_is_put_aside_and_named(dirty: Dirty, stream: str, consumer: str) -> None:
    fleet = dirty.fleet
    fleet.rows(MESSAGE, stream, LOST, "no JSON at all")
    aside = "select error from quarantine where consumer = %s and stream = %s"
    fleet.until(lambda: bool(fleet.rows(aside, consumer, stream)), "it is put aside")
    service = {"signals": "risk_manager", "orders.approved": "trade_executor"}[stream]
    fleet.until(lambda: f"of {stream} aside after 3 failures" in fleet.log(service), "it is named in the log")
    fleet.until_more_trades(fleet.trades())

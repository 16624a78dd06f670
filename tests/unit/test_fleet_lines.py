from decimal import Decimal
from io import StringIO
from uuid import UUID

import pytest

from fleet.events import BLANK, Line, Speaker, chosen, line, status
from libs.common.clocks import SystemClock
from libs.common.envelope import Sealer
from libs.domain.messages import RiskAlert, Signal
from libs.domain.orders import CancelRequest, OrderEvent, Status
from libs.domain.trades import Trade
from libs.store.activity import Noted, Standing
from tests.paper import an_order

D = Decimal
ID = UUID(int=7)
AT = 1_736_173_805_000_000_000  # 2025-01-06 14:30:05 UTC


def told(stream: str, payload: object) -> str | None:
    body = Sealer("test", SystemClock()).seal(stream, payload, ts_event_ns=AT)
    found = line(Noted(stream, 1, body))
    return found.text if found else None


def a_trade(pnl: Decimal) -> Trade:
    return Trade(
        trade_id=ID,
        order_id=ID,
        account_id="main",
        venue="paper",
        exec_key="x:1",
        strategy_id="fast",
        symbol="ALFA",
        side="sell",
        quantity=D("12.000000000000"),
        executed_price=D("1382.100000000000"),
        commission=D(0),
        fee_currency="USD",
        liquidity="taker",
        executed_at=AT,
        pnl=pnl,
    )


def an_event(state: Status, *, anomaly: bool = False) -> OrderEvent:
    return OrderEvent(
        order_id=ID,
        account_id="main",
        strategy_id="fast",
        symbol="ALFA",
        n=2,
        event="expired",
        status=state,
        filled_quantity=D(3),
        anomaly=anomaly,
        detail="",
        market_time=AT,
    )


@pytest.mark.parametrize(("target", "said"), [(1.0, "+100% of"), (-0.5, "-50% of"), (0.0, "no")])
def test_a_signal_is_told_with_its_target(target: float, said: str) -> None:
    signal = Signal(
        signal_id=ID,
        session_id="s",
        account_id="main",
        strategy_id="fast",
        symbol="ALFA",
        timeframe="1s",
        bar_time=AT,
        decided_at=AT,
        target=target,
        confidence=1.0,
        reference_price=95_382.1,
        valid_until=AT,
        reason="",
        triggered_ns=0,
    )
    assert told("signals", signal) == f"14:30:05  signal    fast wants {said} ALFA at 95,382.1"


def a_refusal(strategy_id: str = "fast") -> RiskAlert:
    return RiskAlert(
        code="RC-A05",
        severity="warning",
        account_id="main",
        strategy_id=strategy_id,
        symbol="ALFA",
        message="order notional above max_order_notional",
        limit="1000.00",
        seen="1400.00",
        market_time=AT,
    )


def test_a_refusal_is_told_with_code_and_reason() -> None:
    assert told("risk.alerts", a_refusal()) == (
        "14:30:05  refused   RC-A05 fast ALFA: order notional above max_order_notional (limit 1000.00, seen 1400.00)"
    )


def test_a_halt_is_an_alert() -> None:
    alert = RiskAlert(
        code="RC-B05",
        severity="critical",
        account_id="main",
        strategy_id="",
        symbol="",
        message="main is halted",
        limit="3%",
        seen="3.012%",
        market_time=AT,
    )
    assert told("risk.alerts", alert) == "14:30:05  ALERT     RC-B05: main is halted (limit 3%, seen 3.012%)"


@pytest.mark.parametrize(("strategy_id", "code"), [("fast", "RC-A05"), ("", "")], ids=["of a signal", "an account's warning"])
def test_a_refusal_of_a_signal_is_known_by_its_code(strategy_id: str, code: str) -> None:
    found = line(Noted("risk.alerts", 1, Sealer("test", SystemClock()).seal("risk.alerts", a_refusal(strategy_id), ts_event_ns=AT)))
    assert found is not None
    assert found.refused == code


@pytest.mark.parametrize(("pnl", "said"), [(D("-3.5"), ", P&L -3.50"), (D(0), "")])
def test_a_trade_is_told_with_its_profit_or_loss(pnl: Decimal, said: str) -> None:
    assert told("trades.executed", a_trade(pnl)) == f"14:30:05  trade     sold 12 ALFA @ 1,382.1{said} (fast)"


def test_an_order_is_told_when_it_is_approved() -> None:
    approved = told("orders.approved", an_order(price=D("101.00"), quantity=D(10)))
    assert approved is not None
    assert approved.endswith("order     buy 10 ALFA limit 101 (sma_cross)")


def test_only_the_steps_of_an_order_that_matter_are_told() -> None:
    assert told("orders.updates", an_event(Status.ACKED)) is None
    assert told("orders.updates", an_event(Status.EXPIRED)) == "14:30:05  order     EXPIRED ALFA (fast), 3 filled"
    assert "ANOMALY" in (told("orders.updates", an_event(Status.ACKED, anomaly=True)) or "")


def test_a_cancel_request_is_not_told() -> None:
    assert told("orders.approved", CancelRequest(order_id=ID, account_id="main", reason="flip")) is None


def test_a_message_that_cannot_be_read_is_named() -> None:
    found = line(Noted("signals", 12, b'{"payload": {"type": "Signal"}}'))
    assert found is not None
    assert "message 12 of signals cannot be read" in found.text


def test_what_matters_most_is_told_first_and_the_rest_is_counted() -> None:
    lines = [Line(4, "signal 1"), Line(0, "trade"), Line(4, "signal 2"), Line(1, "alert")]
    assert chosen(lines, 2) == ["trade", "alert", f"{BLANK}  ... and 2 more"]
    assert chosen(lines, 4) == ["signal 1", "trade", "signal 2", "alert"]


def test_the_status_line_shows_the_market_and_the_money() -> None:
    standing = Standing("s", "synthetic", 1, 10.0, "running", False, AT, {"USD": D(84_000)}, {"USD": D("100012.344")})
    assert status(standing, 12_345, 67, 8, 9) == (
        "14:30:05  market    2025-01-06: 12,345 ticks, 67 bars, 8 orders, 9 trades; equity 100,012.34 USD, cash 84,000.00"
    )


def test_a_reader_who_leaves_is_noticed_once() -> None:
    out, gone = StringIO(), list[str]()
    speaker = Speaker(out, lambda: gone.append("gone"))
    out.close()
    speaker.say("a")
    speaker.say("b")
    assert gone == ["gone"]

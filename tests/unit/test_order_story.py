"""The lines by which the story of an order is told: one for each verdict, and one for each step of the order."""

import logging
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from libs.domain.books import Position
from libs.domain.identity import order_id
from libs.domain.orders import Evidence, Intent, Status, Step, after, after_fill, intend
from libs.quant.risk.assess import Verdict
from libs.quant.risk.view import Refusal
from services.risk_manager import telling as verdicts
from services.trade_executor import telling as steps
from services.trade_executor.hop import Change, Held
from tests.factories import a_leg, a_signal
from tests.paper import ALFA, an_order
from tests.scripted_broker import a_fill

D = Decimal
SIGNAL = a_signal()
IDS = {
    "signal_id": str(SIGNAL.signal_id),
    "strategy": "fast",
    "symbol": "ALFA",
    "account_id": "paper",
    "session_id": "session",
}


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str, str]]:
    """Level, text, action and outcome of each line."""
    lines: list[Any] = caplog.records
    return [(line.levelname, line.getMessage(), line.event["action"], line.event["outcome"]) for line in lines]


def labels_of(record: logging.LogRecord) -> dict[str, str]:
    """As they are written."""
    return {name: str(value) for name, value in record.__dict__["labels"].items()}


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        pytest.param(
            Verdict(SIGNAL, "APPROVED", legs=(a_leg(12),)), ("APPROVED: buy 12 ALFA, limit 100", "order_approved", "success"), id="approved"
        ),
        pytest.param(
            Verdict(SIGNAL, "WAITING", legs=(a_leg(-3),)),
            ("WAITING, with an order: sell 3 ALFA, limit 100", "order_approved", "success"),
            id="the exit of a flip",
        ),
        pytest.param(
            Verdict(SIGNAL, "REFUSED", Refusal("RC-B02", "gross exposure", "50", "61")),
            ("REFUSED ALFA: RC-B02 gross exposure (seen 61, limit 50)", "signal_assessed", "failure"),
            id="refused",
        ),
        pytest.param(
            Verdict(SIGNAL, "NO_CHANGE", reason="it is there"),
            ("NO_CHANGE ALFA: it is there", "signal_assessed", "success"),
            id="none",
        ),
    ],
)
def test_a_verdict_is_one_line_with_its_ids(caplog: pytest.LogCaptureFixture, verdict: Verdict, line: tuple[str, str, str]) -> None:
    verdicts.tell(verdict, "TEST")
    assert told(caplog) == [("INFO", *line)]
    (record,) = caplog.records
    labels = labels_of(record)
    assert labels.items() >= IDS.items()
    assert str(record.__dict__["trace"]["id"]) == IDS["signal_id"]
    if verdict.legs:
        assert labels["order_id"] == str(order_id(SIGNAL.signal_id, 0))
        assert labels["client_order_id"].startswith("TEST")


def a_life() -> Change:
    """An order that is sent, accepted, filled in two parts, and shown once more when it has ended."""
    order = msgspec.structs.replace(an_order(), signal_id=SIGNAL.signal_id, strategy_id="fast")
    change, held = Change(0), Held(order, Status.APPROVED, D(0), D(0), 0, D(0), 0)
    held = change.step(held, "submit", Step(intend(held.status, Intent.SUBMIT), anomaly=False))
    held = change.step(held, "accepted", after(held.status, Evidence.ACCEPTED))
    change.book(held, a_fill(order, 4, price="100.50"), Position(), ALFA, after_fill(held.status, order.quantity, D(4)))
    held = change.orders[order.order_id]
    rest = a_fill(order, 6, 10, n=2, price="100.60")
    change.book(held, rest, change.positions[held.book], ALFA, after_fill(held.status, order.quantity, D(10)))
    change.step(change.orders[order.order_id], "rejected", after(Status.FILLED, Evidence.REJECTED), "who knows")
    return change


def test_each_step_of_an_order_is_one_line_and_what_contradicts_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    steps.tell(a_life())
    assert told(caplog) == [
        ("INFO", "SUBMITTING: ALFA sent to the venue", "order_submit", "success"),
        ("INFO", "ACKED: ALFA accepted by the venue", "order_accepted", "success"),
        ("INFO", "PARTIAL: bought 4 ALFA @ 100.5, fee 1 USD", "order_fill", "success"),
        ("INFO", "FILLED: bought 6 ALFA @ 100.6, fee 1 USD; 10 filled in all", "order_fill", "success"),
        ("ERROR", "FILLED: ALFA rejected by the venue (who knows), which contradicts what was believed", "order_rejected", "success"),
    ]
    assert all(labels_of(record).items() >= IDS.items() for record in caplog.records)
    assert {record.__dict__["trace"]["id"] for record in caplog.records} == {SIGNAL.signal_id}


@pytest.mark.parametrize(
    ("event", "status", "outcome"),
    [
        ("unclear", Status.UNKNOWN, "unknown"),
        ("rejected", Status.REJECTED, "failure"),
        ("expire", Status.EXPIRED, "failure"),
        ("canceled", Status.CANCELED, "success"),
    ],
)
def test_an_outcome_is_what_became_of_the_order(caplog: pytest.LogCaptureFixture, event: str, status: Status, outcome: str) -> None:
    change, order = Change(0), an_order()
    change.step(Held(order, Status.ACKED, D(0), D(0), 0, D(0), 0), event, Step(status, anomaly=False))
    steps.tell(change)
    assert told(caplog)[0][3] == outcome


def test_every_event_has_words() -> None:
    assert {*Evidence, Intent.SUBMIT, Intent.CANCEL, Intent.DENY, "expire"} <= set(steps._WORDS)

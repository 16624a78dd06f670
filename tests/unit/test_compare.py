"""A fleet's story beside a backtest's: each difference under its cause."""

from dataclasses import replace
from typing import Any

import pytest

from libs.domain.stories import Cause, Difference, MadeTrade, OrderKey, Outcome, PlacedOrder, SaidSignal, SignalKey, Story, TradeKey
from libs.quant.backtest.compare import differences
from tests.factories import MINUTE, NOON
from tests.paper import D

SIGNAL = SignalKey(NOON, "fast", "ALFA", "1m")
ORDER = OrderKey(SIGNAL, 0)
TRADE = TradeKey(ORDER, 1)
SAID = SaidSignal(1.0, 1.0, 100.0)
PLACED = PlacedOrder("buy", "limit", D(10), D("102.00"), NOON + 2 * MINUTE)
MADE = MadeTrade("buy", D(10), D("100.10"), D("1.001"), NOON + MINUTE, D(0))
LEDGER = {("fast", "cash", "USD"): D("-1002.001"), ("fast", "position", "ALFA"): D(10)}
TOLD = Story({SIGNAL: SAID}, {ORDER: PLACED}, {TRADE: MADE}, LEDGER, ends={ORDER: "FILLED"})

SILENT = replace(TOLD, signals={}, orders={}, trades={})
UNORDERED = replace(TOLD, orders={}, trades={})
UNFILLED = replace(TOLD, trades={})


def refused(code: str, verdict: str = "REFUSED") -> Story:
    return replace(UNORDERED, verdicts={SIGNAL: Outcome(verdict, code, "because")})


def saying(**changed: Any) -> Story:
    return replace(TOLD, signals={SIGNAL: SAID._replace(**changed)})


def placing(**changed: Any) -> Story:
    return replace(TOLD, orders={ORDER: PLACED._replace(**changed)})


def making(**changed: Any) -> Story:
    return replace(TOLD, trades={TRADE: MADE._replace(**changed)})


def ending(status: str) -> Story:
    return replace(UNFILLED, ends={ORDER: status})


def told(found: list[Difference]) -> list[tuple[str, Cause]]:
    return [(difference.kind, difference.cause) for difference in found]


def test_equal_stories_do_not_differ() -> None:
    assert differences(TOLD, TOLD) == []


def test_what_is_only_explained_otherwise_is_no_difference() -> None:
    assert differences(TOLD, replace(TOLD, ends={}, verdicts={SIGNAL: Outcome("APPROVED", "", "")})) == []


def test_a_balance_of_nothing_is_no_balance() -> None:
    assert differences(TOLD, replace(TOLD, ledger={**LEDGER, ("slow", "cash", "USD"): D("0.00")})) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(SILENT, [("signal", "data"), ("order", "follows"), ("trade", "follows")], id="no signal"),
        pytest.param(saying(reference_price=100.01), [("signal", "data")], id="another close"),
        pytest.param(saying(target=0.5), [("signal", "data")], id="another target"),
        pytest.param(UNORDERED, [("order", "timing"), ("trade", "follows")], id="never judged"),
        pytest.param(refused("RC-B01"), [("order", "refusal"), ("trade", "follows")], id="refused"),
        pytest.param(refused("RC-A12"), [("order", "timing"), ("trade", "follows")], id="refused for being late"),
        pytest.param(refused("RC-A08"), [("order", "timing"), ("trade", "follows")], id="refused for an old price"),
        pytest.param(refused("RC-C03"), [("order", "timing"), ("trade", "follows")], id="refused without a clock"),
        pytest.param(refused("", "SUPERSEDED"), [("order", "timing"), ("trade", "follows")], id="superseded"),
        pytest.param(ending("REJECTED"), [("trade", "refusal")], id="rejected by the venue"),
        pytest.param(ending("DENIED"), [("trade", "refusal")], id="denied"),
        pytest.param(ending("EXPIRED"), [("trade", "timing")], id="expired"),
        pytest.param(making(executed_at=NOON + 2 * MINUTE, price=D(101)), [("trade", "timing")], id="filled later"),
        pytest.param(making(price=D("100.11"), fee=D(2)), [("trade", "slippage")], id="another price"),
        pytest.param(making(fee=D("1.002")), [("trade", "fee")], id="another fee"),
    ],
)
def test_a_difference_has_its_cause_whichever_side_it_is_on(other: Story, expected: list[tuple[str, Cause]]) -> None:
    mirrored = [("signal", "timing") if one == ("signal", "data") and other is SILENT else one for one in expected]
    assert told(differences(TOLD, other)) == expected
    assert told(differences(other, TOLD)) == mirrored  # what the fleet alone did not say it missed, not the data


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(refused("", "NO_CHANGE"), id="already there"),
        pytest.param(placing(quantity=D(11)), id="another size"),
        pytest.param(making(quantity=D(9), fee=D(1)), id="another quantity"),
        pytest.param(making(pnl=D(5)), id="another profit"),
        pytest.param(making(side="sell", price=D(99)), id="the other side"),
    ],
)
def test_what_differs_in_size_alone_follows_from_what_differed_before_and_is_timing_where_nothing_did(other: Story) -> None:
    earlier = SIGNAL._replace(bar_time=NOON - MINUTE)
    first, second, *_ = differences(replace(TOLD, signals={earlier: SAID, **TOLD.signals}), other)
    assert (first.at, first.cause, second.cause) == (NOON - MINUTE, "data", "follows")
    root, *_ = differences(TOLD, other)
    assert root.cause == "timing"
    assert root.why.startswith(f"{second.why}; nothing differs before it")


def test_a_difference_says_what_each_told_and_why() -> None:
    [difference] = differences(TOLD, making(fee=D(2)))
    assert (difference.at, difference.what) == (NOON, "fast ALFA 1m fill 1")
    assert "fee=1.001" in difference.fleet
    assert "fee=2" in difference.backtest
    assert difference.why == "the same fill was charged another fee"


def test_a_refusal_is_quoted_with_who_said_it() -> None:
    order, _ = differences(refused("RC-B01"), TOLD)
    assert (order.fleet, order.why) == ("nothing", "the fleet answered REFUSED RC-B01 because")
    order, _ = differences(TOLD, refused("RC-B01"))
    assert (order.backtest, order.why) == ("nothing", "the backtest answered REFUSED RC-B01 because")


def test_a_later_fill_of_an_order_is_compared_by_its_number() -> None:
    second = replace(TOLD, trades={TRADE: MADE, TradeKey(ORDER, 2): MADE})
    assert [(d.kind, d.what[-6:]) for d in differences(second, TOLD)] == [("trade", "fill 2")]


def test_balances_come_last_and_follow_from_what_differs_above() -> None:
    poorer = replace(making(fee=D(2)), ledger={**LEDGER, ("fast", "cash", "USD"): D(-1003)})
    assert told(differences(TOLD, poorer)) == [("trade", "fee"), ("balance", "follows")]


def test_a_balance_that_nothing_explains_is_a_matter_of_data() -> None:
    [difference] = differences(TOLD, replace(TOLD, ledger={**LEDGER, ("fast", "income", "USD"): D(-5)}))
    assert (difference.kind, difference.cause, difference.what, difference.fleet) == ("balance", "data", "fast income USD", "nothing")


def test_differences_come_in_market_time_with_the_signal_before_its_order() -> None:
    later = SIGNAL._replace(bar_time=NOON + MINUTE)
    more = replace(TOLD, signals={later: SAID, SIGNAL: SAID}, orders={OrderKey(later, 0): PLACED, ORDER: PLACED})
    found = differences(more, replace(SILENT, ledger=LEDGER))
    assert [(d.at, d.kind) for d in found] == [
        (NOON, "signal"),
        (NOON, "order"),
        (NOON, "trade"),
        (NOON + MINUTE, "signal"),
        (NOON + MINUTE, "order"),
    ]

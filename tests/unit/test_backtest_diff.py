"""What `fleet backtest diff` says of what holding cost: by kind, beside the fees, and what it follows from."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from fleet.backtest_diff import Difference, difference, text
from libs.quant.financing import Financing
from libs.store.backtests import Backtest, BacktestTrade
from tests.paper import D

AT = datetime(2025, 1, 6, tzinfo=UTC)
NONE_KEPT: dict[str, Any] = {"fees": 3.0, "final_equity": 1_000.0}
FREE = NONE_KEPT | {"financing": {}}


def paid(**kinds: float) -> dict[str, Any]:
    sums = dict.fromkeys(("cash_interest", "margin_interest", "borrow", "funding", "income"), 0.0) | kinds
    total = sum(sums.values())
    return NONE_KEPT | {"final_equity": 1_000 + total, "financing": sums | {"total": total}}


def at(**rates: str) -> dict[str, Any]:
    """The options of these rates, as the record keeps them."""
    return {"financing": msgspec.to_builtins(msgspec.convert(rates, Financing, strict=False))}


def stored(result: dict[str, Any], spec: dict[str, Any] | None = None, **prints: str) -> Backtest:
    known = dict.fromkeys(("fingerprint", "data", "code", "config", "engine"), "same") | {"config": repr(spec)} | prints
    moments: dict[str, Any] = dict.fromkeys(("created_at", "started_at", "finished_at"), AT)
    asked = {"strategy": "momentum", "data": "bars.csv"} | (spec or {})
    return Backtest(id=UUID(int=7), state="done", spec=asked, result=result, error="", **known, **moments)  # type: ignore[arg-type]


def trade(**terms: str) -> BacktestTrade:
    numbers = {name: D(terms.get(name, "1")) for name in ("quantity", "executed_price", "commission", "pnl")}
    return BacktestTrade(n=1, strategy_id="momentum", symbol="A", side="sell", executed_at=AT, **numbers)


def compared(a: Backtest, b: Backtest) -> Difference:
    return difference(a, b, [trade()], [trade()])


def test_what_holding_cost_is_shown_by_kind_after_the_fees_where_it_differs() -> None:
    found = compared(stored(paid(borrow=-2.5, income=5.0), at(borrow_rate="3")), stored(paid(borrow=-5.0, income=5.0), at(borrow_rate="6")))
    assert [(c.what, c.a, c.b) for c in found.figures[4:7]] == [
        ("fees", 3.0, 3.0),
        ("financing.borrow", -2.5, -5.0),
        ("financing.total", 2.5, 0.0),
    ]
    assert "financing.borrow -2.5 -> -5 (-2.5, -100.00%)" in text(found)


def test_a_run_for_which_holding_was_free_paid_nothing() -> None:
    found = compared(stored(FREE), stored(paid(cash_interest=4.0, funding=-1.0), at(cash_rate="4.5", funding_rate="0.01")))
    assert {c.what: (c.a, c.b) for c in found.figures if c.what.startswith("financing")} == {
        "financing.cash_interest": (0.0, 4.0),
        "financing.funding": (0.0, -1.0),
        "financing.total": (0.0, 3.0),
    }


def test_rates_that_nobody_gave_are_not_among_what_was_asked_for_otherwise() -> None:
    found = compared(stored(FREE), stored(paid(cash_interest=4.0), at(cash_rate="4.5")))
    assert [(c.what, c.a, c.b) for c in found.spec] == [("financing.cash_rate", "0", "4.5")]


def test_equal_costs_of_holding_and_none_are_not_shown() -> None:
    for result in (FREE, paid(borrow=-2.5)):
        found = compared(stored(result), stored(result))
        assert found.equal
        assert "financing" not in text(found)


def test_a_result_from_before_they_were_kept_is_not_said_to_have_paid_nothing() -> None:
    found = compared(stored(NONE_KEPT), stored(paid(income=5.0) | {"final_equity": 1_000.0}, code="other"))
    assert found.equal


def test_other_costs_of_holding_for_equal_fingerprints_are_a_defect() -> None:
    other = paid(borrow=-1.0, cash_interest=1.0)
    assert compared(stored(paid()), stored(other)).defect


@pytest.mark.parametrize(
    ("spec", "data", "sold", "said"),
    [
        (at(borrow_rate="3"), {}, "1", "what holding cost follows from financing.borrow_rate"),
        ({"funding": "rates.csv"}, {}, "1", "what holding cost follows from funding"),
        ({}, {"funding": {"A": "other"}}, "1", "what holding cost follows from the recorded funding"),
        ({"fee_bps": "1"}, {}, "2", "what holding cost follows from the trades"),
        (at(cash_rate="3"), {}, "2", "what holding cost follows from financing.cash_rate, the trades"),
    ],
)
def test_what_holding_cost_is_said_to_follow_from_what_can_have_changed_it(
    spec: dict[str, Any], data: dict[str, Any], sold: str, said: str
) -> None:
    one = stored(FREE | {"parts": {"data": {"funding": {"A": "one"}}}})
    other = stored(paid(borrow=-1.0) | {"parts": {"data": {"funding": {"A": "one"}} | data}}, spec or None, data=repr(data))
    found = difference(one, other, [trade()], [trade(quantity=sold)])
    assert found.holding == [said]
    assert f"\n  {said}\n" in text(found)

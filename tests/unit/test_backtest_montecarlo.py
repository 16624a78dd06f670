"""`fleet backtest montecarlo`: what it draws from a stored backtest, and what it says of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from fleet.backtest_montecarlo import data, play, text
from libs.quant.validation.trade_results import TradeResult
from libs.store.backtests import Backtest
from tests.paper import D

BEGIN = datetime(2025, 1, 6, 9, 30, tzinfo=UTC)
RESULT = {"currency": "USD", "from": "2025-01-06T09:30:00Z", "to": "2025-03-31T16:00:00Z"}
GAINS = [200, -100, 50, -150, 300, -50] * 8
"""Of trades each 30 hours after the last: 2,000 in all."""


def stored(result: dict[str, Any] | None = RESULT, **spec: Any) -> Backtest:
    asked = {"strategy": "sma_cross", "data": "bars.csv", "cash": "10000", "sizing": "fixed:10"} | spec
    prints: dict[str, Any] = dict.fromkeys(("fingerprint", "data", "code", "config", "engine"), "abc")
    times: dict[str, Any] = {"created_at": BEGIN, "started_at": BEGIN, "finished_at": BEGIN}
    return Backtest(id=UUID(int=7), state="done" if result else "running", spec=asked, result=result, error="", **prints, **times)


def trades(*gains: int, hours: int = 30) -> list[TradeResult]:
    return [TradeResult(BEGIN + timedelta(hours=hours * n), D(gain)) for n, gain in enumerate(gains)]


def test_trades_of_a_fixed_size_add_up_beside_their_other_orders() -> None:
    played = play(stored(), trades(*GAINS), "trades", 500, 1)
    drawn, shuffled = played.found
    assert (drawn.method, shuffled.method, drawn.steps, drawn.terms.compounded) == ("drawn", "shuffled", 48, False)
    assert played.observed.final_equity == pytest.approx(12_000) == pytest.approx(shuffled.final_equity.p5)
    assert drawn.final_equity.p5 < 12_000 < drawn.final_equity.p95


@pytest.mark.parametrize("sized", [{"sizing": "equity"}, {"sizing": "risk:0.01"}, {"strategies": [{"id": "a"}, {"sizing": "fixed:1"}]}])
def test_other_sizes_compound(sized: dict[str, Any]) -> None:
    played = play(stored(**sized), trades(*GAINS), "trades", 10, 1)
    assert played.found[0].terms.compounded
    assert played.observed.final_equity == pytest.approx(12_000)


def test_blocks_are_of_all_days_from_the_first_to_the_last() -> None:
    played = play(stored(), trades(*GAINS), "blocks", 100, 1)
    assert (played.unit, played.found[0].steps, played.trades) == ("day", 85, 48)
    assert any("in between is not in it" in note for note in played.notes)


def test_a_short_backtest_has_blocks_of_trades() -> None:
    short = RESULT | {"to": "2025-01-20T16:00:00Z"}
    played = play(stored(short), trades(*GAINS, hours=6), "blocks", 100, 1)
    assert (played.unit, played.found[0].steps) == ("trade", 48)
    assert any("shorter than 60 days" in note for note in played.notes)


def test_one_trade_that_carries_all_is_pointed_at() -> None:
    assert any("one trade gained 20.0% of the deposit" in note for note in play(stored(), trades(2_000, *GAINS), "trades", 10, 1).notes)
    assert not any("make sure" in note for note in play(stored(), trades(*[100] * 40), "trades", 10, 1).notes)


def test_few_trades_are_said_to_be_few() -> None:
    assert any(note.startswith("6 trades are few") for note in play(stored(), trades(*GAINS[:6]), "trades", 10, 1).notes)


def test_the_table_shows_what_was_beside_what_could_have_been() -> None:
    said = text(stored(), play(stored(), trades(*GAINS), "trades", 500, 1))
    for part in ("48 closed trades", "500 runs", "seed 1", "AS IT WAS", "12,000.00", "1 run in 20 fell by more than", "in another order"):
        assert part in said


def test_json_has_every_figure_by_its_name() -> None:
    found = data(stored(), play(stored(), trades(*GAINS), "blocks", 50, 3))
    (way,) = found["found"]
    assert (way["method"], way["runs"], way["seed"], way["deposit"]) == ("blocks", 50, 3, 10_000)
    assert way["max_drawdown"].keys() == {"p5", "p25", "p50", "p75", "p95"}
    assert found["observed"].keys() == {"final_equity", "max_drawdown", "sharpe", "longest_fall"}


@pytest.mark.parametrize(
    ("of", "gains", "said"),
    [
        (stored(None), GAINS, "it is running and has no trades yet"),
        (stored(), [5], "at least 2 closed trades to draw from, got 1: run it over more bars"),
        (stored(sizing="equity"), [-10_000, 5], "worth something before each result, got 0.00 before number 2"),
    ],
)
def test_what_there_is_nothing_to_draw_from_is_said(of: Backtest, gains: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        play(of, trades(*gains), "trades", 10, 1)

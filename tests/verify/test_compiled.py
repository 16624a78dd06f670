"""The compiled engine beside the event path: whatever is drawn, both tell the same to the last digit."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import pytest

from libs.domain.orders import Status
from libs.quant.folds import registry
from libs.quant.risk.limits import Limits
from services.backtester.check import paths
from services.backtester.engines import playing
from tests.backtest_cases import case
from tests.engines import by_machine_code, differences, in_pieces
from tests.peeking import columns_in_reach
from tests.unit.test_backtest_check import closes, subject, tape_of

pytestmark = pytest.mark.timeout(600)  # the first of them compiles
FEW: Final = (*range(40), 1_024)  # in the last one protection is placed between two orders of one moment
PROTECTED: Final = {("stop", "stop"), ("stop", "trailing_stop"), ("target", "limit")}


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of machine code for all tests here: it takes half a minute to make."""
    return tmp_path_factory.mktemp("code")


@pytest.mark.parametrize("seed", FEW)
def test_both_engines_tell_the_same_to_the_last_digit(seed: int, code: Path) -> None:
    assert differences(case(seed), code) == []


@pytest.mark.parametrize("bars", [1, 13])
def test_a_strategy_that_runs_ahead_of_the_account_tells_the_same(bars: int, code: Path) -> None:
    with in_pieces(bars):
        assert [seed for seed in FEW[:8] if differences(case(seed), code)] == []


def test_most_of_what_is_drawn_is_played_by_machine_code(code: Path) -> None:
    notes = [by_machine_code(case(seed), code).notes for seed in FEW]
    assert sum(any("event by event" in note for note in each) for each in notes) < len(FEW) // 10


def test_machine_code_charges_for_what_is_held_and_protects_it(code: Path) -> None:
    results = [by_machine_code(case(seed), code) for seed in FEW]
    compiled = [result.played() for result in results if not any("event by event" in note for note in result.notes)]
    assert sum(any(played.carried().values()) for played in compiled) > 3
    filled = [order for played in compiled for order in played.orders if played.statuses[order.client_order_id] is Status.FILLED]
    assert {(order.purpose, order.order_type) for order in filled} > PROTECTED
    assert any(order.oco for order in filled)
    assert any(order.replaces for played in compiled for order in played.orders)


def test_what_is_not_compiled_is_played_event_by_event_and_says_why(code: Path) -> None:
    drawn = case(0)
    changed = replace(drawn.setup, limit_changes=[(0, Limits(()))])
    result = playing(drawn.tape, changed, "compiled", code, lambda text: None)
    assert result.notes == ["played event by event: limits change on the way"]


def test_a_tape_cut_short_is_played_alike_by_machine_code_and_a_strategy_that_peeks_is_caught(
    code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = msgspec.structs.replace(subject(tape_of(closes(400))), code=code)
    assert [(check.name, check.outcome) for check in paths(checked)] == [
        ("look-ahead, event path", "passed"),
        ("look-ahead, compiled path", "passed"),
    ]
    monkeypatch.setattr(registry, "find", lambda name: columns_in_reach.STRATEGY)
    assert [check.outcome for check in paths(checked)] == ["failed", "failed"]

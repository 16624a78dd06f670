"""Orders that a backtest works by slices."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.columns import Columns
from libs.domain.ledger import imbalance
from libs.domain.orders import TERMINAL, Status
from libs.quant.backtest.play import play
from libs.quant.backtest.result import Played
from libs.quant.execution.profile import DAY, Traded, volume_profile
from libs.quant.fills import FillTerms
from tests.factories import MINUTE, NOON, a_setup, a_strategy, a_tape, columns, the_limits, walks
from tests.unit.test_play import alfa, held, traded

D = Decimal
RISING = alfa(100.0, *(100.1 + 0.1 * n for n in range(8)))


def worked(execution: str, **changed: Any) -> Any:
    return a_setup(a_strategy(execution=execution), **({"limits": the_limits()} | changed))


def family(played: Played) -> list[tuple[str, int, str]]:
    """(purpose, quantity, where it ended)."""
    return [(o.purpose, int(o.quantity), str(played.statuses[o.client_order_id])) for o in played.orders]


def test_an_order_is_worked_in_equal_slices_each_filled_at_the_next_open() -> None:
    played = play(RISING, worked("twap:180:3"))
    assert family(played) == [("signal", 10, "FILLED"), ("slice", 3, "FILLED"), ("slice", 3, "FILLED"), ("slice", 4, "FILLED")]
    assert traded(played) == [(2, "buy", 3, "100.20"), (3, "buy", 3, "100.30"), (4, "buy", 4, "100.40")]


def test_what_a_thin_bar_leaves_is_carried_and_the_rest_expires_with_the_parent() -> None:
    thin = alfa(100.0, *(100.1 + 0.1 * n for n in range(8)), volume=20)
    played = play(thin, worked("twap:180:3", terms=FillTerms(bar_participation=D("0.1"))))
    ends = [("slice", 3, "EXPIRED"), ("slice", 4, "EXPIRED"), ("slice", 6, "EXPIRED")]
    assert family(played) == [("signal", 10, "EXPIRED"), *ends]
    assert [quantity for _, _, quantity, _ in traded(played)] == [2, 2, 2, 2]  # the last slice rests until the parent's own end
    assert held(played) == {("fast", "ALFA"): 8}


def test_a_newer_signal_cancels_what_is_being_worked() -> None:
    tape = alfa(100.0, 100.1, 100.2, 100.1, 100.0, 99.9, 99.8, 99.7, 99.6)
    played = play(tape, worked("twap:180:3"))
    (bought, *_), (sold, *_) = ([o for o in played.orders if o.side == side and o.purpose == "signal"] for side in ("buy", "sell"))
    assert played.statuses[bought.client_order_id] is Status.CANCELED
    assert sold.quantity == sum(t.quantity for t in played.trades if t.side == "buy") < bought.quantity
    assert held(played) == {}


def test_an_iceberg_shows_a_part_at_a_time() -> None:
    played = play(RISING, worked("iceberg:4:300"))
    assert [quantity for _, quantity, _ in family(played)] == [10, 4, 4, 2]
    assert traded(played) == [(2, "buy", 4, "100.20"), (3, "buy", 4, "100.30"), (4, "buy", 2, "100.40")]


def test_a_vwap_follows_the_volume_of_the_day_before_at_that_time() -> None:
    before = columns([100.0] * 5, start=NOON - DAY + 2 * MINUTE)._replace(volume=[70.0, 10.0, 20.0, 1e9, 1e9])
    today = columns([100.0, *(100.1 + 0.1 * n for n in range(8))])
    both = Columns(*([*before[n], *today[n]] for n in range(len(today))))
    played = play(a_tape({"ALFA": both}), worked("vwap:180:3"))
    assert [quantity for purpose, quantity, _ in family(played) if purpose == "slice"] == [7, 1, 2]


def test_a_volume_profile_counts_each_day_alike_and_spreads_a_bar_over_its_length() -> None:
    days = [Traded(-DAY, 30.0), Traded(-DAY + 60, 10.0), Traded(-2 * DAY, 5.0), Traded(-2 * DAY + 60, 15.0), Traded(0, 1e9)]
    assert volume_profile(days, 60, 0, 120, 2) == (500_000, 500_000)
    assert volume_profile(days[:2], 60, 0, 120, 4) == (375_000, 375_000, 125_000, 125_000)
    assert volume_profile([Traded(-DAY - 30, 8.0), Traded(-DAY + 90, 8.0)], 60, 0, 120, 2) == (500_000, 500_000)
    assert volume_profile([Traded(0, 1.0), Traded(-DAY + 120, 1.0), Traded(-DAY, 0.0)], 60, 0, 120, 2) is None


def test_without_risk_controls_nothing_is_worked_and_a_backtest_that_asks_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="strategy fast has execution 'twap:180:3', and without risk controls orders are sent whole"):
        play(RISING, worked("twap:180:3", limits=None))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), execution=st.sampled_from(["twap:180:3", "twap:240:2", "vwap:120:2", "iceberg:3:120", "iceberg:4"]))
def test_whatever_the_market_slices_stay_within_their_parents_and_the_books_balance(seed: int, execution: str) -> None:
    tape = a_tape(walks(seed, 60, "ALFA", "BETA", gaps=0.1))
    played = play(tape, worked(execution, terms=FillTerms(fee_bps=D(2)), allow_short=bool(seed % 2)))
    parents = {o.order_id: o for o in played.orders if o.execution}
    filled = {o.order_id: sum((t.quantity for t in played.trades if t.order_id == o.order_id), D(0)) for o in played.orders}
    for id_, parent in parents.items():
        slices = [o for o in played.orders if o.parent_id == id_]
        ended = [played.statuses[o.client_order_id] in TERMINAL for o in slices]
        assert sum(filled[o.order_id] if end else o.quantity for o, end in zip(slices, ended, strict=True)) <= parent.quantity
        assert (played.statuses[parent.client_order_id] is Status.FILLED) == (sum(filled[o.order_id] for o in slices) == parent.quantity)
    assert filled.keys() - parents.keys() == {o.order_id for o in played.orders if o.purpose == "slice"}
    assert not imbalance(played.lines)

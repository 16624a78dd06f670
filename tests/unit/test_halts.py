"""Loss limits: what counts as a loss, where an account is halted, and that only a person gets it out again."""

from math import inf, nan, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.configuration import LOSS_LIMITS
from libs.domain.losses import Halt, LossLimits, LossState, loss
from libs.quant.risk.halts import evaluate, loss_limits
from tests.factories import NOON, SECOND, a_limit, the_limits

DAY = 86_400 * SECOND
TODAY = NOON - DAY // 2
LIMITS = LossLimits(max_daily_loss=0.03, max_drawdown=0.10)
EQUITIES = st.lists(st.floats(min_value=1.0, max_value=1e9), min_size=1, max_size=30)
SHARES = st.floats(min_value=1e-6, max_value=1.0)


def after(*equities: float, limits: LossLimits = LIMITS, state: LossState | None = None) -> tuple[LossState, list[Halt]]:
    """What is left after equities seen one second after another, and every halt on the way."""
    found: list[Halt] = []
    for n, equity in enumerate(equities):
        state, new = evaluate(state, NOON + n * SECOND, equity, limits, TODAY)
        found += new
    assert state is not None
    return state, found


def limits_of(halts: list[Halt] | tuple[Halt, ...]) -> list[str]:
    return [halt.limit for halt in halts]


@pytest.mark.parametrize("limits", [LossLimits(max_daily_loss=0.25), LossLimits(max_drawdown=0.25)])
def test_a_loss_of_exactly_the_limit_passes_and_the_next_smaller_equity_halts(limits: LossLimits) -> None:
    state, found = after(1024.0, 768.0, limits=limits)
    assert (state.daily_loss, state.drawdown, found) == (0.25, 0.25, [])
    _, found = after(1024.0, 768.0, nextafter(768.0, 0.0), limits=limits)
    assert len(found) == 1


def test_a_halt_says_what_was_seen_and_from_where() -> None:
    state, found = after(100_000.0, 96_000.0)
    assert found == [Halt("max_daily_loss", NOON + SECOND, 96_000.0, 100_000.0, 0.03, 0.04)]
    assert state.halts == tuple(found)


def test_the_loss_of_a_day_counts_from_the_last_equity_before_it_began() -> None:
    state, _ = after(100_000.0, 98_000.0)
    tomorrow, found = evaluate(state, TODAY + DAY, 96_000.0, LIMITS, TODAY + DAY)
    assert (tomorrow.day, tomorrow.day_equity, found) == (TODAY + DAY, 98_000.0, ())
    _, found = evaluate(tomorrow, TODAY + DAY + SECOND, 95_000.0, LIMITS, TODAY + DAY)
    assert limits_of(found) == ["max_daily_loss"]


def test_a_fall_counts_from_the_highest_equity_over_the_days() -> None:
    state, _ = after(100_000.0, 110_000.0, 108_000.0)
    state, _ = evaluate(state, TODAY + DAY, 106_000.0, LIMITS, TODAY + DAY)
    state, found = evaluate(state, TODAY + 2 * DAY, 103_000.0, LIMITS, TODAY + 2 * DAY)
    assert (found, state.peak_equity) == ((), 110_000.0)
    _, found = evaluate(state, TODAY + 3 * DAY, 98_999.0, LossLimits(max_drawdown=0.10), TODAY + 3 * DAY)
    assert limits_of(found) == ["max_drawdown"]


def test_a_halt_neither_ends_with_its_day_nor_with_a_gain() -> None:
    state, _ = after(100_000.0, 96_000.0)
    state, _ = evaluate(state, TODAY + DAY, 120_000.0, LIMITS, TODAY + DAY)
    assert limits_of(state.halts) == ["max_daily_loss"]


def test_one_limit_may_halt_after_the_other_and_each_only_once() -> None:
    _, found = after(100_000.0, 96_000.0, 95_000.0, 89_000.0, 80_000.0)
    assert limits_of(found) == ["max_daily_loss", "max_drawdown"]


def test_without_limits_nothing_halts() -> None:
    assert after(100_000.0, 1.0, -5.0, limits=LossLimits())[1] == []


def test_time_that_goes_back_over_midnight_begins_no_new_day() -> None:
    state, _ = evaluate(None, TODAY + DAY, 100_000.0, LIMITS, TODAY + DAY)
    state, _ = evaluate(state, TODAY + DAY - 1, 99_000.0, LIMITS, TODAY)
    assert (state.day, state.day_equity) == (TODAY + DAY, 100_000.0)


@pytest.mark.parametrize(("equity", "expected"), [(0.0, 1.0), (-50.0, 1.5), (150.0, -0.5)])
def test_a_loss_is_a_share_of_what_there_was(equity: float, expected: float) -> None:
    assert loss(100.0, equity) == expected


def test_an_account_that_had_nothing_left_has_lost_everything() -> None:
    assert loss(0.0, 10.0) == loss(-5.0, -5.0) == 1.0


@pytest.mark.parametrize("equity", [nan, inf, -inf])
def test_an_equity_that_is_no_number_is_refused(equity: float) -> None:
    with pytest.raises(ValueError, match="expected an equity that is a number"):
        evaluate(None, NOON, equity, LIMITS, TODAY)


def test_of_several_loss_limits_the_tightest_wins_and_those_of_other_accounts_do_not_count() -> None:
    limits = the_limits(
        a_limit("max_daily_loss", 0.05, unit="fraction"),
        a_limit("max_daily_loss", 0.04, key="paper", unit="fraction"),
        a_limit("max_daily_loss", 0.01, key="other", unit="fraction"),
        a_limit("max_drawdown", 0.2, scope="fleet", unit="fraction"),
    )
    assert loss_limits(limits, "paper") == LossLimits(0.04, 0.2)
    assert loss_limits(the_limits(), "paper") == LossLimits(None, None)


# --- re-arming


def test_re_arming_counts_losses_anew_from_the_equity_of_that_moment() -> None:
    state, _ = after(100_000.0, 80_000.0)
    assert limits_of(state.halts) == ["max_daily_loss", "max_drawdown"]
    state, found = evaluate(state._replace(halts=()), NOON + DAY // 4, 81_000.0, LIMITS, TODAY, LOSS_LIMITS)
    assert (state.day_equity, state.peak_equity, found, state.halts) == (81_000.0, 81_000.0, (), ())
    _, found = evaluate(state, NOON + DAY // 3, 78_500.0, LIMITS, TODAY)
    assert limits_of(found) == ["max_daily_loss"]


def test_re_arming_one_limit_leaves_the_other_where_it_was() -> None:
    state, _ = after(100_000.0, 80_000.0)
    left = tuple(halt for halt in state.halts if halt.limit == "max_drawdown")
    state, _ = evaluate(state._replace(halts=left), NOON + DAY // 4, 80_000.0, LIMITS, TODAY, ["max_daily_loss"])
    assert (state.day_equity, state.peak_equity, limits_of(state.halts)) == (80_000.0, 100_000.0, ["max_drawdown"])


@given(EQUITIES, SHARES, SHARES)
def test_re_armed_at_any_equity_an_account_is_not_halted_at_once(equities: list[float], daily: float, fall: float) -> None:
    limits = LossLimits(daily, fall)
    state, _ = after(*equities, limits=limits)
    state, found = evaluate(state._replace(halts=()), NOON + DAY // 4, state.equity, limits, TODAY, LOSS_LIMITS)
    assert (found, state.halts) == ((), ())


# --- properties


@given(EQUITIES, SHARES, SHARES)
def test_halts_never_end_by_themselves(equities: list[float], daily: float, fall: float) -> None:
    state, before = None, 0
    for n, equity in enumerate(equities):
        day = TODAY + n // 4 * DAY
        state, _ = evaluate(state, day + n * SECOND, equity, LossLimits(daily, fall), day)
        assert len(state.halts) >= before
        before = len(state.halts)


@given(EQUITIES, SHARES, SHARES)
def test_looking_again_at_the_same_moment_changes_nothing(equities: list[float], daily: float, fall: float) -> None:
    state, _ = after(*equities, limits=LossLimits(daily, fall))
    assert evaluate(state, state.evaluated_at, state.equity, LossLimits(daily, fall), state.day) == (state, ())


@given(EQUITIES, SHARES)
def test_the_drawdown_halts_at_the_first_equity_too_far_below_every_one_before_it(equities: list[float], most: float) -> None:
    _, found = after(*equities, limits=LossLimits(max_drawdown=most))
    fallen = [n for n, equity in enumerate(equities) if loss(max(equities[: n + 1]), equity) > most]
    assert [halt.at for halt in found] == [NOON + n * SECOND for n in fallen[:1]]

"""What an account is worth, by strategy and in all, and how it performs: known values, and sums that always hold."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.instruments import Instrument
from libs.quant.portfolio.activity import Activity, Filled, added_up, slippage
from libs.quant.portfolio.books import Books, Line, continued, opened
from libs.quant.portfolio.figures import Before, DayEnd, before_today, days_per_year, drawdown, figures
from libs.quant.portfolio.marks import Mark
from libs.quant.portfolio.valuation import Holding, Worth, gross, net, valued
from libs.quant.trading_day import TradingDay, trading_day_of
from tests.factories import NOON, SECOND
from tests.paper import ALFA

D = Decimal
DAY = 24 * 3600 * SECOND
MINI = Instrument(symbol="MINI", venue="TEST", asset_class="future", currency="EUR", tick=D("0.5"), lot=D(1), multiplier=D(10))
INSTRUMENTS = {"ALFA": ALFA, "MINI": MINI}
RATES = {"USD": 1.0, "EUR": 1.25}
MARKS = {"ALFA": Mark(102.0, NOON), "MINI": Mark(2000.5, NOON)}
DEPOSIT = {("", "USD"): D(100_000)}


def a_worth(
    cash: dict[tuple[str, str], Decimal], holdings: list[Holding], marks: dict[str, Mark] | None = None, rates: Any = RATES
) -> Worth:
    return valued(DEPOSIT | cash, {"USD": D(100_000)}, holdings, MARKS if marks is None else marks, INSTRUMENTS, rates)


def a_fill(strategy_id: str = "fast", **changed: Any) -> Filled:
    values: dict[str, Any] = {
        "side": "buy",
        "price": D(100),
        "value": D(1_000),
        "currency": "USD",
        "fee": D(1),
        "fee_currency": "USD",
        "pnl": D(0),
        "executed_at": NOON,
        "reference": 99.0,
    }
    return Filled(strategy_id=strategy_id, **(values | changed))


# --- worth


def test_an_account_is_its_cash_and_its_positions_at_their_marks_in_its_own_currency() -> None:
    worth = a_worth({("fast", "USD"): D(-1_001)}, [Holding("fast", "ALFA", D(10), D(100))])
    assert (worth.whole.cash, worth.whole.invested, worth.whole.worth) == (D(98_999), D(1_020), D(100_019))
    assert (worth.parts["fast"].worth, worth.gain) == (D(19), D(19))


def test_a_contract_in_another_currency_counts_with_its_multiplier_and_its_rate() -> None:
    worth = a_worth({("slow", "EUR"): D(40_000)}, [Holding("slow", "MINI", D(-2), D(2_000))])
    assert worth.parts["slow"].cash == D(50_000)
    assert worth.parts["slow"].values == {"MINI": D("-50012.5")}
    assert worth.gain == D("-12.5")


def test_a_symbol_without_a_price_counts_at_cost_and_is_named() -> None:
    worth = a_worth({("fast", "USD"): D(-1_000)}, [Holding("fast", "ALFA", D(10), D(100))], marks={})
    assert (worth.gain, set(worth.unmarked)) == (D(0), {"ALFA"})


def test_exposure_is_of_the_accounts_symbols_which_two_strategies_may_hold_against_each_other() -> None:
    worth = a_worth(
        {}, [Holding("fast", "ALFA", D(10), D(100)), Holding("slow", "ALFA", D(-4), D(100)), Holding("slow", "MINI", D(-1), D(1))]
    )
    equity = D(100_000)
    assert gross(worth.whole, equity) == pytest.approx((612 + 25_006.25) / 100_000)
    assert net(worth.whole, equity) == pytest.approx((612 - 25_006.25) / 100_000)
    assert gross(worth.parts["slow"], equity) == pytest.approx((408 + 25_006.25) / 100_000)
    assert gross(worth.whole, D(0)) == 0.0


amounts = st.decimals(-10_000, 10_000, places=4)
cash = st.dictionaries(st.tuples(st.sampled_from(["fast", "slow"]), st.sampled_from(["USD", "EUR"])), amounts)
books = st.dictionaries(st.tuples(st.sampled_from(["fast", "slow"]), st.sampled_from(["ALFA", "MINI"])), amounts).map(
    lambda found: [Holding(strategy, symbol, quantity, D(100)) for (strategy, symbol), quantity in found.items()]
)
rate = st.floats(0.001, 1000)
gains = st.dictionaries(st.sampled_from(["fast", "slow", "gone"]), amounts)


@given(cash, books, rate, gains)
def test_what_the_strategies_gained_is_what_the_account_gained(
    cash: dict[tuple[str, str], Decimal], held: list[Holding], euro: float, earlier: dict[str, Decimal]
) -> None:
    """To the last digit, in all and today, whatever the rate; and equity is cash plus values."""
    worth = a_worth(cash, held, rates={"USD": 1.0, "EUR": euro})
    before = {name: Before(gain) for name, gain in earlier.items()} | {"": Before(sum(earlier.values(), D(0)))}
    found = figures(worth, before, {}, {}, RATES)
    account = found.pop("")
    assert account.part.worth == account.part.cash + sum(account.part.values.values(), D(0))
    assert account.total_pnl == sum(f.total_pnl for f in found.values())
    assert account.day_pnl == sum(f.day_pnl for f in found.values())
    assert account.part.worth == account.total_pnl + 100_000
    if account.day_return is not None:
        assert account.day_return == pytest.approx(sum(f.day_return or 0.0 for f in found.values()), abs=1e-9)
    assert all(0 <= f.drawdown <= 1 for f in (account, *found.values()))


# --- the day


def test_a_day_counts_from_what_was_gained_before_it_and_returns_a_share_of_what_it_began_with() -> None:
    worth = a_worth({("fast", "USD"): D(-1_001)}, [Holding("fast", "ALFA", D(10), D(100))])
    found = figures(worth, {"": Before(D(119)), "fast": Before(D(119))}, {}, {}, RATES)
    assert (found[""].day_pnl, found[""].total_pnl) == (D(-100), D(19))
    assert found[""].day_return == pytest.approx(-100 / 100_119, rel=1e-14)
    assert found["fast"].day_return == found[""].day_return


def test_a_fall_is_measured_from_the_highest_and_a_strategys_in_the_accounts_measure() -> None:
    worth = a_worth({("fast", "USD"): D(-1_000), ("slow", "USD"): D(500)}, [])
    found = figures(worth, {}, {"": D(101_000), "fast": D(200), "slow": D(600)}, {}, RATES)
    assert found[""].drawdown == pytest.approx(1_500 / 101_000)
    assert found["fast"].drawdown == pytest.approx(1_200 / 101_000)
    assert found["slow"].drawdown == pytest.approx(100 / 101_000)
    assert found["slow"].peak == D(600)


@pytest.mark.parametrize(("fall", "peak", "found"), [(0, 100, 0.0), (25, 100, 0.25), (150, 100, 1.0), (-1, 100, 0.0), (5, 0, 0.0)])
def test_a_drawdown_is_between_nothing_and_all(fall: int, peak: int, found: float) -> None:
    assert drawdown(D(fall), D(peak)) == found


# --- what was traded


def test_fills_add_up_to_turnover_fees_and_the_share_of_closings_with_a_profit() -> None:
    fills = [
        a_fill(),
        a_fill(pnl=D(5), value=D(2_000)),
        a_fill(pnl=D(-1)),
        a_fill(pnl=D(3), currency="EUR", value=D(80), fee_currency="EUR"),
    ]
    found = added_up(fills[2:], added_up(fills[:2]))
    assert found.trades == 4
    assert found.hit_rate == pytest.approx(2 / 3)
    assert (found.turnover(RATES), found.paid(RATES)) == (D(4_100), D("4.25"))
    assert found == added_up(fills)
    assert Activity().hit_rate is None


@pytest.mark.parametrize(
    ("side", "price", "reference", "worse"),
    [
        ("buy", "101", 100.0, 0.01),
        ("sell", "101", 100.0, -0.01),
        ("sell", "99", 100.0, 0.01),
        ("buy", "99", 0.0, None),
        ("buy", "99", None, None),
    ],
)
def test_slippage_is_above_nothing_when_the_price_was_worse(side: str, price: str, reference: float | None, worse: float | None) -> None:
    assert slippage(a_fill(side=side, price=D(price), reference=reference)) == (None if worse is None else pytest.approx(worse))


# --- books carried on

LINES = [Line("", "USD", True, D(100_000)), Line("fast", "USD", False, D(-1_001))]


def the_books() -> Books:
    return opened(LINES, [a_fill()], {"USD": D(98_999)}, [])


def test_books_grow_by_new_fills_and_their_lines() -> None:
    grown = continued(the_books(), [Line("slow", "USD", False, D(-500))], [a_fill("slow")], {"USD": D(98_499)}, [])
    assert grown is not None
    assert (grown.cash["slow", "USD"], grown.paid_in) == (D(-500), {"USD": D(100_000)})
    assert {name: activity.trades for name, activity in grown.activities.items()} == {"": 2, "fast": 1, "slow": 1}
    whole = opened([*LINES, Line("slow", "USD", False, D(-500))], [a_fill(), a_fill("slow")], {"USD": D(98_499)}, [])
    assert grown == whole


@pytest.mark.parametrize(("balance", "booked"), [("99000", []), ("98999", ["dividend:ALFA:1"])])
def test_books_that_something_else_has_moved_are_opened_anew(balance: str, booked: list[str]) -> None:
    """A dividend: its lines come without a fill. One that is paid to one strategy by another leaves the balance as it is."""
    assert continued(the_books(), [], [], {"USD": D(balance)}, booked) is None


def test_a_record_that_contradicts_itself_is_told_once_and_carried_on_from() -> None:
    odd = opened(LINES, [], {"USD": D(98_998)}, [])
    assert odd.unexplained == {"USD": D(-1)}
    assert continued(odd, [Line("fast", "USD", False, D(1))], [], {"USD": D(98_999)}, []) is not None
    assert the_books().unexplained == {}


# --- days before


def a_day(n: int) -> TradingDay:
    """The n-th day after Monday, 3 February 2025."""
    return trading_day_of(NOON + (28 + n) * DAY, "00:00", "UTC")


def test_days_without_a_session_are_no_returns_and_a_year_has_as_many_days_as_the_sparsest_calendar_that_fits() -> None:
    ends = [DayEnd("", a_day(n), D(n), r) for n, r in enumerate([0.01, -0.02, None, 0.03, 0.01, 0.5, 0.5])]
    stocks = before_today(ends, ["us_equity"])[""]
    assert stocks.total_pnl == D(6)
    assert stocks.statistics.max_drawdown == pytest.approx(0.02)
    assert stocks.statistics.cagr == pytest.approx((1.01 * 0.98 * 1.03 * 1.01) ** (252 / 4) - 1)
    both = before_today(ends, ["us_equity", "24/7"])[""]
    assert both.statistics.cagr == pytest.approx((1.01 * 0.98 * 1.03 * 1.01 * 1.5 * 1.5) ** (365 / 6) - 1)


@pytest.mark.parametrize(
    ("days", "calendars", "found"),
    [
        (range(5), ["us_equity"], 252),
        (range(5), ["24/7", "us_equity"], 252),
        (range(7), ["24/7", "us_equity"], 365),
        ([5], ["us_equity"], 252),
    ],
)
def test_days_a_year(days: Any, calendars: Any, found: int) -> None:
    assert days_per_year([a_day(n) for n in days], calendars) == found

"""What holding costs and pays: amounts worked out by hand, when they are booked, and that money only moves by the ledger."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.actions import CorporateAction
from libs.domain.funding import FundingRate
from libs.domain.instruments import Instrument
from libs.domain.ledger import imbalance
from libs.quant.backtest.desk import Desk
from libs.quant.backtest.play import play
from libs.quant.backtest.result import Played
from libs.quant.backtest.summary import summary_of
from libs.quant.backtest.tape import Tape
from libs.quant.fills import FillTerms
from libs.quant.financing import Charge, Financing, Holding, SymbolRates, borrow, funding, interest
from tests.factories import NOON, a_setup, a_strategy, a_tape, columns, walks
from tests.paper import ALFA, D

HOUR = 3_600 * 10**9
DAY = 24 * HOUR
SHORTING: dict[str, Any] = {"params": {"lookback": 1, "every": 100, "short": 1}, "sizing": "fixed:10"}
PERPETUAL = msgspec.structs.replace(ALFA, symbol="BTC/USD:USD", asset_class="crypto", lot=D("0.001"))


def held(quantity: int | str, price: int | str = 100, instrument: Instrument = ALFA, strategy_id: str = "fast") -> Holding:
    return Holding(strategy_id, instrument, D(quantity), D(price))


def amounts(charges: list[Charge]) -> list[tuple[str, str, Decimal]]:
    return [(charge.kind, charge.strategy_id, charge.amount) for charge in charges]


# --- one day


@pytest.mark.parametrize(
    ("cash", "held_", "expected"),
    [
        pytest.param(36_000, [], ("cash_interest", "", D("4.5")), id="idle cash"),
        pytest.param(-36_000, [held(900)], ("margin_interest", "", D("-9")), id="bought on credit"),
        pytest.param(36_000, [held(-90)], ("cash_interest", "", D("3.375")), id="proceeds of a short earn nothing"),
        pytest.param(9_000, [held(-180)], ("margin_interest", "", D("-2.25")), id="a short above its proceeds is a debit"),
        pytest.param(-9_000, [held("0.45", 100_000, PERPETUAL)], ("cash_interest", "", D("4.5")), id="a perpetual takes no money"),
    ],
)
def test_interest_is_that_of_a_360th_of_a_year(cash: int, held_: list[Holding], expected: tuple[str, str, Decimal]) -> None:
    assert amounts(interest({"USD": D(cash)}, held_, Financing(cash_rate=D("4.5"), margin_rate=D(9)))) == [expected]


def test_sterling_has_years_of_365_days_and_a_year_can_be_said() -> None:
    assert interest({"GBP": D(36_500)}, [], Financing(cash_rate=D(1)))[0].amount == 1
    assert interest({"GBP": D(36_000)}, [], Financing(cash_rate=D(1), days_in_year=360))[0].amount == 1


def test_a_rate_below_zero_is_paid_on_what_is_idle() -> None:
    assert amounts(interest({"EUR": D(36_000)}, [], Financing(cash_rate=D("-0.5")))) == [("cash_interest", "", D("-0.5"))]


def test_what_the_account_is_net_short_of_is_borrowed_and_paid_by_the_books_that_are_short() -> None:
    books = [held(40, strategy_id="long"), held(-60, strategy_id="a"), held(-20, strategy_id="b")]
    assert amounts(borrow(books, Financing(borrow_rate=D(36)))) == [("borrow", "a", D(-3)), ("borrow", "b", D(-1))]
    assert not borrow([held(80, strategy_id="long"), *books[1:]], Financing(borrow_rate=D(36)))


def test_a_symbol_may_have_a_rate_of_its_own_and_nothing_is_borrowed_for_a_perpetual() -> None:
    rates = Financing(borrow_rate=D(36), symbols={"ALFA": SymbolRates(borrow_rate=D(3))})
    assert borrow([held(-36)], rates)[0].amount == D("-0.3")
    assert not borrow([held(-1, instrument=PERPETUAL)], rates)


def test_funding_goes_from_longs_to_shorts() -> None:
    books = [held("0.5", 40_000, PERPETUAL), held("-0.1", 40_000, PERPETUAL, "other")]
    assert amounts(funding(books, {PERPETUAL.symbol: D("0.01")})) == [("funding", "fast", D(-2)), ("funding", "other", D("0.4"))]


@pytest.mark.parametrize(("cash", "amount"), [("5E-9", "0"), ("5.1E-9", "1E-12"), ("15E-9", "2E-12"), ("25E-9", "2E-12")])
def test_an_amount_is_rounded_once_to_twelve_decimals_half_to_even(cash: str, amount: str) -> None:
    found = interest({"USD": D(cash)}, [], Financing(cash_rate=D("3.6")))
    assert sum((charge.amount for charge in found), D(0)) == D(amount)


@pytest.mark.parametrize("rates", [{"cash_rate": D("NaN")}, {"symbols": {"ALFA": SymbolRates(borrow_rate=D(20_000))}}])
def test_a_rate_that_nobody_would_quote_is_refused(rates: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected (cash_rate|borrow_rate of ALFA) from -10000 to 10000"):
        Financing(**rates)


# --- on an account


def days(*closes: float, symbol: str = "ALFA", **changed: Any) -> Tape:
    """Daily bars from midnight on, each open at its close."""
    bars = {symbol: columns(closes, start=NOON - 12 * HOUR, step=DAY)}
    return a_tape(bars, bars={"1d": bars}, since=NOON - 12 * HOUR, **changed)


def in_two(effective: int, close: Decimal) -> CorporateAction:
    """A split at that moment, after that close."""
    return CorporateAction(venue="X", symbol="ALFA", effective=effective, kind="split", ratio=D(2), reference_price=close)


def booked(played: Played) -> list[tuple[str, str, Decimal]]:
    lines = [line for line in played.lines if line.kind == "financing" and line.ledger_account == "cash"]
    kinds = [line.ledger_account for line in played.lines if line.kind == "financing" and line.ledger_account != "cash"]
    return [(kind, line.strategy_id, line.amount) for kind, line in zip(kinds, lines, strict=True)]


def test_each_day_that_ends_is_charged_on_what_is_held_at_its_end() -> None:
    played = play(days(100, 101, 101, 101), a_setup(financing=Financing(cash_rate=D(36))))
    first, second = D(100), D("100.1")  # the rise of the second day is bought at the third's open
    third = (D(100_000) + first + second - 10 * 101) / 1_000
    assert [amount for *_, amount in booked(played)] == [first, second, third, (D(100_000) + first + second - 1_010 + third) / 1_000]


def test_days_without_a_market_are_charged_too() -> None:
    found = {"ALFA": columns([100.0, 100.0], step=3 * DAY)}
    tape = a_tape(found, bars={"1d": found}, since=NOON)
    played = play(tape, a_setup(financing=Financing(cash_rate=D(36)), deposit=D(1_000)))
    assert [amount for _, _, amount in booked(played)] == [D(1), D("1.001"), D("1.002001"), D("1.003003001")]


def test_the_day_ends_when_the_accounts_does() -> None:
    setup = a_setup(financing=Financing(cash_rate=D(1)), day_starts_at="17:00", day_tz="America/New_York")
    found = {"ALFA": columns([100.0] * 11, step=HOUR)}
    played = play(a_tape(found, bars={"1h": found}, since=NOON), setup)
    assert [(balance.at - NOON) // HOUR for balance in played.balances] == [0, 10]  # 22:00 UTC


def test_nothing_is_charged_before_the_account_begins() -> None:
    """Bars before `trades_from` only warm strategies up."""
    setup = a_setup(financing=Financing(cash_rate=D(36)), trades_from=NOON + DAY)
    hours = [(balance.at - NOON) // HOUR for balance in play(days(100, 100, 100, 100), setup).balances]
    assert hours == [24, 36, 60, 84]


def test_a_tape_that_is_cut_knows_of_no_later_funding() -> None:
    recorded = {"ALFA": [FundingRate("ALFA", NOON, D(1)), FundingRate("ALFA", NOON + 1, D(1))]}
    assert days(100, 101, funding=recorded).until(NOON).funding == {"ALFA": recorded["ALFA"][:1]}


def test_a_short_pays_the_borrowing_the_dividend_and_keeps_its_worth_in_a_split() -> None:
    closes = [100, 99, 99, 99, 49.5, 49.5]  # falls, is sold short at the third open, splits in two before the fifth
    dividend = CorporateAction(venue="X", symbol="ALFA", effective=NOON - 12 * HOUR + 3 * DAY, kind="dividend", cash=D("0.5"))
    split = in_two(NOON - 12 * HOUR + 4 * DAY, D(99))
    setup = a_setup(a_strategy("momentum", **SHORTING), allow_short=True, financing=Financing(borrow_rate=D(36)))
    played = play(days(*closes, actions=[dividend, split]), setup)
    assert played.positions["fast", "ALFA"].quantity == -20
    assert [amount for *_, amount in booked(played)] == [D("-0.99")] * 4
    assert played.ledger()["fast", "income", "USD"] == 5


def test_an_order_fills_on_the_day_before_an_action_though_that_days_bar_is_known_when_it_holds() -> None:
    split = in_two(NOON - 12 * HOUR + 3 * DAY, D(101))
    played = play(days(100, 101, 101, 50.5, actions=[split]), a_setup())
    assert [(str(t.quantity), str(t.executed_price)) for t in played.trades] == [("10", "101.00")]
    assert played.positions["fast", "ALFA"].quantity == 20


def test_a_split_that_no_market_has_met_yet_changes_neither_units_nor_price() -> None:
    noons = columns([100, 99, 99, 99, 49.5], start=NOON, step=DAY)
    split = in_two(NOON + 3 * DAY + 6 * HOUR, D(99))
    tape = a_tape({"ALFA": noons}, bars={"1h": {"ALFA": noons}}, actions=[split], since=NOON)
    setup = a_setup(a_strategy("momentum", **SHORTING), allow_short=True, financing=Financing(borrow_rate=D(36)), day_starts_at="20:00")
    assert {amount for *_, amount in booked(play(tape, setup))} == {D("-0.99")}


def test_recorded_funding_goes_before_the_given_one() -> None:
    name = PERPETUAL.symbol
    bars = {name: columns([100.0, 101.0, *[101.0] * 30], start=NOON - 12 * HOUR, step=HOUR)}
    recorded = {name: [FundingRate(name, NOON - 8 * HOUR, D("0.1")), FundingRate(name, NOON + 1, D("-0.02"))]}
    given_ = Financing(symbols={name: SymbolRates(funding_rate=D(1))})
    tape = a_tape(bars, bars={"1h": bars}, since=NOON - 12 * HOUR)
    assert [amount for *_, amount in booked(play(tape, a_setup(financing=given_)))] == [D("-10.1")] * 4
    assert [amount for *_, amount in booked(play(replace(tape, funding=recorded), a_setup(financing=given_)))] == [D("-1.01"), D("0.202")]


RATES = st.sampled_from([D(0), D("4.37"), D("-0.6"), D(300)])


@st.composite
def financings(draw: st.DrawFn) -> Financing:
    own = {"BETA": SymbolRates(borrow_rate=draw(RATES), funding_rate=draw(st.sampled_from([None, D("0.01")])))}
    cash, margin, borrowing, funded = (draw(RATES) for _ in range(4))
    rates = Financing(cash_rate=cash, margin_rate=margin, borrow_rate=borrowing, funding_rate=funded)
    return msgspec.structs.replace(rates, symbols=own) if draw(st.booleans()) else rates


def shorting_two_ways(**changed: Any) -> Any:
    momentum = {"params": {"lookback": 2, "every": 1, "short": 1}, "allocation": 0.6}
    strategies = (a_strategy("momentum", "equity", **momentum), a_strategy("sma_cross", "units"))
    terms = FillTerms(bar_participation=D("0.1"), fee_bps=D("1.3"), slippage_bps=D(2))
    return a_setup(*strategies, allow_short=True, terms=terms, **changed)


def hourly(seed: int) -> Tape:
    minutes = walks(seed, 60, "ALFA", "BETA", gaps=0.1)
    bars = {symbol: c._replace(start=[NOON + (start - NOON) * 60 for start in c.start]) for symbol, c in minutes.items()}
    return a_tape(bars, bars={"1h": bars}, since=NOON)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), financings())
def test_every_transaction_balances_and_the_ledger_is_the_equity(seed: int, rates: Financing) -> None:
    tape = hourly(seed)
    played = play(tape, shorting_two_ways(financing=rates))
    assert not imbalance(played.lines)
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (_, account, commodity), amount in played.ledger().items():
        sums[account if commodity == "USD" else commodity + account] += amount
    worth = summary_of(tape, played).worth
    gains = -sums["trading"] - sums["fees"] + sum(played.carried().values(), D(0))
    held_ = worth - sums["cash"]
    assert worth == 100_000 + gains + held_
    assert sums["cash"] == 100_000 + gains
    assert D(repr(played.balances[-1].cash)) == pytest.approx(sums["cash"])
    assert all(a.at <= b.at for a, b in pairwise(played.balances))


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32))
def test_rates_of_zero_change_nothing_at_all(seed: int) -> None:
    tape = hourly(seed)
    assert play(tape, shorting_two_ways(financing=Financing())) == play(tape, shorting_two_ways())


def test_the_venue_knows_of_the_money_too() -> None:
    """It turns down what the account cannot pay for."""
    tape, played = hourly(7), Played([])
    desk = Desk(tape, shorting_two_ways(financing=Financing(cash_rate=D(5))), played)
    desk.play_until(tape.ends())
    assert desk._venue.book.cash["USD"] == sum(line.amount for line in played.lines if line.ledger_account == "cash") > 100_000

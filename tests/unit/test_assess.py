from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.messages import Signal
from libs.domain.names import TIMEFRAMES
from libs.domain.times import nanoseconds
from libs.quant.risk.assess import Verdict, Waiting, assess_all
from libs.quant.risk.lifetime import expires_at
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import Terms, View
from tests.factories import NOON, SECOND, a_limit, a_signal, a_view, an_open_order, the_limits

BOOK = ("fast", "ALFA")


def the_verdict(signal: Signal, view: View, limits: Limits | None = None) -> Verdict:
    [verdict] = assess_all([], [signal], view, limits or the_limits())
    return verdict


def placed(verdict: Verdict) -> list[tuple[int, int]]:
    """Number and signed lots of each order to place."""
    return [(leg.n, leg.signed) for leg in verdict.legs]


@pytest.mark.parametrize(
    ("target", "held", "kind", "legs"),
    [
        pytest.param(1.0, 0, "APPROVED", [(0, 1000)], id="entry"),
        pytest.param(0.5, 0, "APPROVED", [(0, 500)], id="half an entry"),
        pytest.param(1.0, 400, "APPROVED", [(0, 600)], id="adding"),
        pytest.param(0.25, 1000, "APPROVED", [(0, -750)], id="shrinking"),
        pytest.param(0.0, 1000, "APPROVED", [(0, -1000)], id="exit"),
        pytest.param(1.0, 1000, "NO_CHANGE", [], id="already there"),
        pytest.param(0.0, 0, "NO_CHANGE", [], id="flat and to be flat"),
        pytest.param(0.00001, 0, "NO_CHANGE", [], id="less than a lot"),
    ],
)
def test_from_target_to_order(target: float, held: int, kind: str, legs: list[tuple[int, int]]) -> None:
    cash = {"USD": Decimal(100_000 - held * 100)}  # worth 100,000 in all
    verdict = the_verdict(a_signal(target), a_view(positions={BOOK: held}, cash=cash))
    assert (verdict.kind, placed(verdict)) == (kind, legs)


def test_an_order_is_a_limit_at_the_collar_rounded_towards_the_reference() -> None:
    buy = the_verdict(a_signal(0.1, reference_price=100.037), a_view()).legs[0]
    sell = the_verdict(a_signal(0.0, reference_price=100.037), a_view(positions={BOOK: 5})).legs[0]
    assert (buy.side, buy.price, sell.side, sell.price) == ("buy", 10_203, "sell", 9_804)


def test_without_a_collar_nothing_is_sent_at_any_price() -> None:
    verdict = the_verdict(a_signal(), a_view(), Limits([]))
    assert (verdict.kind, verdict.legs) == ("REFUSED", ())


def test_an_order_ends_with_the_next_bar_of_its_timeframe_and_the_grace() -> None:
    grace = SECOND // 4
    assert expires_at(a_signal(bar_time=NOON, decided_at=NOON + SECOND + grace), grace, "24/7") == NOON + 2 * SECOND + grace


def test_the_second_order_of_a_flip_ends_with_the_next_bar_that_begins_after_its_exit_was_filled() -> None:
    later = a_signal(bar_time=NOON, decided_at=NOON + 2 * SECOND + SECOND // 3)
    assert expires_at(later, 0, "24/7") == NOON + 4 * SECOND


def test_an_order_on_a_friday_s_daily_bar_lives_until_the_end_of_monday_s() -> None:
    friday, tuesday = nanoseconds("2013-10-04T13:30:00Z"), nanoseconds("2013-10-08T13:30:00Z")
    known = friday + TIMEFRAMES["1d"]
    assert expires_at(a_signal(bar_time=friday, decided_at=known, timeframe="1d"), 0, "us_equity") == tuesday


def test_a_share_of_the_accounts_equity_is_what_a_strategy_trades_with() -> None:
    view = a_view(terms={"fast": Terms(allocation=0.1)}, cash={"USD": Decimal(50_000)}, positions={("slow", "ALFA"): 100})
    assert placed(the_verdict(a_signal(), view)) == [(0, 60)]


@pytest.mark.parametrize(
    ("target", "allow_short", "legs"),
    [
        pytest.param(1.0, False, [(0, 250)], id="long, to the largest position"),
        pytest.param(-1.0, True, [(0, -250)], id="short, to the largest position"),
        pytest.param(-1.0, False, [], id="short where none may be: flat"),
    ],
)
def test_a_target_is_cut_to_what_the_book_may_hold(target: float, allow_short: bool, legs: list[tuple[int, int]]) -> None:
    limits = the_limits(a_limit("max_position_notional", 0.25, scope="strategy", unit="equity"))
    assert placed(the_verdict(a_signal(target), a_view(allow_short=allow_short), limits)) == legs


@pytest.mark.parametrize("allow_short", [False, True])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_an_account_worth_less_than_nothing_only_goes_flat(target: float, allow_short: bool) -> None:
    view = a_view(cash={"USD": Decimal(-2000)}, positions={BOOK: 10}, allow_short=allow_short)
    limits = the_limits(a_limit("max_position_notional", 0.25, scope="strategy", unit="equity"))
    verdict = the_verdict(a_signal(target), view, limits)
    assert (verdict.kind, placed(verdict)) == ("APPROVED", [(0, -10)])


@pytest.mark.parametrize(
    ("target", "held", "kind"),
    [
        pytest.param(0.505, 500, "NO_CHANGE", id="less than the band"),
        pytest.param(0.51, 500, "APPROVED", id="exactly the band"),
        pytest.param(0.0, 5, "APPROVED", id="flat is always traded"),
    ],
)
def test_a_change_within_the_no_trade_band_is_not_traded(target: float, held: int, kind: str) -> None:
    view = a_view(terms={"fast": Terms(1.0, no_trade_band=0.01)}, positions={BOOK: held}, cash={"USD": Decimal(100_000 - held * 100)})
    assert the_verdict(a_signal(target), view).kind == kind


def test_a_flip_places_the_exit_and_waits_then_places_the_entry() -> None:
    view = a_view(allow_short=True, positions={BOOK: 100}, cash={"USD": Decimal(90_000)})
    signal = a_signal(-0.5)
    verdict = the_verdict(signal, view)
    assert (verdict.kind, placed(verdict)) == ("WAITING", [(0, -100)])

    flat = a_view(allow_short=True)
    [again] = assess_all([Waiting(signal, 1)], [], flat, the_limits())
    assert (again.kind, placed(again)) == ("APPROVED", [(1, -500)])


def test_open_orders_of_the_book_have_to_end_first() -> None:
    mine, theirs = an_open_order(300), an_open_order(300, strategy_id="slow", n=2)
    verdict = the_verdict(a_signal(0.5), a_view(open_orders=[mine, theirs]))
    assert (verdict.kind, verdict.cancels, verdict.legs) == ("WAITING", (mine,), ())


def test_open_orders_that_lead_to_the_target_are_left_alone() -> None:
    view = a_view(positions={BOOK: 200}, open_orders=[an_open_order(300)], cash={"USD": Decimal(80_000)})
    verdict = the_verdict(a_signal(0.5), view)
    assert (verdict.kind, verdict.cancels) == ("NO_CHANGE", ())


def test_a_waiting_signal_is_not_decided_while_its_book_has_an_open_order() -> None:
    view = a_view(open_orders=[an_open_order(300)])
    assert assess_all([Waiting(a_signal(), 0)], [], view, the_limits()) == []


def test_a_waiting_signal_is_decided_once_its_book_is_free() -> None:
    [verdict] = assess_all([Waiting(a_signal(0.5), 0)], [], a_view(), the_limits())
    assert (verdict.kind, placed(verdict)) == ("APPROVED", [(0, 500)])


@pytest.mark.parametrize(("late", "kind"), [(0, "APPROVED"), (1, "EXPIRED")])
def test_a_waiting_signal_expires_after_its_last_moment(late: int, kind: str) -> None:
    view = a_view(now=NOON + late)
    [verdict] = assess_all([Waiting(a_signal(valid_until=NOON), 0)], [], view, the_limits())
    assert verdict.kind == kind


def test_a_newer_signal_of_the_book_supersedes_one_that_waits() -> None:
    old, other = a_signal(0.5), a_signal(0.5, strategy_id="slow")
    newer = a_signal(0.25, bar_time=NOON)
    found = assess_all([Waiting(old, 0), Waiting(other, 0)], [newer], a_view(), the_limits())
    assert {v.signal.signal_id: v.kind for v in found} == {
        old.signal_id: "SUPERSEDED",
        other.signal_id: "APPROVED",
        newer.signal_id: "APPROVED",
    }


def test_of_two_signals_in_one_batch_that_wait_the_newer_supersedes_and_the_cancel_stays() -> None:
    first, second = a_signal(0.5), a_signal(0.25, bar_time=NOON)
    resting = an_open_order(300)
    found = assess_all([], [first, second], a_view(open_orders=[resting]), the_limits())
    assert [(v.signal, v.kind, v.cancels) for v in found] == [(first, "SUPERSEDED", (resting,)), (second, "WAITING", (resting,))]


def test_each_signal_sees_what_those_before_it_reserved() -> None:
    limits = the_limits(a_limit("max_gross_exposure", 60_000))
    fast, slow = a_signal(0.5), a_signal(0.5, strategy_id="slow")
    for order in ([fast, slow], [slow, fast]):
        found = assess_all([], order, a_view(), limits)
        assert [(v.signal, v.kind) for v in found] == [(order[0], "APPROVED"), (order[1], "REFUSED")]


def test_a_signal_of_the_same_book_in_one_batch_finds_the_order_just_approved() -> None:
    first, exit_ = a_signal(0.5), a_signal(0.0, bar_time=NOON)
    approved, waits = assess_all([], [first, exit_], a_view(), the_limits())
    assert (approved.kind, waits.kind) == ("APPROVED", "WAITING")
    assert [o.signed for o in waits.cancels] == [500]


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(a_limit("max_gross_exposure", 10_000), id="gross exposure"),
        pytest.param(a_limit("max_position_notional", 10_000), id="position"),
        pytest.param(a_limit("max_orders_per_minute", 10, unit="count"), id="order rate"),
    ],
)
def test_of_a_hundred_signals_racing_for_room_for_ten_ten_pass(limit: Any) -> None:
    names = [f"s{n}" for n in range(100)]
    view = a_view(terms={name: Terms(0.01) for name in names})
    found = assess_all([], [a_signal(strategy_id=name) for name in names], view, the_limits(limit))
    assert [v.kind for v in found] == ["APPROVED"] * 10 + ["REFUSED"] * 90


@pytest.mark.parametrize("looked_before", [False, True])
def test_an_approved_order_is_reserved_once(looked_before: bool) -> None:
    view = a_view(positions={BOOK: 5})
    if looked_before:
        assert view.exposure_lots("ALFA") == (5, 5)
    view.reserve(an_open_order(10))
    view.reserve(an_open_order(-3, strategy_id="slow"))
    assert view.exposure_lots("ALFA") == (2, 15)
    assert view.exposure_lots("ALFA", "fast") == (5, 15)


targets = st.floats(-1, 1).map(lambda x: round(x, 3))
signals = st.lists(
    st.builds(
        a_signal,
        target=targets,
        strategy_id=st.sampled_from(["fast", "slow"]),
        symbol=st.sampled_from(["ALFA", "BTC/USD"]),
        bar_time=st.integers(1, 10**6),
    ),
    max_size=12,
    unique_by=lambda s: s.signal_id,
)
holdings = st.dictionaries(
    st.tuples(st.sampled_from(["fast", "slow"]), st.sampled_from(["ALFA", "BTC/USD"])), st.integers(-100, 100), max_size=4
)
POSITION, GROSS = 30_000.0, 50_000.0
BOUNDS = the_limits(a_limit("max_position_notional", POSITION), a_limit("max_gross_exposure", GROSS))


def worst_exposures(view: View) -> list[float]:
    """By symbol, from nothing but positions and orders: the largest worth, either side, when only buys or only sells fill."""
    worst = []
    for symbol in ("ALFA", "BTC/USD"):
        held = sum(lots for (_, of), lots in view.positions.items() if of == symbol)
        orders = [o.signed for o in view.open_orders if o.symbol == symbol]
        most = max(abs(held + sum(n for n in orders if n * side > 0)) for side in (1, -1))
        worst.append(most * float(view.instruments[symbol].lot) * view.marks[symbol])
    return worst


@settings(max_examples=200)
@given(batch=signals, held=holdings, allow_short=st.booleans())
def test_whatever_is_approved_the_worst_that_can_fill_stays_within_the_limits(
    batch: Sequence[Signal], held: dict[tuple[str, str], int], allow_short: bool
) -> None:
    prices = {"ALFA": 100.0, "BTC/USD": 20_000.0}
    view = a_view(positions=dict(held), allow_short=allow_short, marks=prices)
    batch = [
        a_signal(s.target, strategy_id=s.strategy_id, symbol=s.symbol, bar_time=s.bar_time, reference_price=prices[s.symbol]) for s in batch
    ]
    before = worst_exposures(view)
    verdicts = assess_all([], batch, view, BOUNDS)
    after = worst_exposures(view)
    assert [v.signal for v in verdicts] == batch
    assert all(now <= max(POSITION, was) + 1e-6 for was, now in zip(before, after, strict=True))
    assert sum(after) <= max(GROSS, sum(before)) + 1e-6
    orders = [(v.signal.strategy_id, v.signal.symbol) for v in verdicts if v.legs]
    assert len(orders) == len(set(orders))  # one open order a book

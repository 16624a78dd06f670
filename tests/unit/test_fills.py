import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.market import Bar, QuoteBar
from libs.domain.orders import Side
from libs.quant.fills import FillEvent, FillTerms, Offer, SimFill, fee, fill, may_fill, offer
from tests.paper import ALFA, COIN, D, a_quote

FREE = FillTerms()
MINUTE = 60_000_000_000
SIDES: st.SearchStrategy[Side] = st.sampled_from(["buy", "sell"])


def a_bar(start: int = 0, open_: float = 100.0, high: float = 101.0, low: float = 99.0, volume: float = 1000.0) -> Bar:
    return Bar(venue="TEST", symbol="ALFA", seq=1, timeframe="1m", start=start, open=open_, high=high, low=low, close=low, volume=volume)


def a_quote_bar(ask_open: float = 100.02, bid_open: float = 99.98) -> QuoteBar:
    return QuoteBar(
        venue="TEST",
        symbol="ALFA",
        seq=1,
        timeframe="1m",
        start=0,
        bid_open=bid_open,
        bid_high=100.50,
        bid_low=99.0,
        bid_close=99.5,
        bid_size=300.0,
        ask_open=ask_open,
        ask_high=101.0,
        ask_low=99.50,
        ask_close=99.6,
        ask_size=200.0,
    )


@pytest.mark.parametrize(
    ("event", "side", "offered"),
    [
        pytest.param(a_quote(1, size=7.0), "buy", Offer(10001, 10001, 7), id="a quote's ask to buy"),
        pytest.param(a_quote(1, size=7.0), "sell", Offer(9999, 9999, 7), id="its bid to sell"),
        pytest.param(a_quote_bar(), "buy", Offer(10002, 9950, 200), id="a quote bar's ask open, then its low"),
        pytest.param(a_quote_bar(), "sell", Offer(9998, 10050, 300), id="its bid open, then its high"),
        pytest.param(a_bar(), "buy", Offer(10000, 9900, 100), id="a bar's open and low, a tenth of its volume"),
        pytest.param(a_bar(), "sell", Offer(10000, 10100, 100), id="a bar's open and high"),
    ],
)
def test_an_event_offers_each_side_its_price_and_size(event: FillEvent, side: Side, offered: Offer) -> None:
    assert offer(event, side, ALFA, FREE) == offered


@pytest.mark.parametrize(
    ("event", "side", "first"),
    [
        pytest.param(a_bar(), "buy", 10003, id="bar, buy: half spread and slippage in one move"),
        pytest.param(a_bar(), "sell", 9997, id="bar, sell"),
        pytest.param(a_quote(1, bid=99.0, ask=100.0), "buy", 10002, id="a quote already has its spread"),
        pytest.param(a_quote_bar(ask_open=100.0), "buy", 10002, id="so has a quote bar"),
    ],
)
def test_costs_are_in_the_offered_price(event: FillEvent, side: Side, first: int) -> None:
    offered = offer(event, side, ALFA, FillTerms(half_spread_bps=D(1), slippage_bps=D("1.5")))
    assert offered is not None
    assert offered.first == first


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(a_quote(1, ask=math.nan), id="no price"),
        pytest.param(a_quote(1, ask=0.0), id="price of zero"),
        pytest.param(a_quote(1, ask=0.001), id="less than half a tick"),
        pytest.param(a_quote(1, size=0.0), id="no size"),
        pytest.param(a_quote(1, size=math.nan), id="size unknown"),
        pytest.param(a_quote(1, size=0.9), id="less than a lot"),
        pytest.param(a_bar(volume=9.0), id="a tenth of the volume is no lot"),
    ],
)
def test_an_empty_side_offers_nothing(event: FillEvent) -> None:
    assert offer(event, "buy", ALFA, FREE) is None


def test_a_size_beyond_counting_is_simply_large() -> None:
    offered = offer(a_quote(1, size=1e300, symbol="BTC/USD"), "buy", COIN, FREE)
    assert offered is not None
    assert offered.lots == 2**52


def test_without_a_bound_a_bar_fills_any_quantity() -> None:
    offered = offer(a_bar(volume=0.0), "buy", ALFA, FillTerms(bar_participation=None))
    assert offered is not None
    assert fill("buy", None, 10**9, offered) == SimFill(10**9, 10000)


@pytest.mark.parametrize(
    ("side", "limit", "filled"),
    [
        pytest.param("buy", None, SimFill(5, 100), id="no limit: the open"),
        pytest.param("buy", 101, SimFill(5, 100), id="open within the limit: the open"),
        pytest.param("buy", 100, SimFill(5, 100), id="open at the limit"),
        pytest.param("buy", 99, SimFill(5, 99), id="traded through: the limit"),
        pytest.param("buy", 90, None, id="only touched"),
        pytest.param("buy", 89, None, id="never reached"),
        pytest.param("sell", 99, SimFill(5, 100), id="sell: open within the limit"),
        pytest.param("sell", 109, SimFill(5, 109), id="sell: traded through"),
        pytest.param("sell", 110, None, id="sell: only touched"),
    ],
)
def test_a_limit_fills_at_the_open_or_at_the_limit_when_traded_through(side: Side, limit: int | None, filled: SimFill | None) -> None:
    assert fill(side, limit, 5, Offer(100, 90 if side == "buy" else 110, 1000)) == filled


def test_costs_beyond_the_limit_are_no_fill() -> None:
    offered = offer(a_quote(1, ask=100.0), "buy", ALFA, FillTerms(slippage_bps=D(1)))
    assert offered is not None
    assert fill("buy", 10000, 5, offered) is None
    assert fill("buy", 10001, 5, offered) == SimFill(5, 10001)


@given(
    side=SIDES,
    limit=st.integers(50, 150),
    want=st.integers(1, 100),
    prices=st.tuples(*[st.integers(50, 150)] * 2),
    lots=st.integers(1, 100),
)
def test_no_fill_is_beyond_the_limit_or_more_than_wanted_or_offered(
    side: Side, limit: int, want: int, prices: tuple[int, int], lots: int
) -> None:
    first, best = max(prices), min(prices)
    if side == "sell":
        first, best = best, first
    filled = fill(side, limit, want, Offer(first, best, lots))
    assert filled is None or (filled.lots == min(want, lots) and min(first, best) <= filled.price_ticks <= max(first, best))
    assert filled is None or (filled.price_ticks <= limit if side == "buy" else filled.price_ticks >= limit)


@given(
    side=SIDES,
    price=st.floats(0.01, 10_000),
    size=st.floats(0, 1e6),
    slippage=st.decimals(0, 100, places=2),
    share=st.decimals(D("0.001"), 1, places=3),
)
def test_an_offer_is_never_better_than_the_quote_nor_larger_than_its_share(
    side: Side, price: float, size: float, slippage: Decimal, share: Decimal
) -> None:
    quote = a_quote(1, bid=price, ask=price, size=size)
    offered = offer(quote, side, ALFA, FillTerms(slippage_bps=slippage, participation=share))
    nearest = math.floor(price / 0.01 + 0.5)
    assert offered is None or (offered.first >= nearest if side == "buy" else offered.first <= nearest)
    assert offered is None or offered.lots <= (size + 0.01) * float(share)


@pytest.mark.parametrize(
    ("ts", "may"),
    [
        pytest.param(110, False, id="at decision and latency"),
        pytest.param(111, True, id="after it"),
        pytest.param(200, True, id="at the order's end"),
        pytest.param(201, False, id="after its end"),
    ],
)
def test_a_quote_fills_after_decision_and_latency_until_the_end(ts: int, may: bool) -> None:
    assert may_fill(a_quote(ts), decided_at=100, expires_at=200, latency=10, grace=0) is may


@pytest.mark.parametrize(
    ("start", "latency", "grace", "may"),
    [
        pytest.param(10 * MINUTE, 0, 0, True, id="the bar that begins at the decided bar's end"),
        pytest.param(9 * MINUTE, 0, 0, False, id="the decided bar itself"),
        pytest.param(10 * MINUTE, MINUTE - 1, 0, True, id="a latency shorter than a bar is none"),
        pytest.param(10 * MINUTE, MINUTE, 0, False, id="a latency of a bar is one"),
        pytest.param(11 * MINUTE, MINUTE, 0, True, id="and met by the bar after"),
        pytest.param(12 * MINUTE, 0, 0, False, id="known after the order's end"),
        pytest.param(10 * MINUTE, 0, 250, True, id="the grace is no delay"),
        pytest.param(11 * MINUTE, 0, 250, True, id="known, with grace, at the order's end"),
    ],
)
def test_a_bar_fills_from_the_decided_bars_end(start: int, latency: int, grace: int, may: bool) -> None:
    assert may_fill(a_bar(start), decided_at=10 * MINUTE + grace, expires_at=12 * MINUTE + grace, latency=latency, grace=grace) is may


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param(FillTerms(), "0", id="free"),
        pytest.param(FillTerms(fee_bps=D("0.7")), "0.0233345", id="of the notional, not rounded to cents"),
        pytest.param(FillTerms(fee_per_unit=D("0.005")), "0.015", id="per share"),
        pytest.param(FillTerms(fee_per_unit=D("0.005"), fee_min=D(1)), "1", id="at least"),
    ],
)
def test_fees_are_exact(terms: FillTerms, expected: str) -> None:
    assert fee(terms, D(3), D("111.1166666666666"), D(1)).quantize(D("1e-7")) == D(expected)


def test_fees_count_the_multiplier_and_have_twelve_decimals() -> None:
    paid = fee(FillTerms(fee_bps=D("0.333")), D(2), D("4500.25"), D(50))
    assert paid == D("14.9858325")
    assert paid.as_tuple().exponent == -12


@pytest.mark.parametrize(
    "wrong", [{"slippage_bps": D(-1)}, {"fee_min": D("NaN")}, {"participation": D(0)}, {"bar_participation": D("1.1")}]
)
def test_terms_that_make_no_sense_are_named(wrong: dict[str, Decimal]) -> None:
    with pytest.raises(ValueError, match=f"expected {next(iter(wrong))}"):
        FillTerms(**wrong)


def test_a_price_off_the_grid_counts_as_the_nearest_tick() -> None:
    offered = offer(a_quote(1, ask=100.014), "buy", ALFA, FREE)
    assert offered is not None
    assert offered.first == 10001

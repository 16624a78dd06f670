"""Order types at the simulated venue: which bar or quote fills an order, and at which price."""

from decimal import Decimal
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.market import Bar, MarketEvent, QuoteBar
from libs.domain.orders import Order, OrderType, Side
from libs.domain.trades import Fill
from libs.quant.exchange.book import Book, Ended, Filled, Moved, Opened, Record
from libs.quant.exchange.rules import Rules
from libs.quant.exchange.venue import Turned, Venue
from libs.quant.fills import FillOn, FillTerms
from tests.paper import ALFA, DEPOSIT, TEN, D, a_quote, an_order

MINUTE = 60_000_000_000
FREE = FillTerms()
TEN_BPS = FillTerms(slippage_bps=D(10))
ALL: frozenset[OrderType] = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop"})


def a_bar(n: int, open_: float, high: float, low: float, close: float, volume: float = 10_000.0) -> Bar:
    """The bar of the n-th minute."""
    return Bar(
        venue="TEST",
        symbol="ALFA",
        seq=n + 1,
        timeframe="1m",
        start=n * MINUTE,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
    )


def a_quote_bar(n: int, bid: tuple[float, float, float, float], ask: tuple[float, float, float, float]) -> QuoteBar:
    names = [f"{side}_{at}" for side in ("bid", "ask") for at in ("open", "high", "low", "close")]
    prices = dict(zip(names, bid + ask, strict=True))
    return QuoteBar(venue="TEST", symbol="ALFA", seq=n + 1, timeframe="1m", start=n * MINUTE, bid_size=50.0, ask_size=50.0, **prices)


def an(
    order_type: OrderType,
    side: Side = "sell",
    *,
    n: int = 1,
    price: str | None = None,
    stop: str | None = None,
    trail: str | None = None,
    oco: str = "",
    quantity: Decimal = TEN,
    decided_at: int = 0,
) -> Order:
    order = an_order(n, side=side, quantity=quantity, price=D(price) if price else None, time_in_force="GTC", decided_at=decided_at)
    more = {"stop_price": stop and D(stop), "trail": trail and D(trail)}
    return msgspec.structs.replace(order, order_type=order_type, oco=oco, **more)


def a_venue(
    *,
    terms: FillTerms = FREE,
    fill_on: FillOn = "bar",
    types: frozenset[OrderType] = ALL,
    on_credit: bool = True,
    allow_short: bool = False,
    held: int = 0,
) -> Venue:
    book = Book()
    book.apply(Opened(account_id="paper", deposit=DEPOSIT))
    book.positions["ALFA"] = D(held)
    return Venue(book, Rules({"ALFA": ALFA}, {"ALFA": fill_on}, terms, 0, 0, allow_short, types, on_credit))


def taken(venue: Venue, *orders: Order) -> Venue:
    for order in orders:
        venue.applied([venue.take(order)])
    return venue


def known(event: MarketEvent) -> int:
    return event.start + MINUTE if isinstance(event, Bar | QuoteBar) else event.ts


def shown(venue: Venue, *events: MarketEvent) -> list[Record]:
    """What the venue makes of events that become known one after another."""
    return [record for event in events for record in venue.hear([event], known(event))]


def fills(records: list[Record]) -> list[Fill]:
    return [record.fill for record in records if isinstance(record, Filled)]


def prices(order: Order, *events: MarketEvent, terms: FillTerms = FREE, fill_on: FillOn = "bar") -> list[Decimal]:
    """At which prices one order fills."""
    return [fill.price for fill in fills(shown(taken(a_venue(terms=terms, fill_on=fill_on), order), *events))]


def ended(records: list[Record]) -> list[str]:
    return [record.client_order_id for record in records if isinstance(record, Ended)]


def names(*orders: Order) -> list[str]:
    return [order.client_order_id for order in orders]


# --- market and limit


def test_a_market_order_fills_at_the_open() -> None:
    assert prices(an("market", "buy"), a_bar(0, 100.25, 101, 99, 100)) == [D("100.25")]


@pytest.mark.parametrize(
    ("side", "limit", "bar", "price"),
    [
        pytest.param("buy", "100.00", (99.50, 101, 99, 100), "99.50", id="buy: open inside"),
        pytest.param("buy", "100.00", (100.50, 101, 99.99, 100), "100.00", id="buy: traded through later"),
        pytest.param("buy", "100.00", (100.50, 101, 100.00, 100), None, id="buy: only touched"),
        pytest.param("sell", "100.00", (100.50, 101, 99, 100), "100.50", id="sell: open inside"),
        pytest.param("sell", "100.00", (99.50, 100.01, 99, 100), "100.00", id="sell: traded through later"),
        pytest.param("sell", "100.00", (99.50, 100.00, 99, 100), None, id="sell: only touched"),
    ],
)
def test_a_limit_order_fills_at_the_open_or_at_its_limit(
    side: Side, limit: str, bar: tuple[float, float, float, float], price: str | None
) -> None:
    assert prices(an("limit", side, price=limit), a_bar(0, *bar)) == ([] if price is None else [D(price)])


def test_a_limit_order_rests_until_a_bar_trades_through_it() -> None:
    bars = a_bar(0, 100, 101, 99, 100), a_bar(1, 100, 101, 98.5, 100)
    assert [(fill.price, fill.executed_at) for fill in fills(shown(taken(a_venue(), an("limit", "buy", price="98.60")), *bars))] == [
        (D("98.60"), MINUTE)
    ]


# --- stop and stop-limit


@pytest.mark.parametrize(
    ("side", "stop", "bar", "price", "with_slippage"),
    [
        pytest.param("sell", "99.00", (100, 101, 98.50, 100), "99.00", "98.90", id="sell: crossed within the bar"),
        pytest.param("sell", "99.00", (100, 101, 99.00, 100), "99.00", "98.90", id="sell: just touched"),
        pytest.param("sell", "99.00", (98.50, 101, 98, 100), "98.50", "98.40", id="sell: gapped over"),
        pytest.param("sell", "99.00", (100, 101, 99.01, 100), None, None, id="sell: not touched"),
        pytest.param("buy", "101.00", (100, 101.50, 99, 100), "101.00", "101.11", id="buy: crossed within the bar"),
        pytest.param("buy", "101.00", (100, 101.00, 99, 100), "101.00", "101.11", id="buy: just touched"),
        pytest.param("buy", "101.00", (101.50, 102, 99, 100), "101.50", "101.61", id="buy: gapped over"),
        pytest.param("buy", "101.00", (100, 100.99, 99, 100), None, None, id="buy: not touched"),
    ],
)
def test_a_stop_fills_at_its_price_or_at_an_open_beyond_it(
    side: Side, stop: str, bar: tuple[float, float, float, float], price: str | None, with_slippage: str | None
) -> None:
    order = an("stop", side, stop=stop)
    assert prices(order, a_bar(0, *bar)) == ([] if price is None else [D(price)])
    assert prices(order, a_bar(0, *bar), terms=TEN_BPS) == ([] if with_slippage is None else [D(with_slippage)])


def test_a_stop_that_was_touched_is_a_market_order_from_then_on() -> None:
    bars = a_bar(0, 100, 101, 98, 100, volume=60.0), a_bar(1, 100.5, 101, 100, 100)  # six lots at first
    assert [(f.price, f.quantity) for f in fills(shown(taken(a_venue(), an("stop", stop="99.00")), *bars))] == [
        (D("99.00"), D(6)),
        (D("100.50"), D(4)),
    ]


def test_a_stop_touched_in_a_bar_with_too_little_to_take_fills_at_the_next_open() -> None:
    assert prices(an("stop", stop="99.00"), a_bar(0, 100, 101, 98, 100, volume=9.0), a_bar(1, 100.5, 101, 100, 100)) == [D("100.50")]


@pytest.mark.parametrize("nothing", [0.0, float("nan")])
def test_a_side_without_a_price_touches_no_stop(nothing: float) -> None:
    assert prices(an("stop", stop="99.00"), a_quote(1, bid=nothing), a_quote(2, bid=99.5), fill_on="quote") == []


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        pytest.param([(100, 101, 98.50, 99)], ["99.00"], id="touched within the bar: at the stop"),
        pytest.param([(98.95, 101, 98, 99)], ["98.95"], id="gapped over, within the limit: at the open"),
        pytest.param([(98.50, 101, 98, 99)], [], id="gapped over the limit too: it rests, whatever the bar does later"),
        pytest.param([(98.50, 98.60, 98, 98), (98.50, 98.91, 98, 98)], ["98.90"], id="and fills as a limit order"),
        pytest.param([(98.50, 98.60, 98, 98), (98.50, 98.90, 98, 98)], [], id="which a touch does not fill"),
        pytest.param([(100, 101, 99.01, 100), (99.95, 101, 99.01, 100)], [], id="not touched: the limit is no order yet"),
    ],
)
def test_a_stop_limit_is_a_limit_order_from_the_touch_on(bars: list[tuple[float, float, float, float]], expected: list[str]) -> None:
    order = an("stop_limit", stop="99.00", price="98.90")
    assert prices(order, *(a_bar(n, *bar) for n, bar in enumerate(bars))) == [D(price) for price in expected]


def test_a_stop_limit_never_fills_beyond_its_limit_with_costs_either() -> None:
    bar = a_bar(0, 100, 101, 98.50, 99)
    assert prices(an("stop_limit", stop="99.00", price="98.91"), bar, terms=TEN_BPS) == []
    assert prices(an("stop_limit", stop="99.00", price="98.90"), bar, terms=TEN_BPS) == [D("98.90")]


# --- trailing stop


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        pytest.param([(100, 102, 99.50, 101.50), (101.60, 101.80, 100.50, 101)], ["101.00"], id="follows the high of the bar before"),
        pytest.param([(100, 105, 98.90, 104.50)], ["99.00"], id="is judged where it stood before the bar's own high"),
        pytest.param([(100, 103, 99.50, 101.90)], ["102.00"], id="is crossed after the high when the close is below"),
        pytest.param([(100, 103, 99.50, 102.00)], ["102.00"], id="or at it"),
        pytest.param([(100, 103, 99.50, 102.01)], [], id="but not when the close is above"),
        pytest.param([(100, 103, 99.50, 102.50), (101.50, 102, 101, 102)], ["101.50"], id="is gapped over"),
        pytest.param([(100, 103, 99.50, 102.50), (102.50, 102.60, 102.10, 102.40), (102.40, 103, 102, 102.50)], ["102.00"], id="stays"),
        pytest.param([(100, 100.50, 99.50, 99.60)], [], id="not touched yet"),
    ],
)
def test_a_trailing_stop_keeps_its_distance_from_the_best_price_before(
    bars: list[tuple[float, float, float, float]], expected: list[str]
) -> None:
    order = an("trailing_stop", trail="1.00")
    assert prices(order, *(a_bar(n, *bar) for n, bar in enumerate(bars))) == [D(price) for price in expected]


def test_a_trailing_stop_begins_where_it_was_told_to() -> None:
    order = an("trailing_stop", stop="97.00", trail="1.00")
    assert prices(order, a_bar(0, 97.50, 97.60, 97.10, 97.50)) == []
    assert prices(order, a_bar(0, 97.50, 97.60, 97.00, 97.50)) == [D("97.00")]


def test_a_trailing_stop_that_moved_says_where_it_stands_and_a_book_read_again_knows() -> None:
    venue = taken(a_venue(), an("trailing_stop", trail="1.00"))
    [moved] = shown(venue, a_bar(0, 100, 102, 99.50, 101.50))
    assert isinstance(moved, Moved)
    assert (moved.stop, moved.triggered, moved.heard) == (10100, False, (0, 1))
    again = taken(a_venue(), an("trailing_stop", trail="1.00"))
    again.applied([moved])
    assert fills(shown(again, a_bar(1, 101.60, 101.80, 100.50, 101)))[0].price == D("101.00")


# --- both sides


class Ticks(NamedTuple):
    """A bar, in ticks away from 100.00."""

    open: int
    high: int
    low: int
    close: int

    def bar(self, n: int, sign: int) -> Bar:
        prices = sorted((100 + sign * self.low / 100, 100 + sign * self.high / 100))
        return a_bar(n, 100 + sign * self.open / 100, prices[1], prices[0], 100 + sign * self.close / 100)


@st.composite
def some_ticks(draw: st.DrawFn) -> Ticks:
    open_, close = draw(st.integers(-300, 300)), draw(st.integers(-300, 300))
    return Ticks(open_, max(open_, close) + draw(st.integers(0, 100)), min(open_, close) - draw(st.integers(0, 100)), close)


OFFSETS = st.integers(-300, 300)


@given(
    order_type=st.sampled_from(sorted(ALL)),
    price=OFFSETS,
    stop=OFFSETS,
    trail=st.integers(1, 200),
    bars=st.lists(some_ticks(), min_size=1, max_size=6),
)
def test_a_mirrored_market_fills_the_other_side_at_mirrored_prices(
    order_type: OrderType, price: int, stop: int, trail: int, bars: list[Ticks]
) -> None:
    found = []
    for side, sign in (("buy", 1), ("sell", -1)):
        order = msgspec.structs.replace(
            an(order_type, "buy" if side == "buy" else "sell"),
            price=D(10_000 + sign * price) / 100,
            stop_price=None if order_type == "trailing_stop" and price < 0 else D(10_000 + sign * stop) / 100,
            trail=D(trail) / 100,
        )
        made = fills(shown(taken(a_venue(), order), *(ticks.bar(n, sign) for n, ticks in enumerate(bars))))
        found.append([((fill.price - 100) * sign, fill.executed_at) for fill in made])
    assert found[0] == found[1]


# --- one cancels the other


STOP = an("stop", stop="98.00", oco="exit")
TARGET = an("limit", n=2, price="103.00", oco="exit")


@pytest.mark.parametrize("orders", [(STOP, TARGET), (TARGET, STOP)], ids=["stop first", "target first"])
def test_of_a_stop_and_a_target_in_one_bar_the_stop_fills(orders: tuple[Order, Order]) -> None:
    records = shown(taken(a_venue(), *orders), a_bar(0, 100, 104, 97, 100))
    assert [(fill.client_order_id, fill.price) for fill in fills(records)] == [(STOP.client_order_id, D("98.00"))]
    assert ended(records) == names(TARGET)


def test_a_target_that_the_open_is_beyond_fills_before_the_stop_can_be_touched() -> None:
    records = shown(taken(a_venue(), STOP, TARGET), a_bar(0, 103.50, 104, 97, 100))
    assert [(fill.client_order_id, fill.price) for fill in fills(records)] == [(TARGET.client_order_id, D("103.50"))]
    assert ended(records) == names(STOP)


def test_a_target_that_costs_keep_from_the_open_comes_after_the_stop() -> None:
    records = shown(taken(a_venue(terms=TEN_BPS), STOP, TARGET), a_bar(0, 103.05, 104, 97, 100))
    assert ended(records) == names(TARGET)


@pytest.mark.parametrize(
    ("bar", "price", "left"),
    [((100, 104, 99, 100), "103.00", STOP), ((100, 102, 97, 100), "98.00", TARGET)],
    ids=["target", "stop"],
)
def test_the_one_that_fills_cancels_the_other(bar: tuple[float, float, float, float], price: str, left: Order) -> None:
    venue = taken(a_venue(), STOP, TARGET)
    records = shown(venue, a_bar(0, *bar), a_bar(1, 100, 104, 97, 100))
    assert [fill.price for fill in fills(records)] == [D(price)]
    assert ended(records) == names(left)
    assert venue.book.open == {}


def test_a_part_filled_cancels_the_other_and_the_rest_goes_on() -> None:
    records = shown(taken(a_venue(), STOP, TARGET), a_bar(0, 100, 104, 99, 100, volume=40.0), a_bar(1, 100, 104, 97, 100))
    assert [(fill.price, fill.quantity) for fill in fills(records)] == [(D("103.00"), D(4)), (D("103.00"), D(6))]
    assert ended(records) == names(STOP)


def test_a_trailing_stop_that_only_moves_cancels_nothing() -> None:
    trailing = an("trailing_stop", trail="1.00", oco="exit")
    venue = taken(a_venue(), trailing, TARGET)
    assert ended(shown(venue, a_bar(0, 100, 102, 99.50, 101.50))) == []
    assert ended(shown(venue, a_bar(1, 101.50, 101.60, 100, 101))) == names(TARGET)


def test_pairs_of_other_names_are_left_alone() -> None:
    other = an("limit", n=3, price="104.50", oco="another exit")
    venue = taken(a_venue(), STOP, TARGET, other)
    shown(venue, a_bar(0, 100, 104, 99, 100))
    assert [booked.order for booked in venue.book.resting("ALFA")] == [other]


# --- quotes and quote bars


def test_a_sell_stop_is_touched_by_the_bid_and_fills_at_it() -> None:
    order = an("stop", stop="99.00")
    quotes = a_quote(1, bid=99.01, ask=98.00), a_quote(2, bid=98.90, ask=99.50)
    assert prices(order, *quotes, fill_on="quote") == [D("98.90")]


def test_a_trailing_stop_follows_the_quotes() -> None:
    quotes = [a_quote(n, bid=bid, ask=bid + 0.02) for n, bid in enumerate((100.0, 101.0, 100.5, 99.99), 1)]
    assert prices(an("trailing_stop", trail="1.00"), *quotes, fill_on="quote") == [D("99.99")]


@pytest.mark.parametrize(
    ("order", "price"),
    [
        pytest.param(an("market", "buy"), "100.10", id="bought at the ask's open"),
        pytest.param(an("stop", "buy", stop="101.00"), "101.00", id="a buy stop is touched by the ask's high"),
        pytest.param(an("stop", stop="99.00"), "99.00", id="a sell stop by the bid's low"),
        pytest.param(an("stop", stop="98.95"), None, id="and by nothing else"),
        pytest.param(an("limit", price="100.80"), "100.80", id="a sell limit is traded through by the bid's high"),
        pytest.param(an("limit", "buy", price="99.10"), None, id="a buy limit not by the bid"),
    ],
)
def test_quote_bars_show_each_side_its_own_prices(order: Order, price: str | None) -> None:
    bar = a_quote_bar(0, bid=(100, 100.90, 99.00, 100), ask=(100.10, 101.00, 99.10, 100.10))
    assert prices(order, bar, fill_on="quote_bar") == ([] if price is None else [D(price)])


# --- what there is to take, and when


def test_orders_of_a_side_share_a_bars_volume_in_order_of_arrival_and_the_other_side_has_its_own() -> None:
    orders = an("market", "buy", n=3), an("stop", "buy", n=1, stop="100.50"), an("market", "sell", n=2)
    made = fills(shown(taken(a_venue(), *orders), a_bar(0, 100, 101, 99, 100, volume=150.0)))
    assert [fill.client_order_id for fill in made] == names(*orders)
    assert [fill.quantity for fill in made] == [D(10), D(5), D(10)]


def test_an_order_never_meets_the_bar_that_was_heard_before_it_came() -> None:
    venue = a_venue()
    bar = a_bar(0, 100, 101, 99, 100)
    shown(venue, bar)
    taken(venue, an("market", "buy"))
    assert fills(shown(venue, bar)) == []
    assert len(fills(shown(venue, a_bar(1, 100, 101, 99, 100)))) == 1


def test_an_order_never_meets_a_bar_that_began_before_it_was_decided() -> None:
    order = an("stop", stop="99.00", decided_at=MINUTE)
    assert prices(order, a_bar(0, 100, 101, 98, 100)) == []
    assert prices(order, a_bar(0, 100, 101, 98, 100), a_bar(1, 100, 101, 98, 100)) == [D("99.00")]


def test_an_order_ends_with_the_last_bar_that_it_may_meet() -> None:
    order = msgspec.structs.replace(an("stop", stop="99.00"), time_in_force="GTD", expires_at=MINUTE)
    venue = taken(a_venue(), order)
    assert ended(shown(venue, a_bar(0, 100, 101, 99.50, 100))) == names(order)
    assert fills(shown(venue, a_bar(1, 100, 101, 98, 100))) == []


def test_a_bar_known_after_an_orders_end_does_not_fill_it() -> None:
    order = msgspec.structs.replace(an("market", "buy"), time_in_force="GTD", expires_at=MINUTE - 1)
    assert prices(order, a_bar(0, 100, 101, 99, 100)) == []


# --- what it takes


@pytest.mark.parametrize("order_type", sorted(ALL - {"limit"}))
def test_a_venue_of_limit_orders_turns_the_others_down(order_type: OrderType) -> None:
    with pytest.raises(Turned, match=f"only limit orders are taken, got a {order_type} order"):
        a_venue(types=frozenset({"limit"})).take(an(order_type, price="100", stop="100", trail="1"))


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        pytest.param(an("limit"), "a limit order needs a price", id="limit"),
        pytest.param(an("stop_limit", stop="99"), "a stop_limit order needs a price", id="stop-limit without a limit"),
        pytest.param(an("stop_limit", price="99"), "a stop_limit order needs a stop price", id="stop-limit without a stop"),
        pytest.param(an("stop"), "a stop order needs a stop price", id="stop"),
        pytest.param(an("trailing_stop", stop="99"), "a trailing stop needs a distance", id="trailing stop"),
        pytest.param(an("stop", stop="99.005"), "price 99.005 is no multiple of 0.01", id="stop off the grid"),
        pytest.param(an("trailing_stop", trail="0"), "must be positive", id="no distance"),
    ],
)
def test_an_order_that_says_too_little_is_turned_down(order: Order, reason: str) -> None:
    with pytest.raises(Turned, match=reason):
        a_venue().take(order)


def test_on_credit_neither_cash_nor_shares_are_needed() -> None:
    venue = taken(a_venue(on_credit=True), an("market", "buy", quantity=D(10_000)), an("market", n=2, quantity=D(50_000)))
    shown(venue, a_bar(0, 100, 101, 99, 100, volume=1e7))
    assert venue.book.cash["USD"] == D(100_000 - 1_000_000 + 5_000_000)


def test_without_credit_a_market_order_is_not_bought() -> None:
    with pytest.raises(Turned, match="what a market order would cost is not known"):
        a_venue(on_credit=False).take(an("market", "buy"))


def test_without_credit_an_open_buy_stop_keeps_cash_for_its_price() -> None:
    venue = taken(a_venue(on_credit=False), an("stop", "buy", stop="110.00", quantity=D(900)))  # 99,000 of 100,000
    with pytest.raises(Turned, match=r"needs 1100\.\d+ USD, 1000\.\d+ is free"):
        venue.take(an("limit", "buy", n=2, price="110.00"))


def test_without_short_selling_no_more_is_sold_than_is_held() -> None:
    taken(a_venue(on_credit=False, held=10), an("stop", stop="99.00"))
    with pytest.raises(Turned, match="short selling is off"):
        a_venue(on_credit=False, held=9).take(an("stop", stop="99.00"))
    taken(a_venue(on_credit=False, allow_short=True), an("market"))


def test_orders_that_cancel_each_other_promise_their_quantity_once() -> None:
    venue = taken(a_venue(on_credit=False, held=15), STOP, TARGET)
    with pytest.raises(Turned, match="sells 6 ALFA, 5 is held and free"):
        venue.take(an("limit", n=3, price="105.00", quantity=D(6)))
    taken(venue, an("limit", n=3, price="105.00", quantity=D(5)))

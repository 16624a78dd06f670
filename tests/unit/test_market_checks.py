"""What the checks refuse, and what they let pass."""

from decimal import Decimal

import msgspec
import pytest

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.market import Bar, MarketEvent, Quote, QuoteBar, TradeTick
from libs.quant.market_checks import Checker

X = Instrument(symbol="X", venue="V", asset_class="equity", currency="USD", tick=Decimal("0.01"), lot=Decimal(1))
QUOTE = Quote(venue="V", symbol="X", seq=1, ts=100, bid=10.0, ask=10.1, bid_size=1.0, ask_size=0.0)
TRADE = TradeTick(venue="V", symbol="X", seq=1, ts=100, price=10.0, size=5.0)
BAR = Bar(venue="V", symbol="X", seq=1, timeframe="1m", start=0, open=10.0, high=12.0, low=9.0, close=11.0, volume=5.0)
QUOTE_BAR = QuoteBar(
    venue="V",
    symbol="X",
    seq=1,
    timeframe="1m",
    start=0,
    bid_open=10.0,
    bid_high=12.0,
    bid_low=9.0,
    bid_close=11.0,
    bid_size=1.0,
    ask_open=10.1,
    ask_high=12.1,
    ask_low=9.1,
    ask_close=11.1,
    ask_size=1.0,
)


def a_split(ratio: str, effective: int = 200) -> CorporateAction:
    return CorporateAction(venue="V", symbol="X", effective=effective, kind="split", ratio=Decimal(ratio))


def but(event: MarketEvent, **changes: float | str) -> MarketEvent:
    return msgspec.structs.replace(event, **changes)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(QUOTE, id="quote"),
        pytest.param(but(QUOTE, ask=10.0), id="locked quote"),
        pytest.param(TRADE, id="trade"),
        pytest.param(BAR, id="bar"),
        pytest.param(but(BAR, high=11.0, low=10.0), id="bar without wicks"),
        pytest.param(QUOTE_BAR, id="quote bar"),
    ],
)
def test_sound_events_pass(event: MarketEvent) -> None:
    assert Checker([X]).refusal(event) is None


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (but(QUOTE, symbol="Y"), "unknown_symbol: expected one of X, got Y"),
        (but(QUOTE, ask=float("nan")), "not_finite: expected a number as ask, got nan"),
        (but(TRADE, size=float("inf")), "not_finite: expected a number as size, got inf"),
        (but(TRADE, price=0.0), "not_positive: expected price above 0, got 0.0"),
        (but(QUOTE_BAR, ask_low=-1.0), "not_positive: expected ask_low above 0, got -1.0"),
        (but(BAR, volume=-1.0), "negative_volume: expected volume of 0 or more, got -1.0"),
        (but(QUOTE, bid_size=-2.0), "negative_volume: expected bid_size of 0 or more, got -2.0"),
        (but(QUOTE, bid=10.2), "crossed: expected bid <= ask, got bid 10.2 and ask 10.1"),
        (but(QUOTE_BAR, bid_open=10.2), "crossed: expected bid <= ask at the open, got bid 10.2 and ask 10.1"),
        (but(QUOTE_BAR, ask_close=10.9), "crossed: expected bid <= ask at the close, got bid 11.0 and ask 10.9"),
        (but(BAR, high=10.5), "high_low: expected low <= open, close <= high, got open 10.0, high 10.5, low 9.0, close 11.0"),
        (but(QUOTE_BAR, bid_low=10.5), "high_low: expected bid low <= open, close <= high, got open 10.0, high 12.0, low 10.5, close 11.0"),
    ],
)
def test_a_refusal_says_what_was_expected_and_what_came(event: MarketEvent, reason: str) -> None:
    assert Checker([X]).refusal(event) == reason


def test_an_event_before_the_last_of_its_kind_is_out_of_order() -> None:
    checker = Checker([X])
    assert checker.refusal(QUOTE) is None
    assert checker.refusal(but(TRADE, ts=50)) is None  # another kind
    assert checker.refusal(QUOTE) is None  # the same moment
    assert checker.refusal(but(QUOTE, ts=99)) == "out_of_order: expected a time from 100, got 99"


def test_a_stretch_of_time_has_one_bar_of_each_timeframe() -> None:
    checker = Checker([X])
    assert checker.refusal(BAR) is None
    assert checker.refusal(but(BAR, timeframe="1s")) is None
    assert checker.refusal(BAR) == "out_of_order: expected a time after 0, got 0"


def test_a_single_jump_is_refused_and_the_market_goes_on_where_it_was() -> None:
    checker = Checker([X])
    prices = [10.0, 15.1, 10.1, 4.9, 15.0]
    refused = [checker.refusal(but(TRADE, ts=ts, price=price)) for ts, price in enumerate(prices)]
    assert [reason and reason.split(":")[0] for reason in refused] == [None, "jump", None, "jump", None]
    assert refused[1] == "jump: expected a price within 50% of 10.0, got 15.1"


def test_the_second_price_in_a_row_at_a_new_level_is_believed() -> None:
    checker = Checker([X])
    prices = [70.0, 10.0, 10.1, 10.2, 70.0]
    refused = [checker.refusal(but(TRADE, ts=ts, price=price)) is not None for ts, price in enumerate(prices)]
    assert refused == [False, True, False, False, True]


@pytest.mark.parametrize(("ratio", "price"), [("7", 10.0), ("0.05", 1400.0)], ids=["7:1", "1:20"])
def test_the_first_price_after_a_split_is_compared_in_its_units(ratio: str, price: float) -> None:
    checker = Checker([X], [a_split(ratio)])
    assert checker.refusal(but(TRADE, ts=199, price=70.0)) is None
    assert checker.refusal(but(TRADE, ts=200, price=price)) is None
    assert checker.refusal(but(TRADE, ts=201, price=price * 1.1)) is None


def test_a_price_that_does_not_follow_the_split_is_a_jump() -> None:
    checker = Checker([X], [a_split("7")])
    assert checker.refusal(but(TRADE, ts=199, price=70.0)) is None
    assert checker.refusal(but(TRADE, ts=200, price=70.0)) == "jump: expected a price within 50% of 10.0, got 70.0"
    assert checker.refusal(but(TRADE, ts=201, price=4.9)) == "jump: expected a price within 50% of 10.0, got 4.9"


def test_a_coarse_bar_that_starts_before_the_open_of_the_split_is_in_new_units() -> None:
    hour = 3_600_000_000_000
    checker = Checker([X], [a_split("7", 2 * hour + hour // 2)])
    for start, price in ((hour, 70.0), (2 * hour, 10.0), (3 * hour, 10.5)):
        assert checker.refusal(but(BAR, timeframe="1h", start=start, open=price, high=price, low=price, close=price)) is None


def test_two_jumps_to_different_levels_are_two_refusals() -> None:
    checker = Checker([X])
    refused = [checker.refusal(but(TRADE, ts=ts, price=price)) is not None for ts, price in enumerate([10.0, 100.0, 1.0, 1.1])]
    assert refused == [False, True, True, False]

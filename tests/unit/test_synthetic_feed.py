"""The invented market keeps what docs/synthetic.md promises."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice, takewhile
from math import log
from statistics import pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.market import Quote, TradeTick
from libs.quant.bars import BarBuilder
from libs.quant.calendars import is_open
from libs.quant.market_checks import Checker
from libs.venues.feed import FeedStep, MarketDataFeed
from libs.venues.synthetic.feed import START, SyntheticFeed

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
CLOSE = START + 6 * HOUR + HOUR // 2
NEXT_OPEN = START + 24 * HOUR
STOCKS = ("ALFA", "BRVO", "CHAR", "DELT")


def until(end: int, steps: Iterator[FeedStep]) -> Iterator[FeedStep]:
    return takewhile(lambda step: step.time < end, steps)


@lru_cache(maxsize=1)
def first_hour() -> list[FeedStep]:
    return list(until(START + HOUR, SyntheticFeed(7).timeline(START)))


def ticks(steps: list[FeedStep]) -> list[Quote | TradeTick]:
    return [event for step in steps for event in step.events if isinstance(event, Quote | TradeTick)]


def test_the_same_seed_gives_the_same_ticks_and_another_seed_others() -> None:
    def prices(seed: int) -> list[float]:
        return [event.bid for event in ticks(list(islice(SyntheticFeed(seed).timeline(START), 200))) if isinstance(event, Quote)]

    assert first_hour() == list(until(START + HOUR, SyntheticFeed(7).timeline(START)))
    assert prices(7) != prices(8)


def test_two_seeds_are_two_venues() -> None:
    assert (
        {event.venue for event in ticks(first_hour())} == {"SYNTH-7"} == {instrument.venue for instrument in SyntheticFeed(7).instruments}
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(-SECOND, HOUR - 5 * 60 * SECOND))
def test_a_session_resumed_anywhere_goes_on_as_if_never_stopped(offset: int) -> None:
    after, steps = START + offset, first_hour()
    at = bisect_right([step.time for step in steps], after)
    assert list(islice(SyntheticFeed(7).timeline(after), 300)) == steps[at : at + 300]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 400 * 24 * HOUR))
def test_a_session_resumed_after_weeks_gives_the_steps_right_after_that(offset: int) -> None:
    steps = list(islice(SyntheticFeed(7).timeline(START + offset), 50))
    assert steps[0].time > START + offset
    assert steps[5:] == list(islice(SyntheticFeed(7).timeline(steps[4].time), 45))


def test_each_step_is_later_than_the_one_before_and_holds_quotes_then_trades_by_symbol() -> None:
    steps = list(islice(SyntheticFeed(7, stocks=20, ticks_per_s=10_000).timeline(START), 2000))
    assert all(earlier.time < later.time for earlier, later in zip(steps, steps[1:], strict=False))
    for step in steps:
        places = [(isinstance(event, TradeTick), event.symbol) for event in step.events]
        assert places == sorted(places)
        assert {event.ts for event in ticks([step])} == {step.time}


def test_every_price_and_size_is_on_the_grid_of_its_instrument_and_passes_the_checks() -> None:
    feed = SyntheticFeed(7)
    instruments, checker = {instrument.symbol: instrument for instrument in feed.instruments}, Checker(feed.instruments)
    for event in ticks(first_hour()):
        instrument = instruments[event.symbol]
        prices, sizes = (
            ((event.bid, event.ask), (event.bid_size, event.ask_size)) if isinstance(event, Quote) else ((event.price,), (event.size,))
        )
        for values, step in ((prices, instrument.tick), (sizes, instrument.lot)):
            assert all(value > 0 and value == float(round(value / float(step)) * step) for value in values)
        assert checker.refusal(event) is None


def test_stocks_are_quoted_one_to_three_ticks_wide() -> None:
    widths = Counter(
        round((event.ask - event.bid) * 100) for event in ticks(first_hour()) if isinstance(event, Quote) and event.symbol in STOCKS
    )
    assert set(widths) == {1, 2, 3}
    assert min(widths.values()) > 0.3 * widths.total()


def test_a_symbol_has_two_quotes_and_a_trade_each_second() -> None:
    counts = Counter((event.symbol, type(event)) for event in ticks(first_hour()))
    assert counts == {(symbol, kind): 3600 * n for symbol in (*STOCKS, "BTC/USD") for kind, n in ((Quote, 2), (TradeTick, 1))}


def test_sequence_numbers_have_no_gap_over_the_night() -> None:
    steps = list(islice(SyntheticFeed(7).timeline(CLOSE - 60 * SECOND), 2000))
    seen: dict[tuple[type, str], int] = {}
    for event in ticks(steps):
        key = (type(event), event.symbol)
        assert event.seq == seen.get(key, event.seq - 1) + 1
        seen[key] = event.seq
    assert steps[-1].time > NEXT_OPEN


def test_the_first_event_of_a_session_is_number_one() -> None:
    assert {event.seq for event in ticks(first_hour()[:5])} == {1}


def test_closed_hours_are_skipped_by_all_symbols() -> None:
    steps = list(islice(SyntheticFeed(7).timeline(CLOSE - SECOND), 100))
    assert all(is_open("us_equity", step.time) for step in steps)
    evening, morning = ([step for step in steps if (step.time < CLOSE) is before] for before in (True, False))
    assert {event.symbol for event in ticks(evening)} == {event.symbol for event in ticks(morning)} == {*STOCKS, "BTC/USD"}
    assert NEXT_OPEN <= morning[0].time < NEXT_OPEN + SECOND


def test_a_session_begins_at_the_open_of_a_monday() -> None:
    assert datetime.fromtimestamp(START / SECOND, UTC) == datetime(2025, 1, 6, 14, 30, tzinfo=UTC)
    assert START <= first_hour()[0].time < START + SECOND


@lru_cache(maxsize=1)
def closes() -> dict[tuple[str, str], list[float]]:
    """Closes of the session's first three hours, by symbol and timeframe."""
    feed = SyntheticFeed(11)
    builders = {instrument.symbol: BarBuilder(instrument.venue, instrument.symbol, feed.timeframes) for instrument in feed.instruments}
    for event in ticks(list(until(START + 3 * HOUR, feed.timeline(START)))):
        if isinstance(event, TradeTick):
            builders[event.symbol].add(event)
    bars = [(symbol, bar) for symbol, builder in builders.items() for bar in builder.close(START + 4 * HOUR)]
    return {
        (symbol, name): [bar.close for of, bar in bars if (of, bar.timeframe) == (symbol, name)]
        for symbol in builders
        for name in ("1s", "1m")
    }


@pytest.mark.parametrize(("symbol", "low", "high"), [*((symbol, 5e-4, 15e-4) for symbol in STOCKS), ("BTC/USD", 10e-4, 25e-4)])
def test_one_minute_moves_have_the_size_of_a_real_market(symbol: str, low: float, high: float) -> None:
    prices = closes()[symbol, "1m"]
    assert low < pstdev(log(after / before) for before, after in zip(prices, prices[1:], strict=False)) < high


@pytest.mark.parametrize("symbol", [*STOCKS, "BTC/USD"])
def test_averages_of_three_and_eight_seconds_cross_every_ten_to_thirty_seconds(symbol: str) -> None:
    prices = closes()[symbol, "1s"]
    gaps = [sum(prices[at - 3 : at]) / 3 - sum(prices[at - 8 : at]) / 8 for at in range(8, len(prices) + 1)]
    above = [gap > 0 for gap in gaps if abs(gap) > 1e-9]
    crossings = sum(before != after for before, after in zip(above, above[1:], strict=False))
    assert 10 < len(prices) / crossings < 30


@given(st.integers(0, 2**32), st.integers(0, 10**4))
@settings(max_examples=25, deadline=None)
def test_prices_stay_near_their_base_for_any_seed_and_day(seed: int, days: int) -> None:
    feed = SyntheticFeed(seed)
    for event in ticks(list(islice(feed.timeline(START + days * 24 * HOUR), 50))):
        if isinstance(event, Quote) and event.symbol == "BTC/USD":
            assert 0.94 * 95_000 < event.bid < event.ask < 1.06 * 95_000


@pytest.mark.parametrize("rate", [60, 1000, 10_000])
def test_a_benchmark_market_has_as_many_stocks_and_ticks_as_asked_for(rate: int) -> None:
    feed = SyntheticFeed(7, stocks=20, ticks_per_s=rate)
    events = [event for step in until(START + 2 * SECOND, feed.timeline(START)) for event in step.events]
    assert len(events) == pytest.approx(2 * rate, rel=0.01)
    assert {event.symbol for event in events} == {instrument.symbol for instrument in feed.instruments}
    assert len(feed.instruments) == 20
    assert feed.name != SyntheticFeed(7).name


@pytest.mark.parametrize(("stocks", "rate"), [(0, None), (1, 0.01), (2, 5000.0)])
def test_a_market_that_cannot_be_is_refused(stocks: int, rate: float | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        SyntheticFeed(7, stocks=stocks, ticks_per_s=rate)


async def test_the_collector_gets_the_same_steps() -> None:
    feed: MarketDataFeed = SyntheticFeed(7)
    steps = feed.steps(START)
    assert [await anext(steps) for _ in range(100)] == first_hour()[:100]

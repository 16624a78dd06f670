"""Trades into bars."""

from hypothesis import given
from hypothesis import strategies as st

from libs.domain.market import Quote, TradeTick
from libs.quant.bars import BarBuilder

SECOND = 1_000_000_000
GRACE = SECOND // 4
T0 = 1_736_173_800 * SECOND  # on a minute


def builder(*timeframes: str) -> BarBuilder:
    return BarBuilder("V", "X", timeframes or ("1s", "1m"))


def trade(offset_ns: int, price: float = 10.0, size: float = 1.0) -> TradeTick:
    return TradeTick(venue="V", symbol="X", seq=0, ts=T0 + offset_ns, price=price, size=size)


def test_a_bar_is_first_highest_lowest_last_and_the_sum() -> None:
    bars = builder("1s")
    for offset, price, size in ((0, 10.0, 1.0), (1, 12.0, 2.0), (2, 9.0, 3.0), (SECOND - 1, 11.0, 4.0)):
        assert bars.add(trade(offset, price, size))
    (bar,) = bars.close(T0 + SECOND + GRACE)
    assert (bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume) == (T0, 10.0, 12.0, 9.0, 11.0, 10.0)
    assert (bar.venue, bar.symbol, bar.seq, bar.timeframe) == ("V", "X", 1, "1s")


def test_a_bar_is_complete_only_when_its_grace_is_over() -> None:
    bars = builder("1s")
    bars.add(trade(0))
    assert bars.close(T0 + SECOND + GRACE - 1) == []
    assert len(bars.close(T0 + SECOND + GRACE)) == 1
    assert bars.close(T0 + SECOND + GRACE) == []


def test_a_trade_within_the_grace_counts_and_one_after_it_rewrites_nothing() -> None:
    bars = builder("1s")
    bars.add(trade(0))
    bars.add(trade(SECOND))  # the next second has begun
    assert bars.add(trade(SECOND - 1, size=5.0))
    (bar,) = bars.close(T0 + SECOND + GRACE)
    assert bar.volume == 6.0
    assert not bars.add(trade(SECOND - 1))
    (following,) = bars.close(T0 + 2 * SECOND + GRACE)
    assert (following.start, following.volume) == (T0 + SECOND, 1.0)


def test_a_trade_is_too_late_even_where_nothing_was_traded_in_time() -> None:
    bars = builder("1s")
    bars.close(T0 + SECOND + GRACE)
    assert not bars.add(trade(0))
    assert bars.close(T0 + 10 * SECOND) == []


def test_a_trade_too_late_for_its_second_still_counts_in_its_minute() -> None:
    bars = builder()
    bars.close(T0 + SECOND + GRACE)
    assert not bars.add(trade(0, price=7.0))
    (minute,) = bars.close(T0 + 60 * SECOND + GRACE)
    assert (minute.timeframe, minute.close) == ("1m", 7.0)


def test_bars_come_by_end_and_the_finest_first() -> None:
    bars = builder("1m", "1s")
    for second in (59, 60, 3):
        bars.add(trade(second * SECOND))
    closed = bars.close(T0 + 61 * SECOND + GRACE)
    assert [(bar.timeframe, bar.start - T0) for bar in closed] == [("1s", 3 * SECOND), ("1s", 59 * SECOND), ("1m", 0), ("1s", 60 * SECOND)]
    assert [bar.seq for bar in closed] == [1, 2, 3, 4]


def test_a_stretch_without_a_trade_has_no_bar() -> None:
    bars = builder("1s")
    bars.add(trade(0))
    bars.add(trade(5 * SECOND))
    assert [bar.start - T0 for bar in bars.close(T0 + 9 * SECOND)] == [0, 5 * SECOND]


def test_the_next_due_time_is_that_of_the_first_bar_to_be_complete() -> None:
    bars = builder()
    assert bars.next_due() is None
    bars.add(trade(3 * SECOND))
    assert bars.next_due() == T0 + 4 * SECOND + GRACE
    bars.close(T0 + 4 * SECOND + GRACE)
    assert bars.next_due() == T0 + 60 * SECOND + GRACE


def test_bars_of_quotes_are_of_their_middle_and_nothing_was_traded() -> None:
    bars = BarBuilder("V", "X", ("1s",), of="quote")
    for offset, bid, ask in ((0, 10.0, 10.5), (1, 9.0, 9.5), (2, 9.5, 10.0)):
        bars.add(Quote(venue="V", symbol="X", seq=0, ts=T0 + offset, bid=bid, ask=ask, bid_size=7.0, ask_size=8.0))
    assert bars.add(trade(3, price=99.0))
    (bar,) = bars.close(T0 + SECOND + GRACE)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (10.25, 10.25, 9.25, 9.75, 0.0)


def test_bars_of_trades_hear_no_quotes() -> None:
    bars = builder("1s")
    assert bars.add(Quote(venue="V", symbol="X", seq=0, ts=T0, bid=10.0, ask=10.5, bid_size=7.0, ask_size=8.0))
    assert bars.close(T0 + SECOND + GRACE) == []


TRADES = st.lists(st.tuples(st.integers(0, 150 * SECOND), st.integers(1, 10_000), st.integers(1, 100)), min_size=1, max_size=60)


@given(TRADES, st.lists(st.integers(0, 160 * SECOND), max_size=8))
def test_however_often_it_is_closed_the_minutes_are_those_of_the_seconds(ticks: list[tuple[int, int, int]], calls: list[int]) -> None:
    bars, closed = builder(), []
    for moment, tick in sorted([*((t, (t, p, s)) for t, p, s in ticks), *((t, None) for t in calls)], key=lambda item: item[0]):
        if tick is None:
            closed += bars.close(T0 + moment)
        else:
            bars.add(trade(tick[0], float(tick[1]), float(tick[2])))
    closed += bars.close(T0 + 300 * SECOND)
    for minute in (bar for bar in closed if bar.timeframe == "1m"):
        within = [bar for bar in closed if bar.timeframe == "1s" and minute.start <= bar.start < minute.start + 60 * SECOND]
        assert (minute.open, minute.close) == (within[0].open, within[-1].close)
        assert (minute.high, minute.low) == (max(bar.high for bar in within), min(bar.low for bar in within))
    seconds = [bar for bar in closed if bar.timeframe == "1s"]
    assert sum(bar.volume for bar in seconds) == sum(size for _, _, size in ticks)
    assert len({bar.start for bar in seconds}) == len(seconds)

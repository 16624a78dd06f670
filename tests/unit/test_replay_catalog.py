"""Every recorded market that has a name: that it plays, and that it is what it is said to be."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import islice, product
from pathlib import Path

import pytest

from libs.domain.instruments import Instrument
from libs.domain.market import BadRow, Bar, MarketEvent, Quote, QuoteBar, TradeTick
from libs.domain.names import TIMEFRAMES, is_symbol
from libs.quant.calendars import is_open, overlaps
from libs.quant.market_checks import Checker, fault
from libs.quant.sizing import to_ticks
from libs.venues.feed import FeedStep, MarketDataFeed
from libs.venues.replay.catalog import SETS, named
from libs.venues.replay.feed import ReplayFeed

SECOND = 1_000_000_000
PAGE = Path(__file__).parents[2] / "docs" / "recorded-markets.md"
BAD = {"es_daily": {"no_session": 12}, "stocknet_daily": {"missing": 3}}
"""Documented quirks: rows that cannot be used, by code."""

BUILT = ("1s", "1m")
"""The bars that are built from ticks."""

every_set = pytest.mark.parametrize("name", SETS)


def played(name: str, root: Path) -> Iterator[FeedStep]:
    feed = ReplayFeed(named(name), root)
    return feed.timeline(feed.start - 1)


def events(name: str, root: Path) -> Iterator[MarketEvent | BadRow]:
    return (event for step in played(name, root) for event in step.events)


@cache
def beginning(name: str, root: Path) -> list[FeedStep]:
    """The first 200 steps."""
    return list(islice(played(name, root), 200))


@lru_cache(maxsize=1)
def ibm_ticks(root: Path) -> tuple[ReplayFeed, list[Quote]]:
    """A feed that has been played, and its quotes."""
    feed = ReplayFeed(named("ibm_ticks"), root)
    return feed, [event for step in feed.timeline(0) for event in step.events if isinstance(event, Quote)]


def utc(ns: int) -> str:
    return datetime.fromtimestamp(ns // SECOND, UTC).isoformat()


def test_an_unknown_market_is_refused_with_all_there_are() -> None:
    with pytest.raises(ValueError, match="no recorded market is called 'bonds'; there are equities: equities, aapl_split") as refused:
        named("bonds")
    assert all(name in str(refused.value) for name in SETS)


@every_set
def test_a_set_stands_in_the_page_of_recorded_markets(name: str) -> None:
    assert f"| `{name}` |" in PAGE.read_text()


@every_set
def test_names_and_symbols_are_ones_that_can_be_typed(name: str) -> None:
    assert name.replace("_", "").isalnum()
    assert name.islower()
    assert all(is_symbol(instrument.symbol) for instrument in named(name).instruments)


def test_a_symbol_of_a_venue_is_the_same_instrument_in_every_set() -> None:
    instruments: dict[tuple[str, str], Instrument] = {}
    for dataset in SETS.values():
        for instrument in dataset.instruments:
            assert instruments.setdefault((instrument.venue, instrument.symbol), instrument) == instrument


def test_bars_built_from_ticks_never_meet_recorded_ones() -> None:
    """Stored bars are unique by venue, symbol, timeframe and start."""
    built = [dataset for dataset in SETS.values() if dataset.recordings[0].timeframe is None]
    assert built
    for ticks, bars in product(built, SETS.values()):
        if bars.recordings[0].timeframe in BUILT and bars.start < ticks.end and ticks.start < bars.end:
            meeting = {(i.venue, i.symbol) for i in ticks.instruments} & {(i.venue, i.symbol) for i in bars.instruments}
            assert not meeting, (ticks.name, bars.name)


@every_set
def test_the_first_steps_of_a_set_are_what_it_promises(market_data_dir: Path, name: str) -> None:
    feed: MarketDataFeed = ReplayFeed(named(name), market_data_dir)
    instruments = {instrument.symbol: instrument for instrument in feed.instruments}
    last = feed.start - 1
    for step in beginning(name, market_data_dir):
        assert step.time > last
        last = step.time
        for event in step.events:
            if isinstance(event, BadRow):
                assert event.reason.split(":")[0] in BAD[name]
            elif isinstance(event, Bar | QuoteBar):
                length = TIMEFRAMES[event.timeframe]
                assert (event.timeframe, event.start + length) == (feed.timeframes[0], step.time)
                assert overlaps(instruments[event.symbol].calendar, event.start, step.time)
            else:
                assert event.ts == step.time
                assert feed.recorded_bars or is_open(instruments[event.symbol].calendar, event.ts)
    assert last > feed.start


@every_set
def test_prices_of_a_set_are_whole_ticks(market_data_dir: Path, name: str) -> None:
    ticks = {instrument.symbol: float(instrument.tick) for instrument in named(name).instruments}
    for step in beginning(name, market_data_dir)[::5]:
        for event in step.events:
            for price in prices(event):
                whole = to_ticks(price, ticks[event.symbol]) * ticks[event.symbol]
                assert price == pytest.approx(whole, rel=1e-12), event


def prices(event: MarketEvent | BadRow) -> tuple[float, ...]:
    match event:
        case Bar(volume=0.0):  # of quotes: between two ticks
            return ()
        case Bar():
            return event.open, event.high, event.low, event.close
        case QuoteBar():
            return event.bid_open, event.bid_high, event.bid_low, event.ask_open, event.ask_high, event.ask_low
        case Quote():
            return event.bid, event.ask
        case TradeTick():
            return (event.price,)
    return ()


@every_set
def test_every_symbol_of_a_set_comes_and_its_bars_are_of_what_is_said(market_data_dir: Path, name: str) -> None:
    feed = ReplayFeed(named(name), market_data_dir)
    wanted = {instrument.symbol for instrument in feed.instruments}
    for step in islice(feed.timeline(feed.start - 1), 60_000):
        for event in step.events:
            if isinstance(event, Bar):
                assert feed.bars_of[event.symbol] == "trade" or event.volume == 0.0
            wanted.discard(event.symbol)
        if not wanted:
            break
    assert not wanted


@pytest.mark.parametrize("name", BAD)
def test_the_bad_rows_of_a_set_are_those_documented(market_data_dir: Path, name: str) -> None:
    assert Counter(event.reason.split(":")[0] for event in events(name, market_data_dir) if isinstance(event, BadRow)) == BAD[name]


def test_the_half_day_ends_at_one_in_new_york(market_data_dir: Path) -> None:
    ends = {utc(step.time)[:10]: utc(step.time)[11:16] for step in played("goog_half_day", market_data_dir)}
    assert ends == {"2015-12-23": "21:00", "2015-12-24": "18:00", "2015-12-28": "21:00"}


def test_the_open_moves_with_the_clocks_of_new_york(market_data_dir: Path) -> None:
    starts = [event.start for event in events("shy_dst", market_data_dir) if isinstance(event, QuoteBar)]
    opens = {utc(start)[:10]: utc(start)[11:16] for start in reversed(starts)}
    assert opens == {"2008-03-07": "14:30", "2008-03-10": "13:30"}


def test_hours_hold_the_open_and_days_start_with_it(market_data_dir: Path) -> None:
    hours = islice((event for event in events("equities_hourly", market_data_dir) if isinstance(event, Bar)), 1)
    days = islice((event for event in events("equities_daily", market_data_dir) if isinstance(event, Bar)), 1)
    assert [utc(bar.start) for bar in (*hours, *days)] == ["1998-01-02T14:00:00+00:00", "1998-01-02T14:30:00+00:00"]


def test_crossed_quotes_are_refused_and_make_no_bars(market_data_dir: Path) -> None:
    checker, refused, bars = Checker(named("eurusd_crossed").instruments), Counter[str](), 0
    for event in events("eurusd_crossed", market_data_dir):
        assert not isinstance(event, BadRow)
        bars += isinstance(event, Bar)
        if (reason := checker.refusal(event)) is not None:
            assert reason.startswith("crossed")
            refused[type(event).__name__] += 1
    assert refused == {"Quote": 62, "QuoteBar": 149}  # 62 at the close; the others at the open only
    assert bars == 1438 - 149


def test_one_sided_quotes_of_futures_are_counted_and_give_nothing(market_data_dir: Path) -> None:
    feed = ReplayFeed(named("es_futures_2020"), market_data_dir)
    quoted = Counter(event.symbol for step in feed.timeline(0) for event in step.events if isinstance(event, QuoteBar))
    assert feed.left_out == {
        (f"ES.{expiry}", "one_sided"): n for expiry, n in (("202006", 31), ("202009", 58), ("202012", 954), ("202103", 4))
    }
    assert quoted["ES.202012"] == 6


def test_the_best_quotes_built_from_updates_are_those_recorded_each_second(market_data_dir: Path) -> None:
    """Two recordings of one day: the last quote of each second against the close of that second's bar."""
    last = {quote.ts // SECOND: quote for quote in ibm_ticks(market_data_dir)[1]}
    closes = {bar.start // SECOND: bar for bar in events("ibm_seconds", market_data_dir) if isinstance(bar, QuoteBar)}
    both = last.keys() & closes.keys()
    same = [
        (last[at].bid, last[at].ask, last[at].bid_size, last[at].ask_size)
        == (closes[at].bid_close, closes[at].ask_close, closes[at].bid_size, closes[at].ask_size)
        for at in both
    ]
    assert len(both) > 10_000
    assert sum(same) / len(same) > 0.999


def test_the_updates_that_make_no_quote_are_counted(market_data_dir: Path) -> None:
    feed, quotes = ibm_ticks(market_data_dir)
    assert all(fault(quote) is None for quote in quotes)
    assert (len(quotes), feed.left_out) == (45_947, {("IBM", "unchanged"): 61_965, ("IBM", "crossed"): 86})

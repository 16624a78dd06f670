"""The default market keeps what docs/closes.md promises."""

import gzip
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from itertools import islice, takewhile
from math import log
from pathlib import Path
from statistics import pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.market import Quote, TradeTick
from libs.quant.calendars import session_of
from libs.quant.market_checks import Checker
from libs.venues.closes import path
from libs.venues.closes.feed import ClosesFeed
from libs.venues.closes.table import ClosesNotFound, closes
from libs.venues.feed import FeedStep, MarketDataFeed

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
STOCKS = ("AAPL", "JPM", "KO", "MSFT", "XOM")
THANKSGIVING_FRIDAY = 1_637_937_000 * SECOND  # 2021-11-26 14:30 UTC


@lru_cache(maxsize=1)
def feed() -> ClosesFeed:
    return ClosesFeed(7)


@lru_cache(maxsize=1)
def first_hour() -> list[FeedStep]:
    return list(until(feed().start + HOUR, feed().timeline(0)))


def until(end: int, steps: Iterator[FeedStep]) -> Iterator[FeedStep]:
    return takewhile(lambda step: step.time < end, steps)


def events(steps: list[FeedStep]) -> list[Quote | TradeTick]:
    return [event for step in steps for event in step.events if isinstance(event, Quote | TradeTick)]


@pytest.mark.parametrize("opens", [pytest.param(0, id="the first day"), pytest.param(THANKSGIVING_FRIDAY, id="a half day")])
def test_a_day_ends_at_the_real_close_when_the_exchange_did(opens: int) -> None:
    opens = opens or feed().start
    session = session_of("us_equity", opens)
    assert session is not None
    last_minute = list(until(session.close, feed().timeline(session.close - 60 * SECOND)))
    prices = {event.symbol: event.price for event in events(last_minute) if isinstance(event, TradeTick)}
    real = closes(STOCKS, session.date)
    assert all(abs(prices[symbol] - real.of[symbol][0]) < 0.04 for symbol in STOCKS)
    assert next(iter(feed().timeline(session.close - SECOND // 1000))).time >= session.close + 17 * HOUR


def test_the_closes_are_those_of_the_exchange() -> None:
    table = closes(("AAPL", "KO"), date(2021, 1, 4))
    assert (table.dates[0], table.of["AAPL"][0], table.of["KO"][0]) == (date(2021, 1, 4), 127.504, 48.927)
    assert (table.dates[-1], table.of["AAPL"][-1]) == (date(2022, 12, 28), 125.674)


def test_every_day_of_the_data_is_played_and_no_other() -> None:
    table = closes(STOCKS, date(2021, 1, 4))
    assert [session.date for session in feed().sessions] == list(table.dates)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, HOUR - 5 * 60 * SECOND))
def test_a_session_resumed_anywhere_goes_on_as_if_never_stopped(offset: int) -> None:
    after, steps = feed().start + offset, first_hour()
    at = bisect_right([step.time for step in steps], after)
    assert list(islice(feed().timeline(after), 200)) == steps[at : at + 200]


def test_sequence_numbers_go_on_over_the_night_without_a_gap() -> None:
    close = feed().sessions[0].close
    around = events(list(islice(feed().timeline(close - 10 * SECOND), 400)))
    for symbol in (*STOCKS, "BTC/USD"):
        seqs = [event.seq for event in around if event.symbol == symbol and isinstance(event, Quote)]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert any(event.ts > close for event in around if event.symbol == symbol)


def test_another_seed_takes_another_way_to_the_same_close() -> None:
    day = path.Day(3, 100.0, 102.0, 0.015)
    ways = [[path.level(seed, "AAPL", day, minute, 390) for minute in range(391)] for seed in (1, 2)]
    assert ways[0][200] != ways[1][200]
    assert [way[-1] for way in ways] == pytest.approx([102.0, 102.0], rel=1e-12)


def test_a_day_is_as_restless_as_its_volatility() -> None:
    """The quadratic variation of a bridge is that of the walk: half hours of many days, in units of the day's volatility."""
    days = [path.Day(number, 100.0, 100.0, 0.02) for number in range(300)]
    moves = [log(path.level(1, "KO", day, m + 30, 390) / path.level(1, "KO", day, m, 390)) for day in days for m in range(0, 390, 30)]
    assert pstdev(moves) * 13**0.5 == pytest.approx(0.02, rel=0.08)


def test_nothing_of_it_is_refused_by_the_checks() -> None:
    checker = Checker(feed().instruments)
    assert [reason for event in events(first_hour()) if (reason := checker.refusal(event))] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("Date,AAPL\n2021-01-04,1\n", "expected the columns JPM, KO, MSFT, XOM", id="a stock is missing"),
        pytest.param("Date,AAPL,JPM,KO,MSFT,XOM\n2021-01-04,1,1,x,1,1\n", "line 2: could not convert", id="no number"),
        pytest.param("Date,AAPL,JPM,KO,MSFT,XOM\n2021-01-04,1,1,0,1,1\n", "line 2: expected a later date and prices above 0", id="zero"),
        pytest.param("Date,AAPL,JPM,KO,MSFT,XOM\n", "expected closes from 2020-11-01 on", id="empty"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "closes.csv.gz"
    file.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ClosesNotFound, match=said):
        ClosesFeed(1, file)


def test_a_file_that_is_not_gzipped_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "closes.csv.gz").write_text("Date\n")
    with pytest.raises(ClosesNotFound, match="expected gzipped CSV"):
        ClosesFeed(1, tmp_path / "closes.csv.gz")


def test_it_is_a_feed() -> None:
    fed: MarketDataFeed = feed()
    assert (fed.name, fed.speed, [i.symbol for i in fed.instruments]) == ("closes", 10, [*STOCKS, "BTC/USD"])

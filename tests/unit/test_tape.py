"""A recorded market: what is known when, and a fingerprint of all that could change a result."""

from collections.abc import Callable
from dataclasses import replace
from math import nan

import msgspec
import pytest

from libs.domain.actions import CorporateAction
from libs.domain.columns import QuoteBarColumns, QuoteColumns
from libs.domain.market import Bar, Quote, QuoteBar
from libs.quant.backtest.tape import Tape
from tests.factories import MINUTE, NOON, a_tape, columns
from tests.paper import ALFA, D

GRACE = MINUTE // 4
BARS = {"ALFA": columns([100.0, 101.0, 102.0]), "BETA": columns([50.0], start=NOON + 2 * MINUTE)}
FIVE = columns([(100.0, 103.0, 99.0, 102.0)], step=5 * MINUTE)
QUOTES = QuoteColumns([NOON, NOON + 5, NOON + 5], [99.0, 98.0, 97.0], [101.0, 100.0, 99.0], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
QUOTE_BARS = QuoteBarColumns([NOON, NOON + MINUTE], *([float(10 * column), float(10 * column + 1)] for column in range(1, 11)))


def split(effective: int, ratio: int = 7) -> CorporateAction:
    return CorporateAction(venue="TEST", symbol="ALFA", effective=effective, kind="split", ratio=D(ratio))


def test_timeframes_are_finest_first_whatever_their_order() -> None:
    tape = a_tape(BARS, bars={"5m": {"ALFA": FIVE}, "1m": BARS})
    assert tape.timeframes == ("1m", "5m")
    assert tape.columns("ALFA") == BARS["ALFA"]
    assert tape.columns("NONE") is None


def test_bars_of_all_timeframes_and_symbols_are_counted() -> None:
    assert a_tape(BARS, bars={"5m": {"ALFA": FIVE}, "1m": BARS}).count() == 5


def test_a_tape_ends_when_its_last_bar_is_known() -> None:
    assert a_tape(BARS, grace_ns=GRACE).last_known() == NOON + 3 * MINUTE + GRACE
    assert a_tape(BARS, bars={"5m": {"ALFA": FIVE}, "1m": BARS}).last_known() == NOON + 5 * MINUTE
    assert a_tape({"ALFA": columns([])}, since=7).last_known() == 7


@pytest.mark.parametrize(
    ("minutes", "early", "mark"),
    [
        pytest.param(1, 1, None, id="before the first bar is known"),
        pytest.param(1, 0, 100.0, id="when it is"),
        pytest.param(2, 1, 100.0, id="until the next is"),
        pytest.param(9, 0, 102.0, id="after the last"),
    ],
)
def test_a_mark_is_the_newest_close_that_is_known(minutes: int, early: int, mark: float | None) -> None:
    assert a_tape(BARS, grace_ns=GRACE).mark("ALFA", NOON + minutes * MINUTE + GRACE - early) == mark


def test_a_symbol_without_bars_has_no_mark() -> None:
    assert a_tape(BARS).mark("NONE", NOON + MINUTE) is None


@pytest.mark.parametrize(("now", "mark"), [(2 * MINUTE - 1, 100.0), (2 * MINUTE, 101.0), (2 * MINUTE + 10, 101.0 / 7), (4 * MINUTE, 102.0)])
def test_an_old_close_is_marked_in_the_units_that_hold_now(now: int, mark: float) -> None:
    two_then_a_gap = BARS["ALFA"]._replace(start=[NOON, NOON + MINUTE, NOON + 3 * MINUTE])
    tape = a_tape({"ALFA": two_then_a_gap}, actions=[split(NOON + 2 * MINUTE + 10)])
    assert tape.mark("ALFA", NOON + now) == pytest.approx(mark)


# --- what orders can fill on


def test_the_next_bar_to_fill_on_is_the_first_known_later() -> None:
    tape = a_tape(BARS, grace_ns=GRACE)
    known = [NOON + n * MINUTE + GRACE for n in (1, 2, 3)]
    assert [tape.next_fill_time("ALFA", after) for after in (0, known[0] - 1, known[0], known[1], known[2])] == [
        known[0],
        known[0],
        known[1],
        known[2],
        None,
    ]


def test_bars_fill_when_they_are_known_and_at_no_other_time() -> None:
    tape = a_tape(BARS, grace_ns=GRACE)
    [bar] = tape.fill_events("ALFA", NOON + 2 * MINUTE + GRACE)
    assert isinstance(bar, Bar)
    assert (bar.start, bar.close, bar.timeframe, bar.seq) == (NOON + MINUTE, 101.0, "1m", 2)
    assert list(tape.fill_events("ALFA", NOON + 2 * MINUTE)) == []


def test_quotes_fill_at_their_own_time_all_of_a_moment_in_order() -> None:
    tape = a_tape(BARS, fill_on={"ALFA": "quote"}, quotes={"ALFA": QUOTES}, grace_ns=GRACE)
    assert [tape.next_fill_time("ALFA", after) for after in (NOON - 1, NOON, NOON + 5)] == [NOON, NOON + 5, None]
    assert list(tape.fill_events("ALFA", NOON + 5)) == [
        Quote(venue="", symbol="ALFA", seq=2, ts=NOON + 5, bid=98.0, ask=100.0, bid_size=2.0, ask_size=5.0),
        Quote(venue="", symbol="ALFA", seq=3, ts=NOON + 5, bid=97.0, ask=99.0, bid_size=3.0, ask_size=6.0),
    ]


def test_quote_bars_keep_each_price_where_it_belongs() -> None:
    tape = a_tape(BARS, fill_on={"ALFA": "quote_bar"}, quote_bars={"ALFA": QUOTE_BARS}, grace_ns=GRACE)
    assert tape.next_fill_time("ALFA", NOON) == NOON + MINUTE + GRACE
    [bar] = tape.fill_events("ALFA", NOON + 2 * MINUTE + GRACE)
    assert isinstance(bar, QuoteBar)
    assert (bar.start, bar.bid_open, bar.bid_high, bar.bid_low, bar.bid_close, bar.bid_size) == (NOON + MINUTE, 11, 21, 31, 41, 51)
    assert (bar.ask_open, bar.ask_high, bar.ask_low, bar.ask_close, bar.ask_size) == (61, 71, 81, 91, 101)


@pytest.mark.parametrize("kind", ["quote", "bar", "quote_bar"])
def test_a_symbol_that_was_not_recorded_never_fills(kind: str) -> None:
    tape = a_tape({"ALFA": columns([1.0])}, fill_on={"NONE": kind})
    assert tape.next_fill_time("NONE", 0) is None
    assert list(tape.fill_events("NONE", NOON)) == []


def test_the_next_step_is_the_first_time_at_which_anything_is_known() -> None:
    tape = a_tape(BARS, bars={"5m": {"ALFA": FIVE}, "1m": BARS}, quotes={"ALFA": QUOTES})
    asked = (0, NOON, NOON + 1, NOON + 6, NOON + MINUTE, NOON + 3 * MINUTE + 1, NOON + 5 * MINUTE + 1)
    assert [tape.next_step(at) for at in asked] == [
        NOON,
        NOON,
        NOON + 5,
        NOON + MINUTE,
        NOON + MINUTE,
        NOON + 5 * MINUTE,
        None,
    ]


# --- fingerprint

FULL = a_tape(
    BARS,
    bars={"5m": {"ALFA": FIVE}, "1m": BARS},
    quotes={"ALFA": QUOTES},
    quote_bars={"ALFA": QUOTE_BARS},
    actions=[split(NOON + MINUTE)],
    grace_ns=GRACE,
)


def test_equal_tapes_have_equal_fingerprints_whatever_their_order() -> None:
    instruments = {symbol: FULL.instruments[symbol] for symbol in ("BETA", "ALFA")}
    other = replace(FULL, bars={"1m": dict(reversed(BARS.items())), "5m": {"ALFA": FIVE}}, instruments=instruments)
    assert other.fingerprint() == FULL.fingerprint()


CHANGES: dict[str, Callable[[Tape], Tape]] = {
    "price": lambda tape: replace(tape, bars={**tape.bars, "5m": {"ALFA": FIVE._replace(low=[98.0])}}),
    "gap": lambda tape: replace(tape, bars={**tape.bars, "5m": {"ALFA": FIVE._replace(low=[nan])}}),
    "volume": lambda tape: replace(tape, bars={**tape.bars, "5m": {"ALFA": FIVE._replace(volume=[1.0])}}),
    "time": lambda tape: replace(tape, bars={**tape.bars, "5m": {"ALFA": FIVE._replace(start=[NOON + 1])}}),
    "timeframe": lambda tape: replace(tape, bars={"1m": BARS, "15m": {"ALFA": FIVE}}),
    "symbol": lambda tape: replace(tape, bars={**tape.bars, "5m": {"BETA": FIVE}}),
    "quotes": lambda tape: replace(tape, quotes={"ALFA": QUOTES._replace(bid=[99.0, 98.0, 96.0])}),
    "quote bars": lambda tape: replace(tape, quote_bars={"ALFA": QUOTE_BARS._replace(ask_size=[1.0, 2.0])}),
    "tick": lambda tape: replace(tape, instruments={"ALFA": msgspec.structs.replace(ALFA, tick=D("0.05"))}),
    "fills": lambda tape: replace(tape, fill_on={"ALFA": "quote"}),
    "split": lambda tape: replace(tape, actions=[split(NOON + MINUTE, 2)]),
    "beginning": lambda tape: replace(tape, since=NOON + MINUTE),
    "grace": lambda tape: replace(tape, grace_ns=0),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_market_has_another_fingerprint(what: str) -> None:
    assert CHANGES[what](FULL).fingerprint() != FULL.fingerprint()

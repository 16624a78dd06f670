"""Coarser bars of finer ones: those that the fleet makes of ticks, none before it is over, and none that could be made finer."""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.columns import Columns
from libs.domain.market import TradeTick
from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.play import play
from libs.quant.backtest.resample import coarser, with_timeframes
from libs.quant.backtest.tape import Tape
from libs.quant.bars import BarBuilder
from libs.quant.calendars import session_of
from tests.factories import MINUTE, NOON, a_setup, a_strategy, a_tape, columns, walks

HOUR = 60 * MINUTE


def ticks_of(bars: Columns) -> list[TradeTick]:
    """Four trades in each minute that make just its bar."""
    found: list[TradeTick] = []
    for start, opened, high, low, close, volume in zip(*bars, strict=True):
        for n, price in enumerate((opened, high, low, close)):
            size = volume if n == 0 else 0.0
            found.append(TradeTick(venue="T", symbol="ALFA", seq=len(found) + 1, ts=start + n * 10**9, price=price, size=size))
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["5m", "15m", "1h", "4h"]), st.integers(1, 400))
def test_they_are_those_that_ticks_would_have_made(seed: int, timeframe: str, minutes: int) -> None:
    bars = walks(seed, minutes, "ALFA", gaps=0.3)["ALFA"]
    draw = random.Random(seed)
    bars = bars._replace(volume=[draw.uniform(0, 9) for _ in bars.start])
    builder = BarBuilder("T", "ALFA", [timeframe], grace_ns=0)
    for tick in ticks_of(bars):
        builder.add(tick)
    ends = bars.start[-1] + MINUTE if bars.start else NOON
    found = coarser(bars, timeframe, "24/7", ends)
    made = builder.close(ends)
    assert list(zip(*found, strict=True)) == [(b.start, b.open, b.high, b.low, b.close, b.volume) for b in made]


def test_a_bar_that_is_not_over_is_left_out_and_one_that_just_ended_is_not() -> None:
    assert list(coarser(columns([1.0] * 119), "1h", "24/7", NOON + 119 * MINUTE).start) == [NOON]
    assert list(coarser(columns([1.0] * 120), "1h", "24/7", NOON + 120 * MINUTE).start) == [NOON, NOON + HOUR]


def test_days_of_a_market_with_sessions_begin_at_its_open_and_hold_nothing_from_outside() -> None:
    hours = columns([float(n) for n in range(72)], step=HOUR)
    found = coarser(hours, "1d", "us_equity", NOON + 80 * HOUR)
    assert [session_of("us_equity", start) is not None for start in found.start] == [True, True, True]
    assert [(start - NOON) // MINUTE for start in found.start] == [150, 150 + 24 * 60, 150 + 48 * 60]  # 14:30 UTC
    assert list(found.open) == [3.0, 27.0, 51.0]
    assert list(found.close) == [8.0, 32.0, 56.0]


def test_bars_finer_than_the_data_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="expected bars of 1m, which the data have, or coarser ones made of them, got 1s"):
        with_timeframes(a_tape({"ALFA": columns([1.0])}), ["1h", "1s"])


def test_what_was_made_of_the_bars_is_not_in_their_fingerprint() -> None:
    tape = a_tape(walks(1, 300, "ALFA"))
    assert with_timeframes(tape, ["1h"]).fingerprint() == tape.fingerprint()


QUARTER = 15 * MINUTE
THREE: tuple[dict[str, Any], ...] = (
    {"class_name": "sma_cross", "strategy_id": "hours", "timeframe": "1h", "params": {"fast": 1, "slow": 3}},
    {"class_name": "momentum", "strategy_id": "days", "timeframe": "1d", "params": {"lookback": 1, "every": 1}, "sizing": "fixed:5"},
    {"class_name": "sma_cross", "strategy_id": "quarters", "params": {"fast": 2, "slow": 9}},
)


def quarters(seed: int) -> dict[str, Columns]:
    """Four days of bars of 15 minutes."""
    walk = walks(seed, 384, "ALFA", "BETA", gaps=0.1)
    return {symbol: bars._replace(start=[NOON + (start - NOON) * 15 for start in bars.start]) for symbol, bars in walk.items()}


def of_three_timeframes(bars: dict[str, Columns]) -> Tape:
    return with_timeframes(a_tape(bars, bars={"15m": bars}, since=NOON), ["1h", "1d"])


def spliced(before: Columns, after: Columns, until: int) -> Columns:
    """The bars of one that were over by then, and the later ones of the other."""
    n, m = (sum(start + QUARTER <= until for start in bars.start) for bars in (before, after))
    pairs: Iterable[tuple[Any, Any]] = zip(before, after, strict=True)
    return Columns(*([*one[:n], *other[m:]] for one, other in pairs))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32), st.integers(10, 380))
def test_what_is_decided_at_a_moment_follows_from_bars_that_were_over(seed: int, cut: int) -> None:
    """Another market from a moment on: until then everything is the same, whatever the timeframe."""
    until, whole, other = NOON + cut * QUARTER, quarters(seed), quarters(seed + 1)
    changed = {symbol: spliced(whole[symbol], other[symbol], until) for symbol in whole}
    setup = a_setup(*(a_strategy(**each) for each in THREE))
    one, two = (play(of_three_timeframes(bars), setup) for bars in (whole, changed))
    told = [[s for s in played.signals if s.decided_at <= until] for played in (one, two)]
    traded = [[t for t in played.trades if t.executed_at < until - QUARTER] for played in (one, two)]
    assert told[0] == told[1]
    assert traded[0] == traded[1]
    assert {signal.timeframe for signal in one.signals} == {"15m", "1h", "1d"}


def test_strategies_of_several_timeframes_share_one_account() -> None:
    tape, setup = of_three_timeframes(quarters(5)), a_setup(*(a_strategy(**each) for each in THREE))
    together = play(tape, setup)
    alone = [play(tape, replace(setup, strategies=[strategy])) for strategy in setup.strategies]
    assert len(together.trades) == sum(len(played.trades) for played in alone)
    gains = [sum(line.amount for line in p.lines if line.ledger_account == "cash") - setup.deposit for p in (together, *alone)]
    assert gains[0] == sum(gains[1:])
    assert all((s.decided_at - TIMEFRAMES[s.timeframe]) % TIMEFRAMES[s.timeframe] == 0 for s in together.signals)

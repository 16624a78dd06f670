"""A file whose market has a calendar: a year has its sessions, what waits for an open fills there, and holidays are not missing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from libs.common.clocks import SystemClock
from libs.domain.times import nanoseconds
from libs.quant.backtest.review import Review, review
from libs.quant.calendars import sessions
from services.backtester.data import load
from services.backtester.run import Answer, run, setup_of
from services.backtester.spec import Spec
from tests.factories import a_limit

BEGIN, END = nanoseconds("2015-01-01"), nanoseconds("2020-01-01")
DAYS = [str(session.date) for session in sessions("us_equity", BEGIN, END)]
GROWTH = 1.10 ** (1 / (len(DAYS) / 5))
"""A session's, for 10 % in a year of the five."""


class Found(NamedTuple):
    """A finished backtest and its figures."""

    answer: Answer
    review: Review


def steady() -> list[float]:
    return [100 * GROWTH**n for n in range(len(DAYS))]


def uneven(seed: int = 3) -> list[float]:
    moves = np.random.default_rng(seed).normal(0.0005, 0.01, len(DAYS))
    return [float(price) for price in 100 * np.exp(np.cumsum(moves))]


def written(path: Path, closes: Sequence[float], days: Sequence[str] = DAYS) -> Path:
    opens = [closes[0], *closes[:-1]]
    rows = (
        f"{day},{o!r},{max(o, c)!r},{min(o, c)!r},{c!r},{1000 + n}" for n, (day, o, c) in enumerate(zip(days, opens, closes, strict=True))
    )
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]) + "\n")
    return path


def played(path: Path, calendar: str, **asked: Any) -> Found:
    terms: dict[str, Any] = {"params": {"fast": 2, "slow": 3}, "allocation": 1.0, "risk": False} | asked
    spec = Spec(strategy="sma_cross", data=str(path), symbol="X", calendar=calendar, **terms)
    loaded = load(spec, None)
    answer = run(spec, loaded, [], SystemClock())
    return Found(answer, review(loaded.tape, setup_of(spec, [], loaded.tape), answer.played, answer.equity))


@pytest.mark.parametrize(("calendar", "year"), [("us_equity", 252), ("24/7", 365)])
def test_a_sharpe_ratio_of_daily_bars_counts_the_sessions_of_a_year(tmp_path: Path, calendar: str, year: int) -> None:
    found = played(written(tmp_path / "x.csv", uneven()), calendar)
    values = np.concatenate(([100_000.0], found.answer.equity.values))
    returns = np.diff(values) / values[:-1]
    assert found.answer.figures.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * year**0.5)
    assert found.review.by_day.volatility == pytest.approx(returns.std(ddof=1) * year**0.5, rel=0.01)


def test_five_years_that_grow_by_a_tenth_each_are_told_to_do_so(tmp_path: Path) -> None:
    measured = played(written(tmp_path / "x.csv", steady()), "us_equity").review
    assert measured.by_day.cagr == pytest.approx(0.10, abs=0.001)
    assert measured.by_bar.cagr == pytest.approx(0.10, abs=0.001)
    assert measured.benchmark_by_day.cagr == pytest.approx(0.10, abs=0.001)


def test_what_a_bar_of_a_day_decides_is_filled_in_the_next_session_over_weekends_too(tmp_path: Path) -> None:
    path, limits = written(tmp_path / "x.csv", uneven()), [a_limit("price_collar", 0.5, unit="fraction")]
    asked = {"risk": True, "limits": limits, "allocation": 0.5}
    found, without = (played(path, calendar, **asked).answer for calendar in ("us_equity", "24/7"))
    assert found.figures.trades == found.figures.orders > 100
    assert 0 in weekdays(found)
    assert without.figures.trades < without.figures.orders  # a Friday's order ends before there is another bar
    assert 0 not in weekdays(without)


def weekdays(answer: Answer) -> set[int]:
    """On which something was filled; Monday is 0."""
    return {datetime.fromtimestamp(trade.executed_at / 1e9, UTC).weekday() for trade in answer.played.trades}


def test_holidays_are_not_missing_and_a_session_without_a_bar_is(tmp_path: Path) -> None:
    closes = uneven()
    whole = played(written(tmp_path / "whole.csv", closes), "us_equity").answer.notes
    holed = played(written(tmp_path / "holed.csv", closes[:700] + closes[701:], DAYS[:700] + DAYS[701:]), "us_equity").answer.notes
    assert list(whole) == []
    (note,) = holed
    assert f"X: missing_session: expected bars in each session, got 1 sessions without one from {DAYS[700]}" in note


def test_a_calendar_is_told_in_the_fingerprint_of_what_was_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", uneven())
    one, other = (played(path, calendar).answer.fingerprints for calendar in ("us_equity", "24/7"))
    assert one.config != other.config

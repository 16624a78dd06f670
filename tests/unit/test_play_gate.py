"""What the controls ask for beside marks and books is there in a backtest too, out of the tape and what was played."""

from typing import Any

import pytest

from libs.domain.columns import QuoteBarColumns
from libs.domain.configuration import LimitConfig
from libs.quant.backtest.play import play
from libs.quant.backtest.result import Played
from libs.quant.backtest.tape import Tape
from libs.quant.calendars import DAY
from libs.quant.risk.view import Quoted
from libs.quant.risk.volume import DAYS, DailyVolume
from tests.factories import MINUTE, NOON, Prices, a_limit, a_setup, a_strategy, a_tape, columns, the_limits

UP_AND_DOWN = [100.0, 101.0, 100.0] * 4
QUOTES = QuoteBarColumns([NOON, NOON + MINUTE], *([float(10 * column), float(10 * column + 1)] for column in range(1, 11)))


def played(*closes: float, limits: tuple[LimitConfig, ...], step: int = MINUTE, **changed: Any) -> Played:
    tape = a_tape({"ALFA": columns(closes, step=step)}, **changed)
    return play(tape, a_setup(a_strategy(), limits=the_limits(*limits)))


def codes(found: Played) -> list[str]:
    return [refused.refusal.code for refused in found.refused]


def test_a_strategy_that_is_disabled_stays_so_for_the_rest_of_the_backtest() -> None:
    found = played(*UP_AND_DOWN, limits=(a_limit("max_repeated_entries", 0, scope="strategy", unit="count"),))
    assert codes(found) == ["RC-B09", *["RC-C01"] * 3]
    assert found.orders == []


@pytest.mark.parametrize(("jump", "expected"), [(0.0101, []), (0.0099, ["RC-A08"])])
def test_a_jump_is_measured_from_the_close_before(jump: float, expected: list[str]) -> None:
    assert codes(played(100.0, 101.0, 101.0, limits=(a_limit("max_price_jump", jump, unit="fraction"),))) == expected


def test_orders_that_have_ended_are_counted_by_what_became_of_them() -> None:
    gaps: list[Prices | float] = [101.0, (110.0, 110.0, 110.0, 100.0)] * 30  # each entry is left behind by the next open
    tape = a_tape({"ALFA": columns(gaps)})
    setup = a_setup(a_strategy(), limits=the_limits(a_limit("max_order_to_trade", 9, unit="count")))
    found = play(tape, setup)
    assert {status.value for status in found.statuses.values()} == {"EXPIRED"}
    assert len(found.orders) == 20
    assert codes(found)[0] == "RC-B08"


def test_of_a_symbol_the_tape_knows_its_close_before_its_quote_and_its_average_day() -> None:
    tape: Tape = a_tape({"ALFA": columns([100.0, 110.0, 120.0])}, fill_on={"ALFA": "quote_bar"}, quote_bars={"ALFA": QUOTES})
    known = NOON + 2 * MINUTE  # the second minute is known
    assert (tape.mark("ALFA", known), tape.mark_before("ALFA", known)) == (110.0, 100.0)
    assert tape.quoted("ALFA", known) == Quoted(QUOTES.bid_close[1], QUOTES.ask_close[1])
    assert tape.mark_before("ALFA", NOON + MINUTE) is None
    assert tape.quoted("ALFA", NOON) is None
    assert tape.average_volume("ALFA", known) is None
    assert tape.average_volume("ALFA", NOON + DAY) == 3e6


def test_an_average_day_is_that_of_the_last_days_that_are_over_and_on_which_something_traded() -> None:
    days = [day for day in range(DAYS + 5) if day % 7 < 5]
    volume = DailyVolume((day * DAY + n, float(day)) for day in days for n in (0, 1))
    assert volume.before(0) is None
    assert volume.before(DAY) is None  # on the first nothing traded: its volume is 0
    assert volume.before(3 * DAY - 1) == 2.0
    assert volume.before(3 * DAY) == 3.0
    lately = [day for day in days if day][-DAYS:]
    assert volume.before(99 * DAY) == 2 * sum(lately) / len(lately)


def test_a_cash_account_and_a_margin_account_are_told_apart() -> None:
    tape = a_tape({"ALFA": columns([100.0, 101.0, 101.0])})
    large = a_strategy(sizing="fixed:1500")
    kinds = {kind: codes(play(tape, a_setup(large, limits=the_limits(), kind=kind))) for kind in ("cash", "margin")}
    assert kinds == {"cash": ["RC-B03"], "margin": []}

"""What an operator reads of halts, and of how far an account is from its loss limits."""

from datetime import UTC, datetime
from typing import Final

from fleet.losses import account_lines, rearmed_text
from fleet.status import halt_text
from libs.domain.losses import percent
from libs.store.control import Rearmed
from libs.store.halts import HaltStanding, LossStanding
from tests.factories import NOON

HALT: Final = HaltStanding("paper", "max_daily_loss", NOON, datetime(2025, 1, 6, tzinfo=UTC), 96_988.0, 100_000.0, 0.03, 0.03012)
STANDING: Final = LossStanding("paper", "paper", "USD", NOON, 99_000.0, NOON, 100_000.0, 110_000.0, 0.03, None)


def test_a_halt_is_told_with_what_was_lost_and_what_to_do() -> None:
    assert halt_text(HALT) == (
        "halted     paper only closes since 2025-01-06 12:00:00 market time: max_daily_loss,\n"
        "           3.012% of 100,000.00 lost, limit 3%; find out why, then\n"
        '           `fleet risk rearm --scope account:paper --reason "..."`'
    )


def test_an_account_is_told_beside_its_limits() -> None:
    assert list(account_lines([STANDING])) == [
        "account    paper: equity 99,000.00 USD",
        "  day      1% lost since the trading day began (100,000.00); max_daily_loss 3%: halts below 97,000.00, 2,000.00 away",
        "  peak     10% lost from its peak (110,000.00); no max_drawdown is configured",
    ]


def test_a_gain_is_told_as_one_and_a_limit_that_was_passed_as_that() -> None:
    _, day, peak = account_lines([STANDING._replace(equity=104_500.0, peak_equity=115_000.0, max_drawdown=0.05)])
    assert day == "  day      4.5% gained since the trading day began (100,000.00); max_daily_loss 3%: halts below 97,000.00, 7,500.00 away"
    assert peak == "  peak     9.13% lost from its peak (115,000.00); max_drawdown 5%: passed at 109,250.00"


def test_what_was_re_armed_is_named() -> None:
    assert rearmed_text("fleet", Rearmed(True, [])) == "rearmed fleet"
    assert rearmed_text("account:paper", Rearmed(False, [HALT])) == (
        "rearmed account:paper: max_daily_loss of paper (3.012% lost, limit 3%)."
        " Entries pass again; losses count from the equity of this moment"
    )


def test_a_loss_just_beyond_its_limit_is_told_apart_from_it() -> None:
    assert (percent(0.03), percent(0.03001), percent(0.1)) == ("3%", "3.001%", "10%")

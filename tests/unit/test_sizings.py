"""What a configured sizing means, and what is none."""

import pytest

from libs.domain.orders import Exits
from libs.domain.sizings import Sizing, sizing
from libs.quant.risk.assess import terms_of
from tests.factories import a_strategy


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("equity", Sizing()),
        ("fixed:10", Sizing("fixed", 10.0)),
        ("fixed:0.5", Sizing("fixed", 0.5)),
        ("risk:0.01", Sizing("risk", 0.01)),
        ("volatility:0.1", Sizing(volatility=0.1)),
        ("equity * volatility:0.1", Sizing(volatility=0.1)),
        ("drawdown:0.2*kelly:1", Sizing(kelly=1.0, drawdown=0.2)),
        ("fixed:7 * volatility:2 * kelly:0.5 * drawdown:0.2", Sizing("fixed", 7.0, 2.0, 0.5, 0.2)),
    ],
)
def test_a_sizing_is_read_from_its_names_and_numbers(text: str, rule: Sizing) -> None:
    assert sizing(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        *("", "all", "equity:1", "equity:", "fixed", "fixed:", "fixed:ten", "fixed:0", "fixed:-1", "fixed:inf", "fixed:1e300"),
        *("volatility", "volatility:nan", "volatility:0", "volatilty:0.1", "risk", "risk:0", "risk:1.5", "risk:nan"),
        *("kelly", "kelly:0", "kelly:1.01", "drawdown:0", "drawdown:2", "drawdown:-0.1"),
        *("equity * equity", "kelly:0.5 * equity", "kelly:0.5 * fixed:3", "equity * fixed:3", "kelly:0.5 * kelly:0.5"),
        *("equity *", "* kelly:0.5", "equity ** kelly:0.5", "equity kelly:0.5"),
    ],
)
def test_anything_else_is_refused_where_it_is_configured_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected sizing equity, fixed:UNITS or risk:FRACTION, .*; got '"):
        a_strategy(sizing=text)


@pytest.mark.parametrize("exits", [Exits(), Exits(target_bps=300)])
def test_a_fraction_at_risk_without_a_stop_is_refused(exits: Exits) -> None:
    with pytest.raises(ValueError, match="strategy fast, sizing 'risk:0.01': .* needs a stop"):
        a_strategy(sizing="risk:0.01", exits=exits)


def test_exits_that_take_the_place_of_a_stop_have_to_be_a_stop_too() -> None:
    config = a_strategy(sizing="risk:0.01", exits=Exits(stop_bps=100))
    assert terms_of(config, Exits(trail_bps=250)).exits == Exits(trail_bps=250)
    with pytest.raises(ValueError, match="needs a stop"):
        terms_of(config, Exits(target_bps=300))

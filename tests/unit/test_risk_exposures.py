"""What an account holds, in shares of its equity."""

from decimal import Decimal
from math import inf

import msgspec
import pytest

from libs.domain.measuring import ResponseConfig
from libs.quant.risk.measures.breaches import breaches
from libs.quant.risk.measures.exposures import currency_of, exposures, figures
from tests.factories import a_view, an_open_order
from tests.paper import ALFA, COIN

BOOKS = {("fast", "ALFA"): 200, ("slow", "ALFA"): -100, ("slow", "BTC/USD"): -50_000}  # 100 shares at 100, half a coin at 20,000
VIEW = a_view(positions=BOOKS, cash={"USD": Decimal(100_000)})


def test_positions_of_one_symbol_net_in_the_account_and_not_between_strategies() -> None:
    held = exposures(VIEW)
    assert VIEW.equity == 100_000.0
    assert (held.gross, held.net, held.largest) == (0.2, 0.0, 0.1)
    assert held.strategies == {"fast": 0.2, "slow": 0.2}


def test_what_a_pair_buys_is_held_in_its_own_currency_and_shares_in_that_of_their_price() -> None:
    assert exposures(VIEW).currencies == {"BTC": -0.1}
    euros = msgspec.structs.replace(COIN, symbol="EUR/USD", asset_class="forex")
    assert [currency_of(instrument) for instrument in (ALFA, COIN, euros)] == ["USD", "BTC", "EUR"]


@pytest.mark.parametrize(("kind", "margin"), [("margin", 0.05), ("cash", None)])
def test_margin_is_a_quarter_of_all_positions_and_a_cash_account_has_none(kind: str, margin: float | None) -> None:
    assert exposures(a_view(positions=BOOKS, kind=kind)).margin == margin


def test_what_is_on_order_is_not_held() -> None:
    assert exposures(a_view(open_orders=[an_open_order(500)])).gross == 0.0


def test_of_an_account_that_is_worth_nothing_whatever_is_held_is_too_much() -> None:
    held = exposures(a_view(positions={("fast", "ALFA"): -10}, cash={"USD": Decimal(1_000)}))
    assert (held.gross, held.net, held.margin) == (inf, -inf, inf)
    assert exposures(a_view(cash={})).gross == 0.0


def test_without_a_price_nobody_can_say() -> None:
    with pytest.raises(LookupError, match="a position in ALFA and no price of it"):
        exposures(a_view(positions=BOOKS, marks={}))


def test_every_figure_that_is_looked_at_can_be_bounded() -> None:
    found = figures(exposures(VIEW), drawdown=0.04)
    assert found == {
        "gross_exposure": 0.2,
        "net_exposure": 0.0,
        "largest_position": 0.1,
        "currency_exposure": 0.1,
        "strategy_exposure": 0.2,
        "margin_used": 0.05,
        "drawdown": 0.04,
    }
    for measure, seen in found.items():
        at, below = (ResponseConfig(measure=measure, most=most, step="warn") for most in (seen, max(0.0, seen - 1e-9)))
        assert [breach.response for breach in breaches(found, [at, below], "paper")] == ([below] if seen else [])

"""The whole picture of an account: every part is there, agrees with the others, and says what it could not measure."""

from dataclasses import dataclass, field
from decimal import Decimal
from math import nan
from pathlib import Path

import msgspec
import numpy as np
import pytest

from libs.domain.actions import CorporateAction
from libs.domain.configuration import RiskConfig
from libs.domain.history import Closes, Held, Material
from libs.domain.measuring import MeasuresConfig, ShockConfig
from libs.quant.risk.measures.crises import CRISES
from libs.quant.risk.measures.picture import PortfolioRisk
from libs.quant.risk.measures.portfolio import portfolio_risk, risk_of
from libs.quant.risk.measures.positions import Position
from libs.quant.risk.measures.returns import DAY, Returns, returns_of
from libs.quant.risk.measures.stress import Scenario, scenarios, stress_test

SYMBOLS = ("ALFA", "BRVO", "CHLY", "BTC/USD")
MARKET = MeasuresConfig(benchmarks={"equity": "ALFA", "crypto": "BTC/USD"})


def some_returns(days: int = 400) -> Returns:
    draw = np.random.default_rng(3)
    market = 0.01 * draw.standard_normal((days, 1))
    return Returns(SYMBOLS, market * [1.0, 1.5, 0.5, 2.0] + 0.005 * draw.standard_normal((days, 4)), DAY)


def positions() -> list[Position]:
    return [
        Position("ALFA", "equity", 20_000.0, 1e6),
        Position("BRVO", "equity", 10_000.0, 50_000.0),
        Position("CHLY", "equity", -5_000.0, 1e6),
        Position("BTC/USD", "crypto", 8_000.0, 1e9),
    ]


def whys(found: PortfolioRisk) -> dict[str, str]:
    return {missing.what: missing.why for missing in found.missing}


def test_every_measure_is_there_and_the_components_add_up() -> None:
    found = portfolio_risk(positions(), some_returns(), equity=100_000.0, equities=[90_000, 110_000, 100_000], config=MARKET)
    assert found.missing == []
    assert found.gross == 43_000.0
    assert found.net == 33_000.0
    tails = {(tail.method, tail.confidence): tail for tail in found.tails}
    assert len(tails) == 8
    assert sum(p.component_var or nan for p in found.positions) == pytest.approx(tails["normal", 0.99].value_at_risk)
    assert sum(p.component_cvar or nan for p in found.positions) == pytest.approx(tails["historical", 0.99].expected_shortfall)
    assert all(tail.expected_shortfall > tail.value_at_risk > 0 for tail in found.tails)
    hedge = found.positions[2]
    assert (hedge.component_var or 0.0) < 0.0
    assert found.beta == pytest.approx(sum(p.value * (p.beta or nan) for p in found.positions) / 100_000.0)
    assert found.backtest is not None
    assert found.drawdown is not None
    assert found.drawdown.current == pytest.approx(1 / 11)
    assert found.liquidity is not None
    assert found.liquidity.days == 2.0  # BRVO: 10,000 at a tenth of 50,000 a day


def test_the_same_input_gives_the_same_picture_and_it_survives_json() -> None:
    once = portfolio_risk(positions(), some_returns(), equity=100_000.0)
    assert portfolio_risk(positions(), some_returns(), equity=100_000.0) == once
    assert msgspec.json.decode(msgspec.json.encode(once), type=PortfolioRisk) == once


def test_a_short_history_measures_exposure_and_stress_and_says_what_is_missing() -> None:
    found = portfolio_risk(positions(), some_returns(29), equity=100_000.0, config=MARKET)
    assert found.tails == []
    assert found.volatility is None
    assert found.backtest is None
    assert whys(found)["value at risk, correlation and what is made of them"] == "29 returns are stored, 30 are needed"
    assert len(found.stress) == len(CRISES)
    assert found.concentration is not None


def test_a_tail_that_is_not_in_the_sample_is_missing_and_not_made_up() -> None:
    found = portfolio_risk(positions(), some_returns(60), equity=100_000.0, config=MARKET)
    assert {(t.method, t.confidence) for t in found.tails} >= {("historical", 0.95), ("monte_carlo", 0.99), ("normal", 0.99)}
    assert ("historical", 0.99) not in {(t.method, t.confidence) for t in found.tails}
    assert "at least 100 observations" in whys(found)["historical value at risk at 99%"]
    assert found.positions[0].component_cvar is None
    assert found.positions[0].component_var is not None
    assert "250 returns to forecast from" in whys(found)["backtest of the value at risk"]


def test_a_position_without_history_is_counted_and_named() -> None:
    found = portfolio_risk([*positions(), Position("NEWS", "equity", 7_000.0)], some_returns(), equity=100_000.0, config=MARKET)
    assert found.unmeasured == 7_000.0
    assert "no usable close of it is stored" in whys(found)["history of NEWS"]
    assert found.beta is None
    assert found.tails == portfolio_risk(positions(), some_returns(), equity=100_000.0, config=MARKET).tails


def test_positions_that_never_moved_have_no_shares_of_no_risk() -> None:
    still = Returns(("ALFA", "BRVO"), np.zeros((300, 2)), DAY)
    found = portfolio_risk(positions()[:2], still, equity=100_000.0, config=MARKET)
    assert found.volatility == 0.0
    assert "got a deviation of 0" in whys(found)["components of the value at risk"]
    assert "a benchmark that moves" in whys(found)["betas of class equity"]
    assert found.correlation is None


def test_nothing_held_is_no_risk_and_no_complaint() -> None:
    found = portfolio_risk([], some_returns(), equity=100_000.0, equities=[100_000.0])
    assert (found.gross, found.tails, found.stress, found.missing) == (0.0, [], [], [])


@pytest.mark.parametrize(
    ("held", "equity", "expected"),
    [
        ([Position("ALFA", "equity", 1.0), Position("ALFA", "equity", 2.0)], 1.0, "each symbol once among the positions, got ALFA twice"),
        ([Position("ALFA", "equity", nan)], 1.0, "a finite number as value of ALFA, got nan"),
        ([Position("ALFA", "equity", 1.0)], nan, "a finite number as equity, got nan"),
    ],
)
def test_wrong_input_is_an_error_and_no_gap(held: list[Position], equity: float, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        portfolio_risk(held, some_returns(), equity=equity)


def test_an_account_in_debt_is_measured_without_shares_of_its_equity() -> None:
    found = portfolio_risk(positions(), some_returns(), equity=-5.0, config=MARKET)
    assert found.positions[0].weight is None
    assert found.stress[0].share is None
    assert found.tails


# --- stress


def test_a_move_of_the_symbol_beats_one_of_its_class_and_that_one_of_everything() -> None:
    moves = {"ALFA": -0.5, "equity": -0.2, "*": -0.1}
    found = stress_test(Scenario("mine", "mine", moves, False), positions(), {"ALFA": 3.0, "BRVO": 2.0}, 100_000.0)
    assert found.pnl == pytest.approx(-0.5 * 20_000 - 0.4 * 10_000 + 0.2 * 5_000 - 0.1 * 8_000)
    assert [loss.symbol for loss in found.worst] == ["ALFA", "BRVO", "BTC/USD"]
    assert found.share == pytest.approx(found.pnl / 100_000.0)


def test_what_a_scenario_says_nothing_of_is_uncovered_and_a_price_does_not_fall_below_zero() -> None:
    monday = scenarios()[0]
    found = stress_test(monday, positions(), {"BRVO": 9.0}, 100_000.0)
    assert found.uncovered == 8_000.0  # there were no coins in 1987
    assert found.worst[0].symbol == "BRVO"
    assert found.worst[0].pnl == -10_000.0


def test_shocks_of_the_operator_stand_behind_the_crises() -> None:
    found = portfolio_risk(
        positions(), some_returns(), equity=1e5, shocks=[ShockConfig(name="flash", title="A flash crash", moves={"*": -0.1})]
    )
    assert (found.stress[-1].title, found.stress[-1].recorded) == ("A flash crash", False)
    assert found.stress[-1].pnl == pytest.approx(-0.1 * 33_000.0)


@pytest.mark.parametrize("moves", [{}, {"*": -1.1}, {"*": nan}])
def test_a_shock_that_no_market_makes_is_refused(moves: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="field `moves`"):
        ShockConfig(name="mine", moves=moves)


def test_two_shocks_of_one_name_are_refused() -> None:
    shock = ShockConfig(name="mine", moves={"*": -0.1})
    with pytest.raises(ValueError, match="one table for each name in field `shock`, got 'mine' twice"):
        RiskConfig(limit=[], shock=[shock, shock])


# --- returns from closes


@dataclass
class Days:
    """Closes of days by symbol; None is no bar."""

    prices: dict[str, list[float | None]]
    days: list[int] = field(default_factory=list)

    def closes(self) -> Closes:
        days = self.days or list(range(1, 1 + len(next(iter(self.prices.values())))))
        return Closes(DAY, [day * DAY for day in days], self.prices)


def test_returns_are_of_the_days_on_which_every_symbol_had_a_close() -> None:
    found = returns_of(Days({"A": [10, 11, None, 22], "B": [5, 6, 7, 9]}).closes())
    assert found.symbols == ("A", "B")
    assert found.matrix.tolist() == [pytest.approx([0.1, 0.2]), pytest.approx([1.0, 0.5])]
    assert found.ends == (2 * DAY, 4 * DAY)
    assert found.incomplete == 1


def test_a_weekend_is_bridged_and_a_hole_is_not() -> None:
    found = returns_of(Days({"A": [10, 11, 12, 24]}, [1, 4, 5, 20]).closes())
    assert found.matrix[:, 0] == pytest.approx([0.1, 1 / 11])
    assert found.holes == 1
    hours = Closes(DAY // 24, [n * DAY // 24 for n in (1, 2, 20)], {"A": [10.0, 11.0, 22.0]})
    assert returns_of(hours).matrix[:, 0] == pytest.approx([0.1])


def test_a_symbol_with_too_few_closes_does_not_keep_the_others_from_being_measured() -> None:
    long: list[float | None] = [100.0 + n for n in range(40)]
    short: list[float | None] = [None] * 35 + [7.0, 8.0, 9.0, 10.0, 11.0]
    found = returns_of(Days({"LONG": long, "NEWS": short, "OTHR": long}).closes())
    assert found.symbols == ("LONG", "OTHR")
    assert found.left_out == (("NEWS", 5),)
    assert len(found.matrix) == 39


def test_a_symbol_with_half_a_history_shortens_that_of_all_when_enough_is_left() -> None:
    whole: list[float | None] = [100.0 + n % 9 for n in range(300)]
    found = returns_of(Days({"LONG": whole, "HALF": [*[None] * 150, *whole[150:]]}).closes())
    assert found.symbols == ("HALF", "LONG")
    assert len(found.matrix) == 149


def test_a_benchmark_with_a_short_history_shortens_nobodys() -> None:
    draw = np.random.default_rng(1)
    alfa = (100.0 * np.cumprod(1 + 0.01 * draw.standard_normal(300))).tolist()
    prices: dict[str, list[float | None]] = {"ALFA": alfa, "SPY": [*[None] * 150, *(3.0 * price for price in alfa[150:])]}
    held = [Held("ALFA", "equity", "USD", 1_000.0, True, None)]
    material = Material("paper", "USD", 301 * DAY, 5_000.0, held, Days(prices).closes(), (), (5_000.0,))
    found = risk_of(material, MeasuresConfig(benchmarks={"equity": "SPY"}))
    assert found.observations == 299
    assert found.positions[0].beta == pytest.approx(1.0)


def test_a_split_is_no_fall() -> None:
    split = CorporateAction(venue="T", symbol="A", effective=2 * DAY + 1, kind="split", ratio=Decimal(2))
    found = returns_of(Days({"A": [100, 110, 55, 66]}).closes(), [split])
    assert found.matrix[:, 0] == pytest.approx([0.1, 0.0, 0.2])


def test_a_close_that_no_return_can_be_made_of_does_not_keep_the_others_from_being_measured() -> None:
    prices: dict[str, list[float | None]] = {"ALFA": [100.0 + n % 7 for n in range(50)], "OIL": [*[20.0] * 49, -37.63]}
    held = [Held("ALFA", "equity", "USD", 100.0, True, None), Held("OIL", "future", "USD", 200.0, True, None)]
    found = risk_of(Material("paper", "USD", 51 * DAY, 1_000.0, held, Days(prices).closes(), (), (1_000.0,)))
    assert found.missing[0].why == "a close of -37.63 is stored, of which no return can be made"
    assert (found.observations, found.unmeasured) == (49, 200.0)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ({"A": [1.0, 0.0]}, "closes of A above 0 and finite, got 0.0"),
        ({"A": [1.0, nan]}, "got nan"),
        ({"A": [1.0, 2.0], "B": [1.0]}, "of B"),
    ],
)
def test_closes_that_are_none_are_refused(prices: dict[str, list[float | None]], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        returns_of(Days(prices, [1, 2]).closes())


def test_no_closes_at_all_are_no_returns() -> None:
    assert returns_of(Closes(DAY, (), {"A": (), "B": ()})).matrix.shape == (0, 2)
    assert returns_of(Closes(DAY, (DAY, 2 * DAY), {})).matrix.shape == (0, 0)


def test_what_is_priced_in_another_currency_is_named_and_left_out() -> None:
    held = [Held("ALFA", "equity", "USD", 100.0, True, None), Held("BMW", "equity", "EUR", 200.0, False, None)]
    closes = Closes(DAY, (), {"ALFA": (), "BMW": ()})
    found = risk_of(Material("paper", "USD", 5 * DAY, 1_000.0, held, closes, (), (1_000.0,)))
    assert found.gross == 100.0
    assert whys(found)["BMW"] == "it is priced in EUR and there is no rate to USD"
    assert "counts at what it cost" in whys(found)["price of BMW"]


def test_every_crisis_stands_in_the_documentation_with_its_moves() -> None:
    page = (Path(__file__).parents[2] / "docs/risk-measures.md").read_text()
    for crisis in CRISES:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{crisis.name}` |"))
        for found in crisis.moves.values():
            assert f"{found.move:+.1%}" in row, crisis.name


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_held_the_picture_is_whole_and_finite(seed: int) -> None:
    """Nothing that moves, two that move as one, tiny and huge positions, no volume, no equity, one day: never a NaN, never an error."""
    draw = np.random.default_rng(seed)
    count, days = int(draw.integers(0, 8)), int(draw.choice([0, 1, 29, 30, 31, 120, 300]))
    moves = draw.standard_normal((days, count)) * 10.0 ** draw.integers(-9, 1)
    if count > 1:
        moves[:, 0] *= draw.integers(2)
        moves[:, 1] = moves[:, int(draw.integers(count))]
    held = [
        Position(f"S{n}", ("equity", "crypto", "option")[n % 3], float(draw.choice([0.0, 1e-8, -1e9, 5e4])), (None, 0.0, 1e6)[n % 3])
        for n in range(count)
    ]
    config = MeasuresConfig(benchmarks={"equity": "S0", "crypto": "S1"}, paths=1_000)
    returns = Returns(tuple(p.symbol for p in held), moves, DAY)
    found = portfolio_risk(held, returns, equity=float(draw.choice([0.0, -1.0, 1e5])), equities=[1.0, 2.0], config=config)
    assert msgspec.json.decode(msgspec.json.encode(found), type=PortfolioRisk) == found  # a NaN would come back as nothing

"""The figures that are watched, and which of them are too high."""

from libs.domain.measuring import ResponseConfig
from libs.quant.risk.measures.breaches import breaches
from libs.quant.risk.measures.figures import figures
from libs.quant.risk.measures.picture import PortfolioRisk, PositionRisk, Tail
from libs.quant.risk.measures.stress import StressTest

RISK = PortfolioRisk(
    equity=1000.0,
    gross=600.0,
    net=200.0,
    period_ns=1,
    observations=100,
    unmeasured=0.0,
    volatility=20.0,
    tails=[Tail("normal", 0.99, 40.0, 50.0), Tail("historical", 0.99, 60.0, 70.0), Tail("historical", 0.95, 90.0, 95.0)],
    positions=[PositionRisk(symbol="A", value=400.0, weight=0.4), PositionRisk(symbol="B", value=-200.0, weight=-0.2)],
    stress=[StressTest("up", "Up", True, 300.0, 0.3, [], 0.0), StressTest("down", "Down", True, -250.0, -0.25, [], 0.0)],
)


def test_of_several_methods_the_gravest_counts_at_the_confidence_asked_for() -> None:
    found = figures(RISK, 0.99)
    assert (found["value_at_risk"], found["expected_shortfall"], found["volatility"]) == (0.06, 0.07, 0.02)
    assert found["worst_stress"] == 0.25
    assert found.keys().isdisjoint(("correlation", "days_to_exit")), "what was not measured is not there"


def test_a_measure_of_exactly_its_most_is_no_breach_and_one_above_is() -> None:
    at, above = (ResponseConfig(measure="value_at_risk", most=most, step="halt") for most in (0.06, 0.0599))
    [breach] = breaches(figures(RISK, 0.99), [at, above], "paper")
    assert (breach.response, str(breach)) == (above, "value_at_risk 6.00%, at most 5.99%")


def test_what_could_not_be_measured_and_what_is_for_another_account_breaches_nothing() -> None:
    unmeasured = ResponseConfig(measure="correlation", most=0.0, step="flatten")
    of_another = ResponseConfig(measure="volatility", most=0.0, step="flatten", account="other")
    assert breaches(figures(RISK, 0.99), [unmeasured, of_another], "paper") == []

"""The figures of an account's risk that come of its history, as they are bounded. What it holds now: exposures.py."""

from collections.abc import Mapping

from libs.domain.measuring import MeasureName
from libs.quant.risk.measures.picture import PortfolioRisk


def figures(risk: PortfolioRisk, confidence: float) -> Mapping[MeasureName, float]:
    """Those that could be measured. Of several methods the one that says most; shares of the equity where it is above 0."""
    tails = [tail for tail in risk.tails if tail.confidence == confidence]
    found: dict[MeasureName, float] = {}
    if risk.correlation is not None:
        found["correlation"] = risk.correlation.mean
    if risk.liquidity is not None:
        found["days_to_exit"] = risk.liquidity.days
    if risk.equity <= 0:
        return found
    if tails:
        found["value_at_risk"] = max(tail.value_at_risk for tail in tails) / risk.equity
        found["expected_shortfall"] = max(tail.expected_shortfall for tail in tails) / risk.equity
    if risk.volatility is not None:
        found["volatility"] = risk.volatility / risk.equity
    if risk.stress:
        found["worst_stress"] = max(0.0, *(-test.pnl / risk.equity for test in risk.stress))
    return found

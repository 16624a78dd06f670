"""An account's risk as a value: what is shown, stored and compared."""

from typing import Literal

import msgspec

from libs.quant.risk.measures.concentration import Concentration
from libs.quant.risk.measures.drawdown import Drawdown
from libs.quant.risk.measures.liquidity import Liquidity
from libs.quant.risk.measures.stress import StressTest
from libs.quant.risk.measures.var_backtest import VarBacktest

Method = Literal["historical", "normal", "ewma", "monte_carlo"]


class Tail(msgspec.Struct, frozen=True):
    """A loss that is reached or passed in a share 1 - confidence of all periods, and the mean of those; money, positive is lost."""

    method: Method
    confidence: float
    value_at_risk: float
    expected_shortfall: float


class PositionRisk(msgspec.Struct, frozen=True, kw_only=True):
    """One position within the whole. Money per period; None where it could not be measured."""

    symbol: str
    value: float
    weight: float | None  # of the equity
    volatility: float | None = None  # of its returns, per period
    beta: float | None = None  # to the benchmark of its class
    marginal_var: float | None = None  # by unit of money more
    component_var: float | None = None  # they add up to the normal value at risk
    incremental_var: float | None = None  # with it less without it
    component_cvar: float | None = None  # they add up to the historical expected shortfall
    days_to_exit: float | None = None


class Pair(msgspec.Struct, frozen=True):
    """The two positions whose returns go together most."""

    one: str
    other: str
    correlation: float


class Correlation(msgspec.Struct, frozen=True):
    """How alike the positions move."""

    mean: float  # of all pairs
    highest: Pair
    shrinkage: float  # how far the sample's correlations were drawn to their mean: 0 not at all, 1 wholly


class Missing(msgspec.Struct, frozen=True):
    """What is not in the picture, and why."""

    what: str
    why: str


class PortfolioRisk(msgspec.Struct, frozen=True, kw_only=True):
    """The risk of an account, as JSON the `measures` of a row in risk_metrics. Money is in the account's currency."""

    equity: float
    gross: float
    net: float
    period_ns: int  # what every value at risk, volatility and return is of
    observations: int  # returns they were measured from
    unmeasured: float  # gross worth of the positions without a history; they are in the stress tests only
    volatility: float | None = None  # standard deviation of the P&L of a period, money
    beta: float | None = None  # sum of value x beta / equity
    tails: list[Tail] = []
    positions: list[PositionRisk] = []
    correlation: Correlation | None = None
    concentration: Concentration | None = None
    liquidity: Liquidity | None = None
    drawdown: Drawdown | None = None  # of the equity at the end of each trading day
    stress: list[StressTest] = []
    backtest: VarBacktest | None = None
    missing: list[Missing] = []

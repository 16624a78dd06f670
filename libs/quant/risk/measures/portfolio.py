"""An account's whole risk in one picture."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple, ParamSpec, TypeVar

import msgspec
import numpy as np

from libs.domain.history import Closes, Material
from libs.domain.instruments import AssetClass
from libs.domain.measuring import MeasuresConfig, ShockConfig
from libs.quant.risk.measures import components, historical
from libs.quant.risk.measures.beta import betas
from libs.quant.risk.measures.checks import Matrix, TooShort, Vector, same_length
from libs.quant.risk.measures.concentration import concentration
from libs.quant.risk.measures.covariance import correlation, shrunk_covariance
from libs.quant.risk.measures.drawdown import drawdown
from libs.quant.risk.measures.ewma import ewma_covariance
from libs.quant.risk.measures.liquidity import Liquidity, days_to_exit, liquidity
from libs.quant.risk.measures.monte_carlo import simulated_pnl
from libs.quant.risk.measures.normal import deviation, normal_cvar, normal_var
from libs.quant.risk.measures.picture import Correlation, Method, Missing, Pair, PortfolioRisk, PositionRisk, Tail
from libs.quant.risk.measures.positions import Position
from libs.quant.risk.measures.returns import LEAST, Returns, returns_of
from libs.quant.risk.measures.stress import scenarios, stress_test
from libs.quant.risk.measures.var_backtest import VarBacktest, backtest

CONFIDENCES: Final = (0.95, 0.99)
DEFAULTS: Final = MeasuresConfig()
_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Sample(NamedTuple):
    """The positions that have a history, and what it says."""

    positions: Sequence[Position]
    values: Vector
    returns: Matrix
    covariance: Matrix
    shrinkage: float


class _Notes:
    """What could not be measured, gathered on the way."""

    def __init__(self) -> None:
        self.missing: list[Missing] = []

    def tried(self, what: str, measure: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """The measure of these; None where it is not defined for them, which is noted."""
        try:
            return measure(*args, **kwargs)
        except ValueError as error:
            self.missing.append(Missing(what, str(error)))
            return None


def risk_of(material: Material, config: MeasuresConfig = DEFAULTS, shocks: Sequence[ShockConfig] = ()) -> PortfolioRisk:
    """What `portfolio_risk` says of an account as the record has it. Positions priced in another currency are left out, and said."""
    notes = _Notes()
    foreign = [held for held in material.held if held.currency != material.currency]
    for held in foreign:
        notes.missing.append(Missing(held.symbol, f"it is priced in {held.currency} and there is no rate to {material.currency}"))
    for held in material.held:
        if not held.priced:
            notes.missing.append(Missing(f"price of {held.symbol}", "no bar of it yet: it counts at what it cost"))
    positions = [Position(h.symbol, h.asset_class, h.value, h.daily_volume) for h in material.held if h not in foreign]
    closes = _sound(material.closes, notes)
    held_only = closes._replace(prices={p.symbol: closes.prices[p.symbol] for p in positions if p.symbol in closes.prices})
    found = portfolio_risk(
        positions,
        returns_of(held_only, material.actions),
        market=returns_of(closes, material.actions),
        equity=material.equity,
        equities=material.equities,
        config=config,
        shocks=shocks,
    )
    return msgspec.structs.replace(found, missing=notes.missing + found.missing)


def portfolio_risk(
    positions: Sequence[Position],
    returns: Returns,
    *,
    equity: float,
    market: Returns | None = None,
    equities: Sequence[float] = (),
    config: MeasuresConfig = DEFAULTS,
    shocks: Sequence[ShockConfig] = (),
) -> PortfolioRisk:
    """Every measure of an account's positions, held as they are through the periods of `returns`.

    Pure, and the same for the same input: the paths are drawn from `config.seed`. 100 positions over 500 days take some tens of
    milliseconds of a core: not in an event loop. What cannot be measured (too short a history, nothing that moves) is None and named
    in `missing` with the reason; nothing is put in its place.

    Args:
        positions: one for each symbol.
        returns: of them; symbols that are missing are not measured.
        market: of them together with the benchmarks, which may have a shorter history; None: `returns` holds those too.
        equity: of the account now, money.
        equities: of the account at the end of each trading day, the oldest first.

    Raises:
        ValueError: a symbol twice, or what is no finite number among the input; the message says where.
    """
    _check(positions, returns, equity)
    notes = _Notes()
    _note_gaps(positions, returns, notes)
    known = _betas(positions, market or returns, config.benchmarks, notes)
    values = np.array([p.value for p in positions], dtype=np.float64)
    sample = _sample(positions, returns, notes) if positions else None
    return PortfolioRisk(
        equity=equity,
        gross=float(np.abs(values).sum()),
        net=float(values.sum()),
        period_ns=returns.length_ns,
        observations=len(returns.matrix),
        unmeasured=sum(abs(p.value) for p in positions if p.symbol not in returns.symbols),
        volatility=None if sample is None else deviation(sample.values, sample.covariance),
        beta=_whole_beta(positions, known, equity),
        tails=[] if sample is None else _tails(sample, config, notes),
        positions=_position_risks(positions, sample, known, equity, config, notes),
        correlation=None if sample is None else _correlation(sample),
        concentration=notes.tried("concentration", concentration, values) if positions else None,
        liquidity=_liquidity(positions, config, notes),
        drawdown=notes.tried("drawdown", drawdown, equities),
        stress=[stress_test(scenario, positions, known, equity) for scenario in scenarios(shocks)] if positions else [],
        backtest=None if sample is None else _backtest(sample, config, notes),
        missing=notes.missing,
    )


def _sound(closes: Closes, notes: _Notes) -> Closes:
    """Without the symbols of which a close is stored that no return can be made of: the others are measured."""
    bad = {symbol: price for symbol, column in closes.prices.items() for price in column if price is not None and not 0.0 < price < inf}
    for symbol, price in sorted(bad.items()):
        notes.missing.append(Missing(f"history of {symbol}", f"a close of {price:g} is stored, of which no return can be made"))
    return closes._replace(prices={symbol: column for symbol, column in closes.prices.items() if symbol not in bad})


def _check(positions: Sequence[Position], returns: Returns, equity: float) -> None:
    symbols = [p.symbol for p in positions]
    twice = next((symbol for symbol in symbols if symbols.count(symbol) > 1), None)
    if twice:
        raise ValueError(f"Expected each symbol once among the positions, got {twice} twice")
    same_length(len(returns.symbols), returns.matrix.shape[1], "symbols and the columns of returns")
    for what, value in [("equity", equity), *((f"value of {p.symbol}", p.value) for p in positions)]:
        if not np.isfinite(value):
            raise ValueError(f"Expected a finite number as {what}, got {value}")


def _note_gaps(positions: Sequence[Position], returns: Returns, notes: _Notes) -> None:
    counts = dict(returns.left_out)
    for p in positions:
        if p.symbol not in returns.symbols:
            why = f"only {counts[p.symbol]} closes of it are stored" if p.symbol in counts else "no usable close of it is stored"
            notes.missing.append(Missing(f"history of {p.symbol}", f"{why}: it is in the stress tests and in no other measure"))


def _sample(positions: Sequence[Position], returns: Returns, notes: _Notes) -> _Sample | None:
    """None: there is too little history for any measure of it."""
    measured = [p for p in positions if p.symbol in returns.symbols]
    if not measured or len(returns.matrix) < LEAST:
        why = f"{len(returns.matrix)} returns are stored, {LEAST} are needed" if measured else "no position has a history"
        notes.missing.append(Missing("value at risk, correlation and what is made of them", why))
        return None
    moves = returns.matrix[:, [returns.symbols.index(p.symbol) for p in measured]]
    shrunk = shrunk_covariance(moves)
    return _Sample(measured, np.array([p.value for p in measured], dtype=np.float64), moves, shrunk.covariance, shrunk.intensity)


def _tails(sample: _Sample, config: MeasuresConfig, notes: _Notes) -> list[Tail]:
    samples: dict[Method, Vector] = {
        "historical": historical.scenario_pnl(sample.values, sample.returns),
        "monte_carlo": simulated_pnl(sample.values, sample.covariance, seed=config.seed, paths=config.paths),
    }
    spreads: dict[Method, float] = {
        "normal": deviation(sample.values, sample.covariance),
        "ewma": deviation(sample.values, ewma_covariance(sample.returns, decay=config.decay)),
    }
    found: list[Tail | None] = []
    for level in CONFIDENCES:
        found += [notes.tried(f"{method} value at risk at {level:.0%}", _of_sample, method, pnl, level) for method, pnl in samples.items()]
        found += [Tail(method, level, normal_var(spread, level), normal_cvar(spread, level)) for method, spread in spreads.items()]
    return [tail for tail in found if tail is not None]


def _of_sample(method: Method, pnl: Vector, confidence: float) -> Tail:
    return Tail(method, confidence, historical.historical_var(pnl, confidence), historical.historical_cvar(pnl, confidence))


def _betas(positions: Sequence[Position], returns: Returns, benchmarks: Mapping[AssetClass, str], notes: _Notes) -> dict[str, float]:
    """By symbol, of the positions whose class has a benchmark with a history."""
    found: dict[str, float] = {}
    for asset_class in sorted({p.asset_class for p in positions}):
        symbols = [p.symbol for p in positions if p.asset_class == asset_class and p.symbol in returns.symbols]
        benchmark = benchmarks.get(asset_class, "")
        if benchmark not in returns.symbols or len(returns.matrix) < LEAST:
            why = f"{benchmark} has too short a history" if benchmark else "no benchmark is configured"
            notes.missing.append(Missing(f"betas of class {asset_class}", f"{why}: in stress tests they count as 1"))
        elif symbols:
            columns = returns.matrix[:, [returns.symbols.index(symbol) for symbol in symbols]]
            measured = notes.tried(f"betas of class {asset_class}", betas, columns, returns.of(benchmark))
            found |= {} if measured is None else dict(zip(symbols, measured.tolist(), strict=True))
    return found


def _whole_beta(positions: Sequence[Position], known: Mapping[str, float], equity: float) -> float | None:
    """None unless it is known of every position: half a beta says nothing."""
    if equity <= 0.0 or not positions or any(p.symbol not in known for p in positions):
        return None
    return sum(p.value * known[p.symbol] for p in positions) / equity


def _position_risks(
    positions: Sequence[Position],
    sample: _Sample | None,
    known: Mapping[str, float],
    equity: float,
    config: MeasuresConfig,
    notes: _Notes,
) -> list[PositionRisk]:
    shares = {} if sample is None else _shares(sample, config.confidence, notes)
    return [
        PositionRisk(
            symbol=p.symbol,
            value=p.value,
            weight=p.value / equity if equity > 0.0 else None,
            beta=known.get(p.symbol),
            days_to_exit=_days(p, config.participation),
            **shares.get(p.symbol, {}),
        )
        for p in positions
    ]


def _shares(sample: _Sample, confidence: float, notes: _Notes) -> dict[str, dict[str, float]]:
    """What each position has in the whole, by symbol and field of PositionRisk."""
    values, covariance = sample.values, sample.covariance
    columns: dict[str, Vector | None] = {
        "volatility": np.sqrt(np.diag(covariance)),
        "marginal_var": notes.tried("components of the value at risk", components.marginal_var, values, covariance, confidence),
        "incremental_var": components.incremental_var(values, covariance, confidence),
        "component_cvar": notes.tried(
            "components of the expected shortfall", historical.component_cvar, sample.returns * values, confidence
        ),
    }
    if columns["marginal_var"] is not None:
        columns["component_var"] = values * columns["marginal_var"]
    found = {name: column.tolist() for name, column in columns.items() if column is not None}
    return {p.symbol: {name: column[n] for name, column in found.items()} for n, p in enumerate(sample.positions)}


def _days(position: Position, participation: float) -> float | None:
    if position.daily_volume is None:
        return None
    days = float(days_to_exit([position.value], [position.daily_volume], participation)[0])
    return days if np.isfinite(days) else None


def _liquidity(positions: Sequence[Position], config: MeasuresConfig, notes: _Notes) -> Liquidity | None:
    known = [(p.value, p.daily_volume) for p in positions if p.daily_volume]
    unknown = [p.symbol for p in positions if not p.daily_volume]
    if unknown:
        notes.missing.append(Missing("days to exit", f"no whole day's volume of {', '.join(unknown)} is stored"))
    if not known:
        return None
    values, volumes = zip(*known, strict=True)
    return notes.tried("days to exit", liquidity, values, volumes, config.participation)


def _correlation(sample: _Sample) -> Correlation | None:
    """None: there are not two positions that move."""
    ratios = correlation(sample.covariance)
    rows, columns = np.triu_indices(len(ratios), k=1)
    pairs = ratios[rows, columns]
    known = np.isfinite(pairs)
    if not known.any():
        return None
    place = int(np.where(known, pairs, -np.inf).argmax())
    highest = Pair(sample.positions[rows[place]].symbol, sample.positions[columns[place]].symbol, float(pairs[place]))
    return Correlation(float(pairs[known].mean()), highest, sample.shrinkage)


def _backtest(sample: _Sample, config: MeasuresConfig, notes: _Notes) -> VarBacktest | None:
    pnl = historical.scenario_pnl(sample.values, sample.returns)

    def judged() -> VarBacktest:
        if len(pnl) < config.window + LEAST:
            raise TooShort(f"{config.window} returns to forecast from and {LEAST} to judge by are needed, {len(pnl)} are stored")
        return backtest(pnl, config.window, config.confidence)

    return notes.tried("backtest of the value at risk", judged)

"""`fleet strategies check`: whether a strategy can be believed, before any backtest of it is."""

import random
from collections.abc import Mapping, Sequence
from math import exp, nan
from os import environ
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from fleet import backtest_spec
from fleet.backtest_spec import WRONG
from fleet.operating import OK, REFUSED, USAGE, Answer, Json, failed, tell
from fleet.plan import FleetSettings
from fleet.tables import called
from libs.common.settings import ConfigError, from_environment, from_toml
from libs.domain.columns import Columns
from libs.domain.configuration import StrategiesConfig, StrategyConfig
from libs.quant.backtest.tape import Tape
from libs.quant.folds import bias
from libs.quant.folds.bias import Finding
from libs.quant.folds.contract import BarView, PanelView, Strategy
from libs.quant.folds.registry import Configured, configured, names
from services.backtester.data import load
from services.backtester.spec import ACCOUNT, Spec

WALK: Final = 2_000
"""Bars of the market that is made up where none is given."""
_ABSENT: Final = BarView(nan, nan, nan, nan, nan)


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A file of libs/quant/strategies, or an id of config/strategies.toml.")],
    param: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A parameter; may be repeated.")] = None,
    data: Annotated[str, typer.Option(metavar="FILE", help="Bars: .csv, .csv.gz or .parquet.")] = "",
    replay: Annotated[str, typer.Option(metavar="NAME", help="A recorded market of MARKET_DATA_DIR.")] = "",
    json: Json = False,
) -> None:
    """Look for look-ahead, for what a restart loses, and for what does not repeat; exit code 1 when something is found."""
    raise typer.Exit(tell(_answer(name, param or [], data, replay), json=json))


def _answer(name: str, param: Sequence[str], data: str, replay: str) -> Answer:
    try:
        settings = from_environment(FleetSettings, environ)
        found = configured(_configuration(name, backtest_spec.params(param), settings))
        if data or replay:
            tape = load(Spec(strategy=name, data=data, replay=replay), settings.recordings()).tape
            markets = recorded(found.strategy, tape)
        else:
            markets = {f"{WALK:,} bars of a random walk": random_walk(found.strategy, WALK)}
    except (ConfigError, *WRONG) as error:
        return failed(str(error), USAGE)
    findings = {market: bias.check(found.strategy, found.params, bars) for market, bars in markets.items()}
    return Answer(_text(found, findings), _data(name, findings), REFUSED if any(findings.values()) else OK)


def _configuration(name: str, params: Mapping[str, float | int], settings: FleetSettings) -> StrategyConfig:
    if name in names():
        return StrategyConfig(id=name, class_name=name, symbols=["*"], account=ACCOUNT, allocation=1.0, params=dict(params))
    listed = from_toml(StrategiesConfig, Path(settings.config_dir), "strategies", settings.environment).strategy
    found = next((config for config in listed if config.id == name), None)
    if found is None:
        raise ValueError(
            f"no strategy is called {name!r}; there are: {', '.join(names())}; configured: {', '.join(c.id for c in listed) or 'none'}"
        )
    return msgspec.structs.replace(found, params={**found.params, **params})


def recorded(strategy: Strategy, tape: Tape) -> dict[str, bias.Bars]:
    """The finest bars of a market: of each symbol apart, or of all together for a panel."""
    columns = tape.bars[tape.timeframes[0]]
    if strategy.panel:
        return {" ".join(sorted(columns)): _panel([columns[symbol] for symbol in sorted(columns)])}
    return {symbol: _views(columns[symbol]) for symbol in sorted(columns)}


def _views(columns: Columns) -> list[BarView]:
    return list(map(BarView, columns.open, columns.high, columns.low, columns.close, columns.volume))


def _panel(columns: Sequence[Columns]) -> list[PanelView]:
    by_start = [dict(zip(one.start, _views(one), strict=True)) for one in columns]
    starts = sorted({start for one in columns for start in one.start})
    return [_together([bars.get(start, _ABSENT) for bars in by_start]) for start in starts]


def _together(bars: Sequence[BarView]) -> PanelView:
    return PanelView(*map(list, zip(*bars, strict=True)))


def random_walk(strategy: Strategy, count: int) -> bias.Bars:
    """The same made-up market each time; of a panel a few symbols, each without a bar now and then."""
    if not strategy.panel:
        return _walk(random.Random(1), count)
    fewest, most = strategy.width
    walks = [_walk(random.Random(seed), count) for seed in range(max(fewest, min(most, 4)))]
    absent = random.Random(0)
    return [_together([_ABSENT if absent.random() < 0.02 else bar for bar in bars]) for bars in zip(*walks, strict=True)]


def _walk(draw: random.Random, count: int) -> list[BarView]:
    bars, price = [], 100.0
    for _ in range(count):
        opened, price = price, price * exp(draw.gauss(0.0, 0.002))
        high, low = max(opened, price) * exp(abs(draw.gauss(0.0, 0.001))), min(opened, price) * exp(-abs(draw.gauss(0.0, 0.001)))
        bars.append(BarView(opened, high, low, price, float(draw.randint(100, 10_000))))
    return bars


def _text(found: Configured, findings: Mapping[str, Sequence[Finding]]) -> str:
    lines = [called(found.strategy.name, found.params._asdict())]
    for market, wrong in findings.items():
        lines += [f"  {market}: {finding.text()}" for finding in wrong] or [f"  {market}: no look-ahead, restarts exactly, repeats exactly"]
    return "\n".join(lines)


def _data(name: str, findings: Mapping[str, Sequence[Finding]]) -> dict[str, object]:
    told = [
        {"market": market, "kind": f.kind, "what": f.what, "where": str(f.line or ""), "bar": f.bar}
        for market, wrong in findings.items()
        for f in wrong
    ]
    return {"ok": not told, "strategy": name, "findings": told}

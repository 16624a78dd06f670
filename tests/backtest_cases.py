"""Backtests drawn from a seed: market, instruments, strategies, limits, orders and terms of every kind that both engines play."""

import random
from dataclasses import replace
from decimal import Decimal as D
from typing import Final, NamedTuple

import msgspec

from libs.domain.columns import Columns
from libs.domain.configuration import LimitConfig, LimitName, StrategyConfig
from libs.domain.funding import FundingRate
from libs.domain.instruments import Calendar, Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Exits
from libs.domain.times import SECOND
from libs.quant.backtest.setup import Entry, Setup
from libs.quant.backtest.tape import Tape
from libs.quant.fills import FillTerms
from libs.quant.financing import HOUR, Financing, SymbolRates
from libs.quant.folds.registry import find, parameters
from libs.quant.risk.limits import Limits

DAY: Final = 86_400 * SECOND
SINCE: Final = 1_700_000_000 * SECOND // DAY * DAY
CALENDARS: Final[tuple[Calendar, ...]] = ("24/7", "24/7", "us_equity", "forex", "cme_globex")
PANELS: Final = {"momentum_panel": range(2, 4), "pairs": range(2, 3)}
"""Those over several symbols, and over how many."""
STRATEGIES: Final = ("sma_cross", "breakout", "mean_reversion", "momentum", "trend_vol_target")
SIZINGS: Final = ("equity", "equity", "fixed:3", "fixed:500", "volatility:0.2", "equity * drawdown:0.02", "volatility:0.2 * drawdown:0.5")
RISKED: Final = ("risk:0.0005", "risk:0.01", "risk:0.001 * drawdown:0.1")
"""Sizes that hang on a stop."""


class Drawn(NamedTuple):
    """A limit that may be drawn: how likely, and between which values."""

    chance: float
    scope: str
    name: LimitName
    values: tuple[float, ...]
    unit: str


LIMITS: Final = (
    Drawn(1.0, "order", "price_collar", (0.02, 0.001, 0.1), "fraction"),
    Drawn(0.5, "order", "max_order_notional", (500, 25_000), "currency"),
    Drawn(0.3, "order", "max_order_notional", (0.1, 0.5), "equity"),
    Drawn(0.5, "strategy", "max_position_notional", (0.1, 0.5), "equity"),
    Drawn(0.3, "account", "max_position_notional", (0.1, 0.7), "equity"),
    Drawn(0.3, "account", "max_gross_exposure", (0.2, 1.5), "equity"),
    Drawn(0.3, "account", "max_net_exposure", (0.2, 1.0), "equity"),
    Drawn(0.4, "account", "max_daily_loss", (0.001, 0.01, 0.1), "fraction"),
    Drawn(0.4, "account", "max_drawdown", (0.005, 0.05, 0.3), "fraction"),
    Drawn(0.3, "account", "max_orders_per_minute", (1, 2, 5), "count"),
    Drawn(0.2, "strategy", "max_orders_per_second", (1,), "count"),
    Drawn(0.3, "account", "max_open_orders", (1, 2), "count"),
    Drawn(0.2, "symbol", "max_open_orders", (1,), "count"),
    Drawn(0.2, "strategy", "max_repeated_entries", (1, 2), "count"),
    Drawn(0.2, "order", "max_price_jump", (0.001, 0.05), "fraction"),
    Drawn(0.2, "order", "max_order_quantity", (1, 50), "count"),
    Drawn(0.2, "account", "max_short_notional", (0, 2_000), "currency"),
)


class Case(NamedTuple):
    """A backtest to play."""

    tape: Tape
    setup: Setup


def case(seed: int) -> Case:
    """The same for the same seed, everywhere."""
    draw = random.Random(seed)
    timeframe = draw.choice(("1m", "1m", "5m", "1h", "1d"))
    tape = _tape(draw, timeframe)
    setup = _setup(draw, timeframe, len(tape.instruments))
    if draw.random() < 0.3:
        tape, setup = replace(tape, funding=_funding(draw, tape)), replace(setup, financing=_financing(draw))
    if draw.random() < 0.5:
        setup = _protected(draw, setup)
        if draw.random() < 0.7:
            return _lively(draw, Case(tape, setup))
    return Case(tape, setup)


def _tape(draw: random.Random, timeframe: str) -> Tape:
    calendar, length = draw.choice(CALENDARS), draw.randrange(50, 500)
    instruments = {f"S{n:02}": _instrument(draw, f"S{n:02}", calendar) for n in range(draw.randrange(1, 4))}
    bars = {name: _bars(draw, float(its.tick), TIMEFRAMES[timeframe], length) for name, its in instruments.items()}
    return Tape(
        instruments=instruments,
        bars={timeframe: bars},
        fill_on=dict.fromkeys(bars, "bar"),
        since=SINCE,
        grace_ns=draw.choice((0, 0, 0, 2 * SECOND)),
    )


def _instrument(draw: random.Random, symbol: str, calendar: Calendar) -> Instrument:
    return Instrument(
        symbol=symbol,
        venue="DRAWN",
        asset_class=draw.choice(("equity", "equity", "future")),
        currency="USD",
        tick=D(draw.choice(("0.01", "0.25", "0.000001", "0.05"))),
        lot=D(draw.choice(("1", "0.001", "0.000001", "100"))),
        multiplier=D(draw.choice((1, 1, 50))),
        min_notional=D(draw.choice((0, 10))),
        calendar=calendar,
    )


def _bars(draw: random.Random, tick: float, length: int, count: int) -> Columns:
    """A walk on whole ticks with gaps, missing bars, and volumes from nothing to plenty."""
    price, swing = draw.choice((5.0, 100.0, 3_000.0)), draw.choice((0.0005, 0.002, 0.02))
    columns = Columns([], [], [], [], [], [])

    def ticks(wish: float) -> float:
        return max(tick, round(round(wish / tick) * tick, 8))

    for n in range(1, count + 1):
        if n > 1 and draw.random() < 0.05:
            continue
        first = ticks(price * (1 + draw.gauss(0, swing / 3)))
        price = ticks(first * (1 + draw.gauss(0, swing)))
        high = max(first, price, ticks(max(first, price) * (1 + abs(draw.gauss(0, swing / 3)))))
        low = min(first, price, ticks(min(first, price) * (1 - abs(draw.gauss(0, swing / 3)))))
        columns.start.append(SINCE + n * length)
        for column, value in zip(columns[1:], (first, high, low, price, float(draw.choice((0, 10, 1_000, 50_000)))), strict=True):
            column.append(value)
    return columns


def _setup(draw: random.Random, timeframe: str, symbols: int) -> Setup:
    naked = draw.random() < 0.35
    kind = draw.choice(("market", "limit", "stop", "stop_limit")) if naked else "market"
    offset, limit = draw.choice((1.0, 5.0, 30.0)), draw.choice((0.0, 2.0, 10.0))
    return Setup(
        account_id="drawn",
        account_name="drawn",
        base_currency="USD",
        deposit=D(draw.choice(("100000", "100000", "1000", "1000", "50000.55", "50000.55", "3000000", "30000000"))),
        strategies=[_strategy(draw, n, timeframe, symbols) for n in range(draw.randrange(1, 4))],
        terms=FillTerms(
            fee_bps=D(draw.choice(("0", "1.5", "0.1", "2.875"))),
            slippage_bps=D(draw.choice(("0", "0.5", "3"))),
            half_spread_bps=D(draw.choice((0, 1))),
            fee_per_unit=D(draw.choice(("0", "0", "0.005"))),
            fee_min=D(draw.choice((0, 0, 1))),
            bar_participation=draw.choice((None, D("0.1"), D("0.02"))),
        ),
        limits=None if naked else Limits(_limits(draw)),
        allow_short=draw.random() < 0.5,
        kind=draw.choice(("cash", "margin")),
        latency_ns=draw.choice((0, 1_000_000, TIMEFRAMES[timeframe])),
        entry=Entry(kind=kind, offset_bps=offset, limit_bps=limit) if kind != "market" else Entry(),  # type: ignore[arg-type]
        orders_on_last_bar=draw.random() < 0.3,
        day_starts_at=draw.choice(("00:00", "17:00")),
        day_tz=draw.choice(("UTC", "America/New_York")),
        trades_from=draw.choice((0, 0, SINCE + 60 * TIMEFRAMES[timeframe])),
    )


def _financing(draw: random.Random) -> Financing:
    rates = [D(draw.choice(("0", "4.5", "-0.75", "37.5"))) for _ in range(3)]
    own = {"S00": SymbolRates(borrow_rate=D("12.25")), "S01": SymbolRates(funding_rate=D("0.01"))} if draw.random() < 0.5 else {}
    return Financing(cash_rate=rates[0], margin_rate=rates[1], borrow_rate=rates[2], symbols=own, days_in_year=draw.choice((None, 365)))


def _funding(draw: random.Random, tape: Tape) -> dict[str, list[FundingRate]]:
    """Of some symbols, every few hours of the tape, also outside of sessions and at the moment of a bar."""
    every = draw.choice((HOUR, 8 * HOUR)) + draw.choice((0, SECOND))
    times = range(SINCE, tape.ends() + DAY, every)
    return {
        symbol: [FundingRate(symbol, at, D(draw.choice(("0.01", "-0.0075", "0.3")))) for at in times[:500]]
        for symbol in tape.instruments
        if draw.random() < 0.4
    }


def _protected(draw: random.Random, setup: Setup) -> Setup:
    """Stops, targets or both, of all strategies or of some."""
    if draw.random() < 0.5:
        return replace(setup, exits=_exits(draw))
    strategies = []
    for each in setup.strategies:
        exits = _exits(draw) if draw.random() < 0.7 else Exits()
        size = draw.choice(RISKED) if exits.stop and draw.random() < 0.5 else each.sizing
        strategies.append(msgspec.structs.replace(each, exits=exits, sizing=size))
    return replace(setup, strategies=strategies)


def _lively(draw: random.Random, drawn: Case) -> Case:
    """The same with a usual grid, enough money, few limits and no latency that orders do not outlive: so that much is traded and
    protected, in parts where volumes are small."""
    lot, share = D(draw.choice(("1", "0.01"))), draw.choice((None, D("0.1"), D("0.02")))
    usual = {"tick": D("0.01"), "lot": lot, "multiplier": D(1), "min_notional": D(0), "calendar": "24/7"}
    instruments = {name: msgspec.structs.replace(its, **usual) for name, its in drawn.tape.instruments.items()}
    strategies = [
        msgspec.structs.replace(each, sizing=each.sizing if each.sizing in RISKED else "equity", allocation=draw.choice((0.05, 0.3)))
        for each in drawn.setup.strategies
    ]
    open_orders = [_limit(one, draw.choice(one.values)) for one in LIMITS if one.name == "max_open_orders" and draw.random() < 0.3]
    few = [_limit(LIMITS[0], 0.1), *open_orders]
    setup = replace(
        drawn.setup,
        deposit=D(100_000),
        strategies=strategies,
        terms=msgspec.structs.replace(drawn.setup.terms, bar_participation=share),
        latency_ns=0,
        limits=None if drawn.setup.limits is None else Limits(few),
    )
    return Case(replace(drawn.tape, instruments=instruments), setup)


def _exits(draw: random.Random) -> Exits:
    stop, target = draw.choice((0.0, 5.0, 60.0, 300.0, 300.0)), draw.choice((0.0, 0.0, 10.0, 60.0, 500.0, 500.0))
    return Exits(stop_bps=stop, target_bps=target, trail_bps=draw.choice((0.0, 0.0, 0.0, 20.0, 200.0)))


def _strategy(draw: random.Random, n: int, timeframe: str, symbols: int) -> StrategyConfig:
    name = draw.choice([*STRATEGIES, *(panel for panel, widths in PANELS.items() if symbols in widths)])
    return StrategyConfig(
        id=f"strategy_{n}",
        class_name=name,
        symbols=["*"] if name in PANELS or draw.random() < 0.8 else ["S00"],
        timeframe=timeframe,  # type: ignore[arg-type]
        account="drawn",
        allocation=draw.choice((0.05, 0.2, 0.5, 1.0)),
        params=_params(draw, name),
        sizing=draw.choice(SIZINGS),
        no_trade_band=draw.choice((0.0, 0.0, 0.2)),
    )


def _params(draw: random.Random, name: str) -> dict[str, float | int]:
    """Within the strategy's own ranges, and short enough for a market of a few hundred bars."""
    strategy = find(name)
    while True:
        found: dict[str, float | int] = {}
        for field, (low, high) in strategy.ranges.items():
            whole = isinstance(strategy.params._field_defaults[field], int)
            found[field] = draw.randrange(int(low), max(int(low), min(int(high), 25)) + 1) if whole else draw.uniform(low, high)
        try:
            parameters(strategy, found)
        except ValueError:
            continue
        return found


def _limits(draw: random.Random) -> list[LimitConfig]:
    found = [_limit(one, draw.choice(one.values)) for one in LIMITS if draw.random() < one.chance]
    if draw.random() < 0.15:
        found.append(LimitConfig(scope="symbol", key="S00", name="restricted", value=1, unit="count"))
    return found


def _limit(one: Drawn, value: float) -> LimitConfig:
    return LimitConfig(scope=one.scope, key="*", name=one.name, value=value, unit=one.unit)  # type: ignore[arg-type]

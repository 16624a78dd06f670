"""A case in our own engine, as the backtester runs it once its data are in memory."""

import resource
import sys
from dataclasses import replace
from decimal import Decimal
from typing import Final

from benchmarks.peers.casefile import BEGINS_S, SECONDS, Bars, Case, Fill, Result, Trade, answer, given, halves, points, trades_of
from libs.common.clocks import SystemClock
from libs.domain.columns import Columns
from libs.domain.configuration import LimitConfig
from libs.domain.instruments import Instrument
from libs.domain.orders import Exits
from libs.quant.backtest.result import Played
from libs.quant.backtest.tape import Tape
from services.backtester.code import ENGINE
from services.backtester.data import Loaded
from services.backtester.run import Answer, run
from services.backtester.spec import Spec

SYMBOL: Final = "CASE"
NS: Final = 1_000_000_000
STEP: Final = Decimal("0.000001")
LIMITS: Final = (
    LimitConfig(scope="order", name="max_order_notional", value=250_000, unit="currency"),
    LimitConfig(scope="order", name="price_collar", value=0.05, unit="fraction"),
    LimitConfig(scope="strategy", name="max_position_notional", value=0.9, unit="equity"),
    LimitConfig(scope="account", name="max_position_notional", value=0.9, unit="equity"),
    LimitConfig(scope="account", name="max_gross_exposure", value=0.95, unit="equity"),
    LimitConfig(scope="account", name="max_orders_per_minute", value=120, unit="count"),
)
"""The limits of config/risk.toml, so wide that none binds: other engines have none, and the trades have to be equal."""


def played(case: Case, bars: Bars, *, risk: bool = True) -> Answer:
    """What the backtester answers. With `risk` each order is a limit at the collar that passes every control."""
    return run(spec_of(case, risk=risk), loaded(case, bars), LIMITS, SystemClock())


def spec_of(case: Case, *, risk: bool) -> Spec:
    """The case, asked for as a user would."""
    turns = case.rule == "turns"
    return Spec(
        strategy="momentum" if turns else "sma_cross",
        params={"lookback": case.slow, "every": 1, "short": 1} if turns else {"fast": case.fast, "slow": case.slow},
        data="memory",
        cash=Decimal(case.cash),
        sizing=f"fixed:{case.units}",
        risk=risk,
        allow_short=turns,
        fee_bps=Decimal(str(case.fee_bps)),
        slippage_bps=Decimal(str(case.slippage_bps)),
        exits=Exits(stop_bps=case.stop_bps),
    )


def loaded(case: Case, bars: Bars) -> Loaded:
    """The bars as lists of Python's numbers."""
    opens, highs, lows, closes = (column.tolist() for column in bars)
    return Loaded(tape_of(case, Columns(list(starts(case)), opens, highs, lows, closes, [1_000.0] * case.bars)), "memory")


def starts(case: Case) -> range:
    """Of the bars, market ns."""
    length = SECONDS[case.timeframe] * NS
    return range(BEGINS_S * NS, BEGINS_S * NS + case.bars * length, length)


def tape_of(case: Case, columns: Columns) -> Tape:
    """The bars as the backtester plays them."""
    instrument = Instrument(symbol=SYMBOL, venue="FILE", asset_class="equity", currency="USD", tick=STEP, lot=STEP)
    return Tape({SYMBOL: instrument}, {case.timeframe: {SYMBOL: columns}}, {SYMBOL: "bar"}, since=columns.start[0])


def result(case: Case, found: Answer) -> Result:
    """The answer in the words that all engines share."""
    return Result(
        engine="tradewinds",
        version=ENGINE,
        seconds=found.seconds,
        final_equity=found.figures.final_equity,
        trades=trades_in(case, found.played),
        equity=points(found.equity.values.tolist()),
    )


def trades_in(case: Case, played: Played) -> list[Trade]:
    """Entries with their exits."""
    length = SECONDS[case.timeframe] * NS
    fills = [Fill((t.executed_at - BEGINS_S * NS) // length, float(t.executed_price), float(t.commission)) for t in played.trades]
    return trades_of(halves(fills) if case.rule == "turns" else fills)


def _bytes(columns: Columns) -> int:
    """Of the lists and of the numbers in them. All volumes are one number."""
    lists = sum(map(sys.getsizeof, columns))
    return lists + sum(sys.getsizeof(number) for column in columns[:-1] for number in column)


def main() -> None:
    case, bars = given()
    first = case.head(2_000)
    played(first, bars.head(first.bars))  # what is imported and compiled once is not in the time
    data = loaded(case, bars)
    del bars
    # With risk on a turn is an exit and, a bar later, an entry.
    found = run(spec_of(case, risk=case.rule != "turns"), data, LIMITS, SystemClock())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    columns = data.tape.bars[case.timeframe][SYMBOL]
    answer(replace(result(case, found), peak_bytes=peak, input_bytes=_bytes(columns)))


if __name__ == "__main__":
    main()

# mypy: disable-error-code="import-not-found, import-untyped, misc"
"""A case in NautilusTrader. It lives in an environment of its own, so the types of its packages are not at hand.

It fills at the close that decided, so a case must have no gaps; it has no slippage in basis points, so none of that
either.
"""

import time
from decimal import Decimal

import numpy as np
import pandas as pd
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import BTC
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, CurrencyType, OmsType, OrderSide, OrderStatus
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Currency, Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

from benchmarks.peers.casefile import BEGINS_S, SECONDS, Bars, Case, Fill, Result, answer, given, trades_of, version_of

# Dollars of twelve decimals: with two, fees would be rounded to cents.
DOLLAR = Currency("USX", precision=12, iso4217=0, name="Exact dollar", currency_type=CurrencyType.CRYPTO)
VENUE = Venue("SIM")


class SmaCross(Strategy):
    """sma_cross as one writes it for NautilusTrader."""

    def __init__(self, case: Case, pair: CurrencyPair, bar_type: BarType) -> None:
        super().__init__()
        self.pair = pair
        self.bar_type = bar_type
        self.quantity = pair.make_qty(case.units)
        self.fast = SimpleMovingAverage(case.fast)
        self.slow = SimpleMovingAverage(case.slow)
        self.target = 0
        self.left = case.bars

    def on_start(self) -> None:
        self.register_indicator_for_bars(self.bar_type, self.fast)
        self.register_indicator_for_bars(self.bar_type, self.slow)
        self.subscribe_bars(self.bar_type)

    def on_bar(self, bar: Bar) -> None:
        self.left -= 1
        if not self.slow.initialized or not self.left:
            return
        if self.fast.value > self.slow.value and self.target == 0:
            self.target = 1
            self.order(OrderSide.BUY)
        elif self.fast.value < self.slow.value and self.target == 1:
            self.target = 0
            self.order(OrderSide.SELL)

    def order(self, side: OrderSide) -> None:
        self.submit_order(self.order_factory.market(self.pair.id, side, self.quantity))


def instrument(case: Case) -> CurrencyPair:
    """Something to trade with six decimals of price."""
    return CurrencyPair(
        instrument_id=InstrumentId(Symbol("CASE"), VENUE),
        raw_symbol=Symbol("CASE"),
        base_currency=BTC,
        quote_currency=DOLLAR,
        price_precision=6,
        size_precision=0,
        price_increment=Price.from_str("0.000001"),
        size_increment=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
        maker_fee=Decimal(str(case.fee_bps)) / 10_000,
        taker_fee=Decimal(str(case.fee_bps)) / 10_000,
    )


def bars_of(case: Case, bars: Bars, bar_type: BarType, pair: CurrencyPair) -> list[Bar]:
    """The bars as the engine wants them: a bar bears the time of its end."""
    ends = BEGINS_S + SECONDS[case.timeframe] * (np.arange(case.bars) + 1)
    data = pd.DataFrame(
        {name: np.asarray(column) for name, column in bars._asdict().items()} | {"volume": 1_000.0},
        index=pd.to_datetime(ends, unit="s", utc=True),
    )
    wrangled: list[Bar] = BarDataWrangler(bar_type, pair).process(data)
    return wrangled


def main() -> None:
    case, bars = given()
    if case.gap or case.slippage_bps or case.stop_bps:
        raise SystemExit("expected a case without gaps, slippage and stops")
    Currency.register(DOLLAR)
    pair = instrument(case)
    bar_type = BarType.from_str(f"{pair.id}-1-MINUTE-LAST-EXTERNAL")
    engine = BacktestEngine(BacktestEngineConfig(trader_id=TraderId("CASE-001"), logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.CASH, [Money(case.cash, DOLLAR)])
    engine.add_instrument(pair)
    engine.add_data(bars_of(case, bars, bar_type, pair))
    engine.add_strategy(SmaCross(case, pair, bar_type))
    began = time.perf_counter()
    engine.run()
    seconds = time.perf_counter() - began
    length = SECONDS[case.timeframe] * 1_000_000_000
    done = sorted((o for o in engine.cache.orders() if o.status == OrderStatus.FILLED), key=lambda o: o.ts_last)
    fills = [
        Fill((o.ts_last - BEGINS_S * 1_000_000_000) // length, float(o.avg_px), sum(float(m.as_decimal()) for m in o.commissions()))
        for o in done
    ]
    cash = float(engine.cache.account_for_venue(VENUE).balance_total(DOLLAR).as_decimal())
    final = cash + (case.units * bars.close[-1] if len(fills) % 2 else 0.0)
    answer(
        Result(
            engine="nautilus_trader",
            version=version_of("nautilus_trader"),
            seconds=seconds,
            final_equity=final,
            trades=trades_of(fills),
            equity=[final],
        )
    )


if __name__ == "__main__":
    main()

# mypy: disable-error-code="import-not-found, misc, no-untyped-call"
"""A case in backtrader. It lives in an environment of its own, so the types of its packages are not at hand."""

import time
from datetime import UTC, datetime
from typing import Any

import backtrader as bt

from benchmarks.peers.casefile import BEGINS_S, SECONDS, Bars, Case, Fill, Result, answer, given, halves, points, trades_of, version_of


class Feed(bt.feed.DataBase):
    """Bars from memory."""

    def __init__(self, case: Case, bars: Bars) -> None:
        super().__init__()
        self._rows = zip(*bars, strict=True)
        first = bt.date2num(datetime.fromtimestamp(BEGINS_S, UTC).replace(tzinfo=None))
        self._days = (first + SECONDS[case.timeframe] / 86_400 * row for row in range(case.bars))

    def _load(self) -> bool:
        row = next(self._rows, None)
        if row is None:
            return False
        self.lines.datetime[0] = next(self._days)
        self.lines.open[0], self.lines.high[0], self.lines.low[0], self.lines.close[0] = row
        self.lines.volume[0] = 1_000.0
        self.lines.openinterest[0] = 0.0
        return True


class SmaCross(bt.Strategy):
    """sma_cross as one writes it for backtrader."""

    params = (("case", None),)

    def __init__(self) -> None:
        self.fast = bt.ind.SMA(self.data.close, period=self.p.case.fast)
        self.slow = bt.ind.SMA(self.data.close, period=self.p.case.slow)
        self.target = 0
        self.stop_order: Any = None
        self.fills: list[Fill] = []
        self.curve: list[float] = []

    def prenext(self) -> None:
        self.curve.append(self.broker.getvalue())

    def next(self) -> None:
        self.curve.append(self.broker.getvalue())
        if self.p.case.rule == "turns":
            self.turn()
        elif self.fast[0] > self.slow[0] and self.target == 0:
            self.target = 1
            self.buy(size=self.p.case.units)
        elif self.fast[0] < self.slow[0] and self.target == 1:
            self.target = 0
            self.leave()

    def turn(self) -> None:
        """Long after a rise, short after a fall."""
        case = self.p.case
        rise = self.data.close[0] - self.data.close[-case.slow] if len(self) > case.slow else 0.0
        target = 1 if rise > 0 else -1 if rise < 0 else self.target
        if target != self.target:
            self.target = target
            self.order_target_size(target=target * case.units)

    def leave(self) -> None:
        if self.stop_order is not None:
            self.cancel(self.stop_order)
        if self.position:
            self.close()

    def notify_order(self, order: Any) -> None:
        if order.status != order.Completed:
            return
        self.fills.append(Fill(len(self) - 1, order.executed.price, order.executed.comm))
        if order.isbuy() and self.p.case.stop_bps:
            stop = round(order.executed.price * (1 - self.p.case.stop_bps / 10_000), 6)
            self.stop_order = self.sell(size=self.p.case.units, exectype=bt.Order.Stop, price=stop)
        else:
            self.stop_order = None


def main() -> None:
    case, bars = given()
    began = time.perf_counter()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(Feed(case, bars))
    cerebro.addstrategy(SmaCross, case=case)
    cerebro.broker.setcash(case.cash)
    cerebro.broker.set_checksubmit(False)  # an order that is still being checked cannot be cancelled
    cerebro.broker.setcommission(commission=case.fee_bps / 10_000)
    cerebro.broker.set_slippage_perc(case.slippage_bps / 10_000, slip_open=True, slip_out=True)
    (strategy,) = cerebro.run()
    seconds = time.perf_counter() - began
    answer(
        Result(
            engine="backtrader",
            version=version_of("backtrader"),
            seconds=seconds,
            final_equity=strategy.curve[-1],
            trades=trades_of(halves(strategy.fills) if case.rule == "turns" else strategy.fills),
            equity=points(strategy.curve),
        )
    )


if __name__ == "__main__":
    main()

# mypy: disable-error-code="import-not-found, import-untyped, misc"
"""A case in backtesting.py. It lives in an environment of its own, so the types of its packages are not at hand.

Slippage is charged as if it were a fee: the engine's own `spread` is added to entries only.
"""

import time
import warnings

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

from benchmarks.peers.casefile import BEGINS_S, SECONDS, Bars, Case, Result, Trade, answer, given, points, version_of


def crossing(case: Case) -> type:
    """sma_cross as one writes it for backtesting.py."""

    # Both means are 0 while warming up, not NaN: the engine would leave out the first bar that has both.
    def mean(closes: np.ndarray, length: int) -> np.ndarray:
        found: np.ndarray = pd.Series(closes).rolling(length).mean().to_numpy(copy=True)
        found[: case.slow - 1] = 0.0
        return found

    class SmaCross(Strategy):
        def init(self) -> None:
            self.fast = self.I(mean, self.data.Close, case.fast)
            self.slow = self.I(mean, self.data.Close, case.slow)
            self.target = 0

        def next(self) -> None:
            fast, slow = self.fast[-1], self.slow[-1]
            if case.rule == "turns":
                self.turn()
            elif fast > slow and self.target == 0:
                self.target = 1
                self.buy(size=case.units)
            elif fast < slow and self.target == 1:
                self.target = 0
                self.position.close()
            elif case.stop_bps:
                self.protect()

        def turn(self) -> None:
            close = self.data.Close
            rise = close[-1] - close[-1 - case.slow] if len(close) > case.slow else 0.0
            if rise > 0 and self.target != 1:
                self.target = 1
                self.position.close()
                self.buy(size=case.units)
            elif rise < 0 and self.target != -1:
                self.target = -1
                self.position.close()
                self.sell(size=case.units)

        def protect(self) -> None:
            for trade in self.trades:
                if trade.sl is None:
                    trade.sl = round(trade.entry_price * (1 - case.stop_bps / 10_000), 6)

    return SmaCross


def frame(case: Case, bars: Bars) -> pd.DataFrame:
    """The bars as the engine wants them."""
    index = pd.to_datetime(BEGINS_S + SECONDS[case.timeframe] * np.arange(case.bars), unit="s")
    names = ("Open", "High", "Low", "Close")
    return pd.DataFrame({name: np.asarray(column) for name, column in zip(names, bars, strict=True)}, index=index)


def main() -> None:
    warnings.simplefilter("ignore")
    case, bars = given()
    data = frame(case, bars)
    began = time.perf_counter()
    backtest = Backtest(data, crossing(case), cash=case.cash, commission=(case.fee_bps + case.slippage_bps) / 10_000)
    stats = backtest.run()
    seconds = time.perf_counter() - began
    final = float(stats["Equity Final [$]"])
    closed = [
        Trade(int(t.EntryBar), float(t.EntryPrice), int(t.ExitBar), float(t.ExitPrice), float(t.Commission))
        for t in stats["_trades"].itertuples()
    ]
    done = stats["_trades"]
    gained = float((done.Size * (done.ExitPrice - done.EntryPrice)).sum())
    fees = sum(t.fee for t in closed)
    # Of a position still open the engine keeps no fee; it is what its equity lacks.
    still_open = [
        Trade(t.entry_bar, t.entry_price, None, None, case.cash + gained + t.size * (bars.close[-1] - t.entry_price) - fees - final)
        for t in stats["_strategy"].trades
    ]
    answer(
        Result(
            engine="backtesting_py",
            version=version_of("backtesting"),
            seconds=seconds,
            final_equity=final,
            trades=[*closed, *still_open],
            equity=points(stats["_equity_curve"]["Equity"].to_numpy()),
        )
    )


if __name__ == "__main__":
    main()

# mypy: disable-error-code="import-not-found, import-untyped, misc"
"""A case in vectorbt with its Rust engine. It lives in an environment of its own, so the types of its packages are not at hand."""

from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import vectorbt as vbt

from benchmarks.peers.casefile import BEGINS_S, SECONDS, Bars, Case, Result, Trade, answer, given, points, version_of
from benchmarks.peers.timing import Memory, asked_runs, timed

# "auto", the default, goes back to numba in silence; with "rust" a call that Rust cannot do raises.
vbt.settings["engine"] = "rust"
VERSION: Final = f"{version_of('vectorbt')} with vectorbt-rust {version_of('vectorbt-rust')}"


def frame(case: Case, bars: Bars) -> pd.DataFrame:
    """The bars as the engine wants them."""
    index = pd.to_datetime(BEGINS_S + SECONDS[case.timeframe] * np.arange(case.bars), unit="s")
    return pd.DataFrame({name: np.asarray(column) for name, column in bars._asdict().items()}, index=index)


def portfolio(case: Case, data: pd.DataFrame) -> "vbt.Portfolio":
    """sma_cross as one writes it for vectorbt."""
    if case.rule == "turns":
        close = data.close.to_numpy()
        rise = np.concatenate([np.zeros(case.slow), close[case.slow :] - close[: -case.slow]])
        return traded(case, data, next_bar(rise > 0), False, short_entries=next_bar(rise < 0))
    fast, slow = (mean(data, length) for length in (case.fast, case.slow))
    if not case.stop_bps:
        return traded(case, data, next_bar(fast > slow), next_bar(fast < slow))
    # Only turns of the target are signals, else what was stopped is entered again at once.
    target = pd.Series(np.where(fast > slow, 1.0, np.where(fast < slow, 0.0, np.nan))).ffill().fillna(0.0).to_numpy()
    turns = next_bar(np.diff(target, prepend=0.0))
    entries, exits = turns > 0, turns < 0
    return traded(
        case,
        data,
        entries,
        exits,
        sl_stop=case.stop_bps / 10_000,
        stop_entry_price="fillprice",
        open=data.open,
        high=data.high,
        # The engine looks at the stop before the signal: what comes after an exit at the open must not count.
        low=data.low.where(~exits, data.open),
    )


def mean(data: pd.DataFrame, length: int) -> np.ndarray:
    """Of the last closes at each bar. As `vbt.MA.run`, which takes half as long again."""
    found: np.ndarray = data.close.vbt.rolling_mean(length).to_numpy()
    return found


def next_bar(signals: np.ndarray) -> np.ndarray:
    """Signals when they are traded: a bar later."""
    return np.concatenate([np.zeros_like(signals[:1]), signals[:-1]])


def traded(case: Case, data: pd.DataFrame, entries: np.ndarray, exits: np.ndarray | bool, **others: object) -> "vbt.Portfolio":
    """Signals at the open, at the case's terms. Of an entry into what is held the engine takes no notice, nor of an exit from nothing.

    Args:
        entries, exits: a row for each bar; a column for each pair of means, where there are several.
    """
    return vbt.Portfolio.from_signals(
        close=data.close,
        entries=entries,
        exits=exits,
        price=data.open,
        size=case.units,
        fees=case.fee_bps / 10_000,
        slippage=case.slippage_bps / 10_000,
        init_cash=case.cash,
        freq=f"{SECONDS[case.timeframe]}s",
        **others,
    )


class Measured(NamedTuple):
    """What is asked of an engine; of several pairs of means there is one column each."""

    portfolio: "vbt.Portfolio"
    fills: np.ndarray  # with price and fee
    value: "pd.Series | pd.DataFrame"  # at every bar
    drawdown: Any
    sharpe: Any


def measured(portfolio: "vbt.Portfolio") -> Measured:
    """Works it out. The portfolio's own `max_drawdown` would make the curve a second time."""
    value = portfolio.value()
    return Measured(portfolio, portfolio.order_records, value, -value.vbt.drawdowns.max_drawdown(), portfolio.sharpe_ratio())


def trades_in(records: pd.DataFrame) -> list[Trade]:
    """Of one column."""
    return [
        Trade(
            int(t.entry_idx),
            float(t.entry_price),
            int(t.exit_idx) if t.status else None,
            float(t.exit_price) if t.status else None,
            float(t.entry_fees + t.exit_fees),
        )
        for t in records.itertuples()
    ]


def main() -> None:
    case, bars = given()
    head = case.head(2_000)
    if runs := asked_runs():
        measured(portfolio(head, frame(head, bars.head(head.bars))))
    del bars
    memory = Memory()
    data = frame(*given())
    memory.forget_peak()
    found, seconds = timed(lambda: measured(portfolio(case, data)), runs)
    peak, curve = memory.peak(), found.value.to_numpy()
    answer(
        Result(
            engine="vectorbt",
            version=VERSION,
            seconds=seconds,
            final_equity=float(curve[-1]),
            trades=trades_in(found.portfolio.trades.records),
            equity=points(curve),
            max_drawdown=float(found.drawdown),
            sharpe=float(found.sharpe),
            peak_bytes=peak,
            input_bytes=int(data.memory_usage(index=True).sum()),
        )
    )


if __name__ == "__main__":
    main()

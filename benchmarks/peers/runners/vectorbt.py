# mypy: disable-error-code="import-not-found, import-untyped, misc"
"""A case in vectorbt. It lives in an environment of its own, so the types of its packages are not at hand."""

import time

import numpy as np
import pandas as pd
import vectorbt as vbt

from benchmarks.peers.casefile import BEGINS_S, SECONDS, Case, Result, Trade, answer, given, points, version_of


def portfolio(case: Case, data: pd.DataFrame) -> "vbt.Portfolio":
    """sma_cross as one writes it for vectorbt: a signal is traded one bar later, at the open."""
    fast = vbt.MA.run(data.close, case.fast).ma
    slow = vbt.MA.run(data.close, case.slow).ma
    level = pd.Series(np.where(fast > slow, 1.0, np.where(fast < slow, 0.0, np.nan)), data.index).ffill().fillna(0.0)
    turns = level.diff().fillna(0.0).shift(1).fillna(0.0)
    entries, exits = turns > 0, turns < 0
    stops = (
        {
            "sl_stop": case.stop_bps / 10_000,
            "stop_entry_price": "fillprice",
            "open": data.open,
            "high": data.high,
            # The engine looks at the stop before the signal: what comes after an exit at the open must not count.
            "low": data.low.where(~exits, data.open),
        }
        if case.stop_bps
        else {}
    )
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
        **stops,
    )


def main() -> None:
    case, bars = given()
    index = pd.to_datetime(BEGINS_S + SECONDS[case.timeframe] * np.arange(case.bars), unit="s")
    data = pd.DataFrame({name: np.asarray(column) for name, column in bars._asdict().items()}, index=index)
    began = time.perf_counter()
    found = portfolio(case, data)
    curve = found.value().to_numpy()
    records = found.trades.records
    seconds = time.perf_counter() - began
    trades = [
        Trade(
            int(t.entry_idx),
            float(t.entry_price),
            int(t.exit_idx) if t.status else None,
            float(t.exit_price) if t.status else None,
            float(t.entry_fees + t.exit_fees),
        )
        for t in records.itertuples()
    ]
    answer(
        Result(
            engine="vectorbt",
            version=version_of("vectorbt"),
            seconds=seconds,
            final_equity=float(curve[-1]),
            trades=trades,
            equity=points(curve),
        )
    )


if __name__ == "__main__":
    main()

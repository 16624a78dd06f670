"""Backtests as an operator reads them."""

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.backtest_carry import carried_text
from fleet.tables import NONE, change, moment, money, number, ratio, short, table
from libs.domain.losses import percent
from libs.pages.terms import costs_text, strategies_text
from libs.store.backtests import Backtest, BacktestTrade


def result_text(spec: Mapping[str, Any], result: Mapping[str, Any], id_: str) -> str:
    """What was run over what, on which terms, and what it was worth; `id_` is "" for one that is not stored."""
    currency, r = result["currency"], result
    lines = [
        f"backtest    {strategies_text(spec)}",
        f"data        {r['source']}: {' '.join(r['symbols'])}, {r['bars']:,} bars, finest {r['timeframe']}, {r['from']} to {r['to']}",
        f"account     {money(float(spec.get('cash', 100_000)))} {currency}, risk controls {'on' if spec.get('risk', True) else 'OFF'}, "
        + ("may sell short" if spec.get("allow_short") else "long only"),
        f"costs       {costs_text(spec)}",
        f"equity      {money(r['final_equity'])} {currency}, {r['total_return']:+.2%}",
        f"drawdown    {r['max_drawdown']:.2%}; Sharpe ratio {r['sharpe']:.2f} a year",
        f"orders      {r['orders']:,}, fills {r['trades']:,}, signals refused {r['refused']:,}, fees {money(r['fees'])} {currency}",
        *carried_text(r),
        *(_halt(halt, currency) for halt in r.get("halts", [])),
        *(f"note        {note}" for note in r["notes"]),
        f"took        {r['seconds']:.2f} s ({r['engine']}), fingerprint {short(r['fingerprint'])}",
    ]
    if id_:
        id_ = short(id_)
        lines.append(f"stored      {id_}: `fleet backtest results {id_}` lists its trades, `fleet backtest diff {id_} ID` compares")
    return "\n".join(lines)


def _halt(halt: Mapping[str, Any], currency: str) -> str:
    return (
        f"HALTED      {halt['at']}: {halt['limit']}, {percent(halt['seen'])} of {money(halt['reference'])} {currency} lost,"
        f" limit {percent(halt['max'])}; from there on it only closed"
    )


def list_text(found: Sequence[Backtest]) -> str:
    """A line for each backtest."""
    if not found:
        return "no backtests yet: `fleet backtest run --strategy sma_cross --data FILE.csv` makes one"
    head = ("ID", "ASKED (UTC)", "STATE", "STRATEGY", "DATA", "RETURN", "DRAWDOWN", "SHARPE", "TRADES", "FINGERPRINT")
    return table(head, list(map(_line, found)), left=5)


def _line(b: Backtest) -> tuple[str, ...]:
    strategy = b.spec.get("strategy") or "+".join(s["id"] for s in b.spec.get("strategies", []))
    data = b.spec.get("data") or b.spec.get("replay") or " ".join(b.spec.get("symbols", []))
    r = b.result
    figures = (NONE,) * 4
    if r is not None:
        figures = (f"{r['total_return']:+.2%}", f"{r['max_drawdown']:.2%}", ratio(r["sharpe"]), f"{r['trades']:,}")
    return (short(b.id), moment(b.created_at)[:19], b.state, strategy, data[-40:], *figures, short(b.fingerprint))


def whole_text(b: Backtest, trades: Sequence[BacktestTrade]) -> str:
    """Everything about one."""
    if b.result is None:
        return f"backtest    {strategies_text(b.spec)}\nstate       {b.state}{f': {b.error}' if b.error else ''}"
    prints = f"prints      data {b.data}, code {b.code}, config {b.config}, engine {b.engine}"
    text = f"{result_text(b.spec, b.result, '')}\n{prints}\nasked       {moment(b.created_at)} UTC, id {b.id}"
    if not trades:
        return f"{text}\ntrades      none"
    head = ("TIME (UTC)", "STRATEGY", "SYMBOL", "SIDE", "QUANTITY", "PRICE", "FEE", "P&L")
    rows = [
        (
            moment(t.executed_at),
            t.strategy_id,
            t.symbol,
            t.side,
            number(t.quantity),
            number(t.executed_price),
            number(round(t.commission, 6)),
            change(t.pnl),
        )
        for t in trades
    ]
    return f"{text}\n{table(head, rows, left=4)}"

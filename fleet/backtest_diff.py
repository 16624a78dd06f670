"""Why two backtests came out differently, or did not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from fleet.backtest_carry import KINDS
from fleet.backtest_causes import code_changes, data_changes, first_reason, holding_reason
from fleet.tables import change, moment, number
from libs.quant.financing import Financing
from libs.store.backtests import Backtest, BacktestTrade
from services.backtester.spec import Spec
from services.backtester.stored import CAUSES

FIGURES: Final = ("final_equity", "total_return", "max_drawdown", "sharpe", "fees", "trades", "orders", "refused", "bars")
FIRST: Final = 5
"""Trades that differ which are shown."""
_ELSEWHERE: Final = ("data", "engine", "quality")
"""Options that say where data lie and how they are played: no result follows from them."""


class Changed(msgspec.Struct, frozen=True):
    """One thing that is not the same."""

    what: str
    a: Any
    b: Any


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All that differs between two finished backtests."""

    causes: list[str]  # which of data, code, config and engine differ
    data: list[str]  # which bars, in words
    code: list[str]  # which sources, in words
    spec: list[Changed]
    figures: list[Changed]  # those that every result has, and after the fees what holding cost, where that differs
    holding: list[str]  # what that follows from, in words
    trades: list[Changed]  # the first that differ; None where one side has none
    trades_differ: int  # how many there are in all
    first: list[str]  # why the first trade that differs does, in words

    @property
    def equal(self) -> bool:
        """Whether the results are."""
        return not self.trades_differ and all(figure.a == figure.b for figure in self.figures)

    @property
    def defect(self) -> bool:
        """Equal fingerprints promise equal results."""
        return not self.causes and not self.equal


def difference(a: Backtest, b: Backtest, trades_a: Sequence[BacktestTrade], trades_b: Sequence[BacktestTrade]) -> Difference:
    """What differs between two backtests, and which of all that could have caused it.

    Raises:
        LookupError: one of them has no result.
    """
    results = [_result(backtest) for backtest in (a, b)]
    unequal, spec = _unequal(trades_a, trades_b), _spec(a.spec, b.spec)
    causes = [cause for cause in CAUSES if getattr(a, cause) != getattr(b, cause)]
    parts = [result.get("parts") or {} for result in results]
    options = [changed.what for changed in spec if changed.what not in _ELSEWHERE] if "config" in causes else []
    data, carried = [each.get("data") for each in parts], _carried(*results)
    return Difference(
        causes=causes,
        data=data_changes(*data) if "data" in causes else [],
        code=code_changes(*(each.get("code") for each in parts)) if "code" in causes else [],
        spec=spec,
        figures=_figures(results, carried),
        holding=holding_reason(options, *data, trades_differ=bool(unequal)) if carried else [],
        trades=unequal[:FIRST],
        trades_differ=len(unequal),
        first=first_reason(unequal[0].a, unequal[0].b, options, *parts) if unequal else [],
    )


def _result(backtest: Backtest) -> dict[str, Any]:
    if backtest.result is None:
        raise LookupError(f"backtest {backtest.id} is {backtest.state} and has no result{f': {backtest.error}' if backtest.error else ''}")
    return backtest.result


def _figures(results: Sequence[Mapping[str, Any]], carried: Sequence[Changed]) -> list[Changed]:
    figures = [Changed(name, *(result.get(name) for result in results)) for name in FIGURES]
    after = FIGURES.index("fees") + 1
    return [*figures[:after], *carried, *figures[after:]]


def _carried(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Changed]:
    """What holding earned (above 0) and cost by kind and in all, where it differs; [] where one result is from before that was kept."""
    one, other = a.get("financing"), b.get("financing")
    if one is None or other is None:
        return []
    amounts = [Changed(f"financing.{kind}", one.get(kind, 0.0), other.get(kind, 0.0)) for kind in KINDS]
    return [amount for amount in amounts if amount.a != amount.b]


def _spec(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Changed]:
    one, other = _flat(a), _flat(b)
    defaults = _flat(_DEFAULTS)
    pairs = [(name, one.get(name, defaults.get(name)), other.get(name, defaults.get(name))) for name in sorted({*one, *other})]
    return [Changed(*pair) for pair in pairs if pair[1] != pair[2]]


def _flat(spec: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in spec.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return flat


_DEFAULTS: Final = {
    field.name: msgspec.to_builtins(field.default) for field in msgspec.structs.fields(Spec) if field.default is not msgspec.NODEFAULT
} | {"financing": msgspec.to_builtins(Financing())}


def _unequal(a: Sequence[BacktestTrade], b: Sequence[BacktestTrade]) -> list[Changed]:
    """Trades of the same strategy, symbol, side and moment are the same trade; in the order of their time."""
    one, other = _keyed(a), _keyed(b)
    keys = sorted({*one, *other})
    return [Changed(_called(key), one.get(key), other.get(key)) for key in keys if _terms(one.get(key)) != _terms(other.get(key))]


def _keyed(trades: Sequence[BacktestTrade]) -> dict[tuple[Any, ...], BacktestTrade]:
    seen: Counter[tuple[Any, ...]] = Counter()
    keyed = {}
    for trade in trades:
        key = (trade.executed_at, trade.strategy_id, trade.symbol, trade.side)
        seen[key] += 1
        keyed[*key, seen[key]] = trade
    return keyed


def _called(key: tuple[Any, ...]) -> str:
    at, strategy_id, symbol, side, _ = key
    return f"{moment(at)} {strategy_id} {side} {symbol}"


def _terms(trade: BacktestTrade | None) -> tuple[Any, ...] | None:
    return None if trade is None else (trade.quantity, trade.executed_price, trade.commission, trade.pnl)


def text(found: Difference) -> str:
    """The difference in plain words."""
    return "\n".join([_verdict(found), *_causes(found), *_spec_lines(found), *_figure_lines(found), *_trade_lines(found)])


def _verdict(found: Difference) -> str:
    if found.defect:
        return "DEFECT: all fingerprints are equal and the results are not. That must not be: please report it with both ids"
    if found.equal:
        return "the results are equal" + ("" if not found.causes else ", though not all that could have changed them is")
    return f"the results differ; so {'does' if len(found.causes) == 1 else 'do'}: {', '.join(found.causes)}"


def _causes(found: Difference) -> list[str]:
    lines = []
    for cause in found.causes:
        details = {"data": found.data, "code": found.code}.get(cause, [])
        lines += [f"  {cause}: {CAUSES[cause]}", *(f"    {detail}" for detail in details)]
    if "config" in found.causes and not found.spec:
        lines.append("    the specs are equal, so the limits of config/risk.toml have been changed in between")
    return lines


def _spec_lines(found: Difference) -> list[str]:
    return ["asked for", *(f"  {c.what}: {_shown(c.a)} -> {_shown(c.b)}" for c in found.spec)] if found.spec else []


def _figure_lines(found: Difference) -> list[str]:
    width = max(13, *(len(c.what) for c in found.figures))
    lines = [f"  {c.what:<{width}} {_shown(c.a)}" + ("" if c.a == c.b else f" -> {_shown(c.b)}{_moved(c)}") for c in found.figures]
    return ["figures", *lines, *(f"  {reason}" for reason in found.holding)]


def _moved(changed: Changed) -> str:
    """By how much a figure moved; of one that was 0 there is no share."""
    if not all(isinstance(value, int | float) for value in (changed.a, changed.b)):
        return ""
    by = changed.b - changed.a
    return f" ({by:+,.6g}" + (f", {by / abs(changed.a):+.2%})" if changed.a else ")")


def _trade_lines(found: Difference) -> list[str]:
    if not found.trades_differ:
        return ["trades: every one is equal"]
    shown = "" if found.trades_differ == len(found.trades) else f", the first {len(found.trades)} of them"
    return [
        f"trades: {found.trades_differ:,} differ{shown}",
        *(f"  {c.what}: {_trade(c.a)} -> {_trade(c.b)}" for c in found.trades),
        *(f"  the first: {reason}" for reason in found.first),
    ]


def _shown(value: Any) -> str:
    return "none" if value is None or value in ("", []) else f"{value:,.10g}" if isinstance(value, float) else str(value)


def _trade(trade: BacktestTrade | None) -> str:
    if trade is None:
        return "nothing"
    return f"{number(trade.quantity)} at {number(trade.executed_price)}, fee {number(trade.commission)}, P&L {change(trade.pnl)}"

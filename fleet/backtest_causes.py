"""What changed between two backtests, in words: which bars, which sources, which options, and what of it explains the first trade."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from libs.store.backtests import BacktestTrade

T = TypeVar("T")
Parts = Mapping[str, Mapping[str, str]]
SHOWN: Final = 8
"""Stretches or files that are named; of more the first."""
_COSTS: Final = {"fee_bps", "fee_per_unit", "fee_min"}
_PRICES: Final = {"slippage_bps", "half_spread_bps", "latency_ms", "fill"}
_SIZES: Final = {"cash", "allocation", "sizing", "participation", "bar_participation"}
_CHARGED: Final = {"funding", "actions", "cash", "day_starts_at", "day_tz"}
"""Beside the rates: what is charged or paid, on how much, and when a day ends."""


def data_changes(a: Parts | None, b: Parts | None) -> list[str]:
    """Which series are new, gone or other, and in which stretches."""
    if a is None or b is None:
        return ["one of them was made before digests by month were kept, so it cannot be said which bars"]
    lines = []
    for name in sorted({*a, *b}):
        if name not in a or name not in b:
            lines.append(f"{name} {'is new' if name in b else 'is gone'}")
        elif a[name] != b[name]:
            lines.append(f"{name}: {_stretches(a[name], b[name])}")
    return lines


def _stretches(a: Mapping[str, str], b: Mapping[str, str]) -> str:
    names = sorted({*a, *b})
    kinds = {
        "differs": [name for name in names if name in a and name in b and a[name] != b[name]],
        "is new": [name for name in names if name not in a],
        "is gone": [name for name in names if name not in b],
    }
    return "; ".join(f"{_few(_ranges(found, names))} {what}" for what, found in kinds.items() if found)


def _ranges(found: Sequence[str], names: Sequence[str]) -> list[str]:
    """Neighbouring stretches as one: `2021-03 to 2021-06`."""
    ranges: list[list[str]] = []
    for name in found:
        if ranges and names.index(name) == names.index(ranges[-1][-1]) + 1:
            ranges[-1].append(name)
        else:
            ranges.append([name])
    return [one[0] if len(one) == 1 else f"{one[0]} to {one[-1]}" for one in ranges]


def code_changes(a: Mapping[str, str] | None, b: Mapping[str, str] | None) -> list[str]:
    """Which sources are other, new or gone."""
    if a is None or b is None:
        return ["one of them was made before digests by file were kept, so it cannot be said which"]
    found = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    return [_few([name + ("" if name in a and name in b else " (new)" if name in b else " (gone)") for name in found])] if found else []


def _few(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def first_reason(
    one: BacktestTrade | None, other: BacktestTrade | None, options: Sequence[str], parts_a: Mapping[str, Any], parts_b: Mapping[str, Any]
) -> list[str]:
    """What of all that changed can have made the first trade that differs, the likeliest first.

    Args:
        options: names of what was asked for otherwise.
        parts_a: digests of data and code as a result keeps them; empty where it has none.
    """
    some = one or other
    if some is None:
        return []
    return [*_of_data(some, parts_a, parts_b), *_of_options(one, other, options), *_of_code(some, parts_a, parts_b)]


def holding_reason(options: Sequence[str], a: Parts | None, b: Parts | None, *, trades_differ: bool) -> list[str]:
    """What of all that changed can have changed what holding cost, in one line; [] where nothing is known to.

    Args:
        options: names of what was asked for otherwise.
        a: digests of the data as a result keeps them; None where it has none.
    """
    found = [option for option in options if option in _CHARGED or _is_rate(option)]
    changed = _differing(a, b) if a is not None and b is not None else set()
    told = {"funding": "the recorded funding", "actions": "the corporate actions"}
    found += [words for name, words in told.items() if name in changed and name not in options]
    found += ["the bars"] if changed - told.keys() else []
    found += ["the trades"] if trades_differ else []
    return [f"what holding cost follows from {', '.join(found)}"] if found else []


def _is_rate(option: str) -> bool:
    return option.startswith("financing.")


def _of_data(trade: BacktestTrade, parts_a: Mapping[str, Any], parts_b: Mapping[str, Any]) -> Iterator[str]:
    a, b = parts_a.get("data"), parts_b.get("data")
    if a is None or b is None or a == b:
        return
    if _differing(a, b) == {"funding"}:
        yield "the recorded funding differs, and with it the account's equity"
        return
    mine = [name for name in sorted({*a, *b}) if name.endswith(f" {trade.symbol}")]
    changed = sorted({stretch for name in mine for stretch in _differing(a.get(name, {}), b.get(name, {}))})
    now = _stretch_of(trade.executed_at, changed)
    before = [stretch for stretch in changed if stretch < now]
    if now in changed or "all" in changed:
        yield f"the data of {trade.symbol} differ in {now or 'all'}, when it was made"
    elif before:
        yield f"the data of {trade.symbol} differ before it, first in {before[0]}: what was seen there is still in the strategy's state"
    elif not changed:
        yield f"the data of {trade.symbol} are the same, those of others are not: what they did changed the account's equity"


def _differing(a: Mapping[str, T], b: Mapping[str, T]) -> set[str]:
    return {name for name in {*a, *b} if a.get(name) != b.get(name)}


def _stretch_of(at: datetime, changed: Sequence[str]) -> str:
    return f"{at:%Y}" if changed and len(changed[0]) == len("2021") else f"{at:%Y-%m}"


def _of_options(one: BacktestTrade | None, other: BacktestTrade | None, options: Sequence[str]) -> Iterator[str]:
    if not options:
        return
    if one is None or other is None:
        yield f"only one of them made it: {', '.join(options)}"
        return
    for what, differs, names in (
        ("price", one.executed_price != other.executed_price, _PRICES),
        ("fee", one.commission != other.commission, _COSTS),
        ("quantity", one.quantity != other.quantity, _SIZES | {option for option in options if _is_rate(option)}),  # by the equity
    ):
        said = [option for option in options if option in names]
        if differs and said:
            yield f"its {what} follows from {', '.join(said)}"
    if not {*options} & (_PRICES | _COSTS | _SIZES):
        yield f"decided or sized otherwise: {', '.join(options)}"


def _of_code(trade: BacktestTrade, parts_a: Mapping[str, Any], parts_b: Mapping[str, Any]) -> Iterator[str]:
    a, b = parts_a.get("code"), parts_b.get("code")
    if a is None or b is None:
        return
    changed = _differing(a, b)
    strategies = [name for name in changed if name.startswith("libs/quant/strategies/")]
    own = [name for name in strategies if name.endswith(f"/{trade.strategy_id}.py")]
    others = sorted(changed - set(strategies))
    if own:
        yield f"its strategy was changed ({own[0]})"
    elif others:
        yield f"sources that every backtest runs through were changed ({_few(others)})"

"""Digests of a tape month by month, so that of two backtests over other data it can be said where the data differ."""

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from libs.domain.times import SECOND
from libs.quant.backtest.tape import Tape

MOST: Final = 1_000
"""Stretches that are told apart: of more symbols and months than this, years are, and then whole symbols."""
_SIZE: Final = 4
"""Bytes of a digest: a changed stretch looks unchanged once in four thousand millions, and then the fingerprint still tells."""


def parts_of(tape: Tape) -> dict[str, dict[str, str]]:
    """By series (`bars 1m BTC/USD`) and stretch (`2021-03`, `2021` or `all`) a digest of what it holds."""
    named = dict(_series(tape))
    for cut in (_months, _years, _whole):
        stretches = {name: cut(columns[0]) for name, columns in named.items()}
        if sum(map(len, stretches.values())) <= MOST:
            break
    found = {name: _digests(columns, stretches[name]) for name, columns in named.items()}
    found["instruments"] = {symbol: _digest(repr((its, tape.fill_on[symbol])).encode()) for symbol, its in sorted(tape.instruments.items())}
    if len(found["instruments"]) > MOST:
        found["instruments"] = {"all": _digest(repr(sorted(found["instruments"].items())).encode())}
    found["actions"] = {"all": _digest(repr(list(tape.actions)).encode())}
    if tape.funding:
        found["funding"] = {symbol: _digest(repr(rates).encode()) for symbol, rates in sorted(tape.funding.items())}
    return found


def _series(tape: Tape) -> Iterator[tuple[str, Sequence[Any]]]:
    for timeframe in tape.timeframes:
        for symbol, columns in sorted(tape.bars[timeframe].items()):
            yield f"bars {timeframe} {symbol}", columns
    for symbol, quote_bars in sorted(tape.quote_bars.items()):
        yield f"quote bars {symbol}", quote_bars
    for symbol, quotes in sorted(tape.quotes.items()):
        yield f"quotes {symbol}", quotes


def _digests(columns: Sequence[Any], stretches: Mapping[str, int]) -> dict[str, str]:
    """Of each stretch, given by the first ns of it, that has a row."""
    packed = [memoryview(column if isinstance(column, array) else array("qd"[n > 0], column)) for n, column in enumerate(columns)]
    firsts = [bisect_left(columns[0], begins) for begins in stretches.values()]
    ends = [*firsts[1:], len(columns[0])]
    rows = zip(stretches, firsts, ends, strict=True)
    return {name: _digest(*(column[first:end] for column in packed)) for name, first, end in rows if first < end}


def _digest(*held: bytes | memoryview) -> str:
    digest = hashlib.blake2b(digest_size=_SIZE)
    for one in held:
        digest.update(one)
    return digest.hexdigest()


def _months(times: Sequence[int]) -> dict[str, int]:
    return {f"{year}-{month:02}": _ns(year, month) for year, month in _between(times)}


def _years(times: Sequence[int]) -> dict[str, int]:
    return {str(year): _ns(year, 1) for year in sorted({year for year, _ in _between(times)})}


def _whole(times: Sequence[int]) -> dict[str, int]:
    return {"all": times[0]} if times else {}


def _between(times: Sequence[int]) -> list[tuple[int, int]]:
    """Years and months from the first to the last of ascending times."""
    if not times:
        return []
    first, last = (datetime.fromtimestamp(ns // SECOND, UTC) for ns in (times[0], times[-1]))
    return [(n // 12, n % 12 + 1) for n in range(first.year * 12 + first.month - 1, last.year * 12 + last.month)]


def _ns(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * SECOND

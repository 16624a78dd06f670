"""What passes between the comparison and an engine: a case and its bars on the way in, trades and equity on the way out.

Standard library only: each engine's runner imports this in an environment of its own.
"""

import json
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Final, Literal, NamedTuple

BEGINS_S: Final = 1_704_067_200  # 2024-01-01, UTC
SECONDS: Final = {"1m": 60, "15m": 900, "1d": 86_400}
"""Length of a bar."""
POINTS: Final = 20_000
"""At most so many values of an equity curve are handed over, evenly spread; the last one always."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A market that can be drawn again, and the terms at which a rule trades it. Prices are whole millionths.

    Rules: `sma_cross` with the means `fast` and `slow`; `turns`, long after a rise over `slow` bars and short after a fall.
    """

    name: str
    timeframe: str
    bars: int
    seed: int
    fast: int
    slow: int
    units: int  # held at target 1
    cash: int
    fee_bps: float  # of the notional, on each fill
    slippage_bps: float = 0.0  # against us, on each fill
    stop_bps: float = 0.0  # below the entry price, from the bar after the entry's on; 0: none
    move: float  # a close is at most this fraction from its open
    gap: float  # an open is at most this fraction from the close before
    step: int = 1  # millionths: prices are multiples of it
    rule: Literal["sma_cross", "turns"] = "sma_cross"

    def head(self, bars: int) -> "Case":
        """The same over its first bars only."""
        return replace(self, bars=min(bars, self.bars))


class Bars(NamedTuple):
    """One row per bar. All are there; the first begins at BEGINS_S."""

    open: "array[float]"
    high: "array[float]"
    low: "array[float]"
    close: "array[float]"

    def head(self, bars: int) -> "Bars":
        """The first ones."""
        return Bars(*(column[:bars] for column in self))


class Fill(NamedTuple):
    """One execution; buys and sells take turns, all of the same quantity."""

    bar: int  # index of the bar in which it happened
    price: float
    fee: float


class Trade(NamedTuple):
    """From flat to long, or short, and back. The last one may still be open: then it has no exit."""

    entry_bar: int
    entry_price: float
    exit_bar: int | None
    exit_price: float | None
    fee: float  # of both fills


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an engine made of a case."""

    engine: str
    version: str
    seconds: float  # of the run itself, data in memory
    final_equity: float
    trades: Sequence[Trade]
    equity: Sequence[float]  # at the closes that `points` names
    max_drawdown: float | None = None  # largest fall from a high as a fraction; None: not asked for
    sharpe: float | None = None  # a year's
    peak_bytes: int = 0  # the most memory that the process ever held; the runner says what counts
    input_bytes: int = 0  # of the bars as the engine is given them


class Pair(NamedTuple):
    """What an engine made of one pair of means."""

    fast: int
    slow: int
    fills: int
    fees: float
    final_equity: float
    max_drawdown: float  # as a fraction
    sharpe: float  # a year's


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What an engine made of many pairs of means on one market."""

    engine: str
    version: str
    seconds: float  # of all of them, data in memory
    pairs: Sequence[Pair]
    peak_bytes: int  # the most memory beyond the interpreter and its imports: the bars and every pair's curve with it


def halves(fills: Sequence[Fill]) -> list[Fill]:
    """Fills of the rule `turns`, of which each but the first ends one position and begins the opposite one, as the two that they are."""
    ends = [fill._replace(fee=fill.fee / 2) for fill in fills[1:]]
    return [*fills[:1], *(half for fill in ends for half in (fill, fill))]


def trades_of(fills: Iterable[Fill]) -> list[Trade]:
    """Entries with their exits."""
    found: list[Trade] = []
    entry: Fill | None = None
    for fill in fills:
        if entry is None:
            entry = fill
        else:
            found.append(Trade(entry.bar, entry.price, fill.bar, fill.price, entry.fee + fill.fee))
            entry = None
    return found if entry is None else [*found, Trade(entry.bar, entry.price, None, None, entry.fee)]


def points(curve: Sequence[float]) -> list[float]:
    """Values of an equity curve, one per bar, as they are handed over: the last bar, and every so many before it."""
    every = -(-len(curve) // POINTS)
    return [float(value) for value in curve[::-1][::every]][::-1]


def version_of(distribution: str) -> str:
    """Of the engine, as installed."""
    return metadata.version(distribution)


def write_case(path: Path, case: Case, bars: Bars) -> None:
    """The case as JSON, and beside it its columns as float64, one after another."""
    path.write_text(json.dumps(asdict(case)))
    with path.with_suffix(".bars").open("wb") as file:
        for column in bars:
            column.tofile(file)


def given() -> tuple[Case, Bars]:
    """The case named by the first argument of this process."""
    path = Path(sys.argv[1])
    case = Case(**json.loads(path.read_text()))
    columns = [array("d") for _ in Bars._fields]
    with path.with_suffix(".bars").open("rb") as file:
        for column in columns:
            column.fromfile(file, case.bars)
    return case, Bars(*columns)


def answer(result: Result | Searched) -> None:
    """Writes the result to the file named by the second argument of this process."""
    Path(sys.argv[2]).write_text(json.dumps(asdict(result)))


def read_result(path: Path) -> Result:
    """What a runner wrote."""
    found = json.loads(path.read_text())
    return Result(**(found | {"trades": [Trade(*trade) for trade in found["trades"]]}))


def read_searched(path: Path) -> Searched:
    """What a runner of many pairs wrote."""
    found = json.loads(path.read_text())
    return Searched(**(found | {"pairs": [Pair(*pair) for pair in found["pairs"]]}))

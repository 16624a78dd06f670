"""What the strategies say, as columns: by their own folds, or by folds that were compiled. Signals are made of them when somebody asks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from libs.domain.columns import Columns
from libs.domain.messages import Signal
from libs.quant.folds.contract import PanelView
from libs.quant.folds.fold import Fold, PanelStep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]


Folding = Callable[..., "Iterator[tuple[Times, Floats, int]]"]
"""A compiled fold at its beginning: (opens, highs, lows, closes, volumes) -> piece by piece (rows, targets) of what is news, and the bars
seen so far; one piece at least.

Raises ValueError when a target is none or the strategy raised, OverflowError when its numbers do not fit: the fold itself says which.
"""


class Voice(NamedTuple):
    """What one strategy says of one symbol."""

    strategy_id: str
    symbol: str
    timeframe: str
    bar_time: "Times"
    target: "Floats"
    scale: "Floats"
    price: "Floats"
    signals: Callable[[], Sequence[Signal]]

    @property
    def said(self) -> "tuple[Times, Floats, Floats, Floats]":
        """Its columns."""
        return self.bar_time, self.target, self.scale, self.price


class Told(NamedTuple):
    """What all strategies say over one piece of the market."""

    share: float  # of the market told with it, above 0 to 1
    voices: Sequence[Voice]


class NotFolded(Exception):
    """A compiled fold could not go on: run as it is, it can, or says why not."""

    def __init__(self, n: int) -> None:
        super().__init__(f"fold {n}")
        self.n = n


@dataclass(frozen=True)
class Spoken:
    """All of them."""

    voices: Sequence[Voice]

    @cached_property
    def signals(self) -> list[Signal]:
        """In the order in which they are decided. Made once: a fold remembers what it has said."""
        everything = [signal for voice in self.voices for signal in voice.signals()]
        return sorted(everything, key=lambda s: (s.decided_at, s.strategy_id, s.symbol))


def telling(folds: Sequence[Fold], bars: Mapping[str, Mapping[str, Columns]], compiled: "Mapping[int, Folding]") -> "Iterator[Told]":
    """Runs every fold over its bars. A compiled fold that is the only one tells piece by piece.

    Args:
        bars: by timeframe, then symbol.
        compiled: by number of the fold, of those that are.

    Raises:
        NotFolded: a compiled fold could not go on.
        StrategyFault: a strategy failed on a bar.
    """
    if len(folds) == 1 and 0 in compiled and folds[0].symbol in bars[folds[0].timeframe]:
        for share, voice in _pieces(0, folds[0], bars[folds[0].timeframe][folds[0].symbol], compiled[0]):
            yield Told(share, [voice])
        return
    voices: list[Voice] = []
    for n, fold in enumerate(folds):
        columns = bars[fold.timeframe].get(fold.symbol)
        if n in compiled and columns is not None:
            voices.append(_joined([voice for _, voice in _pieces(n, fold, columns, compiled[n])]))
        elif fold.strategy.panel and fold.plain:
            voices += _of_signals(fold.run_panel(steps_of(fold.symbols, bars[fold.timeframe])))
        else:
            voices += _of_signals(fold.run(bars[fold.timeframe]))
    yield Told(1.0, voices)


def spoken(told: Sequence[Told]) -> Spoken:
    """What was told in pieces, as a whole."""
    return Spoken([_joined(pieces) for pieces in zip(*(piece.voices for piece in told), strict=True)])


def _joined(pieces: Sequence[Voice]) -> Voice:
    if len(pieces) == 1:
        return pieces[0]
    bar_time, target, scale, price = (np.concatenate(parts) for parts in zip(*(piece.said for piece in pieces), strict=True))
    return pieces[0]._replace(
        bar_time=bar_time, target=target, scale=scale, price=price, signals=lambda: [each for piece in pieces for each in piece.signals()]
    )


def _pieces(n: int, fold: Fold, columns: Columns, folding: Folding) -> "Iterator[tuple[float, Voice]]":
    """(share of the bars told so far, what was said in the piece)."""
    starts, *prices = (np.asarray(column) for column in columns)  # of arrays the same memory
    pieces = folding(*prices)
    while True:
        try:
            rows, targets, done = next(pieces)
        except StopIteration:
            return
        except (ValueError, ArithmeticError, IndexError) as error:
            raise NotFolded(n) from error
        signals = partial(_said, fold, columns, rows, targets)
        yield (
            done / len(starts) if done else 1.0,
            Voice(fold.strategy_id, fold.symbol, fold.timeframe, starts[rows], targets, np.ones(len(rows)), prices[3][rows], signals),
        )


def _said(fold: Fold, columns: Columns, rows: "Times", targets: "Floats") -> Sequence[Signal]:
    return fold.said(columns, zip(rows.tolist(), targets.tolist(), strict=True))


def steps_of(symbols: Sequence[str], bars: Mapping[str, Columns]) -> Iterator[PanelStep]:
    """What a panel of these symbols sees, start by start."""
    columns = {n: bars[symbol] for n, symbol in enumerate(symbols) if symbol in bars}
    starts = np.unique(np.concatenate([np.asarray(each.start, np.int64) for each in columns.values()] or [np.zeros(0, np.int64)]))
    there = np.zeros((len(starts), len(symbols)), np.bool_)
    fields = [np.full((len(starts), len(symbols)), np.nan) for _ in PanelView._fields]
    for n, each in columns.items():
        rows = np.searchsorted(starts, np.asarray(each.start, np.int64))
        there[rows, n] = True
        for field, values in zip(fields, each[1:], strict=True):
            field[rows, n] = values
    for row, start in enumerate(starts.tolist()):
        yield PanelStep(start, there[row].tolist(), PanelView(*(field[row].tolist() for field in fields)))


def _of_signals(signals: Sequence[Signal]) -> list[Voice]:
    by_book: dict[tuple[str, str], list[Signal]] = {}
    for signal in signals:
        by_book.setdefault((signal.strategy_id, signal.symbol), []).append(signal)
    return [
        Voice(
            strategy_id,
            symbol,
            said[0].timeframe,
            np.array([signal.bar_time for signal in said], np.int64),
            np.array([signal.target for signal in said]),
            np.array([signal.scale for signal in said]),
            np.array([signal.reference_price for signal in said]),
            lambda said=said: said,  # type: ignore[misc]
        )
        for (strategy_id, symbol), said in by_book.items()
    ]

"""What the strategies of a backtest say: their folds over all bars of a tape, symbol by symbol.

`step` of a strategy never sees a fill, so its signals follow from the bars alone and are made before anything is traded.
"""

from collections.abc import Sequence
from typing import NamedTuple

from libs.domain.messages import Signal
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.folds.assembly import Assembled, assembled
from libs.quant.folds.fold import Fold, Playing, StrategyFault
from libs.quant.progress import Counting, Passing, Seen


class Said(NamedTuple):
    """Every signal of the configured strategies, in the order in which they are decided."""

    signals: list[Signal]
    faults: list[str]  # what failed on a bar, and said nothing more
    left_out: list[str]  # what had nothing to run on


def playing_folds(tape: Tape, setup: Setup) -> Assembled:
    """The strategies' folds over a tape, at their beginning.

    Raises:
        ValueError: a strategy is configured wrongly; the message says which and how.
    """
    playing = Playing(setup.session_id, setup.account_id, 0.0, tape.grace_ns, setup.tradable)
    return assembled(setup.strategies, tape.instruments, tape.timeframes, {setup.account_name: playing}, tape.adjustments)


def signals_of(tape: Tape, setup: Setup, seen: Seen | None = None) -> Said:
    """What the strategies say of the bars; `seen` is told how many they have seen.

    Raises:
        ValueError: a strategy is configured wrongly; the message says which and how.
        StrategyFault: one failed on a bar, and faults are fatal.
    """
    found = playing_folds(tape, setup)
    signals: list[Signal] = []
    faults: list[str] = []
    for fold, through in zip(found.folds, _counted(found.folds, tape, seen), strict=True):
        try:
            signals += fold.run(tape.bars[fold.timeframe], through)
        except StrategyFault as fault:
            if setup.faults_are_fatal:
                raise
            signals += fault.signals
            faults.append(str(fault))
    signals = [signal for signal in signals if signal.decided_at >= setup.trades_from]
    signals.sort(key=lambda s: (s.decided_at, s.strategy_id, s.symbol))
    return Said(signals, faults, found.left_out)


def _counted(folds: Sequence[Fold], tape: Tape, seen: Seen | None) -> list[Passing]:
    """What the bars of each fold go through."""
    if seen is None:
        return [iter] * len(folds)
    bars = [sum(len(tape.bars[fold.timeframe][s].start) for s in fold.symbols if s in tape.bars[fold.timeframe]) for fold in folds]
    return [
        Counting(seen, "bars through strategies", sum(bars), before=sum(bars[:n]), each=len(fold.symbols)) for n, fold in enumerate(folds)
    ]

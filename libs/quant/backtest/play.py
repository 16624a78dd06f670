"""The event path: recorded bars through the fleet's own folds, risk, venue and booking.

The signals follow from the bars alone and are made first. Then the account is played: only the moments at which a signal, an
open order or a corporate action makes something happen are visited, in the order in which a lockstep session would do the
same things (semantics 6).
"""

from itertools import groupby
from typing import Final

from libs.quant.backtest.desk import Desk
from libs.quant.backtest.result import Played
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.signals import signals_of
from libs.quant.backtest.tape import Tape
from libs.quant.progress import Counting, Passing, Seen

DECISIONS: Final = 64
"""Signals between two words about them."""


def play(tape: Tape, setup: Setup, seen: Seen | None = None) -> Played:
    """Plays the tape to its end.

    Args:
        seen: is told how far it is, first of bars, then of signals.

    Raises:
        ValueError: a strategy is configured wrongly; the message says which and how.
    """
    worked = next((strategy for strategy in setup.strategies if strategy.execution), None)
    if worked is not None and setup.limits is None:
        raise ValueError(f"strategy {worked.id} has execution {worked.execution!r}, and without risk controls orders are sent whole")
    signals, faults, left_out = signals_of(tape, setup, seen)
    desk = Desk(tape, setup, Played(signals, faults=faults, left_out=left_out))
    end = tape.last_known()
    if not setup.orders_on_last_bar:
        signals = [signal for signal in signals if signal.decided_at < end]
    through: Passing = iter if seen is None else Counting(seen, "signals through the account", len(signals), every=DECISIONS)
    for decided_at, together in groupby(through(iter(signals)), key=lambda signal: signal.decided_at):
        desk.play_until(decided_at)
        desk.decide(list(together), decided_at)
    desk.play_until(tape.ends())
    return desk.finish()

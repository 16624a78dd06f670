"""The two ways to play a tape: event by event, or compiled. What they find is the same to the last digit; the time it takes is not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from libs.quant.backtest.play import play
from libs.quant.backtest.report import PLAIN, Sums
from libs.quant.backtest.result import Played
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.signals import playing_folds
from libs.quant.backtest.summary import Summary, summary_of
from libs.quant.backtest.tape import Tape
from libs.quant.progress import Seen
from services.backtester.ahead import ahead
from services.backtester.compiling import Compiler, NotCompiled

if TYPE_CHECKING:  # whoever imports these pays for numba
    from libs.quant.compiled.playing import Playing
    from libs.quant.compiled.spoken import Told

Engine = Literal["auto", "event", "compiled"]
MANY_BARS: Final = 200_000
"""With fewer it takes longer to load machine code than to do without."""
SO_MANY_BARS: Final = 1_500_000
"""With fewer it takes longer to make it."""
TWO_AT_ONCE: Final = 400_000
"""With fewer, a thread that runs the strategy ahead of the account takes longer than it saves."""
ROOM: Final = 4
"""Rows for fills, for each signal, to begin with."""


@dataclass(frozen=True)
class Result:
    """What was played. The objects of it are made when somebody asks for them."""

    summary: Summary
    played: Callable[[], Played]
    notes: Sequence[str] = ()
    sums: Sums = PLAIN


def playing(tape: Tape, setup: Setup, engine: Engine, folder: Path | None, say: Callable[[str], None], seen: Seen | None = None) -> Result:
    """Plays a tape.

    Args:
        engine: `auto` compiles where it pays and can be done, and else plays event by event; so does `compiled`, whatever it pays.
        folder: for machine code; None: nothing is compiled.
        say: tells a person what takes long.
        seen: is told how far the event path is.

    Raises:
        ValueError: a strategy is configured wrongly, or failed on a bar.
    """
    why = ""
    if folder is not None and (engine == "compiled" or (engine == "auto" and tape.count() >= MANY_BARS)):
        try:
            compiler = Compiler(folder, say)
            if engine == "compiled" or compiler.made or tape.count() >= SO_MANY_BARS:
                return _compiled(tape, setup, compiler)
        except NotCompiled as error:
            why = str(error)
    played = play(tape, setup, seen)
    notes = [f"played event by event: {why}"] if why else []
    return Result(summary_of(tape, played), lambda: played, notes)


def _compiled(tape: Tape, setup: Setup, compiler: Compiler) -> Result:
    """
    Raises:
        NotCompiled: something only the event path can play.
    """
    from libs.quant.compiled.outcome import Outcome
    from libs.quant.compiled.prepare import Unplayable, check
    from libs.quant.compiled.report import SUMS
    from libs.quant.compiled.spoken import NotFolded, spoken, telling

    try:
        check(tape, setup)
    except Unplayable as error:
        raise NotCompiled(str(error)) from error
    folds = playing_folds(tape, setup)
    compiled, notes = {}, []
    for n, fold in enumerate(folds.folds):
        try:
            compiled[n] = compiler.fold(fold)
        except NotCompiled as error:
            notes.append(f"run as it is, the account compiled: {error}")
    while True:
        try:
            told, played = _heard(tape, setup, compiler, telling(folds.folds, tape.bars, compiled))
        except NotFolded as error:
            del compiled[error.n]
        else:
            break
    outcome = Outcome(tape, setup, spoken(told), played.desk, folds.left_out, played.charges)
    return Result(outcome.summary(), outcome.played, list(dict.fromkeys(notes)), SUMS)


def _heard(tape: Tape, setup: Setup, compiler: Compiler, telling: "Iterator[Told]") -> "tuple[list[Told], Playing]":
    """What the strategies said, and the account that has played it."""
    from libs.quant.compiled.prepare import Unplayable

    told: list[Told] = []
    coming = _remembered(ahead(telling) if tape.count() >= TWO_AT_ONCE else telling, told)
    room = ROOM
    while True:
        try:
            return told, _played(tape, setup, compiler, chain(tuple(told), coming), room)
        except MemoryError:
            room *= 4
        except (Unplayable, ArithmeticError, ValueError, IndexError) as error:
            raise NotCompiled(str(error)) from error


def _played(tape: Tape, setup: Setup, compiler: Compiler, pieces: "Iterator[Told]", room: int) -> "Playing":
    from libs.quant.compiled.playing import Playing

    played = None
    for share, voices in pieces:
        if played is None:
            played = Playing(tape, setup, voices)
            compiler.desk()
        played.hear(voices, share, room)
    assert played is not None, "whoever tells something tells it at least once"
    played.finish()
    compiler.done()
    return played


def _remembered(pieces: "Iterator[Told]", told: "list[Told]") -> "Iterator[Told]":
    for piece in pieces:
        told.append(piece)
        yield piece

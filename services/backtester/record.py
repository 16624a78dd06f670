"""What of a backtest's answer goes into the record and to whoever asked."""

from libs.domain.names import TIMEFRAMES
from libs.domain.times import iso
from libs.quant.backtest.parts import parts_of
from libs.store.backtests import Outcome
from services.backtester.code import code_parts
from services.backtester.data import Loaded
from services.backtester.run import Answer


def outcome_of(answer: Answer, loaded: Loaded) -> Outcome:
    """The figures with where the data came from, the fingerprints, and the trades."""
    prints, tape = answer.fingerprints, loaded.tape
    finest = tape.timeframes[0]
    starts = [columns.start for columns in tape.bars[finest].values() if columns.start]
    data = {
        "source": loaded.source,
        "symbols": sorted(tape.bars[finest]),
        "timeframe": finest,
        "from": iso(min(start[0] for start in starts)),
        "to": iso(max(start[-1] for start in starts) + TIMEFRAMES[finest]),
        "parts": {"data": parts_of(tape), "code": code_parts()},  # what `fleet backtest diff` tells a difference by
    }
    return Outcome(
        result=answer.line() | data,
        fingerprint=prints.all,
        data=prints.data,
        code=prints.code,
        config=prints.config,
        engine=prints.engine,
        trades=answer.played.trades,
    )

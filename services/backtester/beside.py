"""What a person says beside the bars of a backtest: splits and dividends of a file, and recorded funding."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec

from libs.domain.actions import CorporateAction
from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.tape import Tape
from libs.venues.side_files import read_actions, read_funding
from services.backtester.spec import Spec


def beside(tape: Tape, spec: Spec) -> tuple[Tape, Sequence[str]]:
    """The tape with it, and what a reader should know.

    Raises:
        BadData: a file cannot be used; the message names row, column and what was expected.
    """
    labels: list[str] = []
    if spec.actions:
        venue = next(iter(tape.instruments.values())).venue
        actions = [_after_its_close(action, tape) for action in _known(read_actions(Path(spec.actions), venue), tape, labels)]
        tape = replace(tape, actions=actions)
    if spec.funding:
        found = read_funding(Path(spec.funding), tape.instruments.keys())
        if strange := sorted(found.keys() - tape.instruments.keys()):
            labels.append(f"funding of {', '.join(strange)} is not used: there are no bars of it")
        tape = replace(tape, funding={symbol: rates for symbol, rates in found.items() if symbol in tape.instruments})
    return tape, labels


def _known(actions: Iterable[CorporateAction], tape: Tape, labels: list[str]) -> list[CorporateAction]:
    """Those of symbols that there are bars of, from their first bar on; how many others there are goes into the labels."""
    known, strange, early = [], set(), 0
    for action in actions:
        columns = tape.columns(action.symbol)
        if columns is None:
            strange.add(action.symbol)
        elif action.effective <= max(tape.since, columns.start[0]):
            early += 1
        else:
            known.append(action)
    if strange:
        labels.append(f"corporate actions of {', '.join(sorted(strange))} are not used: there are no bars of it")
    if early:
        labels.append(f"{early} corporate actions are not used: at the first bar of their symbol they were in its prices already")
    return known


def _after_its_close(action: CorporateAction, tape: Tape) -> CorporateAction:
    """With the last close in old units: by it a dividend is adjusted for, and a part of a lot is paid out."""
    columns = tape.columns(action.symbol)
    assert columns is not None, "known symbols only"
    row = bisect_left(columns.start, action.effective - TIMEFRAMES[tape.timeframes[0]] + 1) - 1
    close = Decimal(repr(float(columns.close[row]))) if row >= 0 else Decimal(0)
    return msgspec.structs.replace(action, reference_price=close)

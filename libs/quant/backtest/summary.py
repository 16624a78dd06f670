"""What the figures of a backtest need of what was done: what the account held from when on, and what it paid."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from libs.quant.backtest.result import Played
from libs.quant.backtest.tape import Tape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]


class Summary(NamedTuple):
    """One row for each moment from which on the account held something else; the first is the deposit."""

    at: "Times"  # market ns, ascending
    cash: "Floats"  # base currency
    units: "Mapping[str, Floats]"  # by symbol, all strategies together
    worth: Decimal  # at the end, exactly
    fees: Decimal
    fills: int
    orders: int
    refused: int  # signals that risk turned down
    begins: "Times | None" = None  # of each row the first bar that it holds at, and the number of bars; None: not known


def summary_of(tape: Tape, played: Played) -> Summary:
    """Of what was played object by object."""
    import numpy as np

    symbols = sorted({symbol for balance in played.balances for symbol in balance.units})
    return Summary(
        at=np.array([balance.at for balance in played.balances], np.int64),
        cash=np.array([balance.cash for balance in played.balances]),
        units={symbol: np.array([balance.units.get(symbol, 0.0) for balance in played.balances]) for symbol in symbols},
        worth=_worth(tape, played),
        fees=sum((trade.commission for trade in played.trades), Decimal(0)),
        fills=len(played.trades),
        orders=len(played.orders),
        refused=len(played.refused),
    )


def _worth(tape: Tape, played: Played) -> Decimal:
    total = sum((line.amount for line in played.lines if line.ledger_account == "cash"), Decimal(0))
    held = ((symbol, position.quantity) for (_, symbol), position in played.positions.items())
    return total + sum((worth_of(tape, symbol, quantity) for symbol, quantity in held), Decimal(0))


def worth_of(tape: Tape, symbol: str, quantity: Decimal) -> Decimal:
    """Of a position at the last price of the tape; 0 where there is none."""
    mark = tape.mark(symbol, tape.last_known()) if quantity else None
    return Decimal(0) if mark is None else quantity * Decimal(repr(mark)) * tape.instruments[symbol].multiplier

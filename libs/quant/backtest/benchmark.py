"""What the same deposit had become without a strategy: every symbol bought at the beginning and held."""

from typing import TYPE_CHECKING

from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.tape import Tape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]


def buy_and_hold(tape: Tape, times: "Times", deposit: float) -> "Floats":
    """An equal part of the deposit in each symbol from its first close above 0 on, shape of `times`; nothing is paid for it.

    Splits are followed and dividends put back in, by the factors that strategies see (libs/quant/adjustments.py). A part is cash until
    its symbol has a price.
    """
    import numpy as np

    columns = {symbol: c for symbol, c in tape.bars[tape.timeframes[0]].items() if len(c.start)}
    worth = np.zeros(len(times))
    for symbol, of in columns.items():
        start, price = np.asarray(of.start, np.int64), np.array(of.close, np.float64)
        for change in tape.adjustments.changes(symbol):
            later = start + TIMEFRAMES[tape.timeframes[0]] - 1 >= change
            price[later] = np.asarray(of.close)[later] * tape.adjustments.price(symbol, change)
        row = np.searchsorted(start, times - tape.late_ns, "right") - 1
        bought = int(np.argmax(price > 0))
        grown = np.where(row >= bought, price[np.maximum(row, 0)] / price[bought] if price[bought] > 0 else 1.0, 1.0)
        worth += deposit / len(columns) * grown
    return worth if columns else worth + deposit

"""What a backtest did: every signal, order and fill, and the books they left."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from libs.domain.books import Position
from libs.domain.ledger import CARRIES, Entry
from libs.domain.losses import Halt
from libs.domain.messages import Signal
from libs.domain.orders import Order, Status
from libs.domain.trades import Trade
from libs.quant.risk.view import Refusal


class Refused(NamedTuple):
    """A signal that risk or the venue turned down."""

    signal: Signal
    refusal: Refusal


class Balance(NamedTuple):
    """What the account held from a moment on."""

    at: int  # market ns
    cash: float  # base currency
    units: dict[str, float]  # by symbol, all strategies together


@dataclass
class Played:
    """Everything that happened, in order."""

    signals: Sequence[Signal]
    orders: list[Order] = field(default_factory=list)
    statuses: dict[str, Status] = field(default_factory=dict)  # by client order id: where each order ended or stands
    trades: list[Trade] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)  # by (strategy, symbol)
    lines: list[Entry] = field(default_factory=list)  # of the ledger, as booked
    balances: list[Balance] = field(default_factory=list)
    halts: Sequence[Halt] = ()  # loss limits that were passed over: from the first on only what shrinks a book was ordered
    faults: Sequence[str] = ()  # strategies that failed on a bar and were stopped there
    left_out: Sequence[str] = ()  # configured strategies with nothing to run on, in words

    def carried(self) -> dict[str, Decimal]:
        """What holding earned (above 0) or cost, by ledger account: interest, borrowing, funding, and under `income` dividends
        and what parts of lots were worth."""
        sums = dict.fromkeys((*CARRIES, "income"), Decimal(0))
        for line in self.lines:
            if line.ledger_account in sums:
                sums[line.ledger_account] -= line.amount
        return sums

    def ledger(self, without: Collection[UUID] = ()) -> dict[tuple[str, str, str], Decimal]:
        """Balances by (strategy, ledger account, commodity), not counting the transactions `without`."""
        sums: dict[tuple[str, str, str], Decimal] = {}
        for line in self.lines:
            if line.txn_id not in without:
                key = (line.strategy_id, line.ledger_account, line.commodity)
                sums[key] = sums.get(key, Decimal(0)) + line.amount
        return sums

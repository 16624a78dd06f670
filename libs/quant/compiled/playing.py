"""A compiled account as signals come: played up to each moment at which holding costs or pays, and charged there as the event path does."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from libs.domain.books import Position
from libs.domain.ledger import Entry
from libs.quant.backtest.carrying import Carrying
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.compiled.desk import charged, play, wait
from libs.quant.compiled.layout import FOREVER, Desk
from libs.quant.compiled.money import amount_of
from libs.quant.compiled.prepare import desk_of, ordered, signals_of
from libs.quant.compiled.spoken import Voice


class Charged(NamedTuple):
    """What an account was charged and paid at one moment for what it held."""

    at: int  # market ns
    fills: int  # of the account by then
    lines: Sequence[Entry]
    cash: float  # with it


class Playing:
    """One account over a tape. Charges are few, one a day or eight hours, and so they are worked out in Python."""

    def __init__(self, tape: Tape, setup: Setup, voices: Sequence[Voice]) -> None:
        """
        Args:
            voices: all there will be.

        Raises:
            Unplayable: as `desk_of`.
        """
        self._tape = tape
        self._setup = setup
        self._books = [(voice.strategy_id, voice.symbol) for voice in ordered(voices)]
        self._carrying = None if setup.financing is None else Carrying(tape, setup)
        self.desk: Desk = desk_of(tape, setup, ordered(voices))
        self.charges: list[Charged] = []

    def hear(self, voices: Sequence[Voice], share: float, fills: int) -> None:
        """Plays what follows all before; `share` and `fills` as `Desk.hear`, errors as `desk.play`."""
        signals = signals_of(self._tape, self._setup, ordered(voices))
        self.desk.hear(signals, share, fills)
        if len(signals):
            self._charge_until(int(signals["time"][-1]))
        play(self.desk.row, FOREVER)

    def finish(self) -> None:
        """Plays the market to its end; raises as `hear`."""
        self._charge_until(self._tape.ends())
        wait(self.desk.row, self._tape.ends())

    def _charge_until(self, until: int) -> None:
        """Each charge follows what the market does at its moment, and comes before what is decided then."""
        while self._carrying is not None and (due := self._carrying.due) <= until:
            play(self.desk.row, due)
            wait(self.desk.row, due)
            self._charge(self._carrying, due)

    def _charge(self, carrying: Carrying, due: int) -> None:
        row = self.desk.row[0]
        parts = int(row["money"])
        cash = {self._setup.base_currency: amount_of(int(row["cash"]), parts)}
        lines = carrying.charge(cash, self._positions(), due)
        if lines:
            moved = sum((line.amount for line in lines if line.ledger_account == "cash"), Decimal(0))
            left = int(row["cash"]) + int(moved * parts)
            row["cash"], row["cash_value"] = left, float(amount_of(left, parts))
            self.charges.append(Charged(due, int(row["fills_count"]), lines, float(row["cash_value"])))
            charged(self.desk.row, due)

    def _positions(self) -> dict[tuple[str, str], Position]:
        held = zip(self._books, self.desk.books["lots"].tolist(), strict=True)
        return {book: Position(self._tape.instruments[book[1]].quantity(lots)) for book, lots in held if lots}

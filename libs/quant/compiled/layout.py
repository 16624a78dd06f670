"""What the compiled desk reads and writes: rows of plain numbers, one kind of row for each idea.

Prices are ticks, quantities lots, money whole parts of the currency (`MONEY` to one of it, or fewer), times market ns. NaN stands for
"none", and -1 for no row. Symbols, strategies and books are numbered in the order of their names, in which the event path adds them up.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Rows = NDArray[Any]
    """Rows of one of the kinds below; numba reads and sets their fields as attributes."""
    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]

MONEY: Final = 10**12
"""What the currency is divided into at most: fees are rounded to twelve decimals, and so is all that is made of them."""
UNBOUNDED: Final = 2**53
NONE: Final = -(2**62)
"""No price."""
PROTECTIVE: Final = -1
"""The leg of an order that is no signal's but guards what is held."""
FOREVER: Final = 2**63 - 1

BAR: Final = np.dtype([("start", "i8"), *((name, "f8") for name in ("open", "high", "low", "close", "volume"))], align=True)
"""What is asked of a bar is asked together, and here and there in a market: a row lies in one place of memory, six columns lie in six."""

SYMBOL: Final = np.dtype(
    [
        ("first", "i8"),  # its bars are rows first to last - 1 of the market's
        ("last", "i8"),
        ("tick", "f8"),
        ("lot", "f8"),
        ("multiplier", "f8"),
        ("units", "f8"),  # what a price is multiplied by for the worth of a lot
        ("above", "i8"),  # notional is lots * ticks * above / below
        ("below", "i8"),
        ("worth", "i8"),  # of one lot at one tick, money
        ("min_notional", "f8"),
        ("min_money", "i8"),
        ("fee_above", "i8"),  # fee is (notional in money * fee_above + lots * fee_lots) / fee_below
        ("fee_lots", "i8"),
        ("fee_below", "i8"),
        ("calendar", "i8"),  # its sessions; -1: it is never shut
        ("tick_cost", "i8"),  # one tick as an average cost is kept: in MONEY
        ("books", "i8"),  # its books are `of_symbol[books]` to `of_symbol[books_end - 1]`
        ("books_end", "i8"),
        ("hint", "i8"),  # where it was looked for last
        ("marked_at", "i8"),
        ("mark", "f8"),  # at that moment
    ],
    align=True,
)

_BOUNDS: Final = ("order_notional", "strategy_position", "account_position", "short", "account_gross", "account_net")

BOOK: Final = np.dtype(
    [
        ("symbol", "i8"),
        ("strategy", "i8"),
        ("length", "i8"),  # of a bar of its strategy
        ("listed", "i8"),
        ("forbidden", "i8"),
        ("allocation", "f8"),
        ("band", "f8"),
        ("fixed", "f8"),  # units held at target 1; NaN: a share of the equity
        ("risked", "f8"),  # share that is left of a size so that a stop loses no more than is meant; 1: all of it
        ("drawdown", "f8"),  # fall from the peak at which nothing is left of a size; NaN: sizes do not follow it
        ("collar", "f8"),
        ("jump", "f8"),
        ("most_lots", "i8"),  # of one order
        *((f"{name}_{unit}", "f8") for name in _BOUNDS for unit in ("plain", "multiple")),
        *((f"open_{scope}", "f8") for scope in ("symbol", "strategy", "account")),
        *((f"{span}_{scope}", "f8") for span in ("minute", "second") for scope in ("strategy", "account")),
        ("entries", "f8"),
        ("stop_bps", "f8"),  # how far from its cost what protects a position stands; 0: it has none
        ("target_bps", "f8"),
        ("trail_bps", "f8"),  # in the place of the plain stop
        ("lots", "i8"),  # held; this and the rest change
        ("order", "i8"),  # the one that is open
        ("waiting", "i8"),  # the signal that waits for it to end
        ("leg", "i8"),  # of that signal, which is placed next
        ("cost", "i8"),  # average, of what is held, in MONEY
        ("entry", "i8"),  # the newest order that has filled and is protected; -1: none
        ("children", "i8"),  # protective orders that it has had
        ("touched", "i8"),  # whether its orders or what it holds have changed, and its protection was not looked at since
        ("refused_lots", "i8"),  # signed, of protection that the venue has turned down; 0: none
        ("refused_stop", "i8"),
        ("refused_trail", "i8"),
        ("refused_target", "i8"),
    ],
    align=True,
)
"""One strategy in one symbol, with the limits over its orders."""

SIGNAL: Final = np.dtype(
    [
        ("time", "i8"),  # decided at
        ("book", "i8"),
        ("bar_time", "i8"),
        ("valid_until", "i8"),
        ("target", "f8"),
        ("scale", "f8"),
        ("price", "f8"),  # reference
        ("verdict", "i8"),
    ],
    align=True,
)

ORDER: Final = np.dtype(
    [
        ("signal", "i8"),
        ("leg", "i8"),  # of the signal, or PROTECTIVE
        ("book", "i8"),
        ("side", "i8"),  # 1 buys, -1 sells
        ("kind", "i8"),
        ("lots", "i8"),
        ("price", "i8"),  # limit; NONE: none
        ("stop", "i8"),  # NONE: none
        ("decided_at", "i8"),
        ("valid_until", "i8"),
        ("expires_at", "i8"),
        ("ends", "i8"),  # the moment of the market at which it is over; -1: none
        ("placed_at", "i8"),
        ("filled", "i8"),
        ("triggered", "i8"),
        ("closes", "i8"),
        ("status", "i8"),
    ],
    align=True,
)

GUARD: Final = np.dtype(
    [
        ("announced", "i8"),  # its number in the order in which orders were sent; signals' orders have only this
        ("trail", "i8"),  # ticks that a stop keeps from the best price; NONE: it does not move
        ("stands", "i8"),  # where such a stop stands since the first bar that it has met; NONE: it has met none
        ("pair", "i8"),  # the first of two orders that end each other; -1: it stands alone
        ("entry", "i8"),  # the order whose fills it protects
        ("child", "i8"),  # its number among the protective orders of that one
        ("replaces", "i8"),  # -1: none
        ("unreplaceable", "i8"),  # the venue would not put another in its place
    ],
    align=True,
)
"""What an order is besides where positions are protected, in the row that it has among orders. Elsewhere there are none."""

FILL: Final = np.dtype(
    [*((name, "i8") for name in ("order", "lots", "price", "fee", "at", "known", "cash", "row")), ("cash_value", "f8")], align=True
)

REFUSAL: Final = np.dtype([("signal", "i8"), ("reason", "i8"), ("limit", "f8"), ("seen", "f8"), ("other", "f8")], align=True)

HALT: Final = np.dtype([("limit", "i8"), ("at", "i8"), ("equity", "f8"), ("reference", "f8"), ("most", "f8"), ("seen", "f8")], align=True)

WHOLE: Final = np.dtype("i8")
NUMBER: Final = np.dtype("f8")
KINDS: Final = {
    "bars": BAR,  # of all symbols, one after another; those of symbol s are between its `first` and `last`
    "starts": WHOLE,  # of the same bars, for whoever walks over many
    "closes": NUMBER,
    "known": WHOLE,  # every moment at which some bar is known, ascending
    "days": WHOLE,  # beginnings of trading days, ascending
    "session_opens": WHOLE,  # of all calendars, one after another
    "session_closes": WHOLE,
    "calendars": WHOLE,  # where each calendar's sessions begin, and where the last ones end
    "of_symbol": WHOLE,  # books by symbol
    "symbols": SYMBOL,
    "books": BOOK,
    "signals": SIGNAL,
    "orders": ORDER,
    "guards": GUARD,
    "fills": FILL,
    "refusals": REFUSAL,
    "halts": HALT,  # two at most
    "open_orders": WHOLE,  # in order of arrival
    "waiting_books": WHOLE,  # whose signals wait, in the order in which they began to
    "killed": WHOLE,  # by strategy: 1 once it may only reduce
    "batch_orders": WHOLE,  # of the decision under way
    "cancels": WHOLE,
    "meeting": WHOLE,  # orders of the bar under way
    "ranks": WHOLE,  # of those: what is resolved first
    "sums": NUMBER,  # of the decision under way: see view.py
    "seen": NUMBER,  # what the control that refused has compared
}
"""The arrays there are, and what their rows are."""

DESK: Final = np.dtype(
    [
        *((f"{name}_{what}", "i8") for name in KINDS for what in ("at", "room")),  # address and length of each array
        ("naked", "i8"),  # without controls, on credit
        ("guarded", "i8"),  # whether any position is protected
        ("entry", "i8"),  # kind of a naked order
        ("entry_offset", "f8"),
        ("entry_limit", "f8"),
        ("money", "i8"),  # parts of the currency that money counts: as few as are exact
        ("kind", "i8"),  # 0 cash, 1 margin
        ("allow_short", "i8"),
        ("alone", "i8"),  # whether there are bars of one symbol and one length only, so that they say when anything is known
        ("late", "i8"),  # from the start of a bar to the moment at which it is known
        ("length", "i8"),
        ("grace", "i8"),
        ("delay", "i8"),
        ("costs_above", "i8"),  # slippage and half spread, a ratio
        ("costs_below", "i8"),
        ("share_above", "i8"),  # of a bar's volume; 0: all that is wanted
        ("share_below", "i8"),
        ("fee_least", "i8"),
        ("max_daily_loss", "f8"),
        ("max_drawdown", "f8"),
        ("watched", "i8"),
        ("cash", "i8"),  # this and the rest change
        ("cash_value", "f8"),  # the float64 nearest to it in the currency, worked out once for all who ask
        ("fees", "i8"),  # paid so far
        ("now", "i8"),
        ("signals_count", "i8"),
        ("judged", "i8"),  # of them, the ones before
        ("orders_count", "i8"),
        ("fills_count", "i8"),
        ("refusals_count", "i8"),
        ("open_count", "i8"),
        ("guards_count", "i8"),  # of these, the protective ones
        ("announced", "i8"),
        ("waiting_count", "i8"),
        ("halts_count", "i8"),
        ("seen_to", "i8"),
        ("equity", "f8"),
        ("day", "i8"),  # number of the trading day
        ("day_equity", "f8"),
        ("peak", "f8"),
        ("hint", "i8"),
    ],
    align=True,
)
"""One account: its terms, how far it has come, and where its rows lie. Compiled functions are handed nothing else: one address, where
two dozen arrays would be copied at every call."""


_LEAST: Final = 1_000
_SPARE: Final = 1.25


class Desk:
    """The rows of one account, which live as long as this does."""

    def __init__(self, row: "Rows", arrays: "Mapping[str, Rows]") -> None:
        """
        Args:
            row: one of DESK.
            arrays: of each of KINDS one, or none where there is nothing yet.
        """
        self.row = row
        self.arrays: dict[str, Rows] = {}
        for name, kind in KINDS.items():
            self._put(name, np.ascontiguousarray(arrays[name], kind) if name in arrays else np.empty(0, kind))

    def hear(self, signals: "Rows", share: float, fills: int) -> None:
        """Takes in signals that follow all before.

        Args:
            share: of the market over which all signals so far were said: rows are laid out for the whole.
            fills: rows for so many, and for as many protective orders, for each signal.
        """
        before = int(self.row[0]["signals_count"])
        count = before + len(signals)
        room = {"signals": 1, "orders": 2, "refusals": 1, "fills": fills}
        if self.row[0]["guarded"]:
            room["orders"] = room["guards"] = 2 + fills
        for name, rows in room.items():
            self._make_room(name, rows * count + _LEAST, int(rows * count / share * _SPARE) + _LEAST)
        self.arrays["signals"][before:count] = signals
        self.row["signals_count"] = count

    def _make_room(self, name: str, least: int, likely: int) -> None:
        held = self.arrays[name]
        if len(held) < least:
            larger = np.empty(max(least, likely), KINDS[name])  # each row is written whole before it is read
            larger[: len(held)] = held
            self._put(name, larger)

    def _put(self, name: str, array: "Rows") -> None:
        self.arrays[name] = array
        self.row[f"{name}_at"], self.row[f"{name}_room"] = array.ctypes.data, len(array)

    def __getattr__(self, name: str) -> "Rows":
        return self.__dict__["arrays"][name]

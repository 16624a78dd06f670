"""Corporate actions: what changes the meaning of a price from one session to the next."""

from collections.abc import Container, Iterable
from decimal import Decimal
from typing import Literal

import msgspec

ActionKind = Literal["split", "dividend", "rename"]


class CorporateAction(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One event of one symbol. It holds from the open of its first session on; prices before it are in old units."""

    venue: str
    symbol: str
    effective: int  # market ns: that open
    kind: ActionKind
    ratio: Decimal = Decimal(1)  # new units for each old one
    cash: Decimal = Decimal(0)  # paid for each old unit, in the instrument's currency
    reference_price: Decimal = Decimal(0)  # last close in old units; 0 when not known
    new_symbol: str = ""  # of a rename

    @property
    def key(self) -> str:
        """The one name of it: what is booked under it is booked once."""
        return f"{self.kind}:{self.symbol}:{self.effective}"


def happening(actions: Iterable[CorporateAction], since: int, symbols: Container[str]) -> list[CorporateAction]:
    """Those that a timeline of these symbols meets: what was effective when it began is in its prices already, and other
    timelines of the same venue have other symbols."""
    return [a for a in actions if a.effective > since and a.symbol in symbols and (a.new_symbol or a.symbol) in symbols]

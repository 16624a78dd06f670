"""What venues say in their own logs, in one form: read from the files of the paper venue or of sim_venue, never from our record."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple

from libs.domain.orders import Side


class Taken(NamedTuple):
    """An order that the venue took."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None
    status: Literal["open", "filled", "canceled", "expired", "replaced"]
    filled: Decimal


class Made(NamedTuple):
    """A fill that the venue made."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str


class VenueHistory(NamedTuple):
    """One account at one venue."""

    taken: list[Taken]  # in order; an id twice: it took the order twice
    made: list[Made]  # in order; what was busted is not among them
    submits: dict[str, list[int]]  # UTC ns of each request that was to place the order, by client order id; empty lists: not known
    cash: dict[str, Decimal]
    positions: dict[str, Decimal]


def paper(folder: Path) -> Mapping[str, VenueHistory]:
    """The paper venue's books, `STATE_DIR/paper`, by account."""
    raise NotImplementedError


def sim_venue(folder: Path) -> Mapping[str, VenueHistory]:
    """The log of one sim_venue, `STATE_DIR/sim_venue/<market>-<seed>`, by account (its accounts are named as ours)."""
    raise NotImplementedError

"""What the simulated venue lists, on which terms, and the rules that hold for all of its accounts."""

from decimal import Decimal
from typing import Literal

import msgspec

from libs.domain.instruments import Instrument
from libs.quant.fills import FillOn, FillTerms

Liquidity = Literal["model", "book"]
"""`model`: orders fill against each market event by `libs.quant.fills`. `book`: they queue, price before time, in one book
with what the replayed market and seeded agents show."""

IdScope = Literal["lifetime", "open", "none"]
"""Within what a client order id must be unique: ever, among open orders, not at all."""

SelfTrade = Literal["allow", "refuse", "expire_taker", "expire_maker", "expire_both"]
"""What happens to an order that would meet another of its own account."""


class Fees(msgspec.Struct, frozen=True, kw_only=True):
    """What a fill costs. bps are of the notional; `per_unit` and `minimum` are in the quote currency, per fill."""

    maker_bps: Decimal = Decimal(0)
    taker_bps: Decimal = Decimal(0)
    per_unit: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)
    paid_in: Literal["quote", "received"] = "quote"  # received: a buyer pays in what was bought, where that is an asset


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument as it trades here."""

    instrument: Instrument
    liquidity: Liquidity = "model"
    fill_on: FillOn = "quote"
    base: str = ""  # the asset that a spot pair settles in, "BTC"; "" where a trade makes a position instead
    shortable: bool = True
    fees: Fees = Fees()
    terms: FillTerms = FillTerms()  # spread, slippage and participation of `model`; its fees are not used
    when_shut: Literal["queue", "refuse"] = "queue"  # what becomes of an order sent while the market is closed or halted

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    def notional(self, lots: int, ticks: int) -> Decimal:
        """Money that `lots` cost at `ticks` each, exact, in the quote currency."""
        i = self.instrument
        return i.quantity(lots) * i.price(ticks) * i.multiplier


class VenueRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be turned while the venue runs; see `Configure`."""

    id_scope: IdScope = "lifetime"
    most_lots_per_fill: int = 0  # 0: no bound; a small one makes a storm of partial fills
    latency_ns: int = 0  # market time from receipt to the book; `model` only


class Agents(msgspec.Struct, frozen=True, kw_only=True):
    """Who quotes and takes in every `book` beside the market, drawn from the venue's seed."""

    rate: float = 2.0  # steps a second of market time, in each symbol
    lots: int = 10  # the most that one quotes or takes
    spread: int = 4  # ticks: quotes stand half of it to one and a half away from the newest price
    resting: int = 20  # quotes at once, in each symbol

    def __post_init__(self) -> None:
        if not (0 < self.rate <= 1e6 and self.lots > 0 and self.spread > 0 and self.resting > 0):
            raise ValueError(f"expected agents with rate, lots, spread and resting above 0, got {self}")

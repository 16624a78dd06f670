"""What Alpaca lists, as instruments."""

from decimal import Decimal
from typing import Final

import msgspec

from libs.domain.configuration import VenueConfig
from libs.domain.instruments import Instrument
from libs.venues.alpaca.outcomes import refusal, unauthorized
from libs.venues.alpaca.reading import decoded
from libs.venues.alpaca.requests import Answer, Requests
from libs.venues.broker import WrongKey

TICK: Final = Decimal("0.01")
SMALLEST_PART: Final = Decimal("0.000000001")  # of a share, where parts trade
MOST_UNNAMED: Final = 100


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One of GET /v2/assets."""

    symbol: str
    asset_class: str = msgspec.field(name="class", default="us_equity")
    status: str = "active"
    tradable: bool = True
    fractionable: bool = False

    def fault(self) -> str:
        """Why it cannot be traded here; "" when it can."""
        if self.asset_class != "us_equity":
            return f"{self.symbol} is {self.asset_class}; this adapter trades us_equity"
        return "" if self.status == "active" and self.tradable else f"{self.symbol} is {self.status}, and does not trade"


async def listed(requests: Requests, trading: str, venue: VenueConfig) -> list[Instrument]:
    """Instruments of the venue's symbols, or of everything where none are named.

    Raises:
        OutcomeUnknown: the venue does not answer.
        WrongKey: it does not take the key.
        ValueError: one is not traded there, or everything is too much.
    """
    fractional = bool(venue.options.get("fractional", False))
    if venue.symbols:
        assets = [await _asset(requests, trading, symbol) for symbol in venue.symbols]
    else:
        assets = await _everything(requests, trading)
    faults = [fault for asset in assets if (fault := asset.fault())]
    if faults:
        raise ValueError("; ".join(faults))
    return [_instrument(asset, venue.name, fractional) for asset in assets]


async def _everything(requests: Requests, trading: str) -> list[Asset]:
    answer = await requests.read(f"{trading}/assets", {"status": "active", "asset_class": "us_equity"})
    _must_take_key(answer, trading)
    assets = [asset for asset in decoded(answer, list[Asset]) if not asset.fault()]
    if not 0 < len(assets) <= MOST_UNNAMED:
        raise ValueError(
            f"expected 1 to {MOST_UNNAMED} assets where no symbols are named, got {len(assets)}: name what is traded in `symbols`"
        )
    return assets


async def _asset(requests: Requests, trading: str, symbol: str) -> Asset:
    answer = await requests.read(f"{trading}/assets/{symbol}")
    _must_take_key(answer, trading)
    if answer.status == 404 and refusal(answer):
        raise ValueError(f"{symbol} is not listed: name another in `symbols`")
    return decoded(answer, Asset)


def _must_take_key(answer: Answer, trading: str) -> None:
    if unauthorized(answer):
        raise WrongKey(f"{trading} does not take the key: {answer.shown()}")


def _instrument(asset: Asset, venue: str, fractional: bool) -> Instrument:
    return Instrument(
        symbol=asset.symbol,
        venue=venue,
        asset_class="equity",
        currency="USD",
        tick=TICK,
        lot=SMALLEST_PART if fractional and asset.fractionable else Decimal(1),
        calendar="us_equity",
    )

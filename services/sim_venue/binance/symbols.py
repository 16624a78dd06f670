"""What this dialect lists, by the names of the wire: `BTC/USD` is `BTCUSD`. Only pairs that settle in an asset are spot."""

from collections.abc import Iterator, Mapping
from typing import Final

from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance.errors import VenueError
from services.sim_venue.binance.parameters import Parameters

_INVALID: Final = VenueError(-1121, "Invalid symbol.")


def wire(symbol: str) -> str:
    """The name that clients use."""
    return symbol.replace("/", "")


class Symbols:
    """The spot pairs of a venue."""

    def __init__(self, listings: Mapping[str, Listing]) -> None:
        self._by_wire = {wire(symbol): listing for symbol, listing in sorted(listings.items()) if listing.base}

    def __iter__(self) -> Iterator[Listing]:
        return iter(self._by_wire.values())

    def __contains__(self, symbol: object) -> bool:
        """Whether a symbol of ours (`BTC/USD`) is listed here."""
        return isinstance(symbol, str) and wire(symbol) in self._by_wire

    def named(self, name: str) -> Listing:
        """Of a name of the wire; -1121 when there is none."""
        listing = self._by_wire.get(name)
        if listing is None:
            raise VenueError(_INVALID.code, _INVALID.text)
        return listing

    def needed(self, parameters: Parameters) -> Listing:
        """Of the parameter `symbol`, which has to be there."""
        return self.named(parameters.need("symbol"))

    def asked(self, parameters: Parameters) -> list[Listing]:
        """Of `symbol` or `symbols`; all of them where neither is sent."""
        if "symbol" in parameters and "symbols" in parameters:
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        names = parameters.words("symbols")
        if names is not None:
            return [self.named(name) for name in names]
        return [self.needed(parameters)] if "symbol" in parameters else list(self)

    @property
    def assets(self) -> list[str]:
        """Everything that can be held because a pair is made of it, in alphabetical order."""
        return sorted({a for listing in self for a in (listing.base, listing.instrument.currency)})

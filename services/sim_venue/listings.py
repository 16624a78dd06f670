"""What the venue lists: the instruments of its market on the terms of this house, shares without fees, coins at 10 bps."""

from decimal import Decimal
from typing import Final

from libs.domain.instruments import Instrument
from libs.quant.fills import FillOn
from libs.quant.sim_venue.listings import Fees, Listing
from libs.venues.feed import MarketDataFeed

_COIN_FEES: Final = Fees(maker_bps=Decimal(10), taker_bps=Decimal(10))


def listing(instrument: Instrument, fill_on: FillOn = "quote") -> Listing:
    """An instrument as it trades here. A coin settles as the asset that it is; everything else makes a position."""
    if instrument.asset_class != "crypto":
        return Listing(instrument=instrument, fill_on=fill_on)
    base, _, _ = instrument.symbol.partition("/")
    return Listing(instrument=instrument, fill_on=fill_on, base=base, shortable=False, fees=_COIN_FEES)


def of_feed(feed: MarketDataFeed) -> list[Listing]:
    """The listings of a feed's market."""
    return [listing(instrument, feed.fill_on[instrument.symbol]) for instrument in feed.instruments]


def by_hand() -> list[Listing]:
    """The listings of a manual market."""
    return [listing(instrument) for instrument in BY_HAND]


def _share(symbol: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        venue="SIM",
        asset_class="equity",
        currency="USD",
        tick=Decimal("0.01"),
        lot=Decimal("0.000001"),
        calendar="us_equity",
    )


def _coin(base: str, quote: str, lot: str) -> Instrument:
    return Instrument(
        symbol=f"{base}/{quote}",
        venue="SIM",
        asset_class="crypto",
        currency=quote,
        tick=Decimal("0.01"),
        lot=Decimal(lot),
        min_notional=Decimal(5),
    )


BY_HAND: Final = (
    *(_share(symbol) for symbol in ("AAPL", "JPM", "KO", "MSFT", "SPY", "XOM")),
    *(_coin(base, quote, lot) for base, lot in (("BTC", "0.00001"), ("ETH", "0.0001")) for quote in ("USD", "USDT")),
)

"""What the venue lists: the instruments of its market, on the terms of config/sim_venue.toml."""

from decimal import Decimal
from typing import Final

from libs.domain.configuration import SimVenueConfig
from libs.domain.instruments import Instrument
from libs.quant.fills import FillOn, FillTerms
from libs.quant.sim_venue.listings import Agents, Fees, Listing
from libs.venues.feed import MarketDataFeed

HOUSE: Final = SimVenueConfig()
"""The terms of a venue that nothing was configured for."""


def listing(instrument: Instrument, config: SimVenueConfig, fill_on: FillOn = "quote") -> Listing:
    """An instrument as it trades here. A coin settles as the asset that it is; everything else makes a position."""
    coin = instrument.asset_class == "crypto"
    terms = config.crypto if coin else config.equity
    base, _, _ = instrument.symbol.partition("/")
    return Listing(
        instrument=instrument,
        liquidity=terms.liquidity,
        fill_on=fill_on,
        base=base if coin else "",
        shortable=not coin,
        fees=Fees(
            maker_bps=terms.maker_bps, taker_bps=terms.taker_bps, per_unit=terms.per_unit, minimum=terms.minimum, paid_in=terms.paid_in
        ),
        terms=FillTerms(
            half_spread_bps=terms.half_spread_bps,
            slippage_bps=terms.slippage_bps,
            participation=terms.participation,
            bar_participation=terms.bar_participation,
        ),
        when_shut=terms.when_shut,
    )


def of_feed(feed: MarketDataFeed, config: SimVenueConfig = HOUSE) -> list[Listing]:
    """The listings of a feed's market."""
    return [listing(instrument, config, feed.fill_on[instrument.symbol]) for instrument in feed.instruments]


def by_hand(config: SimVenueConfig = HOUSE) -> list[Listing]:
    """The listings of a manual market."""
    return [listing(instrument, config) for instrument in BY_HAND]


def agents(config: SimVenueConfig) -> Agents | None:
    """Who trades beside the market; None: nobody."""
    found = config.agents
    return None if found is None else Agents(rate=found.rate, lots=found.lots, spread=found.spread, resting=found.resting)


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

"""A market that has jumped: every price of a symbol is off by a share of it."""

from collections.abc import Mapping, Sequence

import msgspec

from libs.domain.market import BadRow, MarketEvent

_PRICES = {
    "Quote": ("bid", "ask"),
    "TradeTick": ("price",),
    "Bar": ("open", "high", "low", "close"),
    "QuoteBar": tuple(f"{side}_{name}" for side in ("bid", "ask") for name in ("open", "high", "low", "close")),
}


def gapped(events: Sequence[MarketEvent | BadRow], gap_bps: Mapping[str, float]) -> Sequence[MarketEvent]:
    """The events of a market with these gaps, by symbol; rows that nobody could read are left out."""
    heard = [event for event in events if not isinstance(event, BadRow)]
    if not gap_bps:
        return heard
    return [_moved(event, 1 + gap_bps[event.symbol] / 10_000) if event.symbol in gap_bps else event for event in heard]


def _moved(event: MarketEvent, factor: float) -> MarketEvent:
    names = _PRICES[type(event).__name__]
    return msgspec.structs.replace(event, **{name: getattr(event, name) * factor for name in names})

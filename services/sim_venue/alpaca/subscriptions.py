"""What a client of the data stream has subscribed to. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from services.sim_venue.alpaca.wire import Json

EVERYTHING: Final = "*"
CHANNELS: Final = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
MOST_SYMBOLS: Final = 10_000
"""Of one channel: what a connection may make the venue keep has an end."""

WITH_TRADES: Final = ("corrections", "cancelErrors")
"""Come with trades, and cannot be asked for."""


class Wrong(Exception):
    """A subscription that cannot be: `code` and text are Alpaca's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Subscriptions:
    """Symbols by channel."""

    def __init__(self) -> None:
        self._symbols: dict[str, set[str]] = {channel: set() for channel in CHANNELS}

    def change(self, message: Mapping[str, object]) -> None:
        """Takes in a message that subscribes or unsubscribes: all of it, or (`Wrong`) nothing."""
        adds = message.get("action") == "subscribe"
        changed = dict(self._symbols)
        for channel, symbols in _asked(message):
            changed[channel] = changed[channel].union(symbols) if adds else changed[channel].difference(symbols)
            if len(changed[channel]) > MOST_SYMBOLS:
                raise Wrong(405, "symbol limit exceeded")
        self._symbols = changed

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether it is to be told."""
        held = self._symbols[channel]
        return symbol in held or EVERYTHING in held

    def any(self, channel: str) -> bool:
        """Whether anything of it is to be told."""
        return bool(self._symbols[channel])

    def message(self) -> Json:
        """All of it, as it is acknowledged."""
        shown: Json = {"T": "subscription"}
        shown |= {channel: sorted(symbols) for channel, symbols in self._symbols.items()}
        return shown | {channel: sorted(self._symbols["trades"]) for channel in WITH_TRADES}


def _asked(message: Mapping[str, object]) -> Iterable[tuple[str, list[str]]]:
    for channel, symbols in message.items():
        if channel in ("action", *WITH_TRADES):
            continue
        if channel not in CHANNELS:
            raise Wrong(410, "invalid subscribe action for this feed")
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) and 0 < len(symbol) <= 32 for symbol in symbols):
            raise Wrong(400, "invalid syntax")
        yield channel, symbols

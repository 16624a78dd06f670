"""What the venue's market has shown: the newest quote of each symbol, trades and quotes of a while, and bars."""

from collections.abc import Sequence

from libs.domain.market import Bar, MarketEvent, Quote, TradeTick


class Tape:
    """Written by the market pump; read by the dialects. Times are market time in ns. Trades carry `seq` as their public id."""

    def hear(self, events: Sequence[MarketEvent], now: int) -> None:
        """Takes in a step of the feed and closes the bars that are due."""
        raise NotImplementedError

    def quote(self, symbol: str) -> Quote | None:
        """The newest."""
        raise NotImplementedError

    def trade(self, symbol: str) -> TradeTick | None:
        """The newest."""
        raise NotImplementedError

    def trades(self, symbol: str, start: int, end: int, limit: int) -> Sequence[TradeTick]:
        """The oldest `limit` of those in [start, end); what is no longer held is drawn again from the feed."""
        raise NotImplementedError

    def quotes(self, symbol: str, start: int, end: int, limit: int) -> Sequence[Quote]:
        """The oldest `limit` of those in [start, end); what is no longer held is drawn again from the feed."""
        raise NotImplementedError

    def bars(self, symbol: str, timeframe: str, start: int, end: int, limit: int) -> Sequence[Bar]:
        """The oldest `limit` of the bars that start in [start, end), the open one last, as far as the market has come."""
        raise NotImplementedError

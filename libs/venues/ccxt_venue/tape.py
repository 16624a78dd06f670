"""What a stream of market data is to whoever reads it, and what it writes to."""

from typing import Protocol

from libs.domain.market import BadRow, Quote, TradeTick


class Tape(Protocol):
    """Where quotes and trades go, in the order in which they became known."""

    venue: str

    def trade(self, trade: TradeTick, refilled: bool) -> None: ...

    def quote(self, quote: Quote) -> None: ...

    def bad(self, row: BadRow) -> None: ...

    def now(self) -> int:
        """Market time: of quotes whose venue does not say when they were."""
        ...


class Market(Protocol):
    """The market data of one exchange, over one connection after the other."""

    def tap(self, message: object, url: str) -> bool:
        """See `exact.Hooks.tap`."""
        ...

    def resolved(self, result: object) -> None:
        """See `exact.Hooks.resolved`."""
        ...

    async def subscribe(self) -> None:
        """Returns when the venue has said that quotes and trades will come, where it says so."""
        ...

    async def refill(self, since: int) -> None:
        """Trades that the streams have missed, later than a market time. Ends the holding back of those that have come since."""
        ...

    async def listen(self) -> None:
        """Until the connection is lost: raises whatever says so."""
        ...

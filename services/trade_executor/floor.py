"""Where an account's orders meet the market."""

from collections.abc import Sequence

from libs.domain.market import MarketEvent
from libs.venues.broker import Broker
from libs.venues.paper.broker import PaperBroker
from services.trade_executor.quotes import Quotes
from services.trade_executor.send import Show, evidence_of


class Floor:
    """Tells the paper venue of the market; a remote venue has a market of its own, and is told nothing."""

    def __init__(self, broker: Broker, show: Show) -> None:
        self._paper = broker if isinstance(broker, PaperBroker) else None
        self._show = show
        self.quotes = Quotes()

    def ticks(self, ticks: Sequence[MarketEvent]) -> None:
        """Ticks as they come. Expiry is for the clock to say: another symbol's ticks of this time may follow."""
        self.hear(ticks, 0)

    def hear(self, events: Sequence[MarketEvent], market_time: int) -> None:
        """Events, and the time that is reached with them. What the venue makes of it is shown before anything later is heard."""
        self.quotes.hear(events)
        if self._paper is None:
            return
        self._paper.on_market(events, market_time)
        if reports := self._paper.drain_reports():
            self._show(evidence_of(reports))

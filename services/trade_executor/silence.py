"""Symbols of which the market has said nothing for too long: what adds to their books waits until it speaks again."""

import logging
from collections.abc import Iterable, Mapping
from typing import Final

from libs.common.logs import about
from libs.domain.configuration import GuardsConfig
from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Status
from libs.quant.execution.protection import Standing
from libs.quant.risk.silence import silent
from libs.store.sessions import Session
from services.trade_executor.quotes import Quotes

log = logging.getLogger(__name__)

BOUNDS: Final = GuardsConfig()


class Silence:
    """Of one account's desk. In lockstep no symbol is late: its time goes on when everything of a step has been heard."""

    def __init__(self, instruments: Mapping[str, Instrument], session: Session, quotes: Quotes, bounds: GuardsConfig = BOUNDS) -> None:
        self._instruments = instruments
        self._session = session
        self._quotes = quotes
        self._bounds = bounds
        self._told: frozenset[str] = frozenset()

    def among(self, orders: Iterable[Standing], now: int) -> frozenset[str]:
        """Symbols of orders that wait to be sent, and that are silent; `now`: market ns."""
        if self._session.lockstep:
            return frozenset()
        symbols = {order.symbol for order, status, _ in orders if status is Status.APPROVED}
        found = frozenset(symbol for symbol in symbols if self.is_silent(symbol, now))
        for symbol in found - self._told:
            told = about("symbol_silent", "failure", symbol=symbol)
            log.warning("%s: nothing was heard of it for too long; what adds to its books waits (RC-C03)", symbol, extra=told)
        self._told = found
        return found

    def is_silent(self, symbol: str, now: int) -> bool:
        """Whether nothing was heard of it for longer than its class allows. Before the first word of a start the record's prices hold."""
        heard = self._quotes.heard(symbol)
        if heard is None:
            return False
        at, session = self._instruments[symbol], self._session
        return silent(
            at.calendar,
            now,
            heard.market_time,
            most_s=self._bounds.silence_of(at.asset_class),
            speed=session.speed,
            bar_ns=0 if heard.ticks else TIMEFRAMES[session.timeframes[0]],
            grace_ns=session.grace_ns,
        )

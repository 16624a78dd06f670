"""The hard limits of one account, looked at in the hop that commits an intent to send."""

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal

from libs.common.logs import about
from libs.domain.configuration import WIDEST_COLLAR
from libs.domain.instruments import Instrument
from libs.domain.orders import Order
from libs.quant.execution.protection import Standing
from libs.quant.risk.hard_limits import Known, denied
from libs.quant.risk.limits import Limits
from libs.store.execution import ExecutionStore
from libs.store.limits import LimitsInForce
from libs.store.sessions import Account, Session
from services.trade_executor.quotes import Quotes

log = logging.getLogger(__name__)


class LastLook:
    """Judges by the prices that this desk has heard, and by the record's newest bar where it has heard none yet."""

    def __init__(
        self,
        store: ExecutionStore,
        account: Account,
        session: Session,
        instruments: Mapping[str, Instrument],
        quotes: Quotes,
        limits: LimitsInForce,
        widest_collar: float = WIDEST_COLLAR,
    ) -> None:
        """`widest_collar`: how far from the newest price a liquidation may go, as a share of it."""
        self._store = store
        self._account = account
        self._session = session
        self._instruments = instruments
        self._quotes = quotes
        self._kept = limits
        self._limits = Limits(())
        self._widest_collar = widest_collar
        self._closes: dict[str, float] = {}  # of the record, for symbols of which nothing was heard yet

    @property
    def stamp(self) -> str:
        """By which limits it judges."""
        return f"limits {self._kept.standing.stamp}"

    async def prepare(self, orders: Iterable[Order], newest: int) -> None:
        """Reads what is missing to judge these: limits that are new, and prices after a start, before the market was heard.

        Args:
            newest: the newest version of limits on record, by the snapshot that is decided on.
        """
        if await self._kept.follow(newest):
            self._limits = Limits(self._kept.limits)
            told = about("limits_in_force", "success", account_id=self._account.account_id)
            log.info("orders of %s are sent by %s", self._account.account_id, self.stamp, extra=told)
        if not self._kept.standing.holding:
            return
        symbols = {order.symbol for order in orders} - self._closes.keys()
        unheard = {symbol for symbol in symbols if self._quotes.price(symbol) is None}
        if unheard:
            self._closes |= await self._store.closes(self._session.venue, self._session.timeframes[0], sorted(unheard))

    def denied(self, order: Order, orders: Iterable[Standing], books: Mapping[tuple[str, str], Decimal], equity: float | None) -> str:
        """Why the order may not be sent; "" when it may."""
        heard = self._quotes.price(order.symbol)
        newest = self._closes.get(order.symbol) if heard is None else float(heard.mid)
        prices = {} if newest is None else {order.symbol: newest}
        known = Known(self._account.name, self._instruments, books, orders, prices, equity)
        why = denied(order, known, self._limits, self._widest_collar)
        return f"{why} ({self.stamp})" if why else ""

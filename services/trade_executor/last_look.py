"""The hard limits of one account, looked at in the hop that commits an intent to send."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from libs.domain.configuration import RiskConfig
from libs.domain.instruments import Instrument
from libs.domain.orders import Order
from libs.quant.execution.protection import Standing
from libs.quant.risk.hard_limits import Known, denied
from libs.quant.risk.limits import Limits
from libs.store.execution import ExecutionStore
from libs.store.sessions import Account, Session
from services.trade_executor.quotes import Quotes

NO_LIMITS: Final = RiskConfig(limit=[])


class LastLook:
    """Judges by the prices that this desk has heard, and by the record's newest bar where it has heard none yet."""

    def __init__(
        self,
        store: ExecutionStore,
        account: Account,
        session: Session,
        instruments: Mapping[str, Instrument],
        quotes: Quotes,
        risk: RiskConfig = NO_LIMITS,
    ) -> None:
        self._store = store
        self._account = account
        self._session = session
        self._instruments = instruments
        self._quotes = quotes
        self._limits = Limits(risk.limit)
        self._widest_collar = risk.kill_switch.widest_collar
        self._limited = bool(risk.limit)
        self._closes: dict[str, float] = {}  # of the record, for symbols of which nothing was heard yet

    async def prepare(self, orders: Iterable[Order]) -> None:
        """Reads what is missing to judge these: after a start, before the market was heard."""
        if not self._limited:
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
        return denied(order, known, self._limits, self._widest_collar)

"""Small orders, quotes and a paper account for tests. Times are small numbers of nanoseconds; the stock costs about 100."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from libs.common.clocks import SystemClock
from libs.domain.actions import CorporateAction
from libs.domain.identity import client_order_id
from libs.domain.instruments import Instrument
from libs.domain.market import Quote
from libs.domain.orders import Order, Side, TimeInForce
from libs.quant.fills import FillTerms
from libs.venues.paper.broker import PaperBroker

D = Decimal
ALFA = Instrument(symbol="ALFA", venue="TEST", asset_class="equity", currency="USD", tick=D("0.01"), lot=D(1), min_notional=D(10))
COIN = Instrument(symbol="BTC/USD", venue="TEST", asset_class="crypto", currency="USD", tick=D("0.01"), lot=D("0.00001"))
DEPOSIT = {"USD": D(100_000)}
TEN = D(10)
A_LITTLE_ABOVE = D("101.00")
NEVER_LATE = float("inf")


def an_order(
    n: int = 1,
    *,
    side: Side = "buy",
    quantity: Decimal = TEN,
    price: Decimal | None = A_LITTLE_ABOVE,
    time_in_force: TimeInForce = "GTD",
    decided_at: int = 0,
    expires_at: int = 1000,
    symbol: str = "ALFA",
    account_id: str = "paper",
) -> Order:
    order_id = UUID(int=n)
    return Order(
        order_id=order_id,
        client_order_id=client_order_id("TEST", order_id, 1),
        account_id=account_id,
        venue="PAPER",
        session_id="session",
        strategy_id="sma_cross",
        symbol=symbol,
        signal_id=UUID(int=n),
        leg=0,
        side=side,
        order_type="limit" if price is not None else "market",
        quantity=quantity,
        price=price,
        time_in_force=time_in_force,
        decided_at=decided_at,
        valid_until=expires_at,
        expires_at=expires_at,
    )


def a_quote(ts: int, bid: float = 99.99, ask: float = 100.01, size: float = 100.0, symbol: str = "ALFA") -> Quote:
    return Quote(venue="TEST", symbol=symbol, seq=ts, ts=ts, bid=bid, ask=ask, bid_size=size, ask_size=size)


def open_paper(
    path: Path,
    *,
    terms: FillTerms | None = None,
    latency_ns: int = 0,
    allow_short: bool = False,
    actions: Sequence[CorporateAction] = (),
) -> PaperBroker:
    return PaperBroker.open(
        path,
        "paper",
        {"ALFA": ALFA, "BTC/USD": COIN},
        {"ALFA": "quote", "BTC/USD": "quote"},
        terms or FillTerms(fee_bps=D(1)),
        DEPOSIT,
        latency_ns,
        clock=SystemClock(),
        allow_short=allow_short,
        actions=actions,
    )

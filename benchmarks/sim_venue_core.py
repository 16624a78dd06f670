"""Orders a second through sim_venue's core on one core: `Exchange.execute` in `book` mode, no log, no wire.

Ten accounts trade one symbol. Of ten orders about six rest, three cross what rests and fill, and for each four orders one
that rests is cancelled: cancels take their time but are not counted as orders.
"""

import gc
import time
from collections import deque
from decimal import Decimal
from random import Random
from typing import Final

from benchmarks.figures import Figure, middle
from benchmarks.fleet import Failed
from libs.domain.instruments import Instrument
from libs.domain.orders import Side
from libs.quant.sim_venue.commands import Cancel, Command, OpenAccount, Submit
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Fees, Listing
from libs.quant.sim_venue.orders import NewOrder

FIGURES: Final = ("sim_venue_core_orders_per_s",)
RUNS: Final = 5
ORDERS: Final = 20_000  # of a run
ACCOUNTS: Final = [f"account{n}" for n in range(10)]
MIDDLE: Final = 10_000  # ticks
LISTING: Final = Listing(
    instrument=Instrument(
        symbol="BTC/USD", venue="BENCH", asset_class="crypto", currency="USD", tick=Decimal("0.01"), lot=Decimal("0.0001")
    ),
    liquidity="book",
    base="BTC",
    fees=Fees(maker_bps=Decimal(10), taker_bps=Decimal(10)),
)


def measure() -> dict[str, Figure]:
    """Five runs, each on a venue of its own."""
    rates = [_run(seed) for seed in range(RUNS)]
    return {
        "sim_venue_core_orders_per_s": Figure(
            value=middle(rates, 0),
            unit="orders/s on one core",
            target=20_000,
            better="higher",
            runs=rates,
            limit="Python on one core: checks of each order, exact money set aside, and a report of each step with a copy of the order",
        )
    }


def _run(seed: int) -> float:
    """Orders a second.

    Raises:
        Failed: an order was refused, or the mix is not what it should be.
    """
    venue = _venue()
    commands = _commands(seed)
    fills = 0
    gc.collect()
    began = time.perf_counter()
    resting: deque[tuple[str, int]] = deque()
    for command in commands:
        if isinstance(command, str):
            account, order = resting.popleft()
            venue.execute(Cancel(account=account, order=order))  # it may have filled: then it is refused
            continue
        outcome = venue.execute(command)
        if outcome.refusal is not None:
            raise Failed(f"an order was refused: {outcome.refusal}")
        accepted, *rest = outcome.reports
        fills += len(rest) // 2
        if not rest and accepted.order is not None:
            resting.append((accepted.account, accepted.order.id))
    seconds = time.perf_counter() - began
    if not ORDERS * 0.2 < fills < ORDERS * 0.5:
        raise Failed(f"{fills} trades of {ORDERS} orders: the mix is not what it should be")
    return round(ORDERS / seconds)


def _venue() -> Exchange:
    venue = Exchange({LISTING.symbol: LISTING})
    for account in ACCOUNTS:
        venue.execute(OpenAccount(account=account, deposit={"USD": Decimal(10) ** 8, "BTC": Decimal(10) ** 4}))
    return venue


def _commands(seed: int) -> list[Command | str]:
    """Orders, and "cancel" for the oldest that rests."""
    chance = Random(seed)
    made: list[Command | str] = []
    for n in range(ORDERS):
        side: Side = "buy" if chance.random() < 0.5 else "sell"
        away = chance.randint(-4, 12)  # of the middle: negative ones cross
        order = NewOrder(
            client_order_id=f"c{n}",
            symbol=LISTING.symbol,
            side=side,
            type="limit",
            tif="GTC",
            lots=chance.randint(1, 100),
            limit=MIDDLE - away if side == "buy" else MIDDLE + away,
        )
        made.append(Submit(account=chance.choice(ACCOUNTS), orders=(order,)))
        if n % 4 == 3 and n > 100:
            made.append("cancel")
    return made

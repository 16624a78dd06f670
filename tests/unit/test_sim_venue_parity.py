"""In `model` mode sim_venue fills what the paper venue fills, at the same prices, of the same event."""

from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

import msgspec
import pytest

from libs.domain.market import Bar, MarketEvent, Quote, QuoteBar
from libs.domain.orders import Order, OrderType, Side
from libs.domain.trades import Fill
from libs.quant.exchange.book import Book, Filled, Opened
from libs.quant.exchange.rules import Rules
from libs.quant.exchange.venue import Venue
from libs.quant.fills import FillOn, FillTerms
from libs.quant.sim_venue.commands import OpenAccount, Submit
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Fees, Listing, VenueRules
from libs.quant.sim_venue.orders import NewOrder
from libs.quant.sim_venue.reports import Report
from tests.paper import ALFA, D, an_order

MINUTE: Final = 60_000_000_000
KINDS: Final[tuple[OrderType, ...]] = ("market", "limit", "stop", "stop_limit", "trailing_stop")
RICH: Final = Decimal(10) ** 12


class Drawn(NamedTuple):
    """One order, for both venues."""

    asked: NewOrder
    same: Order
    oco: bool  # this and the next are a pair


class Market:
    """One drawn market and the orders that come in its course."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.fill_on: FillOn = self.chance.choice(("quote", "bar", "quote_bar"))
        self.terms = FillTerms(
            half_spread_bps=D(self.chance.choice((0, 5))),
            slippage_bps=D(self.chance.choice((0, 10))),
            participation=self.chance.choice((None, D(1), D("0.3"))),
            bar_participation=self.chance.choice((None, D("0.1"))),
            fee_bps=D(10),
            fee_min=D("0.01"),
        )
        self.latency = self.chance.choice((0, MINUTE // 2, 2 * MINUTE))
        self.price = 100.0
        self.n = 0

    def event(self) -> MarketEvent:
        """The next minute's."""
        self.n += 1
        self.price = max(1.0, self.price * (1 + self.chance.uniform(-0.01, 0.01)))
        size = self.chance.choice((0.0, 3.0, 50.0, 5000.0))
        if self.fill_on == "quote":
            bid = float("nan") if self.chance.random() < 0.05 else round(self.price - 0.02, 2)
            return Quote(
                venue="TEST", symbol="ALFA", seq=self.n, ts=self.n * MINUTE, bid=bid, ask=round(self.price, 2), bid_size=size, ask_size=size
            )
        start = (self.n - 1) * MINUTE
        first, last = self.price, self.price * (1 + self.chance.uniform(-0.01, 0.01))
        self.price = last
        high, low = max(first, last) * 1.003, min(first, last) * 0.997
        if self.fill_on == "bar":
            prices = {"open": first, "high": high, "low": low, "close": last}
            return Bar(venue="TEST", symbol="ALFA", seq=self.n, timeframe="1m", start=start, volume=size * 20, **prices)
        asks = {"ask_open": first, "ask_high": high, "ask_low": low, "ask_close": last}
        bids = {name.replace("ask", "bid"): price - 0.05 for name, price in asks.items()}
        return QuoteBar(venue="TEST", symbol="ALFA", seq=self.n, timeframe="1m", start=start, bid_size=size, ask_size=size, **asks, **bids)

    def orders(self) -> list[Drawn]:
        """None, one, or a pair of them."""
        drawn = self.chance.random()
        side: Side = self.chance.choice(("buy", "sell"))
        if drawn < 0.4:
            return [self._order(side, self.chance.choice(KINDS))]
        if drawn < 0.6:
            stop: OrderType = self.chance.choice(("stop", "stop_limit", "trailing_stop"))
            pair = self.chance.sample((self._order(side, "limit"), self._order(side, stop)), 2)
            return [one._replace(same=msgspec.structs.replace(one.same, oco=f"pair{self.n}"), oco=True) for one in pair]
        return []

    def _order(self, side: Side, kind: OrderType) -> Drawn:
        self.ids = getattr(self, "ids", 0) + 1
        ticks, sign = round(self.price * 100), 1 if side == "buy" else -1
        limit = ticks + self.chance.randint(-80, 80) if kind in ("limit", "stop_limit") else None
        stop = ticks + sign * self.chance.randint(5, 150) if kind in ("stop", "stop_limit") else None
        trail = self.chance.randint(1, 120) if kind == "trailing_stop" else None
        lots, now = self.chance.choice((1, 10, 100)), self.n * MINUTE
        end = now + self.chance.choice((3, 10)) * MINUTE if self.chance.random() < 0.3 else None
        same = an_order(
            self.ids,
            side=side,
            quantity=ALFA.quantity(lots),
            price=None if limit is None else ALFA.price(limit),
            time_in_force="GTC" if end is None else "GTD",
            decided_at=now,
            expires_at=end or 0,
        )
        same = msgspec.structs.replace(
            same,
            order_type=kind,
            stop_price=None if stop is None else ALFA.price(stop),
            trail=None if trail is None else ALFA.price(trail),
        )
        asked = NewOrder(
            client_order_id=same.client_order_id,
            symbol="ALFA",
            side=side,
            type=kind,
            tif="GTC" if end is None else "GTD",
            lots=lots,
            limit=limit,
            stop=stop,
            trail=trail,
            expires_at=end,
        )
        return Drawn(asked, same, False)


def paper(market: Market) -> Venue:
    book = Book()
    book.apply(Opened(account_id="paper", deposit={"USD": RICH}))
    rules = Rules({"ALFA": ALFA}, {"ALFA": market.fill_on}, market.terms, market.latency, 0, True, frozenset(KINDS), on_credit=True)
    return Venue(book, rules)


def boxed(market: Market, most_lots: int = 0) -> Exchange:
    fees = Fees(maker_bps=market.terms.fee_bps, taker_bps=market.terms.fee_bps, minimum=market.terms.fee_min)
    listing = Listing(instrument=ALFA, fill_on=market.fill_on, terms=market.terms, fees=fees)
    venue = Exchange({"ALFA": listing}, rules=VenueRules(latency_ns=market.latency, most_lots_per_fill=most_lots))
    for account in ("one", "two"):
        venue.execute(OpenAccount(account=account, deposit={"USD": RICH}, allow_short=True))
    return venue


def told(fill: Fill) -> tuple[object, ...]:
    return fill.client_order_id, ALFA.lots(fill.quantity), ALFA.ticks(fill.price), fill.fee, ALFA.lots(fill.cumulative), fill.executed_at


def reported(report: Report) -> tuple[object, ...]:
    made = report.execution
    assert made is not None
    return made.client_order_id, made.lots, made.ticks, made.fee, made.cumulative, made.at


def played(seed: int, accounts: tuple[str, ...] = ("one",)) -> tuple[list[tuple[object, ...]], dict[str, list[tuple[object, ...]]]]:
    """Fills of the paper venue, and of each account at sim_venue: order, lots, ticks, fee, cumulative, time."""
    market = Market(seed)
    there, here = paper(market), boxed(market)
    wanted: list[tuple[object, ...]] = []
    got: dict[str, list[tuple[object, ...]]] = {account: [] for account in accounts}
    for _ in range(60):
        event = market.event()
        now = market.n * MINUTE
        wanted += [told(record.fill) for record in there.hear([event], now) if isinstance(record, Filled)]
        for report in here.hear([event], now):
            if report.kind == "fill":
                got[report.account].append(reported(report))
        drawn = market.orders()
        orders = tuple(one.asked for one in drawn)
        if not orders:
            continue
        outcomes = [here.execute(Submit(account=name, orders=orders, shape="oco" if len(orders) == 2 else "simple")) for name in accounts]
        if outcomes[0].refusal is None:
            there.applied([there.take(one.same) for one in drawn])
        else:  # sim_venue turns down a stop that would trigger at once, and a market order while nothing is shown
            assert outcomes[0].refusal.code in ("would_trigger", "no_market"), outcomes[0].refusal
    return wanted, got


@pytest.mark.parametrize("block", range(2))
def test_drawn_markets_and_orders_fill_as_at_the_paper_venue(block: int) -> None:
    fills = 0
    for seed in range(block * 40, block * 40 + 40):
        wanted, got = played(seed)
        assert got["one"] == wanted, f"seed {seed}"
        fills += len(wanted)
    assert fills > 400


def test_one_account_does_not_take_what_is_offered_to_another() -> None:
    wanted, got = played(3, ("one", "two"))
    assert got["one"] == got["two"] == wanted
    assert wanted

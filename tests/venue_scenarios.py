"""Generated days at the simulated venue: commands and market events of every kind, sensible and hostile, drawn from a seed."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from msgspec import structs

from libs.domain.instruments import Calendar, Instrument
from libs.domain.market import Bar, MarketEvent, Quote, TradeTick
from libs.domain.orders import OrderType, Side
from libs.domain.times import SECOND
from libs.quant.fills import FillOn, FillTerms
from libs.quant.sim_venue.commands import (
    Bust,
    Cancel,
    CancelAll,
    Command,
    Configure,
    Correct,
    Halt,
    OpenAccount,
    Replace,
    Submit,
    Transfer,
)
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Agents, Fees, IdScope, Liquidity, Listing, SelfTrade, VenueRules
from libs.quant.sim_venue.orders import NewOrder, Shape, Tif
from libs.quant.sim_venue.reports import Outcome, Report
from libs.quant.sim_venue.view import View

D: Final = Decimal
MINUTE: Final = 60 * SECOND
START: Final = 1_736_196_900 * SECOND
"""2025-01-06 20:55 UTC: five minutes before New York closes, three hours before UTC midnight."""


def a_listing(
    symbol: str,
    liquidity: Liquidity,
    *,
    lot: str = "1",
    base: str = "",
    calendar: Calendar = "24/7",
    fees: Fees | None = None,
    fill_on: FillOn = "quote",
    terms: FillTerms | None = None,
    shortable: bool = True,
    refuses: bool = False,
    min_notional: str = "0",
) -> Listing:
    return Listing(
        instrument=Instrument(
            symbol=symbol,
            venue="TEST",
            asset_class="crypto" if base else "equity",
            currency="USD",
            tick=D("0.01"),
            lot=D(lot),
            min_notional=D(min_notional),
            calendar=calendar,
        ),
        liquidity=liquidity,
        fill_on=fill_on,
        base=base,
        shortable=shortable,
        fees=Fees() if fees is None else fees,
        terms=FillTerms() if terms is None else terms,
        when_shut="refuse" if refuses else "queue",
    )


BPS: Final = Fees(maker_bps=D(5), taker_bps=D(10))
LISTINGS: Final = {
    listing.symbol: listing
    for listing in (
        a_listing("ALFA", "book", fees=BPS),
        a_listing("BRAV", "book", calendar="us_equity", fees=Fees(per_unit=D("0.005"), minimum=D("0.35"))),
        a_listing("CHAR", "book", calendar="us_equity", shortable=False, refuses=True),
        a_listing("DELT/USD", "book", base="DELT", lot="0.001", fees=Fees(maker_bps=D(10), taker_bps=D(10), paid_in="received")),
        a_listing("ECHO", "model", calendar="us_equity", terms=FillTerms(slippage_bps=D(20))),
        a_listing("FOXT/USD", "model", base="FOXT", lot="0.01", fees=BPS, min_notional="0.2"),
        a_listing("GOLF", "model", fill_on="bar", terms=FillTerms(half_spread_bps=D(50))),
    )
}
SYMBOLS: Final = tuple(LISTINGS)
ACCOUNTS: Final = (
    OpenAccount(account="ann", deposit={"USD": D(200), "DELT": D("0.1"), "FOXT": D(3)}),
    OpenAccount(account="ben", deposit={"USD": D("10.2")}, self_trade="expire_taker"),
    OpenAccount(account="cat", deposit={"USD": D(50)}, kind="margin", allow_short=True, leverage=D(2), self_trade="allow"),
    OpenAccount(account="dan", deposit={"USD": D(40), "DELT": D(2)}, kind="margin", self_trade="refuse"),
    OpenAccount(account="eve", deposit={"USD": D(25)}, allow_short=True, self_trade="expire_both"),
)
ANY: Final[tuple[OrderType, ...]] = ("limit", "limit", "limit", "market", "stop", "stop_limit")
NAMES: Final = tuple(account.account for account in ACCOUNTS)


class Heard(NamedTuple):
    """A step of the market."""

    events: Sequence[MarketEvent]
    market_time: int


Input = Command | Heard


def a_venue(seed: int) -> Exchange:
    """Fresh, every third one without agents."""
    return Exchange(LISTINGS, seed=seed, agents=Agents(rate=0.004, lots=6, resting=8) if seed % 3 else None)


def given(venue: Exchange, put: Input) -> Outcome:
    """The venue's answer to any input."""
    return Outcome(venue.hear(put.events, put.market_time)) if isinstance(put, Heard) else venue.execute(put)


class Scenario:
    """Draws inputs one after another; what it draws next depends on what is open by now, so it is told the reports."""

    def __init__(self, seed: int, length: int = 60) -> None:
        self._chance = Random(seed)
        self._length = length
        self._view = View(LISTINGS)
        self._now = START
        self._seq = 0
        self._events: list[MarketEvent] = []
        self._ids = 0
        self._fair = dict.fromkeys(SYMBOLS, 100)
        chosen = self._chance.sample(SYMBOLS, self._chance.randint(1, 3))
        self._symbols = chosen
        self._accounts = self._chance.sample(NAMES, self._chance.randint(1, 4))

    def inputs(self) -> Iterator[Input]:
        """The scenario. Reports are to be `told` between two inputs."""
        yield from (account for account in ACCOUNTS if account.account in self._accounts)
        yield self._market()
        for _ in range(self._length):
            (draw,) = self._chance.choices(*zip(*self._kinds(), strict=True))
            yield draw()

    def told(self, reports: Sequence[Report]) -> None:
        """Takes in what the venue said."""
        for report in reports:
            self._view.apply(report)

    def _kinds(self) -> Iterator[tuple[Callable[[], Input], float]]:
        yield self._submit, 40
        yield self._market, 25
        yield self._cancel, 8
        yield self._replace, 8
        yield self._shape, 8
        yield self._hostile, 4
        yield self._amend, 3
        yield self._rare, 4
        yield self._halt, 3
        yield self._again, 3

    # --- orders

    def _submit(self) -> Command:
        account, order = self._account(), self._order(self._symbol(), self._side())
        if self._chance.random() < 0.15:
            order = self._all_in(account, order)
        return Submit(account=account, orders=(order,), self_trade=self._mode())

    def _all_in(self, account: str, order: NewOrder) -> NewOrder:
        """About all that the account can buy, or has to sell."""
        seen, lot = self._view.accounts.get(account), LISTINGS[order.symbol].instrument.lot
        if seen is None:
            return order
        money = int(seen.balances["USD"] * 100 / lot / (self._fair[order.symbol] + self._chance.randint(0, 4)))
        lots = money if order.side == "buy" else seen.positions[order.symbol]
        return structs.replace(order, lots=max(1, lots))

    def _order(self, symbol: str, side: Side, types: Sequence[OrderType] = ANY) -> NewOrder:
        kind = self._chance.choice([*types, "trailing_stop"] if self._chance.random() < 0.1 else types)
        tif: Tif = self._chance.choice(("GTC", "GTC", "GTC", "DAY", "IOC", "FOK", "GTD"))
        fair, sign = self._fair[symbol], 1 if side == "buy" else -1
        trail = self._chance.choice((None, 3)) if kind == "trailing_stop" else None
        return NewOrder(
            client_order_id=self._client_id(),
            symbol=symbol,
            side=side,
            type=kind,
            tif=tif,
            lots=self._chance.choice((1, 3, 5, 10, 10, 40)),
            limit=fair + self._chance.randint(-4, 4) if kind in ("limit", "stop_limit") else None,
            stop=fair + sign * self._chance.randint(0, 5) if kind in ("stop", "stop_limit") else None,
            trail=trail,
            trail_bps=D(250) if kind == "trailing_stop" and trail is None else None,
            post_only=kind == "limit" and tif in ("GTC", "DAY", "GTD") and self._chance.random() < 0.2,
            expires_at=self._now + self._chance.choice((1, 30, 600)) * SECOND if tif == "GTD" else None,
        )

    def _shape(self) -> Command:
        shape: Shape = self._chance.choice(("oco", "oto", "bracket"))
        symbol, side = self._symbol(), self._side()
        other: Side = "sell" if side == "buy" else "buy"
        if shape == "oco":
            orders: tuple[NewOrder, ...] = (self._order(symbol, side, ("limit",)), self._order(symbol, side, ("stop", "stop_limit")))
        elif shape == "oto":
            orders = (self._order(symbol, side), self._order(symbol, other))
        else:
            first = self._order(symbol, side, ("limit", "market"))
            rest = (self._order(symbol, other, ("limit",)), self._order(symbol, other, ("stop",)))
            orders = (first, *rest) if self._chance.random() < 0.1 else (first, *(_resized(order, first.lots) for order in rest))
        return Submit(account=self._account(), orders=orders, shape=shape)

    def _cancel(self) -> Command:
        account, order = self._open()
        if self._chance.random() < 0.2:
            return CancelAll(account=account, symbol=self._chance.choice((None, self._symbol())))
        return Cancel(account=account, order=order)

    def _replace(self) -> Command:
        account, order = self._open()
        limit = self._fair[self._symbol()] + self._chance.randint(-4, 4)
        return Replace(
            account=account,
            order=order,
            client_order_id=self._client_id(),
            lots=self._chance.choice((None, 1, 5, 20)),
            limit=self._chance.choice((None, limit)),
            tif=self._chance.choice((None, None, "IOC", "DAY")),
        )

    # --- the market

    def _market(self) -> Heard:
        self._now += self._chance.choice((1, 1, 2, 5, 60, 60, 600, 1800, 9000, 50_000)) * SECOND
        events = [self._event(self._symbol()) for _ in range(self._chance.randint(0, 4))]
        self._events += events
        return Heard(events, self._now)

    def _event(self, symbol: str) -> MarketEvent:
        self._seq += 1
        fair = self._fair[symbol] = min(130, max(70, self._fair[symbol] + self._chance.randint(-3, 3)))
        lot, price = float(LISTINGS[symbol].instrument.lot), fair / 100
        size = self._chance.choice((1, 5, 20, 100)) * lot
        seq, ts = self._seq, self._now - self._chance.choice((0, 0, 0, 7))
        if LISTINGS[symbol].fill_on == "bar":
            high, low, close = price + 0.03, price - 0.02, price + self._chance.choice((-0.02, 0.0, 0.03))
            prices = {"open": price, "high": high, "low": low, "close": close}
            return Bar(venue="TEST", symbol=symbol, seq=seq, timeframe="1m", start=ts - MINUTE, volume=10 * size, **prices)
        if self._chance.random() < 0.3:
            return TradeTick(venue="TEST", symbol=symbol, seq=seq, ts=ts, price=price, size=size)
        gap = self._chance.choice((0.01, 0.02, 0.05))
        bid, ask = (float("nan"), price) if self._chance.random() < 0.05 else (price - gap, price + gap)
        asked = self._chance.choice((size, 0.0, 3 * size))
        return Quote(venue="TEST", symbol=symbol, seq=seq, ts=ts, bid=bid, ask=ask, bid_size=size, ask_size=asked)

    def _again(self) -> Heard:
        """Something that was heard before, in no time."""
        return Heard([self._chance.choice(self._events)] if self._events else [], self._now)

    # --- the rest

    def _halt(self) -> Command:
        return Halt(symbol=self._symbol(), on=self._chance.random() < 0.6)

    def _amend(self) -> Command:
        number = self._chance.randint(0, max((max(a.executions, default=0) for a in self._view.accounts.values()), default=0) + 1)
        return self._chance.choice((Bust(execution=number), Correct(execution=number, ticks=self._fair[self._symbol()] + 1)))

    def _rare(self) -> Command:
        scope: IdScope = self._chance.choice(("lifetime", "open", "none"))
        return self._chance.choice(
            (
                Transfer(account=self._account(), currency="USD", amount=D(self._chance.choice(("100.000000000001", "-50", "-1e6")))),
                Configure(rules=VenueRules(id_scope=scope, most_lots_per_fill=self._chance.choice((0, 0, 3)))),
                OpenAccount(account=self._account(), deposit={"USD": D(1)}),
            )
        )

    def _hostile(self) -> Input:
        nan, huge = D("NaN"), 2**70
        good = self._order(self._symbol(), self._side())
        bad = self._chance.choice(
            (
                {"lots": 0},
                {"lots": -1},
                {"lots": huge},
                {"limit": 0},
                {"limit": -7},
                {"limit": huge},
                {"stop": huge},
                {"trail_bps": nan},
                {"trail_bps": D("1e-400")},
                {"trail": -1},
                {"expires_at": -1},
                {"expires_at": huge},
                {"tif": "GTD"},
                {"symbol": ""},
                {"client_order_id": ""},
                {"post_only": True},
                {"type": "trailing_stop"},
            )
        )
        many = (good,) * self._chance.choice((0, 2, 3))
        shape: Shape = self._chance.choice(("simple", "oco", "bracket"))
        amount = self._chance.choice((nan, D("Infinity"), D("1e-13"), D("1e40"), D(0)))
        number = self._chance.choice((-1, 0, huge))
        price = self._chance.choice((float("nan"), float("inf"), -1.0, 0.0, 1e300))
        account, now = self._account(), self._now
        return self._chance.choice(
            (
                Submit(account=account, orders=(structs.replace(good, **bad),)),
                Submit(account=account, orders=many, shape=shape),
                Submit(account="nobody", orders=(good,)),
                Cancel(account=account, order=number),
                Cancel(account=account, order=3),
                Replace(account=account, order=self._open()[1], client_order_id="", lots=number, stop=huge),
                Bust(execution=number),
                Correct(execution=1, ticks=number),
                Transfer(account=account, currency="USD", amount=amount),
                OpenAccount(account=self._chance.choice(("", "zed")), deposit={"USD": self._chance.choice((D(-1), nan))}),
                Configure(rules=VenueRules(most_lots_per_fill=-1)),
                Halt(symbol="NONE"),
                Heard([_odd_quote(self._symbol(), now, price), _odd_quote("NONE", now, 1.0)], now),
                Heard([_odd_quote(self._symbol(), START - SECOND, 1.0)], START),
            )
        )

    def _open(self) -> tuple[str, int]:
        found = [(name, n) for name, account in self._view.accounts.items() for n in account.open]
        return self._chance.choice(found) if found and self._chance.random() < 0.9 else (self._account(), self._chance.randint(0, 40))

    def _client_id(self) -> str:
        self._ids += 1
        return f"c{self._ids}" if self._chance.random() < 0.95 else f"c{self._chance.randint(1, self._ids)}"

    def _symbol(self) -> str:
        return self._chance.choice(self._symbols)

    def _account(self) -> str:
        return self._chance.choice(self._accounts)

    def _side(self) -> Side:
        return "buy" if self._chance.random() < 0.55 else "sell"

    def _mode(self) -> SelfTrade | None:
        return self._chance.choice((None, None, None, "allow", "refuse", "expire_taker", "expire_maker", "expire_both"))


def _resized(order: NewOrder, lots: int) -> NewOrder:
    return structs.replace(order, lots=lots, tif="GTC", expires_at=None)


def _odd_quote(symbol: str, ts: int, price: float) -> Quote:
    return Quote(venue="TEST", symbol=symbol, seq=10**6, ts=ts, bid=price, ask=price, bid_size=price, ask_size=1.0)

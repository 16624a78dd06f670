"""What an account is worth: its cash and what it holds, at the prices that the tape shows. Pure, and exact decimals throughout."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from libs.domain.market import Quote, TradeTick
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Order
from libs.quant.sim_venue.view import AccountView

CURRENCY: Final = "USD"
_ZERO: Final = Decimal(0)


class Prices(Protocol):
    """The newest of each symbol."""

    def quote(self, symbol: str) -> Quote | None: ...

    def trade(self, symbol: str) -> TradeTick | None: ...


class Holding(NamedTuple):
    """A position at a price."""

    listing: Listing
    lots: int  # signed
    cost: Decimal  # average, per unit
    price: Decimal

    @property
    def quantity(self) -> Decimal:
        return self.listing.instrument.quantity(self.lots)

    @property
    def value(self) -> Decimal:
        """Signed, in USD."""
        return self.quantity * self.price * self.listing.instrument.multiplier

    @property
    def basis(self) -> Decimal:
        """What it cost, signed."""
        return self.quantity * self.cost * self.listing.instrument.multiplier


class Holdings(NamedTuple):
    """Cash in USD, and signed lots by symbol."""

    cash: Decimal
    positions: dict[str, int]


class Worth(NamedTuple):
    """An account at a moment, in USD. What is short counts negative."""

    cash: Decimal
    long: Decimal
    short: Decimal

    @property
    def equity(self) -> Decimal:
        return self.cash + self.long + self.short

    @property
    def exposure(self) -> Decimal:
        return self.long - self.short


def mark(prices: Prices, symbol: str) -> Decimal | None:
    """The price of a symbol: of its newest trade, or the middle of its newest quote where that is younger; None before both."""
    trade, quote = prices.trade(symbol), prices.quote(symbol)
    if quote is not None and (trade is None or quote.ts > trade.ts):
        return middle(quote)
    return None if trade is None else exact(trade.price)


def middle(quote: Quote) -> Decimal:
    """Between bid and ask."""
    return (exact(quote.bid) + exact(quote.ask)) / 2


def exact(value: float) -> Decimal:
    """The shortest decimal that reads as this float: what a recorded or drawn price was written as."""
    return Decimal(repr(value))


def holdings(account: AccountView, listings: Mapping[str, Listing], prices: Prices) -> list[Holding]:
    """What is held of what is listed here, by symbol. What no price is known of is worth what it cost."""
    return [held for symbol in sorted(account.positions) if (held := holding(account, listings, prices, symbol)) is not None]


def holding(account: AccountView, listings: Mapping[str, Listing], prices: Prices, symbol: str) -> Holding | None:
    """One position; None where nothing is held."""
    lots = account.positions.get(symbol, 0)
    listing = listings.get(symbol)
    if not lots or listing is None:
        return None
    cost = account.costs[symbol].avg_cost
    price = mark(prices, symbol)
    return Holding(listing, lots, cost, cost if price is None else price)


def worth(cash: Decimal, held: list[Holding]) -> Worth:
    """All of it together."""
    values = [each.value for each in held]
    return Worth(cash, sum((v for v in values if v > 0), _ZERO), sum((v for v in values if v < 0), _ZERO))


def buying_power(account: AccountView, listings: Mapping[str, Listing], prices: Prices) -> Decimal:
    """What may still be bought: cash less what open orders may cost, or, on margin, the exposure that equity bears less the greatest
    that positions and open orders can come to."""
    if account.terms.kind == "cash":
        return max(cash_of(account) - _reserved(account, listings, prices), _ZERO)
    equity = worth(cash_of(account), holdings(account, listings, prices)).equity
    return max(equity * account.terms.leverage - _greatest_exposure(account, listings, prices), _ZERO)


def cash_of(account: AccountView) -> Decimal:
    """Its money, that of short sales included."""
    return account.balances.get(CURRENCY, _ZERO)


def working(account: AccountView, symbol: str) -> tuple[int, int]:
    """Lots that open orders may still buy, and sell. Of those that cancel each other only one can fill: the largest counts."""
    lots: dict[tuple[str, int], int] = {}
    for order in account.open.values():
        if order.asked.symbol == symbol and order.status == "open":
            key = order.asked.side, order.group or -order.id
            lots[key] = max(lots.get(key, 0), order.remaining)
    bought = sum(count for (side, _), count in lots.items() if side == "buy")
    return bought, sum(lots.values()) - bought


def held_for_orders(account: AccountView, symbol: str) -> int:
    """Lots of the position that open orders would close."""
    held = account.positions.get(symbol, 0)
    return min(working(account, symbol)[1 if held > 0 else 0], abs(held))


def before(account: AccountView, at: int) -> Holdings:
    """Cash and positions as they were just before `at`."""
    return next(rewound(account, [at]))


def rewound(account: AccountView, times: Sequence[int]) -> Iterator[Holdings]:
    """Cash and positions just before each of the ascending `times`, the latest first: what happened since is taken back."""
    cash, positions = cash_of(account), dict(account.positions)
    since = len(account.activity)
    for at in reversed(times):
        while since and account.activity[since - 1].at >= at:
            since -= 1
            report = account.activity[since]
            cash -= report.balances.get(CURRENCY, _ZERO)
            if report.position:
                positions[report.symbol] -= report.position
        yield Holdings(cash, dict(positions)) if account.opened_at <= at else Holdings(_ZERO, {})


def opening_deposit(account: AccountView) -> Decimal:
    """What the account was opened with: what it has, less all that came and went since."""
    return cash_of(account) - sum((report.balances.get(CURRENCY, _ZERO) for report in account.activity), _ZERO)


def _reserved(account: AccountView, listings: Mapping[str, Listing], prices: Prices) -> Decimal:
    """What open orders to buy may still cost: at their limit, else their stop, else the newest price."""
    costs = (_cost(order, listings[order.asked.symbol], prices) for order in account.open.values() if order.asked.symbol in listings)
    return sum(costs, _ZERO)


def _cost(order: Order, listing: Listing, prices: Prices) -> Decimal:
    if order.status != "open" or order.asked.side == "sell":
        return _ZERO
    ticks = order.asked.limit if order.asked.limit is not None else order.stop
    price = mark(prices, order.asked.symbol) if ticks is None else listing.instrument.price(ticks)
    return listing.instrument.quantity(order.remaining) * (price or _ZERO) * listing.instrument.multiplier


def _greatest_exposure(account: AccountView, listings: Mapping[str, Listing], prices: Prices) -> Decimal:
    total = _ZERO
    for symbol in {*account.positions, *(order.asked.symbol for order in account.open.values())} & listings.keys():
        held, (bought, sold) = account.positions.get(symbol, 0), working(account, symbol)
        lots = max(abs(held + bought), abs(held - sold))
        instrument = listings[symbol].instrument
        total += instrument.quantity(lots) * (mark(prices, symbol) or _ZERO) * instrument.multiplier
    return total

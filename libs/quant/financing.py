"""What it costs and pays to hold: interest on cash, the borrowing of what is sold short, the funding of perpetuals.

Pure: what an account holds and at which prices goes in, signed amounts of money come out, exact to twelve decimals (half
to even). `docs/fills-and-costs.md` has the rules in words.

Interest is simple interest on the balance at the end of a day, for that one calendar day: ACT/360, and ACT/365 for the
currencies whose money markets count so (OpenGamma, Interest Rate Instruments and Market Conventions Guide, 2012, chapter
on deposits). Brokers follow that but for AUD and CAD, where they differ: `days_in_year` says it where the currency does not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, NamedTuple

import msgspec

from libs.domain.instruments import Instrument
from libs.domain.ledger import Carry
from libs.quant.trading_day import trading_day_of

HOUR: Final = 3_600_000_000_000
FUNDING_EVERY: Final = 8 * HOUR
"""From 00:00 UTC on, where no funding is recorded: what most venues of perpetuals do."""
YEAR: Final = 360
YEARS: Final = dict.fromkeys(("AUD", "CAD", "GBP", "HKD", "NZD", "SGD", "ZAR"), 365)
"""Days of a year by currency, where they are not 360."""
_MOST: Final = Decimal(10_000)
_STEP: Final = 10**12


class SymbolRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates of one symbol, in place of those of all. Per cent; None: as all."""

    borrow_rate: Decimal | None = None
    funding_rate: Decimal | None = None


class Financing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates of an account, all in per cent: of a year, but for funding, which is of eight hours. Each may be below 0.

    As brokers and venues quote them: 4.5 is 4.5 % a year, a funding rate of 0.01 is one basis point each eight hours.
    """

    cash_rate: Decimal = Decimal(0)  # paid to us on idle cash; below 0 we pay
    margin_rate: Decimal = Decimal(0)  # paid by us on what cash is short of
    borrow_rate: Decimal = Decimal(0)  # paid by us on the value of what is sold short; below 0 a rebate that exceeds the fee
    funding_rate: Decimal = Decimal(0)  # paid by longs to shorts of perpetuals; below 0 by shorts to longs
    symbols: dict[str, SymbolRates] = {}
    days_in_year: Literal[360, 365] | None = None  # of a yearly rate; None: as the currency has it

    def __post_init__(self) -> None:
        """ValueError: a rate is no number, or none that anybody would quote."""
        rates = {name: getattr(self, name) for name in ("cash_rate", "margin_rate", "borrow_rate", "funding_rate")}
        for symbol, own in self.symbols.items():
            rates |= {f"{name} of {symbol}": rate for name, rate in msgspec.structs.asdict(own).items() if rate is not None}
        for name, rate in rates.items():
            if not (rate.is_finite() and abs(rate) <= _MOST):
                raise ValueError(f"expected {name} from -{_MOST} to {_MOST}, got {rate}")

    @property
    def any(self) -> bool:
        """Whether there is a rate that is not 0."""
        own = (rate for rates in self.symbols.values() for rate in (rates.borrow_rate, rates.funding_rate))
        return any((self.cash_rate, self.margin_rate, self.borrow_rate, self.funding_rate, *own))

    def borrowing(self, symbol: str) -> Decimal:
        """Per cent a year."""
        own = self.symbols.get(symbol)
        return self.borrow_rate if own is None or own.borrow_rate is None else own.borrow_rate

    def of_a_day(self, rate: Decimal, currency: str) -> Fraction:
        """What a yearly rate comes to in one calendar day, as a share."""
        return Fraction(rate) / 100 / (self.days_in_year or YEARS.get(currency, YEAR))

    def funding(self, instrument: Instrument) -> Decimal:
        """Per cent each eight hours. A symbol with a rate of its own is funded whatever it is called."""
        own = self.symbols.get(instrument.symbol)
        if own is not None and own.funding_rate is not None:
            return own.funding_rate
        return self.funding_rate if is_perpetual(instrument) else Decimal(0)


class Holding(NamedTuple):
    """A book and the price it is valued at."""

    strategy_id: str
    instrument: Instrument
    quantity: Decimal  # signed
    price: Decimal

    @property
    def value(self) -> Fraction:
        """Signed, in the instrument's currency."""
        return Fraction(self.quantity) * Fraction(self.price) * Fraction(self.instrument.multiplier)


class Charge(NamedTuple):
    """Money that holding has earned (above 0) or cost, of one kind."""

    kind: Carry
    strategy_id: str  # "" of the account as a whole
    symbol: str  # "" of cash
    currency: str
    amount: Decimal


def is_perpetual(instrument: Instrument) -> bool:
    """By its name: `BTC/USDT:USDT`."""
    return ":" in instrument.symbol


def on_margin(instrument: Instrument) -> bool:
    """Whether holding it takes no money but a margin: a perpetual or a future. Nothing is paid for it, and nothing borrowed."""
    return is_perpetual(instrument) or instrument.asset_class == "future"


def interest(cash: Mapping[str, Decimal], holdings: Sequence[Holding], rates: Financing) -> list[Charge]:
    """Of one day, by currency: on what is idle, or short.

    What contracts on margin are worth is not spent, though the ledger books it as paid; and what shorts are worth is not
    ours: it lies with the lender as collateral, marked to the market each day, and earns nothing.
    """
    idle = defaultdict(Fraction, {currency: Fraction(amount) for currency, amount in cash.items()})
    shorts: defaultdict[Instrument, Fraction] = defaultdict(Fraction)
    for holding in holdings:
        if on_margin(holding.instrument):
            idle[holding.instrument.currency] += holding.value
        elif holding.instrument.asset_class != "option":
            shorts[holding.instrument] += holding.value
    for instrument, value in shorts.items():
        idle[instrument.currency] += min(value, Fraction(0))
    charges = []
    for currency, base in sorted(idle.items()):
        kind: Carry = "cash_interest" if base >= 0 else "margin_interest"
        rate = rates.cash_rate if base >= 0 else rates.margin_rate
        charges.append(Charge(kind, "", "", currency, _money(base * rates.of_a_day(rate, currency))))
    return [charge for charge in charges if charge.amount]


def borrow(holdings: Sequence[Holding], rates: Financing) -> list[Charge]:
    """Of one day: on the net short of each symbol, which is what the account has to borrow, shared by the books that are short."""
    charges = []
    for books in _by_symbol(holdings):
        instrument = books[0].instrument
        short = sum((-book.value for book in books if book.quantity < 0), Fraction(0))
        net = -sum((book.value for book in books), Fraction(0))
        if net <= 0 or instrument.asset_class == "option" or on_margin(instrument):
            continue
        rate = rates.of_a_day(rates.borrowing(instrument.symbol), instrument.currency)
        for book in books:
            if book.quantity < 0:
                charges.append(_charge("borrow", book, book.value / short * net * rate))
    return [charge for charge in charges if charge.amount]


def funding(holdings: Iterable[Holding], rates: Mapping[str, Decimal]) -> list[Charge]:
    """Of one funding time: longs pay a positive rate on their notional, shorts receive it.

    Args:
        rates: per cent by symbol; symbols without are not funded.
    """
    charges = [
        _charge("funding", holding, -holding.value * Fraction(rates[holding.instrument.symbol]) / 100)
        for holding in holdings
        if holding.instrument.symbol in rates
    ]
    return [charge for charge in charges if charge.amount]


def next_day(now: int, starts_at: str, tz: str) -> int:
    """When the trading day of `now` ends; market ns."""
    return trading_day_of(now, starts_at, tz).end


def next_funding(now: int) -> int:
    """The first of the funding times after `now`; market ns."""
    return (now // FUNDING_EVERY + 1) * FUNDING_EVERY


def _by_symbol(holdings: Iterable[Holding]) -> list[list[Holding]]:
    found: defaultdict[str, list[Holding]] = defaultdict(list)
    for holding in holdings:
        found[holding.instrument.symbol].append(holding)
    return list(found.values())


def _charge(kind: Carry, holding: Holding, amount: Fraction) -> Charge:
    return Charge(kind, holding.strategy_id, holding.instrument.symbol, holding.instrument.currency, _money(amount))


def _money(amount: Fraction) -> Decimal:
    return Decimal(round(amount * _STEP)).scaleb(-12)

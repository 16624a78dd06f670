"""The feed of an invented market: the default of a first run, and the load of benchmarks."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.quant.bars import BarsOf
from libs.quant.calendars import close_of, next_open
from libs.quant.fills import FillOn
from libs.venues.feed import FeedStep
from libs.venues.synthetic.process import MINUTE_MS, Symbol, level
from libs.venues.synthetic.ticks import MINUTE, ticks
from libs.venues.timeline import Placed, steps_of

START: Final = 1_736_173_800_000_000_000
"""2025-01-06 14:30 UTC, a Monday: the first open of every synthetic session."""

_HOURS: Final = "us_equity"

BITCOIN: Final = Symbol("BTC/USD", 2.0, 100, 100_000, most_spread=200, most_quoted=200, quoted_step=1000, most_traded=20_000)
_BITCOIN_BASE: Final = 95_000.0


def stock(name: str, volatility: float = 1.0, most_spread: int = 3) -> Symbol:
    """A share that is traded in cents and by the piece."""
    return Symbol(name, volatility, 100, 1, most_spread=most_spread, most_quoted=10, quoted_step=100, most_traded=300)


_BASES: Final[Mapping[Symbol, float]] = {
    stock("ALFA", 1.0): 382.0,
    stock("BRVO", 1.2): 214.0,
    stock("CHAR", 0.9): 531.0,
    stock("DELT", 1.1): 298.0,
    BITCOIN: _BITCOIN_BASE,
}
"""The symbols of the default market, and the prices that they revert to."""


class SyntheticFeed:
    """Invented stocks and one invented BTC/USD, drawn from a seed. The same seed gives the same ticks, always.

    The timeline has US stock hours only. BTC/USD would trade around the clock, but closed hours are skipped, and nobody
    wants to wait for a night in which one symbol of five moves: it rests with the others.
    """

    def __init__(self, seed: int, stocks: int | None = None, ticks_per_s: float | None = None) -> None:
        """
        Args:
            seed: two seeds are two venues, as their stored bars must not meet.
            stocks: None for the default market; a number for so many generated stocks and nothing else (benchmarks).
            ticks_per_s: of all symbols together, per market second; a third are trades. Default 3 per symbol.

        Raises:
            ValueError: no stocks, or fewer than 3 ticks per symbol and minute, or more than 1,000 per symbol and second.
        """
        if stocks is not None and stocks < 1:
            raise ValueError(f"expected at least one stock, got {stocks}")
        self._bases = _BASES if stocks is None else dict(_generated(number) for number in range(stocks))
        self._symbols = tuple(self._bases)
        self._trades = _trades_per_minute(3 * len(self._symbols) if ticks_per_s is None else ticks_per_s, len(self._symbols))
        self._venue = f"SYNTH-{seed}"
        market = [] if stocks is None else [f"{stocks} stocks"]
        rate = [] if ticks_per_s is None else [f"{ticks_per_s:g} ticks/s"]
        self.name: str = ":".join(["synthetic", *market, *rate])
        self.seed: int = seed
        self.instruments: Sequence[Instrument] = tuple(instrument(symbol, self._venue) for symbol in self._symbols)
        self.timeframes: tuple[str, ...] = ("1s", "1m")
        self.recorded_bars: bool = False
        self.live: bool = False
        self.bars_of: Mapping[str, BarsOf] = {symbol.name: "trade" for symbol in self._symbols}
        self.fill_on: Mapping[str, FillOn] = {symbol.name: "quote" for symbol in self._symbols}
        self.actions: Sequence[CorporateAction] = ()
        self.start: int = START
        self.speed: float = 10

    def timeline(self, after: int) -> Iterator[FeedStep]:
        """The steps later than `after`, endless. Resuming draws again only the minute that `after` lies in."""
        for number, start in _minutes(after):
            for step in steps_of([self._ticks(symbol, number, start) for symbol in self._symbols]):
                if step.time > after:
                    yield step

    def _ticks(self, symbol: Symbol, number: int, start: int) -> Iterator[Placed]:
        base, minute = self._bases[symbol], start // MINUTE
        levels = level(self.seed, symbol, base, minute), level(self.seed, symbol, base, minute + 1)
        return ticks(self.seed, self._venue, symbol, self._trades, number, start, levels)

    async def steps(self, after: int) -> AsyncIterator[FeedStep]:
        """`timeline` for the collector."""
        for step in self.timeline(after):
            yield step


def instrument(symbol: Symbol, venue: str) -> Instrument:
    """The symbol as it is traded: BTC/USD around the clock, shares in US hours."""
    crypto = symbol is BITCOIN
    return Instrument(
        symbol=symbol.name,
        venue=venue,
        asset_class="crypto" if crypto else "equity",
        currency="USD",
        tick=Decimal(1) / symbol.ticks_per_unit,
        lot=Decimal(1) / symbol.lots_per_unit,
        calendar="24/7" if crypto else _HOURS,
    )


def _generated(number: int) -> tuple[Symbol, float]:
    return stock(f"S{number:03}", 0.8 + 0.1 * (number % 6)), 200.0 + 25.0 * (number % 20)


def _trades_per_minute(ticks_per_s: float, symbols: int) -> int:
    """Of one symbol."""
    trades = round(ticks_per_s * 60 / 3 / symbols)
    if not 1 <= trades <= MINUTE_MS // 3:
        raise ValueError(f"expected 0.05 to 1000 ticks per symbol and second, got {ticks_per_s} over {symbols} symbols")
    return trades


def _minutes(after: int) -> Iterator[tuple[int, int]]:
    """Open minutes that end later than `after`: their number from START on and their start."""
    number, opens = 0, START
    while True:
        closes = close_of(_HOURS, opens)
        length = (closes - opens) // MINUTE
        for minute in range(max(0, (after - opens) // MINUTE), length):
            yield number + minute, opens + minute * MINUTE
        number += length
        opens = next_open(_HOURS, closes)

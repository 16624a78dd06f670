"""Statistics of the last day, or of another window, and best prices. Windows roll by the minute of market time."""

from collections.abc import Callable
from typing import Final, NamedTuple

from libs.domain.market import Quote, TradeTick
from libs.domain.names import TIMEFRAMES
from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance.errors import VenueError
from services.sim_venue.binance.figures import ZERO, exact, ms, shown
from services.sim_venue.binance.klines import quote_volume
from services.sim_venue.binance.order_answers import Json
from services.sim_venue.binance.symbols import wire
from services.sim_venue.tape import Tape

_MINUTE: Final = TIMEFRAMES["1m"]
DAY: Final = TIMEFRAMES["1d"]
_UNITS: Final[dict[str, tuple[int, int]]] = {"m": (_MINUTE, 59), "h": (60 * _MINUTE, 23), "d": (DAY, 7)}


def window(text: str) -> int:
    """Length of a rolling window, ns: `1m` to `59m`, `1h` to `23h`, `1d` to `7d`."""
    unit = _UNITS.get(text[-1:])
    if unit is None or not text[:-1].isdecimal() or not 1 <= int(text[:-1]) <= unit[1]:
        raise VenueError(-1130, "Data sent for parameter 'windowSize' is not valid.")
    return int(text[:-1]) * unit[0]


class Statistics(NamedTuple):
    """Of one symbol over one window. Prices are 0 where nothing has traded."""

    symbol: str
    open_time: int
    close_time: int
    open: float
    high: float
    low: float
    last: float
    last_size: float
    volume: float
    quote_volume: float
    before: float  # the last price before the window
    first_id: int
    last_id: int

    @property
    def change(self) -> float:
        return self.last - self.open

    @property
    def percent(self) -> str:
        return f"{100 * self.change / self.open if self.open else 0.0:.3f}"

    @property
    def average(self) -> float:
        return self.quote_volume / self.volume if self.volume else 0.0

    @property
    def number(self) -> int:
        """Trades in the window: their ids have no gaps."""
        return 0 if self.first_id < 0 else self.last_id - self.first_id + 1


def statistics(tape: Tape, listing: Listing, now: int, length: int = DAY) -> Statistics:
    """What has traded in the last `length` of market time."""
    symbol = listing.symbol
    begin = (now - length) // _MINUTE * _MINUTE
    bars = tape.bars(symbol, "1m", max(0, begin), now + 1, length // _MINUTE + 2)
    trade = tape.trade(symbol)
    first = next(iter(tape.trades(symbol, bars[0].start, now + 1, 1)), None) if bars and trade is not None else None
    last = bars[-1].close if bars else _price(trade)
    return Statistics(
        symbol=wire(symbol),
        open_time=max(0, begin),
        close_time=now,
        open=bars[0].open if bars else last,
        high=max((bar.high for bar in bars), default=last),
        low=min((bar.low for bar in bars), default=last),
        last=last,
        last_size=trade.size if trade is not None else 0.0,
        volume=sum(bar.volume for bar in bars),
        quote_volume=sum(quote_volume(bar) for bar in bars),
        before=_before(tape, symbol, begin) or (bars[0].open if bars else last),
        first_id=first.seq if first is not None else -1,
        last_id=trade.seq if first is not None and trade is not None else -1,
    )


def _before(tape: Tape, symbol: str, begin: int) -> float:
    bars = tape.bars(symbol, "1h", max(0, begin - DAY), begin, 25)
    return bars[-1].close if bars else 0.0


def _price(trade: TradeTick | None) -> float:
    return trade.price if trade is not None else 0.0


def last_price(tape: Tape, listing: Listing) -> float:
    """Of the newest trade; of a market that shows quotes only, the middle of the newest one."""
    trade = tape.trade(listing.symbol)
    if trade is not None:
        return trade.price
    quote = tape.quote(listing.symbol)
    return (quote.bid + quote.ask) / 2 if quote is not None else 0.0


def full(s: Statistics, quote: Quote | None) -> Json:
    """As `/ticker/24hr` has it."""
    return {
        "symbol": s.symbol,
        "priceChange": shown(s.change),
        "priceChangePercent": s.percent,
        "weightedAvgPrice": shown(s.average),
        "prevClosePrice": shown(s.before),
        "lastPrice": shown(s.last),
        "lastQty": shown(s.last_size),
        "bidPrice": shown(quote.bid) if quote else ZERO,
        "bidQty": shown(quote.bid_size) if quote else ZERO,
        "askPrice": shown(quote.ask) if quote else ZERO,
        "askQty": shown(quote.ask_size) if quote else ZERO,
        "openPrice": shown(s.open),
        "highPrice": shown(s.high),
        "lowPrice": shown(s.low),
        "volume": shown(s.volume),
        "quoteVolume": shown(s.quote_volume),
        "openTime": ms(s.open_time),
        "closeTime": ms(s.close_time),
        "firstId": s.first_id,
        "lastId": s.last_id,
        "count": s.number,
    }


_MINI: Final = (
    "symbol",
    "openPrice",
    "highPrice",
    "lowPrice",
    "lastPrice",
    "volume",
    "quoteVolume",
    "openTime",
    "closeTime",
    "firstId",
    "lastId",
    "count",
)
_ROLLING: Final = (*_MINI, "priceChange", "priceChangePercent", "weightedAvgPrice")


def mini(s: Statistics) -> Json:
    """As `/ticker/24hr?type=MINI` has it."""
    whole = full(s, None)
    return {name: whole[name] for name in _MINI}


def rolling(s: Statistics) -> Json:
    """As `/ticker` has it: no best prices."""
    whole = full(s, None)
    return {name: whole[name] for name in _ROLLING}


def ticker_event(s: Statistics, quote: Quote | None) -> Json:
    """As the stream `@ticker` has it."""
    t = full(s, quote)
    return {
        "e": "24hrTicker",
        "E": ms(s.close_time),
        "s": s.symbol,
        "p": t["priceChange"],
        "P": t["priceChangePercent"],
        "w": t["weightedAvgPrice"],
        "x": t["prevClosePrice"],
        "c": t["lastPrice"],
        "Q": t["lastQty"],
        "b": t["bidPrice"],
        "B": t["bidQty"],
        "a": t["askPrice"],
        "A": t["askQty"],
        "o": t["openPrice"],
        "h": t["highPrice"],
        "l": t["lowPrice"],
        "v": t["volume"],
        "q": t["quoteVolume"],
        "O": t["openTime"],
        "C": t["closeTime"],
        "F": t["firstId"],
        "L": t["lastId"],
        "n": t["count"],
    }


def mini_event(s: Statistics) -> Json:
    """As the stream `@miniTicker` has it."""
    return {
        "e": "24hrMiniTicker",
        "E": ms(s.close_time),
        "s": s.symbol,
        "c": shown(s.last),
        "o": shown(s.open),
        "h": shown(s.high),
        "l": shown(s.low),
        "v": shown(s.volume),
        "q": shown(s.quote_volume),
    }


def rolling_event(s: Statistics, size: str) -> Json:
    """As the streams `@ticker_1h`, `@ticker_4h` and `@ticker_1d` have it."""
    whole = ticker_event(s, None)
    return {name: value for name, value in whole.items() if name not in ("x", "Q", "b", "B", "a", "A")} | {"e": f"{size}Ticker"}


Best = tuple[list[tuple[int, int]], list[tuple[int, int]]]


def best(listing: Listing, depth: Best, spelled: Callable[[str, str, str, str], Json]) -> Json:
    """The best bid and ask of a book, in the words of an answer or of a stream."""
    i = listing.instrument
    (bid, bid_size), (ask, ask_size) = (side[0] if side else (0, 0) for side in depth)
    return spelled(exact(i.price(bid)), exact(i.quantity(bid_size)), exact(i.price(ask)), exact(i.quantity(ask_size)))


def book_ticker(listing: Listing, depth: Best) -> Json:
    """As `/ticker/bookTicker` has it."""
    return best(
        listing,
        depth,
        lambda b, bq, a, aq: {"symbol": wire(listing.symbol), "bidPrice": b, "bidQty": bq, "askPrice": a, "askQty": aq},
    )


def book_ticker_event(listing: Listing, depth: Best, update: int) -> Json:
    """As the stream `@bookTicker` has it."""
    return best(listing, depth, lambda b, bq, a, aq: {"u": update, "s": wire(listing.symbol), "b": b, "B": bq, "a": a, "A": aq})

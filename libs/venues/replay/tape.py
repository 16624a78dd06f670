"""A recorded market as a tape for backtests: the same rows, checks and bars that a replayed session would see."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from libs.domain.columns import Columns, QuoteBarColumns, QuoteColumns
from libs.domain.market import BadRow, Bar, MarketEvent, Quote, QuoteBar, TradeTick
from libs.quant.backtest.tape import Tape
from libs.quant.bars import GRACE_NS, BarBuilder
from libs.quant.market_checks import Checker
from libs.venues.feed import FeedStep
from libs.venues.replay.feed import ReplayFeed


@dataclass(frozen=True)
class Recorded:
    """A tape, and what was not believed on the way: how often, by symbol and reason code."""

    tape: Tape
    refused: Counter[tuple[str, str]]


def recorded(feed: ReplayFeed, until: int | None = None) -> Recorded:
    """The whole of a recorded market, or what of it is known by `until` (market ns).

    Raises:
        DataNotFound: a file is missing or is not what its name says.
    """
    collected = _Collected(feed)
    for step in feed.timeline(feed.start - 1):
        if until is not None and step.time > until:
            break
        collected.take_in(step)
    return Recorded(collected.tape(until), collected.refused)


class _Collected:
    """Columns in the making."""

    def __init__(self, feed: ReplayFeed) -> None:
        self._feed = feed
        self._checker = Checker(feed.instruments, feed.actions)
        self._builders = (
            {}
            if feed.recorded_bars
            else {i.symbol: BarBuilder(i.venue, i.symbol, feed.timeframes, of=feed.bars_of[i.symbol]) for i in feed.instruments}
        )
        self._bars: defaultdict[tuple[str, str], list[Bar]] = defaultdict(list)  # by timeframe and symbol
        self._quote_bars: defaultdict[str, list[QuoteBar]] = defaultdict(list)
        self._quotes: defaultdict[str, list[Quote]] = defaultdict(list)
        self.refused: Counter[tuple[str, str]] = Counter()

    def take_in(self, step: FeedStep) -> None:
        for event in step.events:
            reason = event.reason if isinstance(event, BadRow) else self._checker.refusal(event)
            if reason is not None:
                self.refused[event.symbol, reason.partition(":")[0]] += 1
            elif not isinstance(event, BadRow):
                self._keep(event)
        self._close(step.time)

    def _keep(self, event: MarketEvent) -> None:
        match event:
            case Bar():
                self._bars[event.timeframe, event.symbol].append(event)
            case QuoteBar():
                self._quote_bars[event.symbol].append(event)
            case Quote() | TradeTick():
                if self._builders:
                    self._builders[event.symbol].add(event)
                if isinstance(event, Quote) and self._feed.fill_on[event.symbol] == "quote":
                    self._quotes[event.symbol].append(event)

    def _close(self, now: int) -> None:
        for builder in self._builders.values():
            for bar in builder.close(now):
                self._bars[bar.timeframe, bar.symbol].append(bar)

    def tape(self, until: int | None) -> Tape:
        self._close(2**62 if until is None else until)
        feed = self._feed
        bars: dict[str, dict[str, Columns]] = {timeframe: {} for timeframe in feed.timeframes}
        for (timeframe, symbol), found in self._bars.items():
            bars[timeframe][symbol] = _columns(found)
        return Tape(
            instruments={i.symbol: i for i in feed.instruments},
            bars=bars,
            fill_on=feed.fill_on,
            quote_bars={symbol: _quote_bar_columns(found) for symbol, found in self._quote_bars.items()},
            quotes={symbol: _quote_columns(found) for symbol, found in self._quotes.items()},
            actions=feed.actions,
            since=feed.start,
            grace_ns=0 if feed.recorded_bars else GRACE_NS,
        )


def _columns(bars: list[Bar]) -> Columns:
    return Columns(
        [b.start for b in bars],
        [b.open for b in bars],
        [b.high for b in bars],
        [b.low for b in bars],
        [b.close for b in bars],
        [b.volume for b in bars],
    )


def _quote_bar_columns(bars: list[QuoteBar]) -> QuoteBarColumns:
    return QuoteBarColumns(*([getattr(bar, name) for bar in bars] for name in QuoteBarColumns._fields))


def _quote_columns(quotes: list[Quote]) -> QuoteColumns:
    return QuoteColumns(*([getattr(quote, name) for quote in quotes] for name in QuoteColumns._fields))

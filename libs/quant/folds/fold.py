"""One strategy on one symbol, or one panel on its symbols: its state, how far it has come, and what it last said.

The same object decides live, on paper and in backtests: `step` bar by bar as they close, `run` over bars that are all
there. `step` never sees a fill or a position, so the two cannot differ.
"""

import hashlib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from math import isnan, nan
from types import GenericAlias
from typing import Any, Final, NamedTuple

import msgspec

from libs.domain.columns import Columns
from libs.domain.configuration import StrategyConfig
from libs.domain.identity import signal_id
from libs.domain.instruments import ASSET_CLASSES, AssetClass, Calendar
from libs.domain.market import Bar
from libs.domain.messages import Signal
from libs.domain.names import TIMEFRAMES
from libs.domain.sizings import sizing
from libs.domain.states import StoredState
from libs.domain.times import SECOND, iso
from libs.quant.adjustments import Adjustments
from libs.quant.folds.contract import BarView, PanelView
from libs.quant.folds.registry import configured
from libs.quant.price_volatility import Volatility, observe, scale
from libs.quant.progress import Passing

PANEL: Final = "*"
"""What a panel's state is stored under in place of a symbol."""

_ABSENT: Final = BarView(nan, nan, nan, nan, nan)


class StrategyFault(ValueError):
    """A strategy raised, or answered what is no target. The message names it, its file, the symbol and the bar."""

    signals: Sequence[Signal] = ()
    """Of `Fold.run`: what it had said before."""


def wrong_target(target: object) -> str | None:
    """What is wrong with a target, or None: it is a number from -1 to 1, or NaN."""
    if isinstance(target, float | int) and (target != target or -1 <= target <= 1):
        return None
    return f"expected a target from -1 to 1 or NaN, got {target!r}"


class Playing(NamedTuple):
    """What a fold has to know of the session it speaks in."""

    session_id: str
    account_id: str
    speed: float  # market seconds per host second, 0 in lockstep
    grace_ns: int  # a bar is known at its end plus this
    tradable: frozenset[AssetClass] = ASSET_CLASSES  # by the account


class PanelStep(NamedTuple):
    """The bars of one start."""

    start: int
    there: Sequence[bool]  # by symbol of the panel: whether it has one
    view: PanelView


class Fold:
    """Bars in, signals out. Holds what a restart has to find again."""

    def __init__(
        self,
        config: StrategyConfig,
        symbols: Sequence[str],
        timeframe: str,
        playing: Playing,
        adjustments: Adjustments,
        calendars: Mapping[str, Calendar],
    ) -> None:
        """
        Args:
            symbols: the one it runs on; of a panel all, in order.

        Raises:
            ValueError: class, parameters, sizing or the number of symbols are wrong; the message says which.
        """
        self.strategy, self.params = configured(config)
        self.strategy_id = config.id
        self.symbols = tuple(symbols)
        self.symbol = PANEL if self.strategy.panel else self.symbols[0]
        self.timeframe = timeframe
        self.bar_time = 0  # start of the last bar folded in
        self._aim = sizing(config.sizing).volatility
        self._length = TIMEFRAMES[timeframe]
        self._playing = playing
        self._adjustments = adjustments
        self._calendars = calendars
        self._spoken_to = 0  # start of the last bar that other parameters have spoken of: one signal per bar at most
        self._last: dict[str, float | None] = dict.fromkeys(self.symbols)  # targets last emitted
        self._volatility = dict.fromkeys(self.symbols if self._aim is not None else (), Volatility())
        fewest, most = self.strategy.width
        if self.strategy.panel and not fewest <= len(self.symbols) <= most:
            raise ValueError(f"{self.strategy.name}: expected {fewest} to {most} symbols, got {len(self.symbols)}")
        self._state: Any = self._initial()
        what = (self.strategy.name, self.params, repr(config.members), timeframe, config.sizing, self.symbols)
        self.fingerprint = hashlib.blake2b(repr(what).encode(), digest_size=8).hexdigest()
        kept = GenericAlias(tuple, (self.strategy.state, list[float | None], list[Volatility]))
        self._decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(kept).decode

    @property
    def alone(self) -> bool:
        """Whether its targets follow from the bars of one symbol by `step` and nothing else, so that a compiled `step` can find them."""
        return not self.strategy.panel and self.plain

    @property
    def plain(self) -> bool:
        """Whether it sees bars as they are, and says of how much a target is nothing but 1."""
        return not self._volatility and not any(map(self._adjustments.changes, self.symbols))

    def _initial(self) -> Any:
        return self.strategy.init(self.params, len(self.symbols)) if self.strategy.panel else self.strategy.init(self.params)

    def restore(self, stored: StoredState) -> bool:
        """Takes a stored state up; False when it is of something else: other parameters, another form of the strategy's
        state. The fold then starts afresh and speaks of later bars."""
        kept = self._kept(stored)
        if kept is None:
            self.spoken_to(stored.bar_time)
            return False
        self._state, targets, volatility = kept
        self._last = dict(zip(self.symbols, targets, strict=True))
        self._volatility = dict(zip(self._volatility, volatility, strict=True))
        self.bar_time = stored.bar_time
        return True

    def _kept(self, stored: StoredState) -> Any:
        """What a stored state holds; None when it is none of this fold."""
        if stored.fingerprint != self.fingerprint:
            return None
        try:
            return self._decode(stored.state)
        except msgspec.MsgspecError:
            return None

    def spoken_to(self, bar_time: int) -> None:
        """Its strategy may have spoken of the bar that starts then, and of those before, in another form."""
        self._spoken_to = max(self._spoken_to, bar_time)

    def stored(self) -> StoredState:
        """The state as it is now, copied."""
        state = msgspec.msgpack.encode((tuple(self._state), list(self._last.values()), list(self._volatility.values())))
        return StoredState(self.strategy_id, self.symbol, self.fingerprint, self.bar_time, state)

    # --- bar by bar

    def step(self, bars: Mapping[str, Bar], start: int, *, live: bool, triggered_ns: int) -> list[Signal]:
        """Folds in the bars that start at `start`; a signal for each target that is not the one last emitted.

        Args:
            bars: by symbol; those of other symbols are passed over. Bars not later than the last are passed over too.
            live: false while the strategy is disabled or the fleet is paused: the fold goes on and says nothing.
            triggered_ns: host time at which the closing was noticed.
        """
        mine = [symbol for symbol in self.symbols if symbol in bars]
        if start <= self.bar_time or not mine:
            return []
        self.bar_time = start
        views = {symbol: self._view(symbol, bars[symbol]) for symbol in mine}
        signals = []
        for symbol, target in self._targets(views):
            if symbol in views and self._news(symbol, target) and live and start > self._spoken_to:
                signal = self._signal(symbol, start, bars[symbol].close, target, triggered_ns)
                if signal is not None:
                    signals.append(signal)
        return signals

    def _view(self, symbol: str, bar: Bar) -> BarView:
        if not self._adjustments.changes(symbol):
            return BarView(bar.open, bar.high, bar.low, bar.close, bar.volume)
        last = bar.start + self._length - 1
        by, shares = self._adjustments.price(symbol, last), self._adjustments.volume(symbol, last)
        return BarView(bar.open * by, bar.high * by, bar.low * by, bar.close * by, bar.volume / shares)

    def _targets(self, views: Mapping[str, BarView]) -> Sequence[tuple[str, float]]:
        try:
            for symbol in self._volatility.keys() & views.keys():
                self._volatility[symbol] = observe(self._volatility[symbol], views[symbol].close)
            found = self._asked(views)
            for symbol, target in found:
                if wrong := wrong_target(target):
                    raise ValueError(f"{wrong} for {symbol}")
        except Exception as error:
            raise self._fault(error, self.symbol, self.bar_time, None) from error
        return found

    def _asked(self, views: Mapping[str, BarView]) -> Sequence[tuple[str, float]]:
        if not self.strategy.panel:
            self._state, target = self.strategy.step(self._state, views[self.symbol], self.params)
            return [(self.symbol, target)]
        columns = zip(*(views.get(symbol, _ABSENT) for symbol in self.symbols), strict=True)
        self._state, targets = self.strategy.step(self._state, PanelView(*map(list, columns)), self.params)
        return list(zip(self.symbols, targets, strict=True))

    def _fault(self, error: Exception, symbol: str, start: int, row: int | None) -> StrategyFault:
        where = f"the bar of {symbol} that starts at {iso(start)}" + ("" if row is None else f" (row {row + 1})")
        file = f"libs/quant/strategies/{self.strategy.name}.py"
        own = self.strategy.step.__code__.co_filename
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
        at = f"; line {lines[-1].lineno}: `{lines[-1].line}`" if lines else ""
        return StrategyFault(f"strategy {self.strategy_id} ({file}) failed on {where}: {type(error).__name__}: {error}{at}")

    def _news(self, symbol: str, target: float) -> bool:
        return not isnan(target) and target != self._last[symbol]

    def _signal(self, symbol: str, start: int, close: float, target: float, triggered_ns: int) -> Signal | None:
        """The signal of a new target; None while its size is not known."""
        sized = 1.0
        if self._aim is not None:
            known = scale(self._volatility[symbol], self._aim, self.timeframe, self._calendars[symbol])
            if known is None:
                return None
            sized = known
        was, self._last[symbol] = self._last[symbol], target
        playing, end = self._playing, start + self._length
        decided_at = end + playing.grace_ns
        return Signal(
            signal_id=signal_id(playing.session_id, self.strategy_id, symbol, self.timeframe, start),
            session_id=playing.session_id,
            account_id=playing.account_id,
            strategy_id=self.strategy_id,
            symbol=symbol,
            timeframe=self.timeframe,
            bar_time=start,
            decided_at=decided_at,
            target=target,
            confidence=1.0,
            scale=sized,
            reference_price=self._adjustments.carried(symbol, close, end - 1, decided_at),
            valid_until=end + max(5 * SECOND, self._length, int(playing.speed * SECOND / 2)),
            reason=f"{self.strategy.name}: target {'none' if was is None else format(was, 'g')} -> {target:g}",
            triggered_ns=triggered_ns,
        )

    # --- all at once

    def run(self, bars: Mapping[str, Columns], through: Passing = iter) -> list[Signal]:
        """Folds in whole columns (ascending starts): the signals that `step` would give bar by bar, in its order.

        Args:
            through: what bars (of a panel: moments) go through on their way, to be counted.
        """
        if self.strategy.panel or self._volatility:
            return self._run_stepwise(bars, through)
        columns = bars.get(self.symbol)
        return [] if columns is None else self._run_alone(columns, through)

    def _run_alone(self, columns: Columns, through: Passing) -> list[Signal]:
        """The loop that a backtest lives in: nothing in it but the strategy and a comparison."""
        step, state, params = self.strategy.step, self._state, self.params
        said = self._last[self.symbol]
        last = nan if said is None else said
        found: list[tuple[int, float]] = []
        n = 0
        try:
            for n, view in enumerate(through(self._views(columns))):
                state, target = step(state, view, params)
                if target != last and target == target:
                    if wrong := wrong_target(target):
                        raise ValueError(wrong)
                    found.append((n, target))
                    last = target
        except Exception as error:
            fault = self._fault(error, self.symbol, columns.start[n], n)
            fault.signals = self.said(columns, found)
            raise fault from error
        self._state = state
        if columns.start:
            self.bar_time = columns.start[-1]
        return self.said(columns, found)

    def said(self, columns: Columns, found: Iterable[tuple[int, float]]) -> list[Signal]:
        """The signals of new targets (row, target) of the fold's one symbol, in order: what `run` gives once it has found them."""
        signals = (self._signal(self.symbol, columns.start[n], columns.close[n], target, 0) for n, target in found)
        return [signal for signal in signals if signal is not None]

    def _views(self, columns: Columns) -> Iterator[BarView]:
        _, opens, highs, lows, closes, volumes = columns
        if self._adjustments.changes(self.symbol):
            lasts = [start + self._length - 1 for start in columns.start]
            by = [self._adjustments.price(self.symbol, last) for last in lasts]
            opens, highs, lows, closes = ([p * f for p, f in zip(prices, by, strict=True)] for prices in (opens, highs, lows, closes))
            shares = [self._adjustments.volume(self.symbol, last) for last in lasts]
            volumes = [v / s for v, s in zip(volumes, shares, strict=True)]
        # The tuples become views without a Python call for each: a third of the time of the whole loop otherwise.
        return map(tuple.__new__, repeat(BarView), zip(opens, highs, lows, closes, volumes, strict=True))

    def run_panel(self, steps: Iterable[PanelStep]) -> list[Signal]:
        """Folds in what a panel sees, step by step (ascending starts): what `run` gives, without an object for each bar.

        Raises:
            StrategyFault: as `step`.
        """
        said = [nan if self._last[symbol] is None else self._last[symbol] for symbol in self.symbols]
        step, params = self.strategy.step, self.params
        signals: list[Signal] = []
        for start, there, view in steps:
            self.bar_time = start
            closes = list(view.close)
            try:
                self._state, targets = step(self._state, view, params)
                if targets == said:  # the same numbers, or the very NaN
                    continue
                for symbol, target in zip(self.symbols, targets, strict=True):
                    if wrong := wrong_target(target):
                        raise ValueError(f"{wrong} for {symbol}")
            except Exception as error:
                fault = self._fault(error, self.symbol, start, None)
                fault.signals = signals
                raise fault from error
            for n, target in enumerate(targets):
                if there[n] and target != said[n] and target == target:
                    said[n] = target
                    signals += filter(None, [self._signal(self.symbols[n], start, closes[n], target, 0)])
        return signals

    def _run_stepwise(self, bars: Mapping[str, Columns], through: Passing) -> list[Signal]:
        mine = {symbol: bars[symbol] for symbol in self.symbols if symbol in bars}
        signals: list[Signal] = []
        for start, together in through(_together(mine)):
            closed = {symbol: bar_of(symbol, self.timeframe, mine[symbol], n) for symbol, n in together}
            try:
                signals += self.step(closed, start, live=True, triggered_ns=0)
            except StrategyFault as fault:
                fault.signals = signals
                raise
        return signals


def bar_of(symbol: str, timeframe: str, columns: Columns, n: int) -> Bar:
    """The n-th bar of columns."""
    return Bar(
        venue="",
        symbol=symbol,
        seq=n + 1,
        timeframe=timeframe,
        start=columns.start[n],
        open=columns.open[n],
        high=columns.high[n],
        low=columns.low[n],
        close=columns.close[n],
        volume=columns.volume[n],
    )


def _together(bars: Mapping[str, Columns]) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """(start, [(symbol, row)]) for every start at which any symbol has a bar, ascending."""
    at: dict[int, list[tuple[str, int]]] = {}
    for symbol, columns in bars.items():
        for n, start in enumerate(columns.start):
            at.setdefault(start, []).append((symbol, n))
    return iter(sorted(at.items()))

"""One strategy on one symbol: its state, how far it has come, and what it last said."""

import hashlib
from collections.abc import Sequence
from math import isnan
from typing import Any

import msgspec

from libs.domain.configuration import StrategyConfig
from libs.domain.identity import signal_id
from libs.domain.market import Bar
from libs.domain.messages import Signal
from libs.domain.names import TIMEFRAMES
from libs.quant.strategies.contract import BarView, Strategy
from libs.quant.strategies.registry import find, parameters
from libs.store.sessions import Session
from libs.store.strategies import StoredState

SECOND = 1_000_000_000


class Fold:
    """Bars in, signals out. Holds what a restart has to find again."""

    def __init__(self, config: StrategyConfig, symbol: str, account_id: str, session: Session) -> None:
        self.strategy: Strategy = find(config.class_name)
        self.params = parameters(self.strategy, config.params)
        self.strategy_id = config.id
        self.symbol = symbol
        self.timeframe = session.timeframes[0] if config.timeframe == "auto" else config.timeframe
        self._length = TIMEFRAMES[self.timeframe]
        self._account_id = account_id
        self._session = session
        self._state: Any = self.strategy.init(self.params)
        self._last_target: float | None = None
        self._spoken_to = 0  # start of the last bar that other parameters have spoken of: one signal per bar at most
        self.bar_time = 0  # start of the last bar folded in
        self.fingerprint = hashlib.blake2b(repr((self.strategy.name, self.params, self.timeframe)).encode(), digest_size=8).hexdigest()

    def restore(self, stored: StoredState) -> bool:
        """Takes a stored state up; False when it is of other parameters: these start afresh and speak of later bars."""
        if stored.fingerprint != self.fingerprint:
            self._spoken_to = stored.bar_time
            return False
        self._state = self.strategy.state(*msgspec.msgpack.decode(stored.state))
        self._last_target = stored.last_target
        self.bar_time = stored.bar_time
        return True

    def step(self, bar: Bar, *, live: bool, decided_at: int, triggered_ns: int) -> Signal | None:
        """Folds a bar in. A signal when the target is not the one last emitted; none for a bar seen before.

        Args:
            live: false while the strategy is disabled or the fleet is paused: the fold goes on and says nothing.
            decided_at: market time at which the bar was known.
        """
        if bar.start <= self.bar_time:
            return None
        self.bar_time = bar.start
        view = BarView(bar.open, bar.high, bar.low, bar.close, bar.volume)
        self._state, target = self.strategy.step(self._state, view, self.params)
        if isnan(target) or target == self._last_target or not live or bar.start <= self._spoken_to:
            return None
        was, self._last_target = self._last_target, target
        return self._signal(bar, target, was, decided_at, triggered_ns)

    def _signal(self, bar: Bar, target: float, was: float | None, decided_at: int, triggered_ns: int) -> Signal:
        speed = 0.0 if self._session.lockstep else self._session.speed
        valid_for = max(5 * SECOND, self._length, int(speed * SECOND / 2))
        return Signal(
            signal_id=signal_id(self._session.session_id, self.strategy_id, self.symbol, self.timeframe, bar.start),
            session_id=self._session.session_id,
            account_id=self._account_id,
            strategy_id=self.strategy_id,
            symbol=self.symbol,
            timeframe=self.timeframe,
            bar_time=bar.start,
            decided_at=decided_at,
            target=target,
            confidence=1.0,
            reference_price=bar.close,
            valid_until=bar.start + self._length + valid_for,
            reason=f"{self.strategy.name}: target {'none' if was is None else format(was, 'g')} -> {target:g}",
            triggered_ns=triggered_ns,
        )

    def stored(self) -> StoredState:
        """The state as it is now, copied."""
        state = msgspec.msgpack.encode(tuple(self._state))
        return StoredState(self.strategy_id, self.symbol, self.fingerprint, self.bar_time, state, self._last_target)


def folds_of(configs: Sequence[StrategyConfig], symbols: Sequence[str], accounts: dict[str, str], session: Session) -> list[Fold]:
    """A fold for every configured strategy and each of its symbols that the session's feed has.

    Raises:
        ValueError: a strategy's class, parameters or account are wrong; the message says which.
    """
    folds = []
    for config in configs:
        if config.account not in accounts:
            raise ValueError(f"strategy {config.id}: no account {config.account!r}; there are: {', '.join(sorted(accounts))}")
        wanted = symbols if config.symbols == ["*"] else [s for s in config.symbols if s in symbols]
        folds += [Fold(config, symbol, accounts[config.account], session) for symbol in wanted]
    return [fold for fold in folds if fold.timeframe in session.timeframes]

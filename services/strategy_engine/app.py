"""strategy_engine: closed bars in, targets out. The strategies are pure folds; what is here carries them."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from libs.common import metrics
from libs.common.bus import Bus
from libs.common.clocks import HostClock
from libs.common.crash_points import reached
from libs.common.database import Conflict, Database, Rejected, Unreachable
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing, PostgresJournal
from libs.common.logs import about
from libs.common.runner import Context
from libs.common.settings import ConfigError, Settings, from_toml
from libs.domain.configuration import StrategiesConfig, StrategyConfig, SystemConfig
from libs.domain.market import Bar
from libs.domain.messages import Signal
from libs.domain.names import TIMEFRAMES
from libs.domain.states import StoredState
from libs.domain.streams import CONTROL, SIGNALS
from libs.domain.times import SECOND
from libs.quant.adjustments import Adjustments
from libs.quant.folds.assembly import assembled
from libs.quant.folds.fold import PANEL, Fold, Playing, StrategyFault
from libs.store import actions, lockstep, market, sessions, strategies
from libs.store.market import BarEvent
from libs.store.market_reader import Closing, MarketReader
from libs.store.sessions import Session

log = logging.getLogger(__name__)

CONSUMER: Final = "strategy_engine"
SWITCHES_EVERY_S: Final = 0.5
STORE_EVERY_S: Final = 60.0


async def work(context: Context, settings: Settings) -> None:
    """Runs the configured strategies on whatever session is playing, until asked to stop."""
    folder = Path(settings.config_dir)
    configured = from_toml(StrategiesConfig, folder, "strategies", settings.environment).strategy
    system = from_toml(SystemConfig, folder, "system", settings.environment)
    database = context.database("signals")
    while not context.stopping.is_set():
        session = await sessions.awaited(database, context.stopping)
        if session is None:
            return
        context.sealer.session_id = session.session_id
        reader = MarketReader(context.name, context.database("market"), context.bus, context.clock, session, "decide")
        engine = Engine(context.bus, context.sealer, database, session, reader, context.clock)
        await engine.prepare(configured, system)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(reader.listen())
            commands = group.create_task(context.bus.listen([CONTROL.of(context.name)], engine.heard_command, engine.look_at_switches))
            try:
                context.readiness.set("service", True, f"{len(engine.folds)} folds on {session.feed}")
                await engine.run(context.stopping)
            finally:
                hearing.cancel()
                commands.cancel()


class Emitted(NamedTuple):
    """A signal, and its fold's state just after."""

    signal: Signal
    stored: StoredState


class Engine:
    """All folds of one session. One transaction for all signals of the bars that closed together."""

    def __init__(self, bus: Bus, sealer: Sealer, database: Database, session: Session, reader: MarketReader, clock: HostClock) -> None:
        self._sealer = sealer
        self._database = database
        self._journal = PostgresJournal(database, bus, clock)
        self._session = session
        self._reader = reader
        self.folds: list[Fold] = []
        self._by_timeframe: dict[str, list[Fold]] = {}
        self._configured: Sequence[StrategyConfig] = ()
        self._system = SystemConfig(account=[])
        self._enabled: frozenset[str] = frozenset()
        self._failed: dict[str, str] = {}  # strategies stopped, and why, until the record has it
        self._paused = False
        self._look = True
        self._looked_at = self._stored_at = float("-inf")

    async def prepare(self, configured: Sequence[StrategyConfig], system: SystemConfig) -> None:
        """Builds the folds and brings them to where the market stands.

        Raises:
            ConfigError: a strategy cannot be built as configured.
        """
        _check_accounts(configured, system)
        self._configured, self._system = configured, system
        await strategies.register(self._database, configured)
        await self._journal.ring_last({stream: SIGNALS.pattern for stream in (SIGNALS.stream,) if stream})
        await self._rebuild()

    def look_at_switches(self) -> None:
        """Somebody may have enabled, disabled, paused or resumed something."""
        self._look = True

    def heard_command(self, channel: str, payload: bytes) -> None:
        """A bell: the rows are the command."""
        self.look_at_switches()

    async def run(self, stopping: asyncio.Event) -> None:
        """Until asked to stop or the session has ended."""
        while not stopping.is_set() and not self._reader.finished:
            try:
                if closings := await self._reader.closings():
                    await self._decide(closings)
                await self._refresh_switches()
                await self._store_now_and_then()
            except Unreachable as error:
                log.warning("strategies wait for the database: %s", error, extra=about("database_lost", "failure"))
                await asyncio.sleep(0.2)
                await self._recover()
            except (Conflict, Rejected) as error:
                log.warning("decided by somebody else meanwhile, starting again from the record: %s", error)
                await asyncio.sleep(0.1)
                await self._recover()
        with contextlib.suppress(Unreachable):  # a state that is not stored is folded again from the bars
            await self._store(self.folds)

    async def _decide(self, closings: Sequence[Closing]) -> None:
        emitted: list[Emitted] = []
        for closing in closings:
            emitted += self._step(closing.bars, closing.noticed_ns)
        emitted.sort(key=lambda e: (e.signal.decided_at, e.signal.strategy_id, e.signal.symbol))
        await self._emit(emitted, closings[-1].step)

    def _step(self, bars: Iterable[BarEvent], triggered_ns: int) -> list[Emitted]:
        """Folds in bars that became known one after another; those that start together go in together."""
        emitted: list[Emitted] = []
        trades = (bar for bar in bars if isinstance(bar, Bar))
        for (timeframe, start), together in groupby(trades, key=lambda bar: (bar.timeframe, bar.start)):
            by_symbol = {bar.symbol: bar for bar in together}
            for fold in list(self._by_timeframe.get(timeframe, ())):
                live = fold.strategy_id in self._enabled and not self._paused
                try:
                    said = fold.step(by_symbol, start, live=live, triggered_ns=triggered_ns)
                except StrategyFault as error:
                    self._by_timeframe[timeframe].remove(fold)  # until the next start; the others go on
                    self.folds.remove(fold)
                    self._failed.setdefault(fold.strategy_id, str(error))
                    metrics.STRATEGY_FAULTS.labels(strategy=fold.strategy_id).inc()
                    told = about("strategy_failed", "failure", strategy=fold.strategy_id, symbol=fold.symbol)
                    log.critical("%s; it says nothing more until strategy_engine is started again", error, extra=told)
                    continue
                if said:
                    stored = fold.stored()
                    emitted += [Emitted(signal, stored) for signal in said]
        return emitted

    async def _emit(self, emitted: Sequence[Emitted], step: int) -> None:
        """Signals with the states they came from, and in lockstep the acknowledgement, in one transaction."""
        hop = Hop()
        signals = [e.signal for e in emitted]
        if emitted:
            newest = {(e.stored.strategy_id, e.stored.symbol): e.stored for e in emitted}
            hop.writes.append(strategies.store_states(self._session.session_id, list(newest.values())))
            hop.writes.append(strategies.store_signals([(e.signal, e.stored.state) for e in emitted]))
        if self._failed:
            hop.writes.append(strategies.store_failed(self._failed))
        if step:
            hop.writes.append(lockstep.acknowledge(self._session.session_id, CONSUMER, "decide", step))
        hop.out = [
            Outgoing(
                SIGNALS.stream or "",
                SIGNALS.of(s.strategy_id),
                s.signal_id,
                self._sealer.seal(SIGNALS.stream or "", s, ts_event_ns=s.decided_at, trace=str(s.signal_id)),
            )
            for s in signals
        ]
        if signals:
            hop.after = "CP02"
            reached("CP01")
        if hop.writes:
            await self._journal.commit(hop)
            self._failed.clear()
        for signal in signals:
            metrics.SIGNALS.labels(strategy=signal.strategy_id).inc()
            _tell(signal)

    async def _recover(self) -> None:
        """After an answer that was lost, or a rival: what is committed counts, the folds start from it."""
        while True:
            try:
                await self._rebuild()
                return
            except Unreachable as error:
                log.warning("strategies wait for the database: %s", error, extra=about("database_lost", "failure"))
                await asyncio.sleep(0.2)

    async def _rebuild(self) -> None:
        """Folds from their stored states, brought forward over the bars stored since."""
        current = await sessions.current(self._database)
        if current is None or current.session_id != self._session.session_id:
            self._reader.finished = True
            return
        speed = 0.0 if current.lockstep else current.speed
        accounts = {
            a.name: Playing(current.session_id, a.account_id, speed, current.grace_ns, self._system.tradable(a.venue))
            for a in await sessions.accounts(self._database, current.session_id)
        }
        instruments = await sessions.instruments(self._database, current.venue)
        adjustments = Adjustments(await actions.of_venue(self._database, current.venue), current.start_time)
        try:
            found = assembled(self._configured, instruments, current.timeframes, accounts, adjustments)
        except ValueError as error:
            raise ConfigError(f"config/strategies.toml: {error}") from error
        for reason in found.left_out:
            log.info("not run on %s: %s", current.feed, reason)
        self.folds = found.folds
        stored = {(s.strategy_id, s.symbol): s for s in await strategies.states(self._database, current.session_id)}
        newest: defaultdict[tuple[str, bool], int] = defaultdict(int)  # bar, by strategy and whether it was a panel then
        for (strategy_id, symbol), state in stored.items():
            newest[strategy_id, symbol == PANEL] = max(newest[strategy_id, symbol == PANEL], state.bar_time)
        for fold in self.folds:
            fold.spoken_to(newest[fold.strategy_id, fold.symbol != PANEL])
            found_state = stored.get((fold.strategy_id, fold.symbol))
            if found_state is not None and not fold.restore(found_state):
                told = about("strategy_restored", "failure", strategy=fold.strategy_id, symbol=fold.symbol)
                log.info("strategy %s on %s is not what it was and starts afresh", fold.strategy_id, fold.symbol, extra=told)
        by_timeframe: defaultdict[str, list[Fold]] = defaultdict(list)
        for fold in self.folds:
            by_timeframe[fold.timeframe].append(fold)
        self._by_timeframe = dict(by_timeframe)
        self._look, self._looked_at = True, float("-inf")
        await self._refresh_switches()
        self._reader.start_from(_folded_until(current))
        await self._catch_up(current)

    async def _catch_up(self, session: Session) -> None:
        """Folds in what has closed since the stored states; its signals may be late, and risk will say so."""
        frames = sorted({f.timeframe for f in self.folds}, key=TIMEFRAMES.__getitem__)
        if not frames:
            return
        known_by = _folded_until(session) - session.grace_ns
        oldest = [min(f.bar_time for f in self.folds if f.timeframe == t) for t in frames]
        oldest = [start or session.start_time - 1 for start in oldest]  # the declared anchor: the session's beginning
        bars = await market.bars_between(self._database, session.venue, frames, [TIMEFRAMES[t] for t in frames], oldest, known_by)
        await self._emit(self._step(bars, 0), 0)

    async def _refresh_switches(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._look and now - self._looked_at < SWITCHES_EVERY_S:
            return
        self._look, self._looked_at = False, now
        enabled, paused = await strategies.switches(self._database, self._session.session_id)
        if (enabled, paused) != (self._enabled, self._paused):
            names, told = ", ".join(sorted(enabled)) or "none", about("strategies_switched", "success")
            log.info("strategies enabled: %s%s", names, "; paused" if paused else "", extra=told)
        self._enabled, self._paused = enabled, paused

    async def _store_now_and_then(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._stored_at >= STORE_EVERY_S:
            await self._store(self.folds)
            self._stored_at = now

    async def _store(self, folds: Sequence[Fold]) -> None:
        started = [fold.stored() for fold in folds if fold.bar_time]
        if started:
            await self._database.write([strategies.store_states(self._session.session_id, started)])


def _check_accounts(configured: Sequence[StrategyConfig], system: SystemConfig) -> None:
    """Raises ConfigError: a strategy's account is not configured. One that merely sits this market out is."""
    names = sorted(account.name for account in system.account)
    for strategy in configured:
        if strategy.account not in names:
            raise ConfigError(
                f"config/strategies.toml: strategy {strategy.id}: no account {strategy.account!r}; there are: {', '.join(names)}"
            )


def _tell(signal: Signal) -> None:
    """Logs a signal that is durable: with it the story of an order begins."""
    log.info(
        "%s wants %s %s at %s (%s bar %s)",
        signal.strategy_id,
        f"{signal.target * 100:+.4g}% of" if signal.target else "no",
        signal.symbol,
        f"{signal.reference_price:.10g}",
        signal.timeframe,
        datetime.fromtimestamp(signal.bar_time // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        extra=about(
            "signal_emitted",
            "success",
            signal_id=signal.signal_id,
            strategy=signal.strategy_id,
            symbol=signal.symbol,
            account_id=signal.account_id,
            session_id=signal.session_id,
        ),
    )


def _folded_until(session: Session) -> int:
    """Market time up to which bars are folded in from the record. The bars of a lockstep step wait for its own phase."""
    return session.market_time - 1 if session.lockstep else session.market_time

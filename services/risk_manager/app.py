"""risk_manager: signals in, sized and approved (or refused) orders out. One task per account, each under its lease."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from libs.common import metrics
from libs.common.consumer import Bell, Consumer
from libs.common.database import Database, LeaseLost, Unreachable
from libs.common.envelope import accounts_of
from libs.common.journal import PostgresJournal
from libs.common.latency import Latency
from libs.common.leases import Lease
from libs.common.logs import about
from libs.common.runner import Context
from libs.common.settings import Settings, from_toml
from libs.domain.configuration import AlertsConfig, RiskConfig, StrategiesConfig, StrategyConfig, SystemConfig
from libs.domain.credentials import Look
from libs.domain.instruments import Instrument
from libs.domain.market import Clock
from libs.domain.measuring import MeasuresConfig, ResponseConfig, ShockConfig
from libs.domain.names import TIMEFRAMES
from libs.domain.streams import CONTROL, ORDERS_APPROVED, ORDERS_UPDATES, RISK_ALERTS, SIGNALS, TRADES_EXECUTED
from libs.quant.adjustments import Adjustments
from libs.store import actions, limits, sessions
from libs.store.control import Control
from libs.store.market_clock import ClockKeeper
from libs.store.risk import RiskStore
from libs.store.sessions import Account, Session
from libs.venues.reconnecting import ended
from services.risk_manager import exposures
from services.risk_manager.alert_watch import AlertWatch
from services.risk_manager.audits import Audits
from services.risk_manager.limits import LimitsKeeper
from services.risk_manager.losses import LossKeeper
from services.risk_manager.measuring import GAUGES, Measuring
from services.risk_manager.responding import Responding
from services.risk_manager.stage import RiskStage

log = logging.getLogger(__name__)

ACCOUNT_GAUGES: Final = (
    metrics.DAILY_LOSS,
    metrics.DRAWDOWN,
    metrics.LOSS_LIMIT,
    metrics.HALTED,
    metrics.RISK_ALERTS_OPEN,
    *GAUGES,
    *exposures.GAUGES,
    metrics.LIMITS_VERSION,
    metrics.LIMITS_PENDING,
    metrics.AUDITED,
)
LOOK_AFTER_S: Final = 0.05  # from closed bars to a look at loss limits: no signal of theirs waits for it


@dataclass(frozen=True)
class Rules:
    """What the operator configured."""

    strategies: Sequence[StrategyConfig]
    widest_collar: float  # of a liquidation
    alerts: AlertsConfig
    measures: MeasuresConfig
    shocks: Sequence[ShockConfig]
    responses: Sequence[ResponseConfig]
    fleet_tag: str
    audits: Audits


async def work(context: Context, settings: Settings, look: Look) -> None:
    """Judges the signals of whatever session is playing, until asked to stop.

    Args:
        look: into the environment, for the auditor's keys of venues.
    """
    folder = Path(settings.config_dir)
    risk = from_toml(RiskConfig, folder, "risk", settings.environment)
    system = from_toml(SystemConfig, folder, "system", settings.environment)
    rules = Rules(
        from_toml(StrategiesConfig, folder, "strategies", settings.environment).strategy,
        risk.kill_switch.widest_collar,
        risk.alerts,
        risk.measures,
        risk.shock,
        risk.response,
        system.fleet_tag,
        Audits(context, settings, system, look),
    )
    database = context.database("sessions")
    if not await limits.begun(database, risk.limit, context.name, context.stopping):
        return
    latency = Latency()
    context.info["tick_to_order_ms"] = latency.quantiles_ms
    while not context.stopping.is_set():
        session = await sessions.awaited(database, context.stopping)
        if session is None:
            return
        context.sealer.session_id = session.session_id
        await _session(context, rules, session, database, latency)


async def _session(context: Context, rules: Rules, session: Session, database: Database, latency: Latency) -> None:
    accounts = await sessions.accounts(database, session.session_id)
    instruments = await sessions.instruments(database, session.venue)
    bells = {account.account_id: Bell() for account in accounts}
    stages: dict[str, RiskStage] = {}
    over = asyncio.Event()  # asked to stop, or the session has ended

    def heard(clock: Clock) -> None:
        """Bars have closed, or a lockstep step is past its venue phase: the accounts are worth something else."""
        if clock.phase == "decide":
            for stage in stages.values():
                stage.losses.decides(clock.step)
            ring()
        elif clock.closed and not session.lockstep:
            asyncio.get_running_loop().call_later(LOOK_AFTER_S, look, clock.market_time)

    def look(closed_at: int) -> None:
        """The signals of these bars have had their turn: whoever holds something and was not looked at with them is now."""
        for account_id, stage in stages.items():
            if stage.exposed and stage.losses.looked_at < closed_at:
                bells[account_id].ring()

    keeper = ClockKeeper(context.database("clock"), context.bus, context.clock, session, heard)
    metrics.MARKET_SILENCE.labels(service=context.name).set_function(keeper.market.silent_for)

    def ring(*_: object) -> None:
        for bell in bells.values():
            bell.ring()

    def said(_: str, payload: bytes) -> None:
        """A signal rings whom it is for: the others pass over it when they look next. What names no account rings everybody."""
        accounts = accounts_of(payload)
        if session.lockstep or "" in accounts:
            ring()
        for account_id in accounts & bells.keys():
            bells[account_id].ring()

    def updated(*_: object) -> None:
        """Orders have moved: news only for an account whose signals wait for them; otherwise the next look is soon enough."""
        for account_id, stage in stages.items():
            if stage.waits or session.lockstep:
                bells[account_id].ring()

    async def until_over() -> None:
        stopping = asyncio.ensure_future(context.stopping.wait())
        await asyncio.wait({stopping, asyncio.ensure_future(keeper.over.wait())}, return_when=asyncio.FIRST_COMPLETED)
        over.set()
        ring()

    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(keeper.listen()),
            group.create_task(keeper.watch()),
            group.create_task(context.bus.listen([SIGNALS.pattern, CONTROL.of(context.name)], said, ring)),
            group.create_task(context.bus.listen([ORDERS_UPDATES.address], updated, ring)),
            group.create_task(context.bus.listen([TRADES_EXECUTED.address], exposures.AfterFills(bells).hear, ring)),
            group.create_task(until_over()),
        ]
        workers = [
            group.create_task(
                _account(context, rules, session, account, instruments, keeper, bells[account.account_id], over, latency, stages)
            )
            for account in accounts
        ]
        await asyncio.wait(workers)
        for task in background:
            task.cancel()
    for gauge in ACCOUNT_GAUGES:
        gauge.clear()  # the session's accounts are nobody's business any more


async def _account(
    context: Context,
    rules: Rules,
    session: Session,
    account: Account,
    instruments: Mapping[str, Instrument],
    keeper: ClockKeeper,
    bell: Bell,
    over: asyncio.Event,
    latency: Latency,
    stages: dict[str, RiskStage],
) -> None:
    """Waits for the account's lease, then judges while it is ours; again when it was lost."""
    database = context.database(f"risk:{account.account_id}")
    lease = Lease(context.database("lease"), f"risk:{account.account_id}", context.holder, context.clock)
    finest = session.timeframes[0]
    late_ns = TIMEFRAMES[finest] + session.grace_ns
    store = RiskStore(database, account.account_id, session.session_id, session.venue, finest, late_ns)
    adjustments = Adjustments(await actions.of_venue(database, session.venue), session.start_time)
    journal = PostgresJournal(database, context.bus, context.clock)
    alerts = _alert_watch(context, rules.alerts, account)
    measuring = _measuring(context, rules, account)
    watch = exposures.ExposureWatch(account, _responding(context, rules, account, "exposures", exposures.CALM_S))

    def lost(reason: str) -> None:
        log.error("lease lost: %s", reason, extra=about("lease_lost", "failure", lease=lease.name, account_id=account.account_id))

    await rules.audits.warm(account)
    while not over.is_set():
        if not await _funded(store, over) or not await lease.acquire(RiskStage.streams, over):
            return
        stages[account.account_id] = stage = RiskStage(
            store,
            keeper.market,
            context.clock,
            context.sealer,
            lease,
            account=account,
            session=session,
            instruments=instruments,
            strategies=rules.strategies,
            limits=LimitsKeeper(database, account, context.clock),
            adjustments=adjustments,
            fleet_tag=rules.fleet_tag,
            latency=latency,
            losses=LossKeeper(
                account,
                session,
                lease.name,
                context.clock,
                context.sealer,
                context.bus.publish,
            ),
            widest_collar=rules.widest_collar,
            acknowledge_within=rules.alerts.acknowledge_within,
            exposures=watch,
        )
        consumer = Consumer(journal, lease.name, stage, bell, lambda: lease.epoch)
        beside = [asyncio.create_task(lease.keep(lost)), asyncio.create_task(alerts.run())]
        auditing = rules.audits.begin(session, account, instruments, keeper.market)
        if not session.lockstep:  # its market waits for nobody who measures
            beside += [asyncio.create_task(measuring.run()), asyncio.create_task(watch.run())]
        try:
            await journal.ring_last({c.stream: c.address for c in (ORDERS_APPROVED, RISK_ALERTS) if c.stream})
            context.readiness.set("service", True, f"judging {account.account_id}, epoch {lease.epoch}")
            await consumer.run(over)
        except LeaseLost as error:
            context.readiness.set("service", False, f"lease lost: {error}")
            log.error("%s stands down: %s", lease.name, error, extra=about("lease_lost", "failure", lease=lease.name))
        except Unreachable as error:
            log.warning("%s starts again: %s", lease.name, error, extra=about("database_lost", "failure", lease=lease.name))
        finally:
            for task in beside:
                task.cancel()
            await ended(auditing)
    try:
        await lease.release()
    except Unreachable as error:
        told = about("lease_released", "unknown", lease=lease.name)
        log.warning("lease %s not released, it will run out: %s", lease.name, error, extra=told)


def _alert_watch(context: Context, config: AlertsConfig, account: Account) -> AlertWatch:
    database = context.database("alerts")
    control = Control(database, PostgresJournal(database, context.bus, context.clock), context.clock, context.name)
    return AlertWatch(database, control, account.account_id, config, context.sealer, context.clock, context.bus.publish)


def _measuring(context: Context, rules: Rules, account: Account) -> Measuring:
    responding = _responding(context, rules, account, "measures")
    return Measuring(context.database("measures"), account.account_id, rules.measures, rules.shocks, responding, account.name)


def _responding(context: Context, rules: Rules, account: Account, purpose: str, calm_s: float = 0.0) -> Responding:
    database = context.database(purpose)
    control = Control(database, PostgresJournal(database, context.bus, context.clock), context.clock, context.name)
    return Responding(database, control, account, rules.responses, context.clock, calm_s)


async def _funded(store: RiskStore, over: asyncio.Event) -> bool:
    """Whether the account's deposit is booked, once it is: nothing can be sized before. False when it is all over first."""
    while not over.is_set():
        try:
            if await store.funded():
                return True
        except Unreachable as error:
            log.warning("waiting for the database: %s", error, extra=about("database_lost", "failure"))
        try:
            async with asyncio.timeout(0.2):
                await over.wait()
        except TimeoutError:
            continue
    return False

"""The risk hop: signals in; assessments, approved orders, cancels and alerts out, in one transaction."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from libs.common import metrics
from libs.common.clocks import HostClock, MarketClock
from libs.common.crash_points import reached
from libs.common.database import Rejected, Write
from libs.common.envelope import Sealer
from libs.common.journal import Cursor, Entry, Hop, Move, Outgoing
from libs.common.latency import Latency
from libs.common.leases import Lease
from libs.common.logs import about
from libs.domain.configuration import WIDEST_COLLAR, AlertsConfig, StrategyConfig
from libs.domain.instruments import Instrument
from libs.domain.messages import RiskAlert
from libs.domain.orders import CancelRequest, Order
from libs.domain.streams import ORDERS_APPROVED, ORDERS_UPDATES, RISK_ALERTS, SIGNALS, Channel
from libs.quant.adjustments import Adjustments
from libs.quant.risk.assess import CHECK_FAILED, Verdict, Waiting, assess_all, order_of, terms_of
from libs.quant.risk.halts import loss_limits
from libs.quant.risk.view import Leg
from libs.store import fleet, permits, risk_alerts
from libs.store.risk import Assessment, RiskStore, Snapshot, store_assessments, store_orders
from libs.store.sessions import Account, Session
from services.risk_manager.disabling import disable
from services.risk_manager.exposures import ExposureWatch
from services.risk_manager.facts import Facts
from services.risk_manager.fleet import elsewhere
from services.risk_manager.limits import LimitsKeeper
from services.risk_manager.liquidations import Liquidator
from services.risk_manager.losses import LossKeeper
from services.risk_manager.overnight import OvernightWatch
from services.risk_manager.telling import tell
from services.risk_manager.view import Lots, view_of

log = logging.getLogger(__name__)

SIGNALS_STREAM = SIGNALS.stream or ""
UPDATES_STREAM = ORDERS_UPDATES.stream or ""
BACKSTOP_S: Final = 5.0
DEPTH: Final = 5_000  # messages that the backstop looks back over
DEPTH_AT_START: Final = 200_000


class RiskStage:
    """One account. No rule lives here, and no broker is reachable from here."""

    streams = (SIGNALS_STREAM, UPDATES_STREAM)

    def __init__(
        self,
        store: RiskStore,
        market: MarketClock,
        host: HostClock,
        sealer: Sealer,
        lease: Lease,
        *,
        account: Account,
        session: Session,
        instruments: Mapping[str, Instrument],
        strategies: Sequence[StrategyConfig],
        limits: LimitsKeeper,
        adjustments: Adjustments,
        fleet_tag: str,
        latency: Latency,
        losses: LossKeeper,
        widest_collar: float = WIDEST_COLLAR,
        acknowledge_within: float = AlertsConfig().acknowledge_within,
        exposures: ExposureWatch | None = None,
    ) -> None:
        """
        Args:
            exposures: is shown every view; None: nobody watches what is held.
            widest_collar: how far from the newest price a liquidation may go, as a share of it.
            acknowledge_within: host seconds that a person has to acknowledge an alert.
        """
        self._store = store
        self._market = market
        self._host = host
        self._sealer = sealer
        self._lease = lease
        self._account = account
        self._session = session
        self._instruments = instruments
        self._terms = {strategy.id: terms_of(strategy) for strategy in strategies}
        self._lots = Lots(instruments)
        self._limits = limits
        self._adjustments = adjustments
        self._fleet_tag = fleet_tag
        self._verdicts: list[Verdict] = []
        self._orders: list[Order] = []  # of the hop that is being committed
        self._facts = Facts(store, session, instruments, [id_ for id_, terms in self._terms.items() if terms.sizing.kelly])
        self._acknowledge_within = acknowledge_within
        self.waits = True  # whether a signal waits for orders of its book to end
        self.exposed = True  # whether something is held or may be soon: what the account is worth moves with the market
        self._looked_back = float("-inf")
        self._latency = latency
        self.losses = losses
        self._exposures = exposures
        self._overnight = OvernightWatch(store, account, host, sealer)
        self._liquidator = Liquidator(store, account, session, widest_collar, fleet_tag, host, sealer)

    @property
    def again(self) -> bool:
        """A signal that waits is judged again when the orders it waits for have moved, which nobody rings for who did not know."""
        return self.waits or self._session.lockstep

    async def hop(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        """Looks at the loss limits, judges what is queued and what can be decided again, and says what to write; None for nothing."""
        await self._facts.begin(self._market.now())
        hop = await self._judged(cursors, limit)
        self._facts.known = hop is None  # until it is committed nobody knows
        return hop

    async def _judged(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        signals, updates = cursors[SIGNALS_STREAM], cursors[UPDATES_STREAM]
        now = self._market.now()
        snapshot = await self._look(signals.no, limit, now)
        if snapshot.queued:
            reached("CP05")
        flattens = self._liquidator.due(snapshot)
        self.waits = bool(snapshot.waiting) or flattens
        idle = not snapshot.queued and not snapshot.waiting and snapshot.updates == updates.no and not flattens
        if idle and not self.losses.due(snapshot):
            return await self._passed_over(signals.no, now)
        hop = self.decide(snapshot)
        if flattens:
            await self._liquidator.add_to(hop, snapshot, self._view, self._limits.limits, self._lease.epoch)
        consumer = self._lease.name
        if snapshot.queued:
            hop.moves.append(Move(consumer, SIGNALS_STREAM, signals.no, snapshot.queued[-1].no, signals.epoch))
        if snapshot.updates > updates.no:
            hop.moves.append(Move(consumer, UPDATES_STREAM, updates.no, snapshot.updates, updates.epoch))
        self.losses.add_to(hop, snapshot.now)
        self._limits.add_to(hop, snapshot.now)
        await self._overnight.add_to(hop, self._view, self._limits.limits)
        if hop.writes and not hop.moves:
            hop.writes.insert(0, self._guard())
        if hop.writes or hop.moves:
            return hop
        return await self._passed_over(signals.no, now) if idle else None

    async def _passed_over(self, no: int, now: int) -> Hop | None:
        """The backstop: a wrong cursor loses nothing. Fenced by the lease, since no cursor moves."""
        if self._host.monotonic() - self._looked_back < BACKSTOP_S:
            return None
        missed = await self._store.unassessed(no, DEPTH if self._looked_back > float("-inf") else DEPTH_AT_START)
        if not missed:
            self._looked_back = self._host.monotonic()
            return None
        metrics.BACKSTOP.labels(consumer=self._lease.name).inc()
        told = about("signals_passed_over", "failure", consumer=self._lease.name)
        log.error("%d signals were passed over without an answer; assessing message %d now", len(missed), missed[0], extra=told)
        snapshot = await self._look(missed[0] - 1, 1, now)
        hop = self.decide(snapshot)
        self.losses.add_to(hop, snapshot.now)
        self._limits.add_to(hop, snapshot.now)
        hop.writes.insert(0, self._guard())
        return hop

    async def _look(self, after: int, limit: int, now: int) -> Snapshot:
        """A snapshot with all that is asked for by the limits that hold on it: what a person decided before it was taken does."""
        while True:
            asked = self._facts.asked(self._limits.limits)
            snapshot = await self._store.read(after, limit, now, asked)
            if await self._limits.follow(snapshot):
                self.losses.limit_by(loss_limits(self._limits.limits, self._account.name))
            if self._facts.asked(self._limits.limits) == asked:
                break
        await self._facts.look(snapshot, self._limits.limits)
        return snapshot

    def _guard(self) -> Write:
        return Write("select lease_guard(%s, %s)", (self._lease.name, self._lease.epoch))

    def decide(self, snapshot: Snapshot) -> Hop:
        """What one snapshot leads to.

        Raises:
            Rejected: a message names a signal that does not exist; it will be put aside.
        """
        for queued in snapshot.queued:
            if queued.signal is None:
                raise Rejected(f"message {queued.no} of {SIGNALS_STREAM} names a signal that does not exist", None)
        mine = self._account.account_id
        fresh = [q.signal.signal() for q in snapshot.queued if q.signal and q.signal.account_id == mine and not q.assessed]
        waiting = [Waiting(w.signal.signal(), w.legs) for w in snapshot.waiting]
        self._view = view = view_of(
            snapshot,
            self._market,
            account=self._account,
            session=self._session,
            instruments=self._instruments,
            terms=self._terms,
            adjustments=self._adjustments,
            flow=self._facts.flow(snapshot.now),
            lots=self._lots,
            grids=self._facts.grids,
            volumes=self._facts.volumes,
        )
        self._fleet = snapshot.fleet
        if snapshot.fleet is not None:
            elsewhere(view, snapshot.fleet)
        self.losses.look(snapshot, view)
        if self._exposures is not None:
            self._exposures.look(view, self.losses.drawdown)
        self._verdicts = assess_all(waiting, fresh, view, self._limits.limits)
        self.exposed = bool(snapshot.positions or view.open_orders)
        self.waits = any(verdict.kind == "WAITING" for verdict in self._verdicts) or bool(waiting)
        return self._effects(self._verdicts, snapshot.now)

    def _effects(self, verdicts: Sequence[Verdict], now: int) -> Hop:
        hop, self._orders = Hop(), []
        if not verdicts:
            return hop
        self._orders = orders = [self._order(leg) for verdict in verdicts for leg in verdict.legs]
        cancels = {open_.order_id: verdict for verdict in verdicts for open_ in verdict.cancels}
        hop.writes.append(store_assessments([self._assessment(v) for v in verdicts]))
        if orders and self._fleet is not None:
            hop.writes.insert(0, fleet.take(self._fleet.version))
        if orders:
            hop.writes.append(store_orders(orders, self._lease.epoch))
            hop.within, hop.after = "CP06", "CP07"
        hop.writes += [permits.use(leg.permit, leg.signal.signal_id) for v in verdicts for leg in v.legs if leg.permit is not None]
        hop.out += [self._out(ORDERS_APPROVED, o, o.order_id, now, o.signal_id) for o in orders]
        hop.out += [
            self._out(
                ORDERS_APPROVED,
                CancelRequest(order_id=id_, account_id=self._account.account_id, reason=f"superseded by signal {v.signal.signal_id}"),
                id_,
                now,
                v.signal.signal_id,
            )
            for id_, v in cancels.items()
        ]
        disable(hop, verdicts, self._account.account_id, self._host)
        alerts = [(v.signal.signal_id, self._alert(v, now)) for v in verdicts if v.refusal]
        hop.out += [self._out(RISK_ALERTS, alert, None, now, trace) for trace, alert in alerts]
        hop.writes += risk_alerts.raised([alert for _, alert in alerts if alert.code == CHECK_FAILED], self._acknowledge_within)
        return hop

    def _out(self, channel: Channel, payload: object, key: UUID | None, now: int, trace: UUID) -> Outgoing:
        stream = channel.stream or ""
        return Outgoing(stream, channel.address, key, self._sealer.seal(stream, payload, ts_event_ns=now, trace=str(trace)))

    def _order(self, leg: Leg) -> Order:
        return order_of(leg, fleet_tag=self._fleet_tag, venue=self._account.venue, grace_ns=self._session.grace_ns)

    def _assessment(self, verdict: Verdict) -> Assessment:
        signal, refusal = verdict.signal, verdict.refusal
        return Assessment(
            signal.signal_id,
            signal.session_id,
            signal.account_id,
            signal.strategy_id,
            signal.symbol,
            verdict.kind,
            refusal.code if refusal else "",
            refusal.reason if refusal else verdict.reason,
            refusal.limit if refusal else "",
            refusal.seen if refusal else "",
            msgspec.json.encode((self._limits.check(), *verdict.checks)).decode(),
        )

    def _alert(self, verdict: Verdict, now: int) -> RiskAlert:
        signal, refusal = verdict.signal, verdict.refusal
        assert refusal is not None
        return RiskAlert(
            code=refusal.code,
            severity="critical" if refusal.code == CHECK_FAILED or refusal.disables else "info",
            account_id=signal.account_id,
            strategy_id=signal.strategy_id,
            symbol=signal.symbol,
            message=refusal.reason,
            limit=refusal.limit,
            seen=refusal.seen,
            market_time=now,
        )

    async def committed(self, hop: Hop) -> None:
        """Counts, and times what was approved: from what closed the bar to here, durable."""
        for verdict in self._verdicts:
            metrics.ASSESSMENTS.labels(verdict=verdict.kind, code=verdict.refusal.code if verdict.refusal else "").inc()
            tell(verdict, self._fleet_tag)
            if verdict.legs and verdict.signal.triggered_ns:
                seconds = (hop.committed_ns - verdict.signal.triggered_ns) / 1e9
                self._latency.observe(seconds)
                metrics.TICK_TO_ORDER.observe(seconds)
        self._facts.add((*self._orders, *self._liquidator.committed()))
        self._verdicts, self._orders, self._facts.known = [], [], True
        self._limits.committed()
        await self.losses.committed()

    def put_aside(self, entry: Entry, error: str) -> Hop:
        """The signal of a message that cannot be handled is refused; one that does not exist leaves nothing."""
        return Hop(
            writes=[
                Write(
                    "insert into risk_assessments (signal_id, session_id, account_id, strategy_id, symbol, verdict, code, reason,"
                    " limit_value, seen_value) select s.signal_id, s.session_id,"
                    " s.account_id, s.strategy_id, s.symbol, 'REFUSED', 'RC-ERR', %s, '', ''"
                    " from journal j join signals s on s.signal_id = j.key where j.stream = %s and j.no = %s"
                    " on conflict (signal_id) do nothing",
                    (f"put aside: {error}"[:500], SIGNALS_STREAM, entry.no),
                )
            ]
        )

"""An account's loss limits: looked at within the hop, from its snapshot; halts and what losses are measured from go into its write."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing
from libs.common.logs import about
from libs.domain.configuration import LOSS_LIMITS, LossLimitName
from libs.domain.losses import LOSSES, Halt, LossLimits, LossState, percent
from libs.domain.messages import Notification, RiskAlert
from libs.domain.streams import RISK_ALERTS
from libs.quant.risk.halts import evaluate
from libs.quant.risk.permission import HALTED, halted
from libs.quant.risk.view import View
from libs.quant.trading_day import trading_day_start
from libs.store import halts, lockstep, notifications
from libs.store.risk import Snapshot
from libs.store.sessions import Account, Session

log = logging.getLogger(__name__)

STORE_EVERY_S: Final = 1.0
RUNBOOK: Final = "runbooks/loss-limit"

Publish = Callable[[list[tuple[str, bytes]]], Awaitable[object]]


class _Look(NamedTuple):
    """What one look at the equity has found."""

    state: LossState
    found: tuple[Halt, ...]
    rearmed: Sequence[LossLimitName]
    matters: bool  # more than a new equity: it is stored at once


class LossKeeper:
    """One account under one lease. In a free session every hop looks; in lockstep exactly one a step (semantics 6)."""

    def __init__(self, account: Account, session: Session, consumer: str, host: HostClock, sealer: Sealer, publish: Publish) -> None:
        """`publish` rings bells: monitor hears of a halt at once, and within a second without."""
        self._account = account
        self._session = session
        self._limits = LossLimits()
        self._relimited = False  # other limits hold than the record says
        self._consumer = consumer
        self._host = host
        self._sealer = sealer
        self._publish = publish
        self._deciding = 0  # the last step of lockstep whose venue phase is known to be over
        self._state: LossState | None = None  # as last looked at; the record's until then
        self._look: _Look | None = None
        self._step = 0  # of lockstep: the one that this look acknowledges
        self._written = False
        self._said: list[Notification] = []
        self._stored_at = float("-inf")
        self._unknown = False  # whether the last look found no price to value a position at

    def limit_by(self, limits: LossLimits) -> None:
        """Other limits hold from the next look on. A halt that is in force stays, whatever they are."""
        self._relimited = self._relimited or limits != self._limits
        self._limits, account_id = limits, self._account.account_id
        for name, most in zip(LOSS_LIMITS, limits, strict=True):
            if most is None:
                metrics.LOSS_LIMIT.remove(account_id, name)
            else:
                metrics.LOSS_LIMIT.labels(account=account_id, limit=name).set(most)

    def decides(self, step: int) -> None:
        """The venue phase of a lockstep step is over: its fills are booked, and nothing moves until the next."""
        self._deciding = max(self._deciding, step)

    @property
    def looked_at(self) -> int:
        """Market time of the last look; 0 before the first."""
        return self._state.evaluated_at if self._state else 0

    @property
    def drawdown(self) -> float | None:
        """Share of the peak that is gone, at the last look; None before the first."""
        state = self._look.state if self._look else self._state
        return state.drawdown if state else None

    def due(self, snapshot: Snapshot) -> bool:
        """Whether this hop looks. In lockstep once a step: after its fills, before its signals are judged."""
        if not self._session.lockstep:
            return True
        return snapshot.evaluated < snapshot.step <= max(self._deciding, snapshot.decided)

    def look(self, snapshot: Snapshot, view: View) -> None:
        """Values the account, where that is due, and tells the view which halts hold from here on."""
        self._look, self._step, self._written, self._said = None, 0, False, []
        if not self.due(snapshot):
            return
        self._step = snapshot.step if self._session.lockstep else 0
        losses = snapshot.losses
        before = self._state or losses.loss_state()
        if before is not None:
            before = before._replace(halts=tuple(losses.halts))  # only the record knows which of them a person has lifted
        day = trading_day_start(view.now, self._account.day_starts_at, self._account.day_tz)
        try:
            state, found = evaluate(before, view.now, view.equity, self._limits, day, losses.rearmed)
        except (LookupError, ValueError) as error:
            if not self._unknown:
                told = about("account_valued", "failure", account_id=self._account.account_id)
                log.error(
                    "account %s cannot be valued, its loss limits stand as they were: %s", self._account.account_id, error, extra=told
                )
            self._unknown = True
            return
        self._unknown = False
        moved = before is None or state.day != before.day
        matters = bool(found or losses.rearmed) or moved or self._relimited or self._session.lockstep
        self._look = _Look(state, found, losses.rearmed, matters)
        view.halts, view.peak = state.halts, state.peak_equity

    def add_to(self, hop: Hop, now: int) -> None:
        """What the look leads to goes into the hop's transaction."""
        if self._step:
            hop.writes.append(lockstep.acknowledge(self._session.session_id, self._consumer, "decide", self._step))
        if self._look is None:
            return
        state, found, rearmed, matters = self._look
        account_id = self._account.account_id
        if found:
            self._said = [self._notification(halt) for halt in found]
            hop.writes += [halts.store_halts(account_id, found), notifications.store(self._said, "risk_manager")]
            hop.out += [self._alert(halt, now) for halt in found]
        if rearmed:
            hop.writes.append(halts.rebased(account_id, rearmed))
        if matters or hop.writes or hop.moves or self._stale(state):
            hop.writes.append(halts.store_state(account_id, state, self._limits))
            self._written = True
        else:
            self._keep()

    def _stale(self, state: LossState) -> bool:
        """Whether the record is a second behind what it should say."""
        moved = self._state is None or self._state[1:] != state[1:]
        return moved and self._host.monotonic() - self._stored_at >= STORE_EVERY_S

    async def committed(self) -> None:
        """What was found is durable: it is remembered, and told."""
        if self._look is None:
            return
        for halt in self._look.found:
            log.critical(
                "%s; equity %.2f after %.2f, %s lost, limit %s",
                *(halted(self._account.account_id, halt), halt.equity, halt.reference, percent(halt.seen), percent(halt.most)),
                extra=about("account_halted", "failure", account_id=self._account.account_id, limit=halt.limit),
            )
        for name in self._look.rearmed:
            log.warning(
                "account %s is re-armed: losses under %s count from %.2f",
                *(self._account.account_id, name, self._look.state.equity),
                extra=about("account_rearmed", "success", account_id=self._account.account_id, limit=name),
            )
        if self._written:
            self._stored_at, self._relimited = self._host.monotonic(), False
        self._keep()
        said, self._said = self._said, []
        if said:
            await self._publish(notifications.bells(said, self._sealer, self._host))

    def _keep(self) -> None:
        assert self._look is not None
        self._state, account = self._look.state, self._account.account_id
        self._look = None
        metrics.DAILY_LOSS.labels(account=account).set(self._state.daily_loss)
        metrics.DRAWDOWN.labels(account=account).set(self._state.drawdown)
        in_force = {halt.limit for halt in self._state.halts}
        for name in LOSS_LIMITS:
            metrics.HALTED.labels(account=account, limit=name).set(name in in_force)

    def _alert(self, halt: Halt, now: int) -> Outgoing:
        alert = RiskAlert(
            code=HALTED,
            severity="critical",
            account_id=self._account.account_id,
            strategy_id="",
            symbol="",
            message=halted(self._account.account_id, halt),
            limit=percent(halt.most),
            seen=percent(halt.seen),
            market_time=now,
        )
        stream = RISK_ALERTS.stream or ""
        return Outgoing(stream, RISK_ALERTS.address, None, self._sealer.seal(stream, alert, ts_event_ns=now, trace=""))

    def _notification(self, halt: Halt) -> Notification:
        account_id, currency = self._account.account_id, self._account.base_currency
        return notifications.notification(
            self._host,
            "risk",
            "critical",
            f"Account {account_id} halted: {LOSSES[halt.limit]} {percent(halt.seen)}, limit {percent(halt.most)}",
            f"Equity is {halt.equity:,.2f} {currency}, after {halt.reference:,.2f}. From here on only orders that shrink a position are"
            f" sent; entries are refused ({HALTED}) until a person re-arms the account:\n\n"
            f'    fleet risk status\n    fleet risk rearm --scope account:{account_id} --reason "..."',
            state="firing",
            key=halts.fault(account_id, halt.limit),
            link=RUNBOOK,
        )

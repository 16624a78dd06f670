"""What the operator orders: the row that says so and its `commands` message, in one transaction; then the bell."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Final, Literal, NamedTuple
from uuid import UUID

from libs.common.clocks import HostClock
from libs.common.database import Database, Write
from libs.common.envelope import Sealer
from libs.common.ids import uuid7
from libs.common.journal import Hop, Journal, Outgoing
from libs.domain.kill import MODES, FileKill, Mode, Scope, named
from libs.domain.limits import Change, LimitRow, loosens, must_be_sound, must_change, sentence, written
from libs.domain.messages import Command, CommandName, Notification
from libs.domain.reconciling import CHOICES, Choice, Item
from libs.domain.streams import CONTROL
from libs.store import halts, jobs, limits, notifications, permits, reconciliation, risk_alerts
from libs.store.halts import HaltStanding
from libs.store.reconciliation import Standing
from libs.store.risk_alerts import RiskAlertStanding

_Known = Literal["account", "strategy", "symbol", "job"]
_KNOWN: Final[Mapping[str, _Known]] = {"account": "account", "strategy": "strategy", "symbol": "symbol", "job": "job"}
_OBEYING: Final[Mapping[CommandName, Sequence[str]]] = {
    "kill": ("risk_manager", "trade_executor"),
    "rearm": ("risk_manager", "trade_executor"),
    "reload": ("strategy_engine",),
    "pause": ("strategy_engine",),
    "resume": ("strategy_engine",),
    "reconcile": ("trade_executor",),
    "decide": ("trade_executor",),
    "run_job": ("scheduler",),
    "limits": ("risk_manager", "trade_executor"),
    "permit": ("risk_manager",),
    "acknowledge": (),
}


COOL_OFF_S: Final = 60.0


class Killed(NamedTuple):
    """A kill switch that is on."""

    scope: str
    key: str
    reason: str
    by: str
    at: datetime
    mode: Mode = "halt"


class CoolingOff(ValueError):
    """It is too soon to re-arm. The text says how long to wait."""


class StrategyStatus(NamedTuple):
    """A strategy as it is configured and switched."""

    strategy_id: str
    class_name: str
    symbols: list[str]
    timeframe: str
    account: str
    allocation: float
    enabled: bool
    failed: str  # why strategy_engine has stopped it; "" while it runs
    rests: bool = False  # its account is not traded in the session that runs


class Rearmed(NamedTuple):
    """What a person has allowed again."""

    killed: bool  # a kill switch was on
    halts: Sequence[HaltStanding]  # that were in force


class Control:
    """The operator's hand on the fleet. Services obey the rows within a second, with the bell or without.

    Every method raises `Unreachable` when the database is away: the order may then have been taken, look before repeating.
    """

    def __init__(
        self, database: Database, journal: Journal, clock: HostClock, producer: str = "fleet", cool_off_s: float = COOL_OFF_S
    ) -> None:
        """`cool_off_s`: how long a kill switch stays on at the least, by the database's clock."""
        self._cool_off_s = cool_off_s
        self._database = database
        self._journal = journal
        self._clock = clock
        self._sealer = Sealer(producer, clock)

    async def kill(self, scope: Scope, key: str, mode: Mode, reason: str, by: str, beside: Hop | None = None) -> None:
        """Stops a scope (libs/domain/kill.py says what a mode does); `key` names the account, strategy or symbol, "" for the fleet.

        Args:
            beside: what brought it about, on record in the same transaction.

        Raises:
            LookupError: there is no such account, strategy or symbol.
            ValueError: it would let through what the one that is on does not, which is for `rearm` to do.
        """
        await self._must_know(scope, key)
        rows = await self._database.fetch("select mode from kill_switch where active and (scope, key) = (%s, %s)", (scope, key))
        if mode == "reduce_only" and rows and rows[0][0] != mode:
            raise ValueError(f"reduce-only would be weaker than the {rows[0][0]} that is on for {named(scope, key)}: re-arm that first")
        await self._order("kill", named(scope, key), reason, by, _switch(scope, key, mode, reason, by), beside=beside)

    async def record(self, kill: FileKill) -> None:
        """What a line of the kill file orders goes on record, where nothing as strict is there; whether such a thing exists or not."""
        reason = f"{kill.reason} (kill file)"
        await self._order(
            "kill", named(kill.scope, kill.key), reason, "file", _switch(kill.scope, kill.key, kill.mode, reason, "file", again=False)
        )

    async def rearm(self, scope: Scope, key: str, reason: str, by: str) -> Rearmed:
        """Lifts the scope's kill switch, and the halts of an account: its losses are counted anew from then on.

        Raises:
            LookupError: nothing is stopped there; the text names what is.
            ValueError: no reason is given for trading on.
            CoolingOff: the kill switch was set a moment ago.
        """
        await self.may_rearm(scope, key, reason)
        left_s, found = await self._cooling(scope, key), await self._halts(scope, key)
        lift = Write("select kill_lift(%s, %s, %s, %s, %s)", (scope, key, reason, by, self._cool_off_s))
        writes = [] if left_s is None else [lift]
        if found:
            said = [self._resolved(halt, reason, by) for halt in found]
            writes += [halts.rearm(found, by, reason), notifications.store(said, "fleet")]
        await self._order("rearm", named(scope, key), reason, by, *writes)
        return Rearmed(left_s is not None, found)

    async def may_rearm(self, scope: Scope, key: str, reason: str) -> None:
        """Returns when `rearm` would do it now. Raises as it does."""
        left_s, found = await self._cooling(scope, key), await self._halts(scope, key)
        if left_s is None and not found:
            raise LookupError(
                f"nothing is stopped in {named(scope, key)}; what is stopped: {', '.join(await self._stopped()) or 'nothing'}"
            )
        if not reason.strip():
            why = f"is halted by {', '.join(halt.limit for halt in found)}" if found else "is stopped by a kill switch"
            raise ValueError(f"{named(scope, key)} {why}: say with --reason why it may go on")
        if left_s is not None and left_s > 0:
            raise CoolingOff(
                f"the kill switch of {named(scope, key)} cools off: it can be re-armed in {ceil(left_s)} s"
                f" ([kill_switch] cool_off = {self._cool_off_s:g} in config/risk.toml). Use them to find out why it was set"
            )

    async def _cooling(self, scope: str, key: str) -> float | None:
        """Seconds until the scope's kill switch may be lifted, by the database's clock; None when it is not on."""
        rows = await self._database.fetch(
            "select %s - extract(epoch from clock_timestamp() - set_at)::float8 from kill_switch where active and (scope, key) = (%s, %s)",
            (self._cool_off_s, scope, key),
        )
        return float(rows[0][0]) if rows else None

    async def acknowledge(self, alert: str, reason: str, by: str) -> RiskAlertStanding:
        """A person has seen an alert, which then stops nothing any more; what it has stopped already stays so until it is re-armed.

        Args:
            alert: its id, or the beginning of it.

        Raises:
            LookupError: no alert that waits is called so, or several are.
            ValueError: no reason is given.
            Conflict: somebody else was faster.
        """
        found = await risk_alerts.found(self._database, alert)
        if not reason.strip():
            raise ValueError("say with --reason what you found: it stays on record, beside your name")
        said = notifications.notification(
            self._clock,
            "risk",
            "critical",
            f"{found.code} in {found.book} is acknowledged",
            f"By {by}: {reason}",
            state="resolved",
            key=found.fault,
        )
        writes = [risk_alerts.acknowledge(found.id, reason, by), notifications.store([said], "fleet")]
        await self._order("acknowledge", f"alert:{found.id}", reason, by, *writes)
        return found

    async def permit(self, order: permits.Order, valid_s: float, reason: str, by: str) -> UUID:
        """One order may be larger than usual; the id of the word that says so. It is used once, or ends.

        Raises:
            LookupError: there is no such account, strategy or symbol; the text names those there are.
            ValueError: the quantity is none, or no reason is given.
        """
        for scope, key in (("account", order.account), ("strategy", order.strategy_id), ("symbol", order.symbol)):
            await self._must_know(scope, key)
        if not (order.quantity.is_finite() and 0 < order.quantity < 10**16):  # as the record can hold
            raise ValueError(f"expected a quantity above 0, got {order.quantity}")
        if not reason.strip():
            raise ValueError("say with --reason why: it stays on record, beside your name")
        number = uuid7(self._clock)
        scope = f"{named('account', order.account)} {order.strategy_id} {order.side} {order.quantity:f} {order.symbol}"
        await self._order("permit", scope, reason, by, permits.give(number, order, valid_s, reason, by), number=number)
        return number

    async def trip(self, alert: RiskAlertStanding, mode: Mode, by: str) -> None:
        """Nobody has acknowledged an alert in time: its account is stopped as by a kill switch.

        Raises:
            Conflict: somebody has, meanwhile.
        """
        scope = named("account", alert.account_id)
        reason = f"alert {str(alert.id)[:8]} was not acknowledged in time: {alert.code} {alert.message}"[:500]
        said = notifications.notification(
            self._clock,
            "risk",
            "critical",
            f"Account {alert.account_id} is stopped: nobody has acknowledged {alert.code}",
            f"{alert.message}\n\nOnce it has been looked into:\n\n"
            f'    fleet risk ack {str(alert.id)[:8]} --reason "..."\n    fleet risk rearm --scope {scope} --reason "..."',
            link="runbooks/risk-alert",
        )
        await self._order("kill", scope, reason, by, risk_alerts.trip(alert.id, mode, reason, by), notifications.store([said], by))

    async def _halts(self, scope: str, key: str) -> list[HaltStanding]:
        return await halts.in_force(self._database, key) if scope == "account" else []

    def _resolved(self, halt: HaltStanding, reason: str, by: str) -> Notification:
        return notifications.notification(
            self._clock,
            "risk",
            "critical",
            f"Account {halt.account_id} re-armed after {halt.limit}",
            f"By {by}: {reason}. Its losses count anew from now on.",
            state="resolved",
            key=halts.fault(halt.account_id, halt.limit),
        )

    async def enable_strategy(self, strategy_id: str, enabled: bool, by: str) -> None:
        """A disabled strategy emits nothing; what it holds stays.

        Raises:
            LookupError: there is no such strategy; the text names those there are.
        """
        await self._must_know("strategy", strategy_id)
        write = Write("update strategies set enabled = %s, updated_at = now() where strategy_id = %s", (enabled, strategy_id))
        await self._order("reload", named("strategy", strategy_id), "enabled" if enabled else "disabled", by, write)

    async def set_paused(self, paused: bool, by: str) -> None:
        """While the session is paused the market goes on, and no strategy emits a signal.

        Raises:
            LookupError: no session runs.
        """
        if not await self._database.fetch("select from sessions where state = 'running'"):
            raise LookupError("no session is running: there is nothing to pause or resume")
        write = Write("update sessions set paused = %s where state = 'running'", (paused,))
        await self._order("pause" if paused else "resume", "fleet", "", by, write)

    async def reconcile(self, reason: str, by: str) -> None:
        """trade_executor compares every account with its venue at once, not when it is due."""
        await self._order("reconcile", "fleet", reason, by)

    async def decide(self, item: str, choice: Choice, reason: str, by: str) -> Standing:
        """A person's word on a difference between record and venue; trade_executor does it. The item as it stood.

        Args:
            item: its id, or the beginning of it.

        Raises:
            LookupError: no open item is called so, or several are.
            ValueError: this cannot be done with an item of its kind, or no reason is given.
        """
        found = await reconciliation.open_item(self._database, item)
        if not reason.strip():
            raise ValueError("say with --reason why: it stays on record, beside your name")
        await self._must_be_possible(found.item, choice)
        writes = [reconciliation.decide(found.item.id, choice, reason, by)]
        if choice == "halt":
            writes.append(_switch("account", found.item.account_id, "halt", f"{found.item.kind} {found.item.key}: {reason}", by))
        await self._order("decide", f"item:{found.item.id}", f"{choice}: {reason}", by, *writes)
        return found

    async def _must_be_possible(self, item: Item, choice: Choice) -> None:
        if choice not in CHOICES[item.kind]:
            raise ValueError(f"a difference in {item.kind} can be decided by {', '.join(CHOICES[item.kind])}, not by {choice}")
        if item.kind == "position" and choice != "ignore" and choice != "halt" and item.key not in await self._names("symbol"):
            raise ValueError(
                f"no instrument is called {item.key}, so no book can hold it: end the position at the venue by its own means, or ignore it"
            )

    async def run_job(self, job_id: str, by: str) -> UUID:
        """Queues a run of a job; its id.

        Raises:
            LookupError: there is no such job; the text names those there are.
        """
        await self._must_know("job", job_id)
        id_ = uuid7(self._clock)
        await self._order("run_job", named("job", job_id), "", by, jobs.queued(id_, job_id, by))
        return id_

    async def limit(self, changes: Sequence[Change], reason: str, by: str, cool_off_s: float, *, must_exist: bool = True) -> list[LimitRow]:
        """Changes limits, all of them or none. What is tighter than what holds does so at once; what is looser waits, by the database's
        clock. The rows that came of it.

        Args:
            must_exist: whether what a limit is for has to be there yet.

        Raises:
            LookupError: a limit is for an account, strategy or symbol that there is not, or the limit to take away is not there.
            ValueError: a limit cannot be written so, is that already, or no reason is given.
        """
        standing = await limits.now(self._database)
        for change in changes:
            must_be_sound(change)
            must_change(change, standing)
            if must_exist and change.key != "*" and standing.wished(change.identity) is None:
                await self._must_know_limited(change.scope, change.key)
        if not reason.strip():
            raise ValueError("say with --reason why: it stays on record, beside your name")
        command = uuid7(self._clock)
        scopes = ", ".join(dict.fromkeys(written(change.scope, change.key) for change in changes))
        writes = [limits.change(changes, reason, by, cool_off_s, command)]
        if tighter := [
            sentence(change, standing, cool_off_s) for n, change in enumerate(changes) if not loosens(change, standing, changes[:n])
        ]:
            body = "\n".join([*(f"- {text}" for text in tighter), "", reason])
            said = notifications.notification(
                self._clock, "risk", "info", f"Limits of {scopes} changed by {by}", body, link="runbooks/limits"
            )
            writes.append(notifications.store([said], "fleet"))  # of what is looser monitor tells, for as long as it waits
        await self._order("limits", scopes, reason, by, *writes, number=command)
        return await limits.asked_by(self._database, command)

    async def _must_know_limited(self, scope: str, key: str) -> None:
        """A limit for what is not there would never hold. Accounts are known to limits by their configured names alone."""
        if scope != "account":
            await self._must_know(scope, key)
            return
        names = [row[0] for row in await self._database.fetch("select distinct name from accounts order by 1")]
        if key not in names:
            raise LookupError(f"no account is configured as {key!r}; there are: {', '.join(names) or 'none yet'}")

    async def _order(
        self, command: CommandName, scope: str, reason: str, by: str, *writes: Write, number: UUID | None = None, beside: Hop | None = None
    ) -> None:
        number, beside = number or uuid7(self._clock), beside or Hop()
        note = Write(
            'insert into commands (id, command, scope, reason, "by") values (%s, %s, %s, %s, %s)', (number, command, scope, reason, by)
        )
        said = Command(command=command, scope=scope, reason=reason, by=by)
        body = self._sealer.seal("commands", said, ts_event_ns=self._clock.now_ns(), trace=str(number))
        out = [Outgoing("commands", CONTROL.of(service), number, body) for service in _OBEYING[command]]
        await self._journal.commit(Hop(writes=[*writes, note, *beside.writes], out=[*out, *beside.out]))

    async def _must_know(self, scope: str, key: str) -> None:
        if scope == "fleet":
            return
        known = await self._names(_KNOWN[scope])
        if key not in known:
            raise LookupError(f"no {scope} is called {key!r}; there are: {', '.join(known) or 'none'}")

    async def _names(self, scope: _Known) -> Sequence[str]:
        match scope:
            case "account":
                rows = await self._database.fetch("select account_id from accounts union select name from accounts order by 1")
            case "strategy":
                rows = await self._database.fetch("select strategy_id from strategies order by strategy_id")
            case "job":
                rows = await self._database.fetch("select job_id from jobs order by job_id")
            case "symbol":
                rows = await self._database.fetch("select distinct symbol from instruments order by symbol")
        return [row[0] for row in rows]

    async def _stopped(self) -> list[str]:
        """Everything that a person can re-arm."""
        rows = await self._database.fetch("select scope, key from kill_switch where active order by scope, key")
        found = await halts.in_force(self._database)
        return [*(named(*row) for row in rows), *(f"{named('account', halt.account_id)} ({halt.limit})" for halt in found)]


def _switch(scope: str, key: str, mode: Mode, reason: str, by: str, *, again: bool = True) -> Write:
    """`again`: whatever is on already, so that it cools off anew; else only what is less strict is written over."""
    return Write(
        "insert into kill_switch (scope, key, active, mode, reason, set_by) values (%s, %s, true, %s, %s, %s) on conflict (scope, key)"
        " do update set active = true, mode = excluded.mode, reason = excluded.reason, set_by = excluded.set_by,"
        " set_at = clock_timestamp() where %s or not kill_switch.active"
        " or array_position(%b::text[], excluded.mode) < array_position(%b::text[], kill_switch.mode)",
        (scope, key, mode, reason, by, again, list(MODES), list(MODES)),
    )


async def killed(database: Database) -> list[Killed]:
    """The kill switches that are on."""
    rows = await database.fetch("select scope, key, reason, set_by, set_at, mode from kill_switch where active order by set_at")
    return [Killed(*row) for row in rows]


async def kills(database: Database) -> list[tuple[str, str, Mode]]:
    """The same as (scope, key, mode), for those who only obey."""
    return [(row[0], row[1], row[2]) for row in await database.fetch("select scope, key, mode from kill_switch where active")]


async def last_pause(database: Database) -> tuple[datetime, str] | None:
    """When trading was last paused, and by whom."""
    rows = await database.fetch("select at, \"by\" from commands where command = 'pause' order by at desc limit 1")
    return (rows[0][0], rows[0][1]) if rows else None


async def asked_to_reconcile(database: Database) -> datetime | None:
    """When it was last asked for; None: never."""
    rows = await database.fetch("select max(at) from commands where command in ('reconcile', 'decide')")
    return rows[0][0] if rows else None


async def strategies(database: Database) -> list[StrategyStatus]:
    """Every strategy of the configuration."""
    rows = await database.fetch(
        "select strategy_id, class_name, symbols, timeframe, account, allocation, enabled, failed, exists (select from sessions where"
        " state = 'running') and not exists (select from accounts a join sessions s using (session_id) where s.state = 'running'"
        " and a.name = account) from strategies order by strategy_id"
    )
    return [StrategyStatus(*row) for row in rows]

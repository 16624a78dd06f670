"""Loss limits in the record: what losses are measured from, and the halts of accounts that passed a limit.

risk_manager writes the state and the halts; a person re-arms (libs/store/control.py); risk_manager then counts anew and
notes that it does.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple

import msgspec

from libs.common.database import Database, Write
from libs.domain.configuration import LossLimitName
from libs.domain.losses import Halt, LossLimits, LossState


class LossRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an account's loss limits stand at, as of a snapshot."""

    state: tuple[int, float, int, float, float] | None  # of a LossState, without its halts; None before the first look
    halts: list[Halt]  # in force
    rearmed: list[LossLimitName]  # by a person, and not counted anew yet

    @property
    def peak(self) -> float | None:
        """The highest equity that was stored; None before the first look."""
        return None if self.state is None else self.state[4]

    def loss_state(self) -> LossState | None:
        """The state as it was stored last."""
        return None if self.state is None else LossState(*self.state, halts=tuple(self.halts))


def fault(account_id: str, limit: LossLimitName) -> str:
    """What fires while the halt is in force, and is resolved by re-arming."""
    return f"loss_limit:{account_id}:{limit}"


LOSSES: LiteralString = (
    "json_build_object('state', (select json_build_array(evaluated_at, equity, day, day_equity, peak_equity) from risk_states"
    " where account_id = %(account)s),"
    "'halts', (select coalesce(json_agg(json_build_array(limit_name, ns_of(halted_at), equity, reference, limit_value, seen)"
    " order by halted_at, limit_name), '[]') from risk_halts where account_id = %(account)s and active),"
    "'rearmed', (select coalesce(json_agg(distinct limit_name), '[]') from risk_halts where account_id = %(account)s and not active"
    " and not rebased))"
)
"""A LossRow as JSON, within a statement that knows the account."""


def store_state(account_id: str, state: LossState, limits: LossLimits) -> Write:
    """The state, and the limits it is held against."""
    return Write(
        "insert into risk_states (account_id, evaluated_at, equity, day, day_equity, peak_equity, max_daily_loss, max_drawdown)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (account_id) do update set evaluated_at = excluded.evaluated_at,"
        " equity = excluded.equity, day = excluded.day, day_equity = excluded.day_equity, peak_equity = excluded.peak_equity,"
        " max_daily_loss = excluded.max_daily_loss, max_drawdown = excluded.max_drawdown",
        (account_id, state.evaluated_at, state.equity, state.day, state.day_equity, state.peak_equity, *limits),
    )


def store_halts(account_id: str, found: Sequence[Halt]) -> Write:
    """New halts. One of the very moment at which an earlier one was lifted takes its place."""
    return Write(
        "insert into risk_halts (account_id, limit_name, halted_at, equity, reference, limit_value, seen)"
        " select %s, n, at_ns(a), e, r, m, s from unnest(%b::text[], %b::int8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[])"
        " h(n, a, e, r, m, s) on conflict (account_id, limit_name, halted_at) do update set active = true, rebased = false,"
        " equity = excluded.equity, reference = excluded.reference, limit_value = excluded.limit_value, seen = excluded.seen,"
        " at = excluded.at, rearmed_at = null, rearmed_by = '', reason = ''",
        (account_id, *([halt[n] for halt in found] for n in range(len(Halt._fields)))),
    )


def rebased(account_id: str, limits: Sequence[LossLimitName]) -> Write:
    """Losses under these limits are counted anew since a person re-armed them."""
    return Write(
        "update risk_halts set rebased = true where account_id = %s and limit_name = any(%b::text[]) and not active and not rebased",
        (account_id, list(limits)),
    )


class HaltStanding(NamedTuple):
    """A halt in force."""

    account_id: str
    limit: LossLimitName
    since: int  # market ns
    at: datetime  # host time
    equity: float  # then
    reference: float
    most: float
    seen: float


class LossStanding(NamedTuple):
    """How far an account of the newest session is from its loss limits, as risk_manager last wrote it."""

    account_id: str
    name: str
    currency: str
    evaluated_at: int  # market ns
    equity: float
    day: int
    day_equity: float
    peak_equity: float
    max_daily_loss: float | None
    max_drawdown: float | None

    @property
    def state(self) -> LossState:
        """As risk counts."""
        return LossState(self.evaluated_at, self.equity, self.day, self.day_equity, self.peak_equity)


_NEWEST: LiteralString = "a.session_id = (select session_id from sessions order by played_at desc limit 1)"


async def standings(database: Database) -> list[LossStanding]:
    """Every account of the newest session that was looked at."""
    rows = await database.fetch(
        "select a.account_id, a.name, a.base_currency, r.evaluated_at, r.equity, r.day, r.day_equity, r.peak_equity, r.max_daily_loss,"
        " r.max_drawdown from risk_states r join accounts a using (account_id) where " + _NEWEST + " order by 1"
    )
    return [LossStanding(*row) for row in rows]


async def in_force(database: Database, account: str | None = None) -> list[HaltStanding]:
    """Halts of the newest session's accounts; of one account, by id or name, where it is given."""
    rows = await database.fetch(
        "select h.account_id, h.limit_name, ns_of(h.halted_at), h.at, h.equity, h.reference, h.limit_value, h.seen from risk_halts h"
        " join accounts a using (account_id) where h.active and " + _NEWEST + " and (%s::text is null or %s in (a.account_id, a.name))"
        " order by h.halted_at, h.account_id, h.limit_name",
        (account, account),
    )
    return [HaltStanding(*row) for row in rows]


def rearm(found: Sequence[HaltStanding], by: str, reason: str) -> Write:
    """A person lifts halts."""
    return Write(
        "update risk_halts h set active = false, rearmed_at = clock_timestamp(), rearmed_by = %s, reason = %s"
        " from unnest(%b::text[], %b::text[]) u(account_id, limit_name)"
        " where h.account_id = u.account_id and h.limit_name = u.limit_name and h.active",
        (by, reason, [halt.account_id for halt in found], [halt.limit for halt in found]),
    )

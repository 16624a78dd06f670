"""A day that the fleet traded, played again through the backtester: what differs, and why."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from libs.common.database import Database
from libs.common.settings import from_toml
from libs.domain.configuration import AccountConfig, LimitConfig, RiskConfig, StrategiesConfig, StrategyConfig, SystemConfig
from libs.domain.instruments import AssetClass
from libs.domain.names import TIMEFRAMES
from libs.domain.stories import Difference
from libs.domain.times import iso
from libs.quant.backtest.compare import differences
from libs.quant.backtest.play import play
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.story import story_of
from libs.quant.backtest.tape import Tape
from libs.quant.fills import FillTerms, terms_of
from libs.quant.risk.limits import Limits
from libs.store import actions, limits, lockstep, market, sessions, stories
from libs.store.limits import Used
from libs.store.sessions import Account, Session
from libs.venues.replay.catalog import named
from libs.venues.replay.feed import ReplayFeed
from libs.venues.replay.tape import recorded

_RESOLUTION: Final = 1000
"""Nanoseconds between two times that the record can tell apart."""


class NothingTraded(Exception):
    """No session covers the day; the message says which days are there."""


@dataclass(frozen=True)
class Operating:
    """What the operator configured: the same for the fleet and its backtest."""

    accounts: Sequence[AccountConfig]
    strategies: Sequence[StrategyConfig]
    limits: Sequence[LimitConfig]
    terms: FillTerms  # of a session that has not stored its own
    fleet_tag: str
    tradable: Callable[[str], frozenset[AssetClass]]  # by accounts at a venue


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome for one account."""

    session_id: str
    feed: str
    mode: str
    account_id: str
    source: str  # where the backtest's bars came from
    signals: int
    orders: int
    trades: int
    balances: bool  # whether these were compared: not within a lockstep step
    limits: list[str]  # changes of the limits that the fleet was judged by, which the backtest was too
    faults: list[str]  # strategies that failed in the backtest, and were stopped there as the fleet stops them
    differences: list[Difference]

    @property
    def equal(self) -> bool:
        return not self.differences


def configured(folder: Path, environment: str) -> Operating:
    """What the operator has configured.

    Raises:
        ConfigError: a file cannot be used.
    """
    system = from_toml(SystemConfig, folder, "system", environment)
    return Operating(
        accounts=system.account,
        strategies=from_toml(StrategiesConfig, folder, "strategies", environment).strategy,
        limits=from_toml(RiskConfig, folder, "risk", environment).limit,
        terms=terms_of(msgspec.structs.asdict(system.paper)),
        fleet_tag=system.fleet_tag,
        tradable=system.tradable,
    )


def counted(compared: Compared) -> dict[str, int]:
    """How many differences there are of each cause."""
    return dict(Counter(difference.cause for difference in compared.differences))


async def compare(
    database: Database,
    day: tuple[int, int],
    operating: Operating,
    session_id: str | None,
    market_data_dir: Path | None,
    account_id: str | None = None,
) -> list[Compared]:
    """Every account of the session that played `day` [begin, end), beside a backtest of the session as far as it has come.

    Args:
        session_id: None for the newest session that covers the day.
        market_data_dir: recorded markets to take the bars from; None takes the bars that the session stored.
        account_id: this account only.

    Raises:
        NothingTraded: no session covers the day, or not this one.
        DataNotFound: the recorded market is not there.
        ValueError: a strategy cannot be run.
    """
    session = await _session(database, day, session_id)
    accounts = await sessions.accounts(database, session.session_id)
    within = session.lockstep and await _within_a_step(database, session, accounts)
    tape, source = await _tape(database, session, session.market_time + (0 if within else _RESOLUTION), market_data_dir)
    return [
        await _compared(database, day, session, account, tape, source, operating, within=within)
        for account in accounts
        if account_id in (None, account.account_id)
    ]


async def _within_a_step(database: Database, session: Session, accounts: Sequence[Account]) -> bool:
    """Whether its last step may not be through: it is being played, or was stopped in the middle of one."""
    if await lockstep.is_played(database, session.session_id):
        return True
    phases = lockstep.wanted(accounts).items()
    return any([await lockstep.missing(database, session.session_id, phase, wanted, session.step) for phase, wanted in phases])


async def _session(database: Database, day: tuple[int, int], session_id: str | None) -> Session:
    known = await sessions.played(database)
    fitting = [s for s in known if s.start_time < day[1] and s.market_time >= day[0] and session_id in (None, s.session_id)]
    if not fitting and session_id is not None and session_id not in {s.session_id for s in known}:
        raise NothingTraded(f"no session is called {session_id!r}; there are: {', '.join(s.session_id for s in known[:10]) or 'none'}")
    if not fitting:
        there = "; ".join(f"{s.feed} {iso(s.start_time)} to {iso(s.market_time)} ({s.session_id})" for s in known[:10])
        raise NothingTraded(f"no session has played {iso(day[0])[:10]}; there are: {there or 'none'}")
    return fitting[0]


async def _tape(database: Database, session: Session, until: int, market_data_dir: Path | None) -> tuple[Tape, str]:
    kind, _, name = session.feed.partition(":")
    if market_data_dir is not None and kind == "replay":
        return recorded(ReplayFeed(named(name), market_data_dir), until - 1).tape, f"recorded market {name}"
    return await stored_tape(database, session, until), "bars stored by the session"


async def stored_tape(database: Database, session: Session, until: int) -> Tape:
    """What the session has stored of its market, known before `until`."""
    instruments = await sessions.instruments(database, session.venue)
    fill_on = {symbol: kind for symbol, kind in session.fills["on"].items() if symbol in instruments}
    since = session.start_time
    symbols = sorted(fill_on)
    bars = {
        timeframe: await market.bars_of(
            database, session.venue, symbols, timeframe, since, until - TIMEFRAMES[timeframe] - session.grace_ns
        )
        for timeframe in session.timeframes
    }
    finest = session.timeframes[0]
    known = until - TIMEFRAMES[finest] - session.grace_ns
    on_quote_bars = [symbol for symbol in symbols if fill_on[symbol] == "quote_bar"]
    on_quotes = [symbol for symbol in symbols if fill_on[symbol] == "quote"]
    return Tape(
        instruments={symbol: instruments[symbol] for symbol in symbols},
        bars=bars,
        fill_on=fill_on,
        quote_bars=await market.quote_bars_of(database, session.venue, on_quote_bars, finest, since, known),
        quotes=await market.quotes_of(database, session.venue, on_quotes, since, until),
        actions=await actions.of_venue(database, session.venue),
        since=since,
        grace_ns=session.grace_ns,
    )


async def _compared(
    database: Database,
    day: tuple[int, int],
    session: Session,
    account: Account,
    tape: Tape,
    source: str,
    operating: Operating,
    *,
    within: bool,
) -> Compared:
    """`within`: the session is in the middle of a lockstep step, and only what was before it can be compared."""
    if within:
        late_ns = {symbol: tape.fill_times(symbol)[1] for symbol in tape.fill_on}
        fleet = await stories.story_before(database, account.account_id, *day, session.market_time, late_ns)
    else:
        fleet = await stories.story(database, account.account_id, *day)
    held = await _limits(database, account, operating)
    played = play(tape, setup_of(session, account, operating, held))
    backtest = story_of(played, *day)
    if within:
        backtest = replace(backtest, ledger={})
    return Compared(
        session_id=session.session_id,
        feed=session.feed,
        mode=session.mode,
        account_id=account.account_id,
        source=source,
        signals=len(fleet.signals),
        orders=len(fleet.orders),
        trades=len(fleet.trades),
        balances=not within,
        limits=[changed(before, after) for before, after in pairwise(held.used)],
        faults=list(played.faults),
        differences=differences(fleet, backtest),
    )


class Held(NamedTuple):
    """The limits that an account was judged by."""

    first: Limits
    changes: Sequence[tuple[int, Limits]]  # (market ns from which others held, those)
    used: Sequence[Used]

    @classmethod
    def of_the_file(cls, operating: Operating) -> "Held":
        """Of an account that was never judged by limits on record."""
        return cls(Limits(operating.limits), [], [])


def changed(before: Used, after: Used) -> str:
    """What an account was judged by from a moment on, for a person: `version 10 in place of 5 from 2025-01-06T14:32:38Z`."""
    new, gone = (", ".join(map(str, sorted(versions))) for versions in (set(after[1]) - set(before[1]), set(before[1]) - set(after[1])))
    what = f"version {new}" + (f" in place of {gone}" if gone else "") if new else f"without version {gone}"
    return f"{what} from {iso(after[0])}"


async def _limits(database: Database, account: Account, operating: Operating) -> Held:
    """As they are on record; of an account that was never judged by any on record, those of the file."""
    used = await limits.used(database, account.account_id)
    known = {row.version: row for row in await limits.history(database)}
    held = [(since, Limits([known[version].limit for version in versions])) for since, versions in used]
    return Held(held[0][1], held[1:], used) if held else Held.of_the_file(operating)


def setup_of(session: Session, account: Account, operating: Operating, held: Held) -> Setup:
    """The backtest that does what the session did: its account, terms and rules."""
    terms: Mapping[str, str] | None = session.fills.get("terms")
    return Setup(
        account_id=account.account_id,
        account_name=account.name,
        base_currency=account.base_currency,
        deposit=account.deposit,
        strategies=[s for s in operating.strategies if s.account == account.name and s.enabled],
        terms=operating.terms if terms is None else msgspec.convert(dict(terms), FillTerms, strict=False),
        limits=held.first,
        limit_changes=held.changes,
        allow_short=account.allow_short,
        kind=account.kind,
        latency_ns=session.fills["latency_ns"],
        session_id=session.session_id,
        venue=account.venue,
        fleet_tag=operating.fleet_tag,
        day_starts_at=account.day_starts_at,
        day_tz=account.day_tz,
        orders_on_last_bar=True,
        faults_are_fatal=False,
        tradable=operating.tradable(account.venue),
    )

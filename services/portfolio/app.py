"""portfolio: what each account is worth and how it performs, from the record. It decides nothing that trades."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.consumer import Bell
from libs.common.database import Database, Unreachable
from libs.common.journal import PostgresJournal
from libs.common.runner import Context
from libs.common.settings import Settings, from_toml
from libs.domain.actions import happening
from libs.domain.booking import action_transaction
from libs.domain.configuration import SystemConfig
from libs.domain.market import Clock
from libs.domain.names import TIMEFRAMES
from libs.quant.portfolio.fx import Peg
from libs.store import actions, portfolio, sessions
from libs.store.market_clock import ClockKeeper
from libs.store.portfolio import PortfolioStore
from libs.store.sessions import Session
from services.portfolio.account import AccountBook
from services.portfolio.follow import Follower
from services.portfolio.pages import Pages

log = logging.getLogger(__name__)

MARK_EVERY_S: Final = 0.25
SILENCE_S: Final = 0.5


async def work(context: Context, settings: Settings) -> None:
    """Values the accounts of whatever session is playing, until asked to stop."""
    config = from_toml(SystemConfig, Path(settings.config_dir), "system", settings.environment)
    pegs = [Peg(peg.currency, peg.to, peg.rate) for peg in config.peg]
    context.info["pegs"] = lambda: [f"1 {peg.currency} = {peg.rate:g} {peg.to}" for peg in pegs]
    for peg in pegs:
        log.warning("peg: 1 %s counts as %g %s, whatever the market says", peg.currency, peg.rate, peg.to)
    database = context.database("accounts")
    while not context.stopping.is_set():
        session = await sessions.awaited(database, context.stopping)
        if session is None:
            return
        context.sealer.session_id = session.session_id
        await _session(context, session, database, pegs)


async def _session(context: Context, session: Session, database: Database, pegs: Sequence[Peg]) -> None:
    accounts = await _accounts(context, session, database, pegs)
    context.info["accounts"] = lambda: {account.account.account_id: account.state for account in accounts}
    pace = Pace(session, context.clock)
    keeper = ClockKeeper(context.database("clock"), context.bus, context.clock, session, pace.hear)

    async def until_over() -> None:
        stopping = asyncio.ensure_future(context.stopping.wait())
        await asyncio.wait({stopping, asyncio.ensure_future(keeper.over.wait())}, return_when=asyncio.FIRST_COMPLETED)
        pace.end()

    try:
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(coroutine) for coroutine in (keeper.listen(), keeper.watch(), until_over())]
            context.readiness.set("service", True, f"values {', '.join(account.account.account_id for account in accounts)}")
            marked = -1
            while await pace.next(keeper.market.now, marked):
                marked = keeper.market.now()
                await _mark(context, accounts)
            await _mark(context, accounts, leaving=True)
            for task in background:
                task.cancel()
    finally:
        for account in accounts:
            account.close()


async def _accounts(context: Context, session: Session, database: Database, pegs: Sequence[Peg]) -> list[AccountBook]:
    instruments = await sessions.instruments(database, session.venue)
    known = await actions.of_venue(database, session.venue)
    upcoming = happening(known, session.start_time, session.fills["on"])
    journal = PostgresJournal(database, context.bus, context.clock)
    found = []
    for terms in await portfolio.terms(database, session.session_id):
        booked_as = [action_transaction(terms.account_id, action) for action in upcoming]
        store = PortfolioStore(database, terms, session, TIMEFRAMES[session.timeframes[0]], booked_as)
        pages = Pages(terms, context.sealer, context.clock, lockstep=session.lockstep)
        found.append(AccountBook(terms, Follower(store, terms, instruments, upcoming), pages, journal, instruments, pegs))
    return found


async def _mark(context: Context, accounts: Sequence[AccountBook], *, leaving: bool = False) -> None:
    """Values every account. One that cannot be is tried again with the next look, and holds up no other."""
    for account in accounts:
        name = account.account.account_id
        try:
            await account.mark(leaving=leaving)
        except Unreachable as error:
            log.warning("%s is not valued while the database is away: %s", name, error)
        except Exception as error:
            metrics.PORTFOLIO_FAULTS.labels(account=name).inc()
            log.exception("%s could not be valued: %s", name, error)


class Pace:
    """When to value: as the market moves, at most each quarter of a second; in lockstep once for each step that is heard."""

    def __init__(self, session: Session, host: HostClock) -> None:
        self._lockstep = session.lockstep
        self._host = host
        self._bell = Bell()
        self._step = 0
        self._over = asyncio.Event()
        self._last = float("-inf")

    def hear(self, clock: Clock) -> None:
        """A clock message. Of a lockstep step the second phase counts, when its fills are booked."""
        if not self._lockstep:
            self._bell.ring()
        elif clock.phase == "decide" and clock.step > self._step:
            self._step = clock.step
            self._bell.ring()

    def end(self) -> None:
        """It is over."""
        self._over.set()
        self._bell.ring()

    async def next(self, now: Callable[[], int], marked: int) -> bool:
        """Waits until the market has moved on from `marked`, by bell, or with a look each half second; False when it is over."""
        while not self._over.is_set():
            await self._bell.wait(SILENCE_S)
            if not self._lockstep:
                await self._rest(self._last + MARK_EVERY_S - self._host.monotonic())
            if now() != marked and not self._over.is_set():
                self._last = self._host.monotonic()
                return True
        return False

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._over.wait()
        except TimeoutError:
            pass

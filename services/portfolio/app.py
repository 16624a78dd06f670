"""portfolio: what each account is worth and how it performs, from the record. It decides nothing that trades."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from libs.common import metrics
from libs.common.consumer import Bell
from libs.common.database import Database, Unreachable
from libs.common.journal import PostgresJournal
from libs.common.runner import Context
from libs.common.settings import Settings, from_toml
from libs.domain.configuration import SystemConfig
from libs.quant.portfolio.fx import Peg
from libs.store import sessions
from libs.store.market_clock import ClockKeeper
from libs.store.sessions import Session
from services.portfolio.account import AccountBook, opened
from services.portfolio.pace import Pace

log = logging.getLogger(__name__)


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
    journal = PostgresJournal(database, context.bus, context.clock)
    accounts = await opened(database, journal, context.sealer, context.clock, session, pegs)
    context.info["accounts"] = lambda: {account.account.account_id: account.state for account in accounts}
    pace = Pace(context.clock, Bell(), lockstep=session.lockstep)
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
                await _mark(accounts)
            await _mark(accounts, leaving=True)
            for task in background:
                task.cancel()
    finally:
        for account in accounts:
            account.close()


async def _mark(accounts: Sequence[AccountBook], *, leaving: bool = False) -> None:
    """Values every account. One that cannot be is tried again with the next look, and holds up no other."""
    for account in accounts:
        try:
            await account.mark(leaving=leaving)
        except Unreachable as error:
            account.rests(f"the database is away: {error}")
        except Exception as error:
            metrics.PORTFOLIO_FAULTS.labels(account=account.account.account_id).inc()
            account.rests(f"{type(error).__name__}: {error}", error)

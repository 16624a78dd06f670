"""Who audits which account, and by which way: put together from what the operator configured."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from libs.common.clocks import MarketClock
from libs.common.database import Database
from libs.common.journal import PostgresJournal
from libs.common.runner import Context
from libs.common.settings import Settings
from libs.domain.configuration import SystemConfig
from libs.domain.credentials import Look
from libs.domain.fleet import PORTS
from libs.domain.instruments import Instrument
from libs.store.control import Control
from libs.store.sessions import Account, Session
from libs.venues.endpoint import Mode
from libs.venues.remote import load_library
from services.risk_manager.auditor import Auditor
from services.risk_manager.brokers import NoReader, PaperReader, RemoteReader
from services.risk_manager.statements import Statements


class Audits:
    """All auditors of this process."""

    def __init__(self, context: Context, settings: Settings, system: SystemConfig, look: Look) -> None:
        """`look`: into the environment, for the keys of venues."""
        self._context = context
        self._settings = settings
        self._system = system
        self._look = look
        self._auditors: dict[str, Auditor] = {}
        context.info["auditor"] = lambda: {account: auditor.trouble or "reads whole" for account, auditor in self._auditors.items()}

    async def warm(self, account: Account) -> None:
        """Loads what reading its venue needs, a second's work that would hold up whoever judges: so before anything is judged."""
        venue = self._system.named(account.venue)
        if venue is not None:
            with contextlib.suppress(ImportError):  # the auditor says so itself, at its first look
                await asyncio.to_thread(load_library, venue)

    def begin(self, session: Session, account: Account, instruments: Mapping[str, Instrument], market: MarketClock) -> asyncio.Task[None]:
        """An auditor at work on an account, until the task is cancelled."""
        context = self._context
        database = context.database(f"auditor:{account.account_id}")
        control = Control(database, PostgresJournal(database, context.bus, context.clock), context.clock, context.name)
        reader = self.reader(session, account, instruments, market)
        auditor = Auditor(account.account_id, reader, database, control, context.clock, context.sealer, market.now)
        self._auditors[account.account_id] = auditor
        another, of_days = self.reader(session, account, instruments, market), context.database(f"day:{account.account_id}")
        return asyncio.create_task(_both(auditor, Statements(account.account_id, another, of_days), [database, of_days]))

    def reader(
        self, session: Session, account: Account, instruments: Mapping[str, Instrument], market: MarketClock
    ) -> PaperReader | RemoteReader | NoReader:
        """The way to look at its broker, for one task."""
        if account.venue == "paper":
            return PaperReader(Path(self._settings.state_dir) / "paper" / f"{account.account_id}.log")
        venue = self._system.named(account.venue)
        if venue is None:
            return NoReader(f"config/system.toml has no [[venue]] {account.venue}")
        mode: Mode = "live" if self._settings.execution_mode == "live" else "paper"
        sim_url = self._settings.peer("sim_venue", PORTS["sim_venue"])
        clock = self._context.clock
        return RemoteReader(account, venue, session, instruments, mode, self._look, sim_url, clock, market.now())


async def _both(auditor: Auditor, days: Statements, databases: Sequence[Database]) -> None:
    """Until cancelled, as neither ends by itself; then their connections are let go of."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(auditor.run())
            group.create_task(days.run())
    finally:
        for database in databases:
            await database.retire()

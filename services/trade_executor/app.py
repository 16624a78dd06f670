"""trade_executor: approved orders to the broker, fills into the books. One task group per account, under its lease."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from libs.common.envelope import Sealer
from libs.common.http import Readiness
from libs.common.runner import Context
from libs.common.settings import ConfigError, Settings, from_toml
from libs.domain.actions import CorporateAction, happening
from libs.domain.configuration import RiskConfig, SystemConfig
from libs.domain.credentials import Look, of_another_market, refuses_live
from libs.domain.fleet import PORTS
from libs.domain.instruments import Instrument
from libs.store import actions, limits, sessions
from libs.store.builds import build_of
from libs.store.sessions import Account, Session
from libs.venues.endpoint import Mode
from libs.venues.remote import load_library
from services.trade_executor import brokers
from services.trade_executor.brokers import Open, Remote
from services.trade_executor.costs import show_bounds
from services.trade_executor.desk import SERVICE, AccountDesk
from services.trade_executor.disarming import Ground
from services.trade_executor.reserve import Warm, nothing_to_load

ANOTHER_SESSION_S: Final = 0.5
"""Host seconds between two looks for the session that follows one that may not be traded any more."""


async def work(context: Context, settings: Settings, look: Look) -> None:
    """Trades the accounts of whatever session is playing, until asked to stop.

    Args:
        look: into the environment, for the keys of venues.

    Raises:
        ConfigError: an account's venue, or its key, cannot be what it is configured to be.
    """
    context.sealer = Sealer(SERVICE, context.clock)  # one voice, whichever of the two speaks
    system = from_toml(SystemConfig, Path(settings.config_dir), "system", settings.environment)
    risk = from_toml(RiskConfig, Path(settings.config_dir), "risk", settings.environment)
    ground = Ground(build_of(SERVICE, context.holder, settings), risk.guards, Path(settings.state_dir))
    show_bounds(risk.best_execution)
    database = context.database("sessions")
    if not await limits.begun(database, risk.limit, context.name, context.stopping):
        return
    while not context.stopping.is_set():
        session = await sessions.awaited(database, context.stopping)
        if session is None:
            return
        context.sealer.session_id = session.session_id
        accounts = await sessions.accounts(database, session.session_id)
        mode: Mode = "live" if settings.execution_mode == "live" else "paper"
        if wrong := of_another_market(session.venue, [system.named(account.venue) for account in accounts], mode):
            context.readiness.set("service", False, f"{wrong}: waits for data_collector to open another")
            await asyncio.sleep(ANOTHER_SESSION_S)
            continue
        check_mode(settings, system, accounts, look)
        instruments = await sessions.instruments(database, session.venue)
        upcoming = within(session, await actions.of_venue(database, session.venue))
        house = House(context, settings, system, look, session, instruments, upcoming)
        attendance = Attendance(context.readiness, [account.account_id for account in accounts])
        desks = {
            account.account_id: AccountDesk(
                context,
                session,
                account,
                instruments,
                house.access(account),
                partial(attendance.say, account.account_id),
                house.warm(account),
                system.policy(account.name),
                system.fleet_tag,
                risk.kill_switch.widest_collar,
                ground,
                risk.best_execution.worse,
            )
            for account in accounts
        }
        context.info["venues"] = partial(links, system, accounts, desks)
        async with asyncio.TaskGroup() as group:
            for desk in desks.values():
                group.create_task(desk.run())


def check_mode(settings: Settings, system: SystemConfig, accounts: Sequence[Account], look: Look) -> None:
    """Raises ConfigError: real money was asked for, and an account is not where that is traded."""
    if settings.execution_mode != "live":
        return
    file = Path(settings.config_dir) / "system.toml"
    if wrong := refuses_live([system.named(account.venue) for account in accounts], look, file):
        raise ConfigError(f"EXECUTION_MODE=live: {wrong}")


class House:
    """Knows the way to the broker of each account of a session."""

    def __init__(
        self,
        context: Context,
        settings: Settings,
        system: SystemConfig,
        look: Look,
        session: Session,
        instruments: Mapping[str, Instrument],
        upcoming: Sequence[CorporateAction],
    ) -> None:
        self._clock = context.clock
        self._settings = settings
        self._system = system
        self._look = look
        self._session = session
        self._instruments = instruments
        self._upcoming = upcoming

    def access(self, account: Account) -> Open:
        """The way to its broker.

        Raises:
            ConfigError: its venue is not configured any more.
        """
        if account.venue == "paper":
            folder = Path(self._settings.state_dir) / "paper"
            return brokers.paper(account, self._session, self._instruments, self._upcoming, self._system.paper, folder, self._clock)
        venue = self._system.named(account.venue)
        if venue is None:
            raise ConfigError(
                f"config/system.toml: account {account.account_id} is at venue {account.venue}, of which there is no [[venue]]"
            )
        mode: Mode = "live" if self._settings.execution_mode == "live" else "paper"
        sim_url = self._settings.peer("sim_venue", PORTS["sim_venue"])
        return Remote(venue, mode, self._look, sim_url, self._instruments, self._clock).access(account)

    def warm(self, account: Account) -> Warm:
        """Loads what its broker will need, beside whatever else goes on."""
        venue = self._system.named(account.venue)
        return nothing_to_load if venue is None else partial(asyncio.to_thread, load_library, venue)


class Attendance:
    """The service is ready when every desk is."""

    def __init__(self, readiness: Readiness, accounts: Sequence[str]) -> None:
        self._readiness = readiness
        self._said = {account: (False, f"{account} begins") for account in accounts}

    def say(self, account: str, ok: bool, detail: str) -> None:
        """How the desk of an account is."""
        self._said[account] = ok, detail
        wrong = [text for well, text in self._said.values() if not well]
        self._readiness.set("service", not wrong, "; ".join(wrong or [text for _, text in self._said.values()]))


def links(system: SystemConfig, accounts: Sequence[Account], desks: Mapping[str, AccountDesk]) -> dict[str, object]:
    """For /info: how each account is attended to, and how its connection to its venue is."""
    return {
        a.account_id: {
            "venue": a.venue,
            "on_disconnect": system.policy(a.name),
            **desks[a.account_id].standing._asdict(),
            **(link._asdict() if (link := desks[a.account_id].link) else {"up": False}),
        }
        for a in accounts
    }


def within(session: Session, found: Sequence[CorporateAction]) -> list[CorporateAction]:
    """The corporate actions that the session plays."""
    return happening(found, session.start_time, session.fills["on"])

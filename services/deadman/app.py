"""deadman: ends all open orders of an account that nobody has attended to for a minute. Needs neither Postgres nor Redis."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp

from libs.common.runner import Context
from libs.common.settings import ConfigError, from_toml
from libs.domain import credentials
from libs.domain.configuration import SystemConfig
from libs.domain.credentials import Look as Environment
from libs.domain.deadman import Terms
from libs.domain.fleet import PORTS, STANDBYS
from libs.venues.endpoint import Mode
from services.deadman import executors
from services.deadman.executors import Guarded, Look
from services.deadman.guard import CHECK_AFTER_S, Guard
from services.deadman.hand import Hand
from services.deadman.keys import PURPOSE, Ring
from services.deadman.memory import Memory
from services.deadman.settings import DeadmanSettings
from services.deadman.telling import Telling

log = logging.getLogger(__name__)

PAPER: Final = "paper"
EXECUTORS: Final = {"trade_executor": PORTS["trade_executor"], **{name: member.port for name, member in STANDBYS.items()}}


async def work(context: Context, settings: DeadmanSettings, look: Environment) -> None:
    """Watches until asked to stop.

    Raises:
        ConfigError: real money is traded, and there is no key to end its orders with.
    """
    system = from_toml(SystemConfig, Path(settings.config_dir), "system", settings.environment)
    check_keys(settings, system, look)
    async with aiohttp.ClientSession() as http:
        mode: Mode = "live" if settings.execution_mode == "live" else "paper"
        hand = Hand(Ring(http, settings.peer("sim_venue", PORTS["sim_venue"]), mode, look))
        telling = Telling(context)
        deadman = Deadman(context, settings, system, http, hand, telling, owned(system, look))
        writing = asyncio.create_task(telling.run())
        try:
            await deadman.run()
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


def check_keys(settings: DeadmanSettings, system: SystemConfig, look: Environment) -> None:
    """Raises ConfigError: an account of real money could not be swept."""
    if settings.execution_mode != "live":
        return
    for account in system.opened(live=True):
        venue = system.named(account.venue)
        if venue is not None and venue.url != "sim":
            try:
                credentials.keys(venue, look, PURPOSE)
            except ValueError as error:
                raise ConfigError(f"EXECUTION_MODE=live: {error}; the dead man ends open orders with a key of its own") from error


def owned(system: SystemConfig, look: Environment) -> dict[str, Guarded]:
    """Accounts that we have keys of, whoever trades them: they are guarded before any executor has told of them."""
    found = {}
    for account in system.account:
        venue = system.named(account.venue)
        if venue is not None and venue.url != "sim" and all(map(look, credentials.variables(venue, PURPOSE))):
            found[account.name] = Guarded(venue=venue.name, on_disconnect=account.on_disconnect)
    return found


class Deadman:
    """All accounts."""

    def __init__(
        self,
        context: Context,
        settings: DeadmanSettings,
        system: SystemConfig,
        http: aiohttp.ClientSession,
        hand: Hand,
        telling: Telling,
        owned: Mapping[str, Guarded],
        check_after_s: float = CHECK_AFTER_S,
    ) -> None:
        self._context = context
        self._system = system
        self._http = http
        self._hand = hand
        self._telling = telling
        self._owned = owned
        self._check_after_s = check_after_s
        self._terms = Terms(system.deadman.after, system.deadman.every)
        self._urls = [settings.peer(name, port) for name, port in EXECUTORS.items()]
        self._memory = Memory(Path(settings.state_dir) / "deadman" / "accounts.json")
        self._guards: dict[str, Guard] = {}
        context.info["deadman"] = lambda: {account: guard.shown() for account, guard in self._guards.items()}

    async def run(self) -> None:
        """Looks until asked to stop."""
        try:
            while not self._context.stopping.is_set():
                began = self._context.clock.monotonic()
                await self._take(await executors.look(self._http, self._urls), began)
                wait_s = self._terms.every_s - (self._context.clock.monotonic() - began)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._context.stopping.wait(), max(wait_s, 0.1))
        finally:
            for guard in self._guards.values():
                await guard.leave()

    async def _take(self, look: Look, began: float) -> None:
        if look.accounts:
            self._memory.learn(look.accounts)
        await self._guard(self._memory.accounts or self._owned)
        for account, guard in self._guards.items():
            guard.look(began, attended=account in look.attended)
        self._show()

    async def _guard(self, accounts: Mapping[str, Guarded]) -> None:
        """One guard for each account that has one to need; paper orders end with the process that trades them."""
        wanted = {name: venue for name, a in accounts.items() if (venue := self._system.named(a.venue)) is not None}
        for name in self._guards.keys() - wanted.keys():
            await self._guards.pop(name).leave()
        for name in wanted.keys() - self._guards.keys():
            self._guards[name] = Guard(name, wanted[name], self._terms, self._hand, self._telling, self._context.clock, self._check_after_s)

    def _show(self) -> None:
        """Ready when we could act."""
        wrong = [f"{name}: {guard.trouble}" for name, guard in self._guards.items() if guard.trouble]
        known = self._memory.accounts or self._owned
        paper = [name for name, a in known.items() if a.venue == PAPER]
        told = [f"guards {', '.join(sorted(self._guards))}"] if self._guards else []
        told += [f"{', '.join(paper)} on paper: nothing to cancel, its orders are trade_executor's own"] if paper else []
        self._context.readiness.set("service", not wrong, "; ".join(wrong or told or ["no executor has told of an account yet"]))

"""The broker of an account: the paper venue in this process, or an adapter of a remote one, connected."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import aiohttp
import msgspec

from libs.common.clocks import HostClock
from libs.common.crash_points import reached
from libs.common.settings import ConfigError
from libs.domain import credentials
from libs.domain.actions import CorporateAction
from libs.domain.configuration import PaperConfig, VenueConfig
from libs.domain.credentials import Keys, Look
from libs.domain.instruments import Instrument
from libs.quant.fills import terms_of
from libs.store.sessions import Account, Session
from libs.venues.broker import Broker, OutcomeUnknown, WrongKey
from libs.venues.endpoint import Endpoint, Mode
from libs.venues.line_file import LineFileLocked
from libs.venues.paper.broker import PaperBroker
from libs.venues.remote import adapter, connected
from libs.venues.sim_control import DIALECTS, SimControl, SimVenueAway, SimVenueRefused

Open = Callable[[], Awaitable[Broker]]
"""Opens an account's broker, ready to trade.

Raises:
    NotYet: it cannot be opened now; ask again.
    ConfigError: it can never be opened as it is configured.
"""


class NotYet(Exception):
    """The venue is not there, or its book in other hands; the message says which."""


def paper(
    account: Account,
    session: Session,
    instruments: Mapping[str, Instrument],
    upcoming: Sequence[CorporateAction],
    terms: PaperConfig,
    folder: Path,
    clock: HostClock,
) -> Open:
    """The paper venue. Its book may still be in a dying predecessor's hands: wait, never share.

    Args:
        upcoming: the corporate actions that the session plays.
        terms: of a session that did not begin with terms of its own.
        folder: of the books.
    """
    fills = session.fills

    async def open_() -> Broker:
        try:
            return PaperBroker.open(
                folder / f"{account.account_id}.log",
                account.account_id,
                instruments,
                fills["on"],
                terms_of(fills.get("terms") or msgspec.structs.asdict(terms)),  # what a session began with it keeps
                {account.base_currency: account.deposit},
                fills["latency_ns"],
                clock=clock,
                allow_short=account.allow_short,
                bar_grace_ns=session.grace_ns if "bar" in fills["on"].values() else 0,
                actions=upcoming,
            )
        except LineFileLocked as error:
            raise NotYet(str(error)) from error

    return open_


class Remote:
    """A venue of `config/system.toml`, for whichever of its accounts."""

    def __init__(
        self, venue: VenueConfig, mode: Mode, look: Look, sim_url: str, instruments: Mapping[str, Instrument], clock: HostClock
    ) -> None:
        """
        Args:
            look: into the environment, for keys.
            sim_url: of sim_venue, where the venue is that.
        """
        self._venue = venue
        self._mode = mode
        self._look = look
        self._sim_url = sim_url
        self._instruments = {s: i for s, i in instruments.items() if i.asset_class in venue.asset_classes}
        self._clock = clock
        self._opened = False

    def access(self, account: Account) -> Open:
        """The way to the broker of one account."""

        async def open_() -> Broker:
            endpoint = await self._endpoint(account)
            reached("CP24")
            try:
                broker = await connected(adapter(self._venue, endpoint, self._instruments, self._clock))
            except WrongKey as error:
                said = f"account {account.name} at venue {self._venue.name}: {error}"
                if self._opened:  # it worked before: the key was revoked or is being changed, which is no reason to end the fleet
                    raise NotYet(f"{said}. Put the new key in its place; it is read again at each attempt") from error
                raise ConfigError(said) from error
            except ValueError as error:
                raise ConfigError(f"config/system.toml, venue {self._venue.name}: {error}") from error
            except OutcomeUnknown as error:
                raise NotYet(str(error)) from error
            self._opened = True
            return broker

        return open_

    async def _endpoint(self, account: Account) -> Endpoint:
        if self._venue.url == "sim":
            keys = await self._opened_at_sim(account)
            return Endpoint(f"{self._sim_url}/{DIALECTS[self._venue.adapter]}", keys.key, keys.secret, "paper")
        try:
            keys = credentials.keys(self._venue, self._look)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return Endpoint(self._venue.url, keys.key, keys.secret, self._mode)

    async def _opened_at_sim(self, account: Account) -> Keys:
        """The account's key at sim_venue, which opens it with its deposit if it is not there yet."""
        async with aiohttp.ClientSession() as http:
            try:
                opened = await SimControl(http, self._sim_url).open_account(
                    account.account_id,
                    DIALECTS[self._venue.adapter],
                    {account.base_currency: account.deposit},
                    kind=account.kind,
                    allow_short=account.allow_short,
                )
            except SimVenueAway as error:
                raise NotYet(str(error)) from error
            except SimVenueRefused as error:
                raise ConfigError(f"account {account.name} at venue {self._venue.name}: {error}") from error
        return Keys(opened.key, opened.secret)

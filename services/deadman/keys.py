"""The dead man's own keys: one per venue, beside the trader's, so that what takes the one away leaves the other."""

from typing import Final

import aiohttp

from libs.domain import credentials
from libs.domain.configuration import VenueConfig
from libs.domain.credentials import Look
from libs.venues.endpoint import Endpoint, Mode
from libs.venues.sim_control import DIALECTS, SimControl, SimVenueAway, SimVenueRefused

PURPOSE: Final = "deadman"


class NoKey(Exception):
    """There is none for this account; the message says why."""

    def __init__(self, reason: str, *, final: bool) -> None:
        """`final`: asking again changes nothing."""
        self.final = final
        super().__init__(reason)


class Ring:
    """All keys."""

    def __init__(self, http: aiohttp.ClientSession, sim_url: str, mode: Mode, look: Look) -> None:
        """
        Args:
            sim_url: of sim_venue, whose control API gives a key of its own to whoever asks by name.
            look: into the environment, for those of other venues.
        """
        self._sim = SimControl(http, sim_url)
        self._sim_url = sim_url
        self._mode = mode
        self._look = look

    async def endpoint(self, account: str, venue: VenueConfig) -> Endpoint:
        """The way into an account.

        Raises:
            NoKey.
        """
        if venue.url != "sim":
            try:
                keys = credentials.keys(venue, self._look, PURPOSE)
            except ValueError as error:
                raise NoKey(str(error), final=True) from error
            return Endpoint(venue.url, keys.key, keys.secret, self._mode)
        dialect = DIALECTS[venue.adapter]
        try:
            key = await self._sim.key(account, dialect, PURPOSE)
        except (SimVenueAway, SimVenueRefused) as error:
            raise NoKey(str(error), final=False) from error
        return Endpoint(f"{self._sim_url}/{dialect}", key.key, key.secret, "paper")

"""What the dead man does at a venue, in a process of its own: it waits with a few megabytes, and what hangs there is ended."""

import sys
from typing import Final, Literal

import msgspec

from libs.common import child
from libs.common.child import Crashed
from libs.domain.configuration import VenueConfig
from libs.venues.endpoint import Endpoint
from services.deadman.keys import NoKey, Ring

DONE_WITHIN_S: Final = 60.0
COMMAND: Final = (sys.executable, "-m", "services.deadman.worker")


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """For the worker."""

    what: Literal["check", "sweep"]  # whether the key opens the account; or the end of all that is open there
    venue: VenueConfig
    endpoint: Endpoint


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    found: int = 0  # orders that were open, protection not counted
    kept: int = 0  # stops, and what ends with them: they stay
    trouble: str = ""  # what is wrong; "" when the venue has said that nothing else is open, or that the key is good
    wrong_key: bool = False  # and that is it

    @property
    def verified(self) -> bool:
        return not self.trouble


class Hand:
    """Reaches the accounts, each with the dead man's own key."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    async def check(self, account: str, venue: VenueConfig) -> Outcome:
        """Whether the key opens the account; changes nothing there."""
        return await self._do("check", account, venue)

    async def sweep(self, account: str, venue: VenueConfig) -> Outcome:
        """Ends all that is open there, and looks whether it has ended."""
        return await self._do("sweep", account, venue)

    async def _do(self, what: Literal["check", "sweep"], account: str, venue: VenueConfig) -> Outcome:
        try:
            endpoint = await self._ring.endpoint(account, venue)
            said = await child.asked(msgspec.json.encode(Task(what=what, venue=venue, endpoint=endpoint)), COMMAND, DONE_WITHIN_S)
            return msgspec.json.decode(said, type=Outcome)
        except NoKey as error:
            return Outcome(trouble=str(error), wrong_key=error.final)
        except TimeoutError:
            return Outcome(trouble=f"it was not done within {DONE_WITHIN_S:g} s")
        except (Crashed, OSError, msgspec.MsgspecError) as error:
            return Outcome(trouble=f"the process that speaks to the venue failed: {error}")

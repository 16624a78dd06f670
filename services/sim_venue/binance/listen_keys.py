"""Keys that open an account's stream: one for each account, for an hour of wire time after it was last asked for."""

import secrets
from typing import Final

from services.sim_venue.binance.errors import VenueError

_LIFE_NS: Final = 3600 * 1_000_000_000


class ListenKeys:
    """Those that are out. They do not outlive the process; clients ask for another when their stream ends."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[str, int]] = {}

    def start(self, account: str, now: int) -> str:
        """The account's key, good for another hour."""
        self._keys = {key: held for key, held in self._keys.items() if held[1] > now}
        key = next((key for key, (owner, _) in self._keys.items() if owner == account), None) or secrets.token_hex(32)
        self._keys[key] = account, now + _LIFE_NS
        return key

    def keep(self, key: str, now: int) -> None:
        """Another hour; -1125 for a key that is none."""
        account = self.account(key, now)
        if account is None:
            raise VenueError(-1125, "This listenKey does not exist.")
        self._keys[key] = account, now + _LIFE_NS

    def stop(self, key: str, now: int) -> None:
        """Forgets it; -1125 for a key that is none."""
        self.keep(key, now)
        del self._keys[key]

    def account(self, key: str, now: int) -> str | None:
        """Whose it is; None when it is no key, or not any more."""
        account, until = self._keys.get(key, ("", 0))
        return account if until > now else None

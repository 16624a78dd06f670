"""What the venues hold for our accounts: the paper books of this host, and sim_venue by its own word."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from fleet import paper_books
from libs.store.activity import AtVenue
from libs.store.audit import Held
from libs.venues.broker import Holdings
from libs.venues.sim_control import SimControl, SimVenueAway, SimVenueRefused

PAPER: Final = "paper"


@dataclass
class Theirs:
    """What could be read."""

    held: dict[str, Held] = field(default_factory=dict)  # by account
    unreadable: list[str] = field(default_factory=list)  # a sentence for each account whose venue should have said and did not
    elsewhere: list[str] = field(default_factory=list)  # a sentence for each account whose venue nobody can ask from here


class VenueBooks:
    """Where the venues of this fleet keep what they hold."""

    def __init__(self, state: Path | None, sim_url: str, simulated: frozenset[str]) -> None:
        """
        Args:
            state: the state folder, with the paper books in it; None: they are on another host.
            simulated: names of the venues that are sim_venue.
        """
        self._state = state
        self._sim_url = sim_url
        self._simulated = simulated

    async def read(self, accounts: Sequence[AtVenue]) -> Theirs:
        """Asks for each account. While its orders are on their way the answer may be ahead of the ledger."""
        found = Theirs()
        on_paper = [account.account_id for account in accounts if account.venue == PAPER]
        if self._state is not None:
            found.held, found.unreadable = paper_books.held(self._state / "paper", on_paper)
        elif on_paper:
            found.elsewhere.append("without the venue: its books are on another host")
        async with aiohttp.ClientSession() as http:
            control = SimControl(http, self._sim_url)
            for account in accounts:
                if account.venue in self._simulated:
                    await self._ask(control, account, found)
                elif account.venue != PAPER:
                    found.elsewhere.append(f"without venue {account.venue}: only trade_executor, which has the keys, compares with it")
        return found

    async def _ask(self, control: SimControl, account: AtVenue, found: Theirs) -> None:
        try:
            found.held[account.account_id] = in_symbols(await control.holdings(account.account_id), account)
        except (SimVenueAway, SimVenueRefused) as error:
            found.unreadable.append(f"{account.account_id}: sim_venue does not say what it holds: {error}")


def in_symbols(holdings: Holdings, account: AtVenue) -> Held:
    """Holdings as the ledger counts them: a coin is a position in the pair that it is bought in with the account's money."""
    pairs = {asset: f"{asset}/{account.base_currency}" for asset in holdings.cash}
    coins = {asset for asset, pair in pairs.items() if pair in account.symbols}
    cash = {asset: amount for asset, amount in holdings.cash.items() if asset not in coins}
    return Held(cash, {**holdings.positions, **{pairs[asset]: holdings.cash[asset] for asset in coins}})

"""What all of the dialect's handlers share, and one request as they see it."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from libs.quant.sim_venue.commands import Command
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.reports import Report
from libs.quant.sim_venue.view import AccountView
from services.sim_venue.binance.books import Book
from services.sim_venue.binance.errors import VenueError, of_refusal
from services.sim_venue.binance.holdings import Holdings
from services.sim_venue.binance.listen_keys import ListenKeys
from services.sim_venue.binance.parameters import Parameters
from services.sim_venue.binance.recent import Recent
from services.sim_venue.binance.symbols import Symbols
from services.sim_venue.binance.weights import Meter, Window, windows
from services.sim_venue.host import Host, Origin

DIALECT: Final = "binance"


class Call(NamedTuple):
    """One request, its sender known."""

    parameters: Parameters
    account: str  # "" of a public request
    request: int  # counts all requests that reached the venue


class Desk:
    """The venue as this dialect sees it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.symbols = Symbols(host.view.listings)
        self.meter = Meter()
        self.keys = ListenKeys()
        self.cancel_ids: Recent[int, str] = Recent()  # the id of a cancel by the order that it is about
        self.placed: Recent[tuple[str, str], int] = Recent()  # orders by account and client's id: reads may not see them yet
        self._books: dict[str, Book] = {}

    def account(self, name: str) -> AccountView:
        """An account as it can be read now; -2015 when there is none."""
        account = self.host.view.accounts.get(name)
        if account is None:
            raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        return account

    def holdings(self, account: AccountView) -> Holdings:
        """What an account holds and has locked, as it stands in the view."""
        return Holdings(account, self.host.view.listings, self.host.tape.quote)

    async def execute(self, command: Command, call: Call) -> list[Report]:
        """What a command led to; the venue's error when it was refused."""
        outcome = await self.host.execute(command, Origin(DIALECT, call.request))
        if outcome.refusal is not None:
            raise of_refusal(outcome.refusal)
        return outcome.reports

    def book(self, listing: Listing) -> Book:
        """The order book of a symbol as it is now."""
        book = self._books.get(listing.symbol)
        if book is None:
            book = self._books[listing.symbol] = Book(listing, self.host.exchange.depth, self.host.now())
        else:
            book.refresh()
        return book

    def asker(self, key: str, address: str | None) -> str:
        """By whom a request's weight is counted: a key of this venue, else the address that it came from."""
        return key if self.host.credential(key) is not None else address or ""

    @property
    def limits(self) -> tuple[Window, ...]:
        """Request limits in force."""
        return windows(self.host.faults.weather.requests_per_minute)


Handler = Callable[[Desk, Call], Awaitable[object]]
"""Answers one kind of request; raises `VenueError`."""

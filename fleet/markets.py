"""Which market a run plays, and at which venues it is traded."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from fleet.running import offset
from libs.common.settings import ConfigError
from libs.domain.configuration import AccountConfig, SystemConfig, VenueConfig
from libs.domain.credentials import Look, keys, refuses_live
from libs.domain.fleet import PORTS
from libs.venues.closes.feed import ClosesFeed
from libs.venues.closes.table import installed
from libs.venues.feed import MarketDataFeed
from libs.venues.markets import MarketNotFound, Timeline, named

MOST_SHOWN: Final = 15  # symbols, in a line for a person
IDLE: Final = "manual"  # a market of sim_venue that stands still: nobody trades there
VENUES: Final = "venues"  # the live feed of the venues themselves


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the operator asked for."""

    market: str | None = None  # closes or synthetic; None: closes where they are installed, else synthetic
    replay: str | None = None
    venue: str | None = None  # paper: inside trade_executor; None: those of the configuration, where the market can be theirs
    speed: float = 0.0  # market seconds per host second; 0: the feed's own
    seed: int = 1
    lockstep: bool = False


class Played(NamedTuple):
    """The market of a run, for a person."""

    what: str
    prices: str  # whether they are real
    symbols: Sequence[str]  # none: not known before the venues have said what they list
    live: bool = False  # real money is traded

    def __str__(self) -> str:
        money = "REAL MONEY: " if self.live else ""
        return f"{money}{self.what}; {self.prices}" + (f": {_few(self.symbols)}" if self.symbols else "")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A market that can be played."""

    played: Played
    feed: str  # FEED of data_collector
    sim_market: str  # SIM_MARKET of sim_venue
    trading: Sequence[str] = field(default=())  # what trades where, a line for each account


def chosen(
    wanted: Wanted, system: SystemConfig, recordings: Path | None, look: Look, *, file: Path, live: bool, port_offset: int = 0
) -> Chosen:
    """The market that was asked for.

    It is that of the venues, unless it has to play itself (recorded, synthetic, lockstep), the operator wants `paper`, or
    no account is at another venue.

    Args:
        look: into the environment, for the keys of venues.
        file: that `system` was read from, for messages.
        live: real money is traded.

    Raises:
        ConfigError: it is not there, or cannot be traded like that; the message says what to do.
    """
    accounts = system.opened(live=True)
    why = _plays_itself(wanted, accounts, file)
    if live:
        _check_live(why, system, look, file)
    if why:
        feed = _feed(wanted, recordings)
        trading = [f"{account.name} trades at venue paper, inside trade_executor" for account in system.opened(live=False)]
        return Chosen(played=_played(feed, wanted), feed=feed.name, sim_market=IDLE, trading=trading)
    at_venues = _at_venues(wanted, system, recordings, look, file, port_offset)
    return replace(at_venues, played=at_venues.played._replace(live=live))


def _plays_itself(wanted: Wanted, accounts: Sequence[AccountConfig], file: Path) -> str:
    """Why the market is not that of the venues; "" when it is."""
    if wanted.replay is not None:
        return "--replay plays a recorded market"
    if wanted.lockstep:
        return "--lockstep waits for every service at every step"
    if wanted.venue == "paper":
        return "--venue paper trades inside trade_executor"
    if wanted.market == "synthetic":
        return "--market synthetic plays itself"
    if not accounts:
        return f"no account of {file} is at another venue than paper"
    if wanted.market is None and installed() is None:
        return "the daily closes are not installed, and the synthetic market plays itself"
    return ""


def _check_live(why: str, system: SystemConfig, look: Look, file: Path) -> None:
    if why:
        raise ConfigError(f"EXECUTION_MODE=live trades real money on the market of the venues, and {why}")
    if wrong := refuses_live([system.named(account.venue) for account in system.opened(live=True)], look, file):
        raise ConfigError(f"EXECUTION_MODE=live: {wrong}")


def _at_venues(wanted: Wanted, system: SystemConfig, recordings: Path | None, look: Look, file: Path, port_offset: int) -> Chosen:
    accounts = system.opened(live=True)
    venues = [venue for venue in system.venue if any(account.venue == venue.name for account in accounts)]
    port = offset(PORTS, port_offset)["sim_venue"]
    trading = [f"{account.name} trades {_where(system.named(account.venue), port)}" for account in accounts]
    real = [venue for venue in venues if venue.url != "sim"]
    if not real:
        feed = _feed(wanted, recordings)
        return Chosen(played=_played(feed, wanted), feed=VENUES, sim_market=feed.name, trading=trading)
    if len(real) < len(venues):
        simulated = ", ".join(venue.name for venue in venues if venue not in real)
        raise ConfigError(f"{file}: {simulated} is simulated and {real[0].name} is not: their markets have two times")
    try:
        for venue in real:
            keys(venue, look)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    symbols = sorted({symbol for venue in venues for symbol in venue.symbols})
    played = Played(f"the market of {' and '.join(venue.name for venue in venues)}, as it happens", "real prices", symbols)
    return Chosen(played=played, feed=VENUES, sim_market=IDLE, trading=trading)


def _where(venue: VenueConfig | None, port: int) -> str:
    assert venue is not None  # SystemConfig has looked
    what = " and ".join(venue.asset_classes)
    if venue.url == "sim":
        return f"{what} at {venue.name}, simulated by sim_venue on port {port}"
    return f"{what} at {venue.name}, {venue.url or 'its own address'}"


def _played(feed: MarketDataFeed, wanted: Wanted) -> Played:
    """Which market is played, and whether its prices are real."""
    symbols = [instrument.symbol for instrument in feed.instruments]
    pace = "in lockstep" if wanted.lockstep else f"{wanted.speed or feed.speed:g}x"
    if wanted.replay:
        return Played(f"recorded market {wanted.replay}, {pace}", "real prices of the past", symbols)
    if isinstance(feed, ClosesFeed):
        return Played(f"daily closes of {feed.years}, seed {feed.seed}, {pace}", "closes real, the rest simulated", symbols)
    return Played(f"synthetic market, seed {feed.seed}, {pace}", "invented prices", symbols)


def _few(symbols: Sequence[str]) -> str:
    shown = " ".join(symbols[:MOST_SHOWN])
    return shown if len(symbols) <= MOST_SHOWN else f"{shown} and {len(symbols) - MOST_SHOWN} more"


def _feed(wanted: Wanted, recordings: Path | None) -> Timeline:
    if wanted.replay is not None and wanted.market is not None:
        raise ConfigError("--market and --replay name two markets: give one of them")
    if wanted.replay is not None:
        option, name = f"--replay {wanted.replay}", f"replay:{wanted.replay}"
    else:
        name = wanted.market or ("synthetic" if installed() is None else "closes")
        option = f"--market {name}"
    try:
        return named(name, wanted.seed, recordings)
    except MarketNotFound as error:
        raise ConfigError(f"{option}: {error}") from error

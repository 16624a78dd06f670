"""What a run will be: everything that can be wrong with it is found here, before anything is started."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

from fleet.embedded import ports
from fleet.running import offset
from fleet.service_process import Service
from libs.common.settings import ConfigError, Settings, from_environment, from_toml, located
from libs.domain.configuration import NotificationsConfig, RiskConfig, StrategiesConfig, StrategyConfig, SystemConfig
from libs.domain.fleet import PORTS
from libs.quant.folds.registry import find, parameters
from libs.venues.closes.feed import ClosesFeed
from libs.venues.closes.table import ClosesNotFound, installed
from libs.venues.feed import MarketDataFeed
from libs.venues.replay.catalog import named
from libs.venues.replay.dataset import DataNotFound
from libs.venues.replay.feed import ReplayFeed
from libs.venues.synthetic.feed import SyntheticFeed
from services.scheduler import configuration as scheduled

MOST_SHOWN: Final = 15  # symbols, in a line for a person


class FleetSettings(Settings, frozen=True, kw_only=True):
    """What the supervisor takes from its environment; without URLs it brings servers of its own."""

    database_url: str = ""
    redis_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the operator asked of `fleet run`."""

    seconds: float | None = None  # host time after all are ready; None: until stopped
    json: bool = False
    market: str | None = None  # closes or synthetic; None: closes where they are installed, else synthetic
    replay: str | None = None
    speed: float = 0.0  # market seconds per host second; 0: the feed's own
    seed: int = 1
    lockstep: bool = False
    fresh: bool = False
    plain: bool = False  # lines even where there could be a screen
    screenshot: Path | None = None  # of the screen, as SVG


class Played(NamedTuple):
    """The market of a run, for a person."""

    what: str
    prices: str  # whether they are real
    symbols: Sequence[str]

    def __str__(self) -> str:
        return f"{self.what}; {self.prices}: {_few(self.symbols)}"


@dataclass(frozen=True)
class Plan:
    """A run that can begin."""

    options: Options
    settings: FleetSettings
    state: Path
    market: Played
    services: Sequence[Service]
    environment: Mapping[str, str]  # of every service, but for the servers' URLs

    @classmethod
    def of(cls, options: Options, environment: Mapping[str, str]) -> Self:
        """Checks the environment, the configuration files and the market.

        Raises:
            ConfigError: naming what is wrong and what was expected.
        """
        settings = from_environment(FleetSettings, environment)
        check_configuration(Path(settings.config_dir), settings.environment)
        feed = _feed(options, settings)
        state = Path(settings.state_dir).resolve()
        asked = {
            "STATE_DIR": str(state),
            "CONFIG_DIR": str(Path(settings.config_dir).resolve()),
            "FEED": feed.name,
            "SPEED": f"{options.speed:g}",
            "SEED": str(options.seed),
            "LOCKSTEP": str(int(options.lockstep)),
        }
        return cls(options, settings, state, market(feed, options), _services(settings.port_offset), {**environment, **asked})


def check_configuration(folder: Path, environment: str) -> None:
    """Reads every configuration file.

    Raises:
        ConfigError: naming file, line and what was expected.
    """
    system = from_toml(SystemConfig, folder, "system", environment)
    strategies = from_toml(StrategiesConfig, folder, "strategies", environment).strategy
    from_toml(RiskConfig, folder, "risk", environment)
    scheduled.read(folder, environment)
    from_toml(NotificationsConfig, folder, "notifications", environment, optional=True)
    for n, strategy in enumerate(strategies):
        if wrong := _wrong_with(strategy, [account.name for account in system.account]):
            key, complaint = wrong
            raise ConfigError(located(folder / "strategies.toml", "strategies", f"{complaint} - at `$.strategy[{n}].{key}`"))


def _wrong_with(strategy: StrategyConfig, accounts: Sequence[str]) -> tuple[str, str] | None:
    """The key of a strategy that cannot be used, and why."""
    try:
        found = find(strategy.class_name)
    except ValueError as error:
        return "class", str(error)
    try:
        parameters(found, strategy.params)
    except ValueError as error:
        return "params", str(error)
    if strategy.account not in accounts:
        return "account", f"no account {strategy.account!r}; there are: {', '.join(sorted(accounts))}"
    return None


def check_ports(services: Sequence[Service]) -> None:
    """Raises ConfigError when a service's port is taken."""
    for service in services:
        if not ports.is_free(service.port):
            raise ConfigError(
                f"port {service.port} of {service.name} is taken by another program;"
                " stop that program, or set PORT_OFFSET (PORT_OFFSET=1000 moves all ports by 1000)"
            )


def market(feed: MarketDataFeed, options: Options) -> Played:
    """Which market is played, and whether its prices are real."""
    symbols = [instrument.symbol for instrument in feed.instruments]
    pace = "in lockstep" if options.lockstep else f"{options.speed or feed.speed:g}x"
    if options.replay:
        return Played(f"recorded market {options.replay}, {pace}", "real prices of the past", symbols)
    if isinstance(feed, ClosesFeed):
        return Played(f"daily closes of {feed.years}, seed {feed.seed}, {pace}", "closes real, the rest simulated", symbols)
    return Played(f"synthetic market, seed {feed.seed}, {pace}", "invented prices", symbols)


def _few(symbols: Sequence[str]) -> str:
    shown = " ".join(symbols[:MOST_SHOWN])
    return shown if len(symbols) <= MOST_SHOWN else f"{shown} and {len(symbols) - MOST_SHOWN} more"


def _feed(options: Options, settings: FleetSettings) -> MarketDataFeed:
    if options.replay is not None and options.market is not None:
        raise ConfigError("--market and --replay name two markets: give one of them")
    if options.replay is not None:
        try:
            return ReplayFeed(named(options.replay), settings.recordings())
        except (ValueError, DataNotFound) as error:
            raise ConfigError(f"--replay {options.replay}: {error}") from error
    if options.market == "synthetic" or (options.market is None and installed() is None):
        return SyntheticFeed(options.seed)
    try:
        return ClosesFeed(options.seed)
    except ClosesNotFound as error:
        raise ConfigError(f"--market closes: {error}") from error


def _services(port_offset: int) -> list[Service]:
    return [Service(name, port, (sys.executable, "-m", f"services.{name}")) for name, port in offset(PORTS, port_offset).items()]

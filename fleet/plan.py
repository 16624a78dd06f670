"""What a run will be: everything that can be wrong with it is found here, before anything is started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Self

from fleet.embedded import ports
from fleet.markets import Played, Wanted, chosen
from fleet.running import offset
from fleet.service_process import Service, service
from libs.common.settings import ConfigError, Settings, from_environment, from_toml, located, value_of
from libs.domain.configuration import NotificationsConfig, RiskConfig, SimVenueConfig, StrategiesConfig, StrategyConfig, SystemConfig
from libs.domain.fleet import ONE_THREAD, PORTS, STANDBYS
from libs.quant.folds.registry import find, parameters
from services.scheduler import configuration as scheduled


class FleetSettings(Settings, frozen=True, kw_only=True):
    """What the supervisor takes from its environment; without URLs it brings servers of its own."""

    database_url: str = ""
    redis_url: str = ""
    database_roles: Literal["one", "each"] = "one"  # on DATABASE_URL: every service as its user, or each as a role of its own


@dataclass(frozen=True, kw_only=True)
class Options(Wanted):
    """What the operator asked of `fleet run`."""

    seconds: float | None = None  # host time after all are ready; None: until stopped
    json: bool = False
    fresh: bool = False
    plain: bool = False  # lines even where there could be a screen
    screenshot: Path | None = None  # of the screen, as SVG
    standby: bool = False  # a second trade_executor, in reserve


@dataclass(frozen=True)
class Plan:
    """A run that can begin."""

    options: Options
    settings: FleetSettings
    state: Path
    system: SystemConfig
    market: Played
    trading: Sequence[str]  # what trades where, a line for each account
    services: Sequence[Service]
    environment: Mapping[str, str]  # of every service, but for the servers' URLs

    @classmethod
    def of(cls, options: Options, environment: Mapping[str, str]) -> Self:
        """Checks the environment, the configuration files and the market.

        Raises:
            ConfigError: naming what is wrong and what was expected.
        """
        settings = from_environment(FleetSettings, environment)
        system = check_configuration(Path(settings.config_dir), settings.environment)
        market = chosen(
            options,
            system,
            settings.recordings(),
            partial(value_of, environment),
            file=Path(settings.config_dir) / "system.toml",
            live=settings.execution_mode == "live",
            port_offset=settings.port_offset,
        )
        state = Path(settings.state_dir).resolve()
        asked = {
            "STATE_DIR": str(state),
            "CONFIG_DIR": str(Path(settings.config_dir).resolve()),
            "FEED": market.feed,
            "SIM_MARKET": market.sim_market,
            "SPEED": f"{options.speed:g}",
            "SEED": str(options.seed),
            "LOCKSTEP": str(int(options.lockstep)),
            "STANDBY": str(int(options.standby)),
        }
        services = _services(settings.port_offset, standby=options.standby)
        return cls(options, settings, state, system, market.played, market.trading, services, {**ONE_THREAD, **environment, **asked})


def check_configuration(folder: Path, environment: str) -> SystemConfig:
    """Reads every configuration file; what they say of the fleet itself.

    Raises:
        ConfigError: naming file, line and what was expected.
    """
    system = from_toml(SystemConfig, folder, "system", environment)
    strategies = from_toml(StrategiesConfig, folder, "strategies", environment).strategy
    from_toml(RiskConfig, folder, "risk", environment)
    scheduled.read(folder, environment)
    from_toml(NotificationsConfig, folder, "notifications", environment, optional=True)
    from_toml(SimVenueConfig, folder, "sim_venue", environment, optional=True)
    for n, strategy in enumerate(strategies):
        if wrong := _wrong_with(strategy, [account.name for account in system.account]):
            key, complaint = wrong
            raise ConfigError(located(folder / "strategies.toml", "strategies", f"{complaint} - at `$.strategy[{n}].{key}`"))
    return system


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
    for wanted in services:
        if not ports.is_free(wanted.port):
            raise ConfigError(
                f"port {wanted.port} of {wanted.name} is taken by another program;"
                " stop that program, or set PORT_OFFSET (PORT_OFFSET=1000 moves all ports by 1000)"
            )


def _services(port_offset: int, *, standby: bool) -> list[Service]:
    """In the order of the flow; a standby after the one behind which it stands."""
    ports = {}
    for name, port in PORTS.items():
        ports[name] = port
        if standby and (reserve := STANDBYS.get(f"{name}_standby")):
            ports[f"{name}_standby"] = reserve.port
    return [service(name, port) for name, port in offset(ports, port_offset).items()]

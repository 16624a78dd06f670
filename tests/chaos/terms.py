"""What the money path is configured to be: its accounts, books and limits, as files that the services read."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from libs.domain.configuration import AccountConfig, LimitConfig
from libs.domain.instruments import Instrument
from libs.store.sessions import Session
from services.sim_venue.listings import BY_HAND
from services.sim_venue.market import START_BY_HAND
from tests.chaos.load import Book

VenueName = Literal["paper", "alpaca", "binance"]

DEPOSIT: Final = Decimal(100_000_000)
COLLAR: Final = 0.002
MOST_HELD: Final = 110_000.0
STOP_BPS: Final = 5_000.0
SYMBOLS: Final[Mapping[VenueName, Sequence[str]]] = {
    "alpaca": ("AAPL", "KO", "MSFT", "XOM"),
    "binance": ("BTC/USD", "ETH/USD"),
    "paper": ("AAPL", "BTC/USD", "JPM", "SPY"),
}
BY_SYMBOL: Final = {instrument.symbol: instrument for instrument in BY_HAND}
_VENUES: Final = """
[[venue]]
name = "alpaca"
adapter = "alpaca"
asset_classes = ["equity"]
requests_per_minute = 1000000

[[venue]]
name = "binance"
adapter = "ccxt"
exchange = "binance"
asset_classes = ["crypto"]
requests_per_minute = 1000000
"""


def accounts(venues: Sequence[VenueName]) -> list[AccountConfig]:
    """One account at each venue, called so."""
    return [AccountConfig(name=venue, base_currency="USD", deposit=DEPOSIT, venue=venue) for venue in venues]


def instruments(venues: Sequence[VenueName]) -> list[Instrument]:
    """All that is traded there."""
    return [BY_SYMBOL[symbol] for symbol in sorted({symbol for venue in venues for symbol in SYMBOLS[venue]})]


def books(venues: Sequence[VenueName], strategies: int) -> list[Book]:
    """Every strategy of an account trades every symbol of its venue."""
    return [Book(venue, strategy_id(venue, n), symbol) for venue in venues for n in range(strategies) for symbol in SYMBOLS[venue]]


def strategy_id(venue: VenueName, n: int) -> str:
    return f"{venue}_{n}"


_GUARDS: Final = "[guards]\ndisk_free = 0.02\ndisk_free_gib = 0.005\nmemory_available = 0.02\n"
"""A disk of a scenario is small, and a machine that plays them is busy: what is wounded is the fleet, not its host."""


def limits(collar: float, most_held: float) -> list[LimitConfig]:
    """Of config/risk.toml. The account may not hold in a symbol what all of its strategies together would like to."""
    return [
        LimitConfig(scope="order", name="price_collar", value=collar, unit="fraction"),
        LimitConfig(scope="account", name="max_position_notional", value=most_held, unit="currency"),
    ]


def session(venues: Sequence[VenueName]) -> Session:
    """A market that begins where sim_venue's does and is as fast as this host."""
    return Session(
        session_id="chaos",
        feed="chaos",
        seed=1,
        mode="free",
        speed=1.0,
        venue="SIM",
        timeframes=("1s", "1m"),
        grace_ns=250_000_000,
        start_time=START_BY_HAND,
        fills={"on": {instrument.symbol: "quote" for instrument in instruments(venues)}, "latency_ns": 0},
        market_time=START_BY_HAND,
        horizon=START_BY_HAND,
        step=0,
        paused=False,
    )


def write(folder: Path, venues: Sequence[VenueName], strategies: int, limited: Sequence[LimitConfig], protected: int = 0) -> None:
    """The configuration files. The first `protected` strategies of each account have a stop at the venue, too far to be met."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = "".join(
        f'\n[[account]]\nname = "{venue}"\nbase_currency = "USD"\ndeposit = {DEPOSIT}\nvenue = "{venue}"\n' for venue in venues
    )
    (folder / "system.toml").write_text(f'fleet_tag = "CHAO"\n{opened}{_VENUES}')
    (folder / "risk.toml").write_text(
        "".join(
            f'[[limit]]\nscope = "{limit.scope}"\nname = "{limit.name}"\nvalue = {limit.value}\nunit = "{limit.unit}"\n'
            for limit in limited
        )
        + _GUARDS
    )
    (folder / "strategies.toml").write_text(
        "".join(
            f'[[strategy]]\nid = "{strategy_id(venue, n)}"\nclass = "sma_cross"\nsymbols = ["*"]\ntimeframe = "1s"\naccount = "{venue}"\n'
            'allocation = 0.01\nparams = { fast = 2, slow = 4 }\nsizing = "fixed:20"\n'
            + (f"exits = {{ stop_bps = {STOP_BPS:g} }}\n" if n < protected else "")
            for venue in venues
            for n in range(strategies)
        )
    )

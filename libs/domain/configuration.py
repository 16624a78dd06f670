"""What the operator writes in `config/*.toml`, as types. Unknown keys are refused: a typo must not pass for a setting."""

from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from typing import Annotated, Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from libs.domain.executions import EXPECTED, takes_ns
from libs.domain.instruments import ASSET_CLASSES, AssetClass
from libs.domain.kill import Mode
from libs.domain.measuring import MeasuresConfig, ResponseConfig, ShockConfig, must_have_unique_names
from libs.domain.orders import Exits
from libs.domain.sizings import NO_STOP, sizing

StrategyName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,32}$")]
Fraction = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0, le=1e15)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0, le=1e15)]  # infinite is no setting


def must_be_zone(field: str, name: str) -> None:
    """ValueError: it is no time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'Expected a time zone such as "America/New_York" in field `{field}`, got {name!r}') from None


def check_day(day_starts_at: str, day_tz: str) -> None:
    """ValueError: one is not what its field wants; the message says which."""
    try:
        begins = time.fromisoformat(day_starts_at)
    except ValueError:
        begins = None
    if begins is None or begins.tzinfo is not None or begins.microsecond:
        raise ValueError(f'Expected a time of day such as "17:00" in field `day_starts_at`, got {day_starts_at!r}')
    must_be_zone("day_tz", day_tz)


class VenueConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[venue]]`: a broker or exchange, and how it is spoken to. `paper` needs no table."""

    name: StrategyName
    adapter: Literal["alpaca", "ccxt"]
    asset_classes: tuple[AssetClass, ...]  # what its accounts trade
    exchange: str = ""  # of ccxt: the id of the exchange there, "binance"
    url: str = "sim"  # sim: our own sim_venue; "": the venue's own; else a base URL
    symbols: tuple[str, ...] = ()  # what is subscribed to; empty: all that it lists (only where that is few: sim)
    requests_per_minute: Annotated[int, msgspec.Meta(ge=1)] = 180
    options: dict[str, str | int | float | bool] = {}  # ccxt: handed to the exchange's `options`; alpaca: feed, fractional

    def __post_init__(self) -> None:
        """ValueError: it cannot be spoken to like that; the message says why."""
        if self.name == "paper":
            raise ValueError("Expected another name than paper, the venue inside trade_executor, in field `name`")
        if (self.adapter == "ccxt") != bool(self.exchange):
            raise ValueError(f"Expected an exchange with adapter ccxt, and only there, in field `exchange`, got {self.exchange!r}")
        if not self.asset_classes:
            raise ValueError("Expected at least one class of assets in field `asset_classes`")
        if self.url not in ("", "sim") and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"Expected sim, nothing, or an address that begins with http:// or https:// in field `url`, got {self.url!r}")


def must_not_be_negative(config: msgspec.Struct, *fields: str) -> None:
    """ValueError: one of these decimals is below 0, or no number; the message says which."""
    for name in fields:
        value: Decimal = getattr(config, name)
        if not (value.is_finite() and value >= 0):
            raise ValueError(f"Expected a number of 0 or more in field `{name}`, got {value}")


def must_be_shares(config: msgspec.Struct, *fields: str) -> None:
    """ValueError: one of these decimals is no share of something; the message says which."""
    for name in fields:
        share: Decimal = getattr(config, name)
        if not (share.is_finite() and 0 < share <= 1):
            raise ValueError(f"Expected a number above 0 and at most 1 in field `{name}`, got {share}")


OnDisconnect = Literal["keep", "cancel"]
"""What becomes of an account's resting orders when its venue is out of reach: kept, or canceled as soon as a cancel gets there (by
the dead man, if that one reaches it)."""


class AccountConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account; each session opens it anew with this deposit."""

    name: StrategyName
    base_currency: str  # `market`: what the market that is played is priced in
    deposit: Decimal
    venue: StrategyName = "paper"  # or the name of a `[[venue]]`
    kind: Literal["cash", "margin"] = "cash"
    allow_short: bool = False
    day_starts_at: str = "00:00"  # local time of day
    day_tz: str = "UTC"  # as the IANA database names it
    on_disconnect: OnDisconnect = "keep"  # orders that rest at a venue which is away

    def __post_init__(self) -> None:
        """ValueError: the deposit is no amount of money, or nobody can say when a trading day begins."""
        if not (self.deposit.is_finite() and self.deposit > 0):
            raise ValueError(f"Expected a number above 0 in field `deposit`, got {self.deposit}")
        check_day(self.day_starts_at, self.day_tz)


class PaperConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Terms of the paper venue; bps are of the price."""

    latency_ms: NotNegative = 0.0  # market time from decision to venue
    half_spread_bps: Decimal = Decimal(0)  # on bars without quotes
    slippage_bps: Decimal = Decimal(0)
    participation: Decimal = Decimal(1)  # of a shown size that our orders of a side may take
    bar_participation: Decimal = Decimal("0.1")  # the same of a trade bar's volume
    fee_bps: Decimal = Decimal(0)
    fee_per_unit: Decimal = Decimal(0)
    fee_min: Decimal = Decimal(0)  # of each fill

    def __post_init__(self) -> None:
        """ValueError: a term that no venue could have; the message says which."""
        must_not_be_negative(self, "half_spread_bps", "slippage_bps", "fee_bps", "fee_per_unit", "fee_min")
        must_be_shares(self, "participation", "bar_participation")


class ListedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a class of assets trades at sim_venue; bps are of the notional, the rest in the quote currency."""

    liquidity: Literal["model", "book"] = "model"
    maker_bps: Decimal = Decimal(0)
    taker_bps: Decimal = Decimal(0)
    per_unit: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)  # of each fill
    paid_in: Literal["quote", "received"] = "quote"  # received: a buyer of a coin pays in that coin
    half_spread_bps: Decimal = Decimal(0)  # of `model`, as of the paper venue
    slippage_bps: Decimal = Decimal(0)
    participation: Decimal = Decimal(1)
    bar_participation: Decimal = Decimal("0.1")
    when_shut: Literal["queue", "refuse"] = "queue"  # what becomes of an order sent while the market is shut or halted

    def __post_init__(self) -> None:
        """ValueError: a term that no venue has; the message says which."""
        must_not_be_negative(self, "maker_bps", "taker_bps", "per_unit", "minimum", "half_spread_bps", "slippage_bps")
        must_be_shares(self, "participation", "bar_participation")


class AgentsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who quotes and takes in every `book` of sim_venue beside the market, drawn from its seed."""

    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1e6)] = 2.0  # steps a second of market time, in each symbol
    lots: Annotated[int, msgspec.Meta(gt=0)] = 10  # the most that one quotes or takes
    spread: Annotated[int, msgspec.Meta(gt=0)] = 4  # ticks between their best quotes, about
    resting: Annotated[int, msgspec.Meta(gt=0)] = 20  # quotes at once, in each symbol


class SimVenueConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config/sim_venue.toml; without the file shares trade free and coins at 10 bps, both in `model`."""

    equity: ListedConfig = ListedConfig()
    crypto: ListedConfig = ListedConfig(maker_bps=Decimal(10), taker_bps=Decimal(10))
    agents: AgentsConfig | None = None  # None: nobody


class PegConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[peg]]`: what a unit of a currency counts as when accounts are valued, whatever the market says."""

    currency: str
    to: str
    rate: float = 1.0

    def __post_init__(self) -> None:
        """ValueError: it says nothing."""
        if not 0 < self.rate < 1e15:
            raise ValueError(f"Expected a number above 0 in field `rate`, got {self.rate}")
        if self.currency == self.to:
            raise ValueError(f"Expected another currency than {self.currency} in field `to`")


class DeadmanConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[deadman]`: when nobody has attended to an account for so long, all its open orders are canceled. Host seconds."""

    after: Annotated[float, msgspec.Meta(ge=1.0, le=3600.0)] = 60.0
    every: Annotated[float, msgspec.Meta(gt=0.0, le=60.0)] = 5.0  # between two looks

    def __post_init__(self) -> None:
        """ValueError: a single look would decide; a pause of one look must not."""
        if self.after < 3 * self.every:
            raise ValueError(f"Expected at least three times `every` ({self.every:g}) in field `after`, got {self.after:g}")


class SystemConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config/system.toml"""

    fleet_tag: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{4}$")] = "TWND"
    account: list[AccountConfig]
    venue: list[VenueConfig] = []
    paper: PaperConfig = PaperConfig()
    peg: list[PegConfig] = []
    deadman: DeadmanConfig = DeadmanConfig()

    def __post_init__(self) -> None:
        """ValueError: an account is at a venue that is not there, or two venues share a name."""
        names = [venue.name for venue in self.venue]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"Expected one table for each venue in field `venue`, got {twice!r} twice")
        for account in self.account:
            if account.venue not in ("paper", *names):
                raise ValueError(
                    f"Expected paper or a [[venue]] ({', '.join(names) or 'there is none'}) in field `venue`, got {account.venue!r}"
                )

    def named(self, venue: str) -> VenueConfig | None:
        """The `[[venue]]` called so; None: it is `paper`, or is not configured any more."""
        return next((found for found in self.venue if found.name == venue), None)

    def policy(self, account: str) -> OnDisconnect:
        """What becomes of the resting orders of the account called so when its venue was away."""
        return next((found.on_disconnect for found in self.account if found.name == account), "keep")

    def tradable(self, venue: str) -> frozenset[AssetClass]:
        """Which classes of assets the accounts at a venue trade; all, where no `[[venue]]` says."""
        found = self.named(venue)
        return ASSET_CLASSES if found is None else frozenset(found.asset_classes)

    @property
    def simulated(self) -> frozenset[str]:
        """Names of the venues that are our own sim_venue."""
        return frozenset(venue.name for venue in self.venue if venue.url == "sim")

    def opened(self, *, live: bool) -> list[AccountConfig]:
        """The accounts that a session opens.

        A market that plays itself fills their orders at the venue `paper`, which plays along; the live market of the
        venues is that of the others.
        """
        return [account for account in self.account if (account.venue != "paper") is live]


class MemberConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"class_name": "class"}):
    """A strategy within a strategy of strategies."""

    class_name: str
    params: dict[str, float | int] = {}
    weight: NotNegative = 1.0
    members: "list[MemberConfig]" = []


class StrategyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"class_name": "class"}):
    """One `[[strategy]]` of config/strategies.toml."""

    id: StrategyName
    class_name: str
    symbols: list[str]  # ["*"] is every instrument of the feed that the account can trade
    account: StrategyName
    allocation: Fraction  # of the account's equity
    timeframe: Literal["auto", "1s", "1m", "5m", "15m", "30m", "1h", "4h", "1d"] = "auto"  # auto: the finest bar the feed gives
    params: dict[str, float | int] = {}
    enabled: bool = True
    members: list[MemberConfig] = []  # of a strategy of strategies
    sizing: str = "equity"  # equity | fixed:UNITS | risk:FRACTION, times volatility:TARGET, kelly:FRACTION, drawdown:MOST: docs/sizing.md
    no_trade_band: NotNegative = 0.0  # fraction of capital below which a change is not traded
    exits: Exits = Exits()  # what the venue holds against its positions
    execution: str = ""  # twap:SECONDS:SLICES | vwap:SECONDS:SLICES | iceberg:DISPLAY, see docs/execution.md; "": sent whole

    def __post_init__(self) -> None:
        """ValueError: nothing is worked or sized like that; the message says what was expected."""
        try:
            takes_ns(self.execution)
        except ValueError:
            raise ValueError(f"Expected {EXPECTED} in field `execution`, got {self.execution!r}") from None
        if sizing(self.sizing).base == "risk" and not self.exits.stop:
            raise ValueError(f"strategy {self.id}, sizing {self.sizing!r}: {NO_STOP}")


class StrategiesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config/strategies.toml"""

    strategy: list[StrategyConfig]


LossLimitName = Literal["max_daily_loss", "max_drawdown"]
"""Limits whose crossing halts an account until a person re-arms it."""

SymbolListName = Literal["restricted", "allowed"]
"""Lists, an entry a limit: a restricted symbol, or where any are allowed one that is not, may only be closed."""

LimitName = (
    Literal[
        "max_order_quantity",
        "max_order_notional",
        "max_adv_share",
        "max_order_to_median",
        "price_collar",
        "max_spread",
        "max_price_jump",
        "max_position_notional",
        "max_overnight_notional",
        "max_short_notional",
        "max_gross_exposure",
        "max_net_exposure",
        "max_open_orders",
        "max_orders_per_second",
        "max_orders_per_minute",
        "max_repeated_entries",
        "max_order_to_trade",
        "max_cancel_ratio",
    ]
    | LossLimitName
    | SymbolListName
)
LimitScope = Literal["order", "symbol", "strategy", "account", "fleet"]
LimitUnit = Literal["currency", "fraction", "equity", "count"]
LOSS_LIMITS: Final[tuple[LossLimitName, ...]] = get_args(LossLimitName)
SYMBOL_LISTS: Final[tuple[SymbolListName, ...]] = get_args(SymbolListName)
UNITS: Final[Mapping[LimitName, tuple[LimitUnit, ...]]] = {
    "max_order_quantity": ("count",),
    "max_order_notional": ("currency", "equity"),
    "max_adv_share": ("fraction",),
    "max_order_to_median": ("count",),
    "price_collar": ("fraction",),
    "max_spread": ("fraction",),
    "max_price_jump": ("fraction",),
    "max_position_notional": ("currency", "equity"),
    "max_overnight_notional": ("currency", "equity"),
    "max_short_notional": ("currency", "equity"),
    "max_gross_exposure": ("currency", "equity"),
    "max_net_exposure": ("currency", "equity"),
    "max_open_orders": ("count",),
    "max_orders_per_second": ("count",),
    "max_orders_per_minute": ("count",),
    "max_repeated_entries": ("count",),
    "max_order_to_trade": ("count",),
    "max_cancel_ratio": ("fraction",),
    "max_daily_loss": ("fraction",),
    "max_drawdown": ("fraction",),
    "restricted": ("count",),
    "allowed": ("count",),
}
"""In which units each limit can be said; `limit_fault()` of the record says the same."""


class LimitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[limit]]` of config/risk.toml; of several that apply the tightest wins."""

    scope: LimitScope
    key: str = "*"  # which symbol, strategy or account; * is each
    name: LimitName
    value: NotNegative
    unit: LimitUnit  # currency: the account's; equity: multiples of the account's equity; count: orders, or units of an instrument

    def __post_init__(self) -> None:
        """ValueError: a limit that could not hold as it is written; the message says what it has to be."""
        if self.scope in ("order", "fleet") and self.key != "*":
            raise ValueError(f'Expected no key, or "*", with scope {self.scope} in field `key`, got {self.key!r}')
        if not self.key:
            raise ValueError(f'Expected the {self.scope} that it is for, or "*" for each, in field `key`, got nothing')
        if self.name in LOSS_LIMITS:
            self._is_a_loss_limit()
        elif self.name in SYMBOL_LISTS:
            self._is_an_entry_of_a_list()
        if self.unit not in UNITS[self.name]:
            raise ValueError(f"Expected unit {' or '.join(UNITS[self.name])} of {self.name} in field `unit`, got {self.unit!r}")

    def _is_a_loss_limit(self) -> None:
        if self.scope not in ("account", "fleet"):
            raise ValueError(f"Expected scope account or fleet of {self.name} in field `scope`, got {self.scope!r}")
        if self.unit != "fraction":
            raise ValueError(f"Expected unit fraction of {self.name}, a share of the account's equity, in field `unit`, got {self.unit!r}")
        if not 0 < self.value <= 1:
            raise ValueError(f"Expected a share above 0 and at most 1 in field `value`, got {self.value:g}")

    def _is_an_entry_of_a_list(self) -> None:
        if self.scope != "symbol":
            raise ValueError(f"Expected scope symbol of {self.name} in field `scope`, got {self.scope!r}")
        if self.key == "*":
            raise ValueError(f'Expected a symbol in field `key`, got "{self.key}"')
        if self.value != 1:
            raise ValueError(f"Expected 1, for it is on the list, in field `value`, got {self.value:g}")


WIDEST_COLLAR: Final = 0.1

SILENCE_S: Final[Mapping[AssetClass, float]] = {"equity": 60.0, "crypto": 30.0, "forex": 30.0, "future": 60.0, "option": 300.0}
"""Market seconds without a quote or a trade after which a symbol is stale, by its class; a market that is shut is not silent."""


class KillSwitchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[kill_switch]` of config/risk.toml."""

    cool_off: NotNegative = 60.0  # host seconds that it stays on at the least
    widest_collar: Fraction = WIDEST_COLLAR  # how far from the newest price a liquidation order may go, when nearer ones were not filled


class LimitChangesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[limit_changes]` of config/risk.toml."""

    cool_off: NotNegative = 300.0  # host seconds from asking for a looser limit until it holds


class GuardsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[guards]` of config/risk.toml: what of the system disarms new orders."""

    disk_free: Fraction = 0.1  # share of the disk that holds the state folder, at the least
    disk_free_gib: NotNegative = 1.0  # and in GiB
    memory_available: Fraction = 0.1  # share of the memory, at the least
    loop_lag_s: Positive = 0.5  # for which trade_executor may stand still
    journal_lag_s: Positive = 5.0  # for which an approved order may lie unread
    clock_warn_s: Positive = 0.05  # the host's clock from the database's and from the time service's: told
    clock_block_s: Positive = 0.5  # disarms
    venue_away_s: Positive = 10.0  # nothing is sent at all while it is away; after this it is a reason of its own
    unread_s: Positive = 3.0  # without an answer of the record to what the guards ask
    calm_s: NotNegative = 2.0  # for which a reason has to be gone before the account is armed again
    silence_s: dict[AssetClass, Positive] = {}  # market seconds without a word of a symbol, by its class; see `silence_of`

    def silence_of(self, kind: AssetClass) -> float:
        """Market seconds after which a symbol of that class is stale."""
        return self.silence_s.get(kind, SILENCE_S[kind])


class AlertsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[alerts]` of config/risk.toml."""

    acknowledge_within: Annotated[float, msgspec.Meta(gt=0.0, le=86_400.0)] = 60.0  # host seconds that a person has
    mode: Mode = "halt"  # how the account is stopped when nobody answered


BADLY_EXECUTED: Final = 0.003
"""An order that was filled so much worse than the market was when it left, as a share of that price, is badly executed."""


class BestExecutionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[best_execution]` of config/risk.toml: when a strategy counts as badly executed at a venue."""

    worse: Fraction = BADLY_EXECUTED
    share: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.2  # of the orders of half an hour that may be bad
    orders: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 20  # of fewer nothing is said


class RiskConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config/risk.toml"""

    limit: list[LimitConfig]  # of a new record, and of backtests; a record that has limits keeps its own
    limit_changes: LimitChangesConfig = LimitChangesConfig()
    kill_switch: KillSwitchConfig = KillSwitchConfig()
    guards: GuardsConfig = GuardsConfig()
    alerts: AlertsConfig = AlertsConfig()
    best_execution: BestExecutionConfig = BestExecutionConfig()
    measures: MeasuresConfig = MeasuresConfig()
    shock: list[ShockConfig] = []
    response: list[ResponseConfig] = []

    def __post_init__(self) -> None:
        """ValueError: two shocks are called alike."""
        must_have_unique_names(self.shock)


TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
ChannelName = Literal["gotify", "email", "slack", "discord"]
NotificationKind = Literal["trade", "risk", "system", "report"]


def clock_time(text: str) -> time:
    """`07:00`, as `TimeOfDay` lets it through."""
    return time.fromisoformat(text)


class ChannelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[channel]]` of config/notifications.toml: a way to the operator. Its credentials come from the environment."""

    kind: ChannelName
    min_severity: Literal["info", "warning", "critical"] = "info"
    kinds: tuple[NotificationKind, ...] = ("trade", "risk", "system", "report")
    enabled: bool = True


class QuietHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When only what is critical is told; the rest waits for the end and comes as one message."""

    begin: TimeOfDay = msgspec.field(name="from")
    end: TimeOfDay = msgspec.field(name="to")
    tz: str = "UTC"

    def __post_init__(self) -> None:
        """ValueError: they never end, or the time zone is none."""
        must_be_zone("tz", self.tz)
        if self.begin == self.end:
            raise ValueError(f"Expected `to` to be another time than `from` in field `to`, got {self.end} for both")


class NotificationsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config/notifications.toml; without the file every channel that has credentials is told everything."""

    channel: tuple[ChannelConfig, ...] = (
        ChannelConfig(kind="gotify"),
        ChannelConfig(kind="email", min_severity="warning"),
        ChannelConfig(kind="slack"),
        ChannelConfig(kind="discord"),
    )
    quiet_hours: QuietHours | None = None
    most_per_10_minutes: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 20  # messages on one channel; beyond it they are gathered
    daily_summary: Annotated[str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$")] = "07:00"  # "" is never
    tz: str = "UTC"  # of daily_summary
    heartbeat_url: str = ""  # asked for each minute while the fleet is not down
    link_base: Annotated[str, msgspec.Meta(pattern=r"^(https?://.+)?$")] = ""  # where a phone reaches the monitor; "": on this machine

    def __post_init__(self) -> None:
        """ValueError: the time zone is none, or a channel is there twice."""
        must_be_zone("tz", self.tz)
        kinds = [channel.kind for channel in self.channel]
        twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
        if twice:
            raise ValueError(f"Expected one table for each kind of channel in field `channel`, got {twice!r} twice")
        if self.heartbeat_url and not self.heartbeat_url.startswith(("http://", "https://")):
            raise ValueError("Expected an address that begins with http:// or https:// in field `heartbeat_url`")

"""What a backtest is asked to do: the body of `POST /backtests`, the options of `fleet backtest run`, a row's `spec`."""

import re
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec

from libs.domain.configuration import LimitConfig, MemberConfig, StrategyConfig, check_day
from libs.domain.instruments import CALENDARS
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Exits
from libs.quant.backtest.setup import Entry
from libs.quant.financing import Financing
from libs.quant.quality.finding import Policy

_DAY_MS: Final = 86_400_000
_MOST_MONEY: Final = Decimal(10) ** 15
_CURRENCY: Final = re.compile(r"[A-Z]{3,5}")
_COSTS: Final = {
    "fee_bps": Decimal(10_000),
    "slippage_bps": Decimal(10_000),
    "half_spread_bps": Decimal(10_000),
    "fee_per_unit": _MOST_MONEY,
    "fee_min": _MOST_MONEY,
}
"""The most that each may be."""


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One backtest. Data come from exactly one of `data` (a file), `replay` (a recorded market) and `symbols` (stored bars).

    What is traded is `strategy` with `params`, or, without it, `strategies`; each trades all symbols of the data.
    """

    strategy: str = ""
    params: dict[str, float | int] = {}
    members: list[MemberConfig] = []
    strategies: list[StrategyConfig] = []
    data: str = ""
    actions: str = ""  # a file of splits and dividends of the symbols of `data`
    funding: str = ""  # a file of recorded funding rates
    symbol: str = ""  # what a file without a symbol column holds
    calendar: str = "24/7"  # when the market of a file is open; see libs/quant/calendars.py
    replay: str = ""
    symbols: list[str] = []
    venue: str = ""  # of stored bars; may be left out when only one has them
    start: str = ""  # ISO 8601, UTC; of a day its beginning
    end: str = ""  # exclusive; of a day its end
    timeframe: str = ""  # that strategies without one of their own run on: made of finer bars; left out, the finest there are
    cash: Decimal = Decimal(100_000)
    currency: str = ""  # of the account; left out, what the market is priced in (a file: USD)
    allocation: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.2  # of the equity, per symbol at target 1
    sizing: str = "equity"
    risk: bool = True
    limits: list[LimitConfig] | None = None  # None: config/risk.toml
    allow_short: bool = False
    day_starts_at: str = "00:00"  # of the trading day, that the daily loss is counted from; local time
    day_tz: str = "UTC"
    fee_bps: Decimal = Decimal(0)
    fee_per_unit: Decimal = Decimal(0)
    fee_min: Decimal = Decimal(0)
    slippage_bps: Decimal = Decimal(0)
    half_spread_bps: Decimal = Decimal(0)
    participation: Decimal | None = None  # of shown size or volume that is ours to take; None: all that is wanted
    bar_participation: Decimal | None = None  # of a trade bar's volume; None: as participation
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=_DAY_MS)] = 0.0
    fill: Literal["next_open"] = "next_open"
    financing: Financing | None = None  # what holding costs and pays; None: only recorded funding, where there is any
    engine: Literal["auto", "event", "compiled"] = "auto"  # how it is played; what is found is the same
    quality: Policy = "label"  # what becomes of data that are odd or wrong
    entry: Entry = Entry()
    exits: Exits = Exits()

    def __post_init__(self) -> None:
        """ValueError: what is asked for does not go together; the message says what and how to ask for it."""
        sources = [name for name in ("data", "replay", "symbols") if getattr(self, name)]
        if len(sources) != 1:
            raise ValueError(f"expected exactly one of data, replay and symbols, got {', '.join(sources) or 'none'}")
        if self.actions and not self.data:
            raise ValueError("actions are of a file of bars, see data: recorded and stored bars come with their own")
        if self.calendar not in CALENDARS:
            known = ", ".join(CALENDARS)
            raise ValueError(f"expected calendar to be one of {known} (us_equity is XNYS, cme_globex is CMES), got {self.calendar!r}")
        if self.calendar != "24/7" and not self.data:
            raise ValueError("calendar is of a file of bars, see data: recorded and stored bars come with their own")
        if self.venue and not self.symbols:
            raise ValueError(f"venue says which stored bars, see symbols: it chooses nothing of {sources[0]}")
        if self.currency and not _CURRENCY.fullmatch(self.currency):
            raise ValueError(f"expected currency to be three to five capital letters such as USD or USDT, got {self.currency!r}")
        if bool(self.strategy) == bool(self.strategies):
            raise ValueError("expected either strategy or strategies")
        if self.timeframe and self.timeframe not in TIMEFRAMES:
            raise ValueError(f"expected timeframe to be one of {', '.join(TIMEFRAMES)}, got {self.timeframe!r}")
        if not (self.cash.is_finite() and 0 < self.cash <= _MOST_MONEY):
            raise ValueError(f"expected cash above 0 and at most {_MOST_MONEY:.0e}, got {self.cash}")
        for name, most in _COSTS.items():
            cost: Decimal = getattr(self, name)
            if not (cost.is_finite() and 0 <= cost <= most):
                raise ValueError(f"expected {name} from 0 to {most:g}, got {cost}")
        for name in ("participation", "bar_participation"):
            share: Decimal | None = getattr(self, name)
            if share is not None and not (share.is_finite() and 0 < share <= 1):
                raise ValueError(f"expected {name} above 0 and at most 1, got {share}")
        check_day(self.day_starts_at, self.day_tz)
        for part in (self.entry, self.exits):
            for name, bps in msgspec.structs.asdict(part).items():
                if name != "kind" and not 0 <= bps < 10_000:
                    raise ValueError(f"expected {name} from 0 to below 10000 bps, got {bps}")
        if self.risk and self.entry.kind != "market":
            raise ValueError("entry orders are chosen with risk off; with risk on every order is a limit at the collar")

    def configured(self) -> list[StrategyConfig]:
        """The strategies to run, as the fleet's configuration would have them."""
        found = self.strategies or [
            StrategyConfig(
                id=self.strategy,
                class_name=self.strategy,
                symbols=["*"],
                account=ACCOUNT,
                allocation=self.allocation,
                params=self.params,
                members=self.members,
                sizing=self.sizing,
                exits=self.exits,
            )
        ]
        if not self.timeframe:
            return found
        return [msgspec.structs.replace(each, timeframe=self.timeframe) if each.timeframe == "auto" else each for each in found]

    @property
    def timeframes(self) -> set[str]:
        """Those that strategies run on, but for the finest there is."""
        return {str(each.timeframe) for each in self.configured() if each.timeframe != "auto"}


ACCOUNT = "backtest"

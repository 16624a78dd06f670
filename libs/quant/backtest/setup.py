"""Who trades in a backtest, with what, and at which terms."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec

from libs.domain.configuration import StrategyConfig
from libs.domain.instruments import ASSET_CLASSES, AssetClass
from libs.domain.kill import Kills
from libs.domain.orders import Exits
from libs.quant.fills import FillTerms
from libs.quant.financing import Financing
from libs.quant.risk.limits import Limits


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How orders are placed with risk off. Distances are bps of the reference price, positive."""

    kind: Literal["market", "limit", "stop", "stop_limit"] = "market"
    offset_bps: float = 0.0  # a limit this much better, a stop this much worse than the reference
    limit_bps: float = 0.0  # of a stop-limit: how much worse than its stop it may fill


@dataclass(frozen=True)
class Setup:
    """One account of a backtest. With `limits` every order goes through the very controls of the fleet; without them
    (risk off) targets become naked orders at once, on credit if need be."""

    account_id: str
    account_name: str
    base_currency: str
    deposit: Decimal
    strategies: Sequence[StrategyConfig]
    terms: FillTerms
    limits: Limits | None
    limit_changes: Sequence[tuple[int, Limits]] = ()  # (market ns from which they hold, limits), in order: of a session played again
    allow_short: bool = False
    kind: Literal["cash", "margin"] = "cash"
    latency_ns: int = 0
    session_id: str = "backtest"
    venue: str = "paper"
    fleet_tag: str = "TWND"
    entry: Entry = Entry()
    exits: Exits = Exits()
    orders_on_last_bar: bool = False  # a live session cannot know that a bar is its last; a report of a finished one should
    faults_are_fatal: bool = True  # False: a strategy that fails is stopped there, as a fleet stops it, and the rest goes on
    killed: Kills = field(default_factory=dict)
    day_starts_at: str = "00:00"  # of the trading day, that the daily loss is counted from
    day_tz: str = "UTC"
    tradable: frozenset[AssetClass] = ASSET_CLASSES  # by the account
    trades_from: int = 0  # market ns: the account begins then; strategies are warmed on the bars before, and say nothing there
    financing: Financing | None = None  # what holding costs and pays; None: nothing, and no recorded funding either

    def begins(self, since: int) -> int:
        """When the account begins on a tape that begins at `since`, market ns."""
        return max(since, self.trades_from)

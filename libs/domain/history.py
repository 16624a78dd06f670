"""What an account's risk is measured from, as the record has it: what is held, past closes, past equity."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from libs.domain.actions import CorporateAction
from libs.domain.instruments import AssetClass


class Held(NamedTuple):
    """What an account holds of one symbol, over all its strategies."""

    symbol: str
    asset_class: AssetClass
    currency: str  # of the price
    value: float  # signed worth at the newest close, `currency`
    priced: bool  # False: no bar yet, it counts at cost
    daily_volume: float | None  # mean worth traded in a day of the last 20, `currency`; None: the market tells no volumes


class Closes(NamedTuple):
    """The last price in each of a row of equal spans of time; None where a symbol had no bar in it."""

    length_ns: int
    ends: Sequence[int]  # of the spans, market ns, ascending, all of them over
    prices: Mapping[str, Sequence[float | None]]  # by symbol, one for each end


class Material(NamedTuple):
    """One account at the market time of its session."""

    account_id: str
    currency: str  # of the account
    market_time: int  # ns
    equity: float
    held: Sequence[Held]
    closes: Closes  # of what is held, and of the benchmarks that the record has
    actions: Sequence[CorporateAction]
    equities: Sequence[float]  # at the end of each trading day so far, the oldest first, and now

"""From rows to what the pure risk functions judge: decimals become whole lots and ticks."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_UP, Decimal

from libs.common.clocks import MarketClock
from libs.domain.configuration import StrategyConfig
from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.reconciling import EXTERNAL
from libs.quant.adjustments import Adjustments
from libs.quant.risk.assess import terms_of
from libs.quant.risk.view import OpenOrder, View
from libs.store.risk import OpenRow, Snapshot
from libs.store.sessions import Account, Session


def view_of(
    snapshot: Snapshot,
    clock: MarketClock,
    *,
    account: Account,
    session: Session,
    instruments: Mapping[str, Instrument],
    strategies: Sequence[StrategyConfig],
    adjustments: Adjustments,
) -> View:
    """One account as of a snapshot. A close from before a split counts in today's units."""
    now, length = snapshot.now, TIMEFRAMES[session.timeframes[0]]
    return View(
        account_id=account.account_id,
        account_name=account.name,
        base_currency=account.base_currency,
        allow_short=account.allow_short,
        now=now,
        stale=clock.stale() and not session.lockstep,
        speed=0.0 if session.lockstep else session.speed,
        grace_ns=session.grace_ns,
        instruments=instruments,
        terms={s.id: terms_of(s) for s in strategies},
        cash=dict(snapshot.cash),
        marks={symbol: adjustments.carried(symbol, close, start + length - 1, now) for symbol, close, start in snapshot.marks},
        killed={(scope, key): mode for scope, key, mode, _ in snapshot.killed},
        halts=tuple(snapshot.losses.halts),
        positions={(s, symbol): lots_of(s, q, instruments[symbol]) for s, symbol, q in snapshot.positions},
        open_orders=[_open_order(row, instruments[row.symbol]) for row in snapshot.orders],
        ordered=dict(snapshot.ordered),
        checks=[],
    )


def lots_of(strategy_id: str, quantity: Decimal, instrument: Instrument) -> int:
    """Whole lots of a quantity. What others have traded for the account need not lie on our grid, and counts as the next larger."""
    if strategy_id != EXTERNAL:
        return instrument.lots(quantity)
    return int((quantity / instrument.lot).to_integral_value(ROUND_UP))


def _open_order(row: OpenRow, instrument: Instrument) -> OpenOrder:
    lots = lots_of(row.strategy_id, row.remaining, instrument)
    external = row.strategy_id == EXTERNAL
    ticks = int((row.price / instrument.tick).to_integral_value()) if external else instrument.ticks(row.price)
    return OpenOrder(row.order_id, row.strategy_id, row.symbol, row.side, lots, ticks, row.status)

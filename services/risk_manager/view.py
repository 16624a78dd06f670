"""From rows to what the pure risk functions judge: decimals become whole lots and ticks."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_UP, Decimal

from libs.common.clocks import MarketClock
from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.reconciling import EXTERNAL
from libs.quant.adjustments import Adjustments
from libs.quant.closed_trades import Close, edge_of
from libs.quant.risk.flow import Flow
from libs.quant.risk.grid import Grid
from libs.quant.risk.permits import Permit
from libs.quant.risk.view import OpenOrder, Outcomes, Quoted, Terms, View
from libs.quant.sizing_factors import Edge
from libs.store.permits import OpenPermit
from libs.store.risk import CloseRow, OpenRow, Snapshot
from libs.store.sessions import Account, Session


class Lots:
    """Whole lots of what an account's books hold: worked out once for each quantity that a book comes to hold."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._known: dict[tuple[str, str], tuple[Decimal, int]] = {}

    def of(self, positions: Iterable[tuple[str, str, Decimal]]) -> dict[tuple[str, str], int]:
        """By (strategy, symbol), of (strategy, symbol, quantity).

        Raises:
            ValueError: a book of ours holds what is no number of lots.
        """
        before, self._known = self._known, {}
        for strategy_id, symbol, quantity in positions:
            book = (strategy_id, symbol)
            known = before.get(book)
            if known is None or known[0] != quantity:
                known = (quantity, lots_of(strategy_id, quantity, self._instruments[symbol]))
            self._known[book] = known
        return {book: lots for book, (_, lots) in self._known.items()}


def view_of(
    snapshot: Snapshot,
    clock: MarketClock,
    *,
    account: Account,
    session: Session,
    instruments: Mapping[str, Instrument],
    terms: Mapping[str, Terms],
    adjustments: Adjustments,
    flow: Flow,
    lots: Lots,
    grids: dict[str, Grid],
    volumes: Mapping[str, float],
) -> View:
    """One account as of a snapshot. A close from before a split counts in today's units.

    Args:
        flow: its own orders lately; the view goes on counting in it.
        grids: kept from view to view.
        volumes: units traded on an average day, by symbol, where a limit asks for it.
    """
    now, length = snapshot.now, TIMEFRAMES[session.timeframes[0]]
    return View(
        account_id=account.account_id,
        account_name=account.name,
        base_currency=account.base_currency,
        kind=account.kind,
        allow_short=account.allow_short,
        now=now,
        stale=clock.stale() and not session.lockstep,
        speed=0.0 if session.lockstep else session.speed,
        grace_ns=session.grace_ns,
        instruments=instruments,
        terms=terms,
        cash=dict(snapshot.cash),
        marks={mark.symbol: adjustments.carried(mark.symbol, mark.close, mark.start + length - 1, now) for mark in snapshot.marks},
        killed={(scope, key): mode for scope, key, mode, _ in snapshot.killed},
        disarmed=snapshot.disarmed,
        halts=tuple(snapshot.losses.halts),
        peak=snapshot.losses.peak,
        edges=_edges(snapshot.closes, instruments),
        positions=lots.of(snapshot.positions),
        open_orders=[_open_order(row, instruments[row.symbol]) for row in snapshot.orders],
        flow=flow,
        before={
            mark.symbol: adjustments.carried(mark.symbol, mark.close_before, mark.start_before + length - 1, now)
            for mark in snapshot.marks
            if mark.close_before is not None and mark.start_before is not None
        },
        quotes={mark.symbol: Quoted(mark.bid, mark.ask) for mark in snapshot.marks if mark.bid is not None and mark.ask is not None},
        volumes=volumes,
        outcomes={strategy_id: Outcomes(*found) for strategy_id, *found in snapshot.outcomes},
        grids=grids,
        permits=[permit for row in snapshot.permits if (permit := _permit(row, instruments)) is not None],
        checks=[],
    )


def _edges(rows: Sequence[CloseRow], instruments: Mapping[str, Instrument]) -> dict[str, Edge]:
    """By strategy, of those that have closed anything."""
    closes: dict[str, list[Close]] = {}
    for row in rows:
        closes.setdefault(row.strategy_id, []).append(Close(*row[1:]))
    return {strategy_id: edge_of(found, instruments) for strategy_id, found in closes.items()}


def lots_of(strategy_id: str, quantity: Decimal, instrument: Instrument) -> int:
    """Whole lots of a quantity. What others have traded for the account need not lie on our grid, and counts as the next larger."""
    if strategy_id != EXTERNAL:
        return instrument.lots(quantity)
    return int((quantity / instrument.lot).to_integral_value(ROUND_UP))


def _permit(row: OpenPermit, instruments: Mapping[str, Instrument]) -> Permit | None:
    """None of one for what this market does not trade."""
    instrument = instruments.get(row.symbol)
    if instrument is None:
        return None
    return Permit(row.id, row.strategy_id, row.symbol, row.side, int(row.quantity / instrument.lot))


def _open_order(row: OpenRow, instrument: Instrument) -> OpenOrder:
    lots = lots_of(row.strategy_id, row.remaining, instrument)
    external = row.strategy_id == EXTERNAL
    ticks = int((row.price / instrument.tick).to_integral_value()) if external else instrument.ticks(row.price)
    return OpenOrder(row.order_id, row.strategy_id, row.symbol, row.side, lots, ticks, row.status)

"""A finished backtest, told as a fleet's record is."""

from collections import Counter

from libs.domain.orders import Order
from libs.domain.stories import MadeTrade, OrderKey, Outcome, PlacedOrder, SaidSignal, SignalKey, Story, TradeKey
from libs.quant.backtest.result import Played


def story_of(played: Played, since: int, until: int) -> Story:
    """What happened at bars with since <= start < until; balances without the trades of later bars."""
    keys = {s.signal_id: SignalKey(s.bar_time, s.strategy_id, s.symbol, s.timeframe) for s in played.signals}
    asked: dict[str, OrderKey] = {str(o.order_id): OrderKey(keys[o.signal_id], o.leg) for o in played.orders if o.signal_id in keys}
    orders = {asked[str(o.order_id)]: o for o in played.orders if str(o.order_id) in asked}
    trades: dict[TradeKey, MadeTrade] = {}
    fills: Counter[OrderKey] = Counter()
    for trade in played.trades:
        key = asked.get(str(trade.order_id))
        if key is not None:
            fills[key] += 1
            trades[TradeKey(key, fills[key])] = MadeTrade(
                trade.side, trade.quantity, trade.executed_price, trade.commission, trade.executed_at, trade.pnl
            )

    later = {trade.trade_id for trade in played.trades if (key := asked.get(str(trade.order_id))) and key.signal.bar_time >= until}

    def within(key: SignalKey) -> bool:
        return since <= key.bar_time < until

    return Story(
        signals={keys[s.signal_id]: SaidSignal(s.target, s.scale, s.reference_price) for s in played.signals if within(keys[s.signal_id])},
        orders={key: _placed(order) for key, order in orders.items() if within(key.signal)},
        trades={key: trade for key, trade in trades.items() if within(key.order.signal)},
        ledger=played.ledger(without=later),
        verdicts={keys[r.signal.signal_id]: Outcome("REFUSED", r.refusal.code, r.refusal.reason) for r in played.refused},
        ends={key: str(played.statuses.get(order.client_order_id, "")) for key, order in orders.items()},
    )


def _placed(order: Order) -> PlacedOrder:
    return PlacedOrder(order.side, order.order_type, order.quantity, order.price, order.expires_at)

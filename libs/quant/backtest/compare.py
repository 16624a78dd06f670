"""A fleet's story beside a backtest's: every difference, and which cause it has.

Causes: `data` (another bar was decided on), `timing` (something came too late, or nothing was running), `refusal` (one
side's risk or venue said no), `slippage` (another price), `fee`, and `follows` (sizes or books differ because of an
earlier difference: mend that one first).
"""

from collections.abc import Hashable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from libs.domain.stories import Cause, Difference, MadeTrade, OrderKey, PlacedOrder, SaidSignal, SignalKey, Story, TradeKey
from libs.domain.times import iso

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_LATE: Final = frozenset({"RC-A08", "RC-A12", "RC-C03"})
"""Refusals for being late or without a clock."""


class Why(NamedTuple):
    """A cause, and what it was in this case."""

    cause: Cause
    why: str


def differences(fleet: Story, backtest: Story) -> list[Difference]:
    """All of them in market time, signals before orders before trades; balances last."""
    stories = (fleet, backtest)
    signals = [
        _told("signal", key.bar_time, _of(key), ours, theirs, _signal(ours, theirs))
        for key, ours, theirs in _unequal(fleet.signals, backtest.signals)
    ]
    orders = [
        _told("order", key.signal.bar_time, f"{_of(key.signal)} leg {key.leg}", ours, theirs, _order(key, ours, theirs, *stories))
        for key, ours, theirs in _unequal(fleet.orders, backtest.orders)
    ]
    trades = [
        _told("trade", key.order.signal.bar_time, f"{_of(key.order.signal)} fill {key.n}", a, b, _trade(key, a, b, *stories))
        for key, a, b in _unequal(fleet.trades, backtest.trades)
    ]
    balances = [
        _told("balance", 0, " ".join(filter(None, key)), ours, theirs, _balance(bool(signals or orders or trades)))
        for key, ours, theirs in _unequal(_moved(fleet.ledger), _moved(backtest.ledger))
    ]
    return _rooted(sorted([*signals, *orders, *trades], key=lambda difference: difference.at)) + balances


def _rooted(found: list[Difference]) -> list[Difference]:
    """The first difference follows from none: where it is of sizes only, these were taken at another moment."""
    if found and found[0].cause == "follows":
        why = f"{found[0].why}; nothing differs before it, so it was judged at another moment's prices or books"
        return [found[0]._replace(cause="timing", why=why), *found[1:]]
    return found


def _unequal(fleet: Mapping[Key, Value], backtest: Mapping[Key, Value]) -> list[tuple[Key, Value | None, Value | None]]:
    keys = dict.fromkeys([*fleet, *backtest])
    return [(key, fleet.get(key), backtest.get(key)) for key in keys if fleet.get(key) != backtest.get(key)]


def _of(key: SignalKey) -> str:
    return f"{key.strategy_id} {key.symbol} {key.timeframe}"


def _told(kind: str, at: int, what: str, fleet: object, backtest: object, found: Why) -> Difference:
    return Difference(kind, found.cause, at, what, _text(fleet), _text(backtest), found.why)


def _text(value: object) -> str:
    if value is None:
        return "nothing"
    if hasattr(value, "_asdict"):
        parts = ((name, iso(part) if name.endswith("_at") else _text(part)) for name, part in value._asdict().items() if part is not None)
        return " ".join(f"{name}={part}" for name, part in parts)
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _signal(ours: SaidSignal | None, theirs: SaidSignal | None) -> Why:
    if ours is None:
        return Why(
            "timing",
            "the fleet said nothing: paused, stopped, the strategy off, failed or not configured then, or the bar not stored",
        )
    if theirs is None:
        return Why("data", "on its bars the backtest had no reason for it")
    if ours.reference_price != theirs.reference_price:
        return Why("data", "the bar closed at another price")
    return Why("data", "an earlier bar or a parameter was another")


def _order(key: OrderKey, ours: PlacedOrder | None, theirs: PlacedOrder | None, fleet: Story, backtest: Story) -> Why:
    if ours is None:
        return _not_ordered(key, fleet, "the fleet")
    if theirs is None:
        return _not_ordered(key, backtest, "the backtest")
    return Why("follows", "it was sized on other equity or on another position")


def _not_ordered(key: OrderKey, story: Story, who: str) -> Why:
    if key.signal not in story.signals:
        return Why("follows", f"{who} had no such signal")
    outcome = story.verdicts.get(key.signal)
    if outcome is None:
        return Why("timing", f"{who} never judged the signal")
    said = f"{who} answered {outcome.verdict} {outcome.code} {outcome.reason}".replace("  ", " ").strip()
    if outcome.code in _LATE or outcome.verdict in ("EXPIRED", "SUPERSEDED", "WAITING"):
        return Why("timing", said)
    return Why("refusal" if outcome.verdict == "REFUSED" else "follows", said)


def _trade(key: TradeKey, ours: MadeTrade | None, theirs: MadeTrade | None, fleet: Story, backtest: Story) -> Why:
    if ours is None or theirs is None:
        story, who = (fleet, "the fleet") if ours is None else (backtest, "the backtest")
        return _not_filled(key, story, who)
    if ours.side != theirs.side:
        return Why("follows", "the order was to the other side")
    if ours.executed_at != theirs.executed_at:
        return Why("timing", "it was filled on another event")
    if ours.price != theirs.price:
        return Why("slippage", "the same event filled it at another price")
    if ours.quantity != theirs.quantity:
        return Why("follows", "another quantity was ordered, or another share of the event was free")
    if ours.fee != theirs.fee:
        return Why("fee", "the same fill was charged another fee")
    return Why("follows", "the same fill closed another position")


def _not_filled(key: TradeKey, story: Story, who: str) -> Why:
    if key.order not in story.orders:
        return Why("follows", f"{who} had no such order")
    end = story.ends.get(key.order, "unknown")
    if end in ("REJECTED", "DENIED"):
        return Why("refusal", f"the order of {who} was {end}")
    return Why("timing", f"the order of {who} is {end} and met no such event")


def _moved(ledger: Mapping[tuple[str, str, str], Decimal]) -> dict[tuple[str, str, str], Decimal]:
    return {key: amount for key, amount in ledger.items() if amount}


def _balance(explained: bool) -> Why:
    if explained:
        return Why("follows", "it sums what differs above")
    return Why("data", "no signal, order or trade differs: the ledger holds something else")

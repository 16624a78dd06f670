"""R: no limit was exceeded at any instant, orders of unknown outcome counted.

The history is played again, order by order and fill by fill, in the order in which the record took them in. An order counts from its
approval to its evidenced end, whatever is believed of it in between. Money is Decimal here, float64 in the gate that is judged.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from libs.domain.books import signed
from libs.domain.configuration import LimitConfig, LimitName
from libs.domain.orders import TERMINAL
from tests.chaos.findings import Finding
from tests.chaos.record import Account, Order, Record, Trade
from tests.chaos.sends_stopped import EXITS

SLACK: Final = Decimal("1.01")
"""A price may move by 1 % from the bar that a signal was decided at to the one that it was judged by."""

MINUTE_NS: Final = 60_000_000_000
ZERO: Final = Decimal(0)


def exceeded(record: Record, limits: Sequence[LimitConfig]) -> Iterator[Finding]:
    """Every instant at which something was more than it may be."""
    for account in record.accounts:
        yield from Replay(record, account, limits).findings()
    yield from _slices(record)


class Moment(NamedTuple):
    """Something that changes what an account holds or may come to hold."""

    at: int
    kind: int  # of one moment the end and the fill come before the approval: what is free then may be used
    what: "Order | Trade"


END, FILL, APPROVAL = 0, 1, 2


class Replay:
    """One account, played again."""

    def __init__(self, record: Record, account: Account, limits: Sequence[LimitConfig]) -> None:
        self._record = record
        self._account = account
        self._limits = [limit for limit in limits if limit.name in ("max_order_notional", "max_position_notional", "max_gross_exposure")]
        self._rates = [limit for limit in limits if limit.name == "max_orders_per_minute"]
        self._held: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)  # by strategy and symbol
        self._open: dict[UUID, Order] = {}
        self._left: dict[UUID, Decimal] = {}
        self._orders = {order.order_id: order for order in record.orders}
        self._judged_by = {event.order_id: event.at_market for event in record.events if event.n == 1}
        self._cash = ZERO
        self._prices: dict[str, tuple[list[int], list[Decimal]]] = {}
        for close in record.closes:
            times, prices = self._prices.setdefault(close.symbol, ([], []))
            times.append(close.known_market)
            prices.append(close.price)

    def findings(self) -> Iterator[Finding]:
        """Everything, in order."""
        self._cash = sum(
            (line.amount for line in self._record.ledger if self._is_deposit(line.account_id, line.kind, line.ledger_account)), ZERO
        )
        approved: list[Order] = []
        for moment in self._moments():
            match moment.what:
                case Trade() as trade:
                    yield from self._fill(trade)
                case Order() as order if moment.kind == END:
                    self._open.pop(order.order_id, None)
                case Order() as order:
                    approved.append(order)
                    yield from self._approve(order)
                    yield from self._rate(order, approved)

    def _is_deposit(self, account_id: str, kind: str, ledger_account: str) -> bool:
        return account_id == self._account.account_id and kind != "trade" and ledger_account == "cash"

    def _moments(self) -> list[Moment]:
        ours = {order.order_id: order for order in self._record.orders if order.account_id == self._account.account_id}
        ends = [e for e in self._record.events if e.order_id in ours and e.status in TERMINAL]
        first: dict[UUID, int] = {}
        for event in ends:
            first.setdefault(event.order_id, event.at)
        found = [Moment(order.created, APPROVAL, order) for order in ours.values()]
        found += [Moment(at, END, ours[id_]) for id_, at in first.items()]
        found += [Moment(t.booked, FILL, t) for t in self._record.trades if t.account_id == self._account.account_id]
        return sorted(found, key=lambda moment: moment[:2])

    def _fill(self, trade: Trade) -> Iterator[Finding]:
        order = self._orders.get(trade.order_id)
        if order is None:
            return  # F has something to say of it
        book, change = (order.strategy_id, order.symbol), signed(trade.side, trade.quantity)
        self._held[book] += change
        for id_ in (order.order_id, order.parent_id):
            if id_ in self._left and (id_ == order.order_id or order.purpose == "slice"):
                self._left[id_] -= trade.quantity
        self._cash -= change * trade.price * self._multiplier(order.symbol) + trade.fee
        if not self._account.allow_short and self._held[book] < 0 and change < 0 and not trade.exec_key.startswith("bust:"):
            yield Finding("R", trade.exec_key, f"fill {trade.exec_key} left book {' '.join(book)} short of {-self._held[book]}")

    def _approve(self, order: Order) -> Iterator[Finding]:
        if order.purpose == "slice":  # within its parent: see `_slices`
            return
        shrinks = self._shrinks(order, order.strategy_id), self._shrinks(order, None)
        self._open[order.order_id] = order
        self._left[order.order_id] = order.quantity
        if order.purpose in EXITS or order.price is None:
            return
        worth = self._worth(order.decided_market)
        notional = order.quantity * order.price * self._multiplier(order.symbol)
        if not shrinks[0]:
            yield from self._over(order, "max_order_notional", notional, worth, "the notional of order {0}", exact=True)
        price = self._price(order.symbol, order.decided_market)
        if price is None:
            return
        value = price * self._multiplier(order.symbol)
        for strategy_id, reduces in ((order.strategy_id, shrinks[0]), (None, shrinks[1])):
            if not reduces:
                worst = self._worst(order.symbol, strategy_id) * value
                what = "with order {0} the position of " + (strategy_id or "the account") + f" in {order.symbol}"
                yield from self._over(order, "max_position_notional", worst, worth, what, strategy_id=strategy_id)
        if not shrinks[1]:
            gross = sum((self._worst(s, None) * self._value(s, order.decided_market) for s in self._symbols()), ZERO)
            yield from self._over(order, "max_gross_exposure", gross, worth, "with order {0} the gross exposure")

    def _over(
        self,
        order: Order,
        name: LimitName,
        seen: Decimal,
        worth: Decimal,
        what: str,
        *,
        exact: bool = False,
        strategy_id: str | None = None,
    ) -> Iterator[Finding]:
        applies = {"order": "*", "symbol": order.symbol, "account": self._account.name, "fleet": "*"}
        if name == "max_order_notional":
            applies["strategy"] = order.strategy_id
        elif name == "max_position_notional" and strategy_id is not None:
            applies = {"strategy": strategy_id}
        most = min(
            (
                Decimal(str(limit.value)) * (worth if limit.unit == "equity" else 1)
                for limit in self._limits
                if limit.name == name and limit.scope in applies and limit.key in ("*", applies[limit.scope])
            ),
            default=None,
        )
        if most is not None and seen > most * (1 if exact else SLACK):
            yield Finding("R", str(order.order_id), f"{what.format(order.order_id)} is {seen:.2f}, {name} is {most:.2f}")

    def _rate(self, order: Order, approved: Sequence[Order]) -> Iterator[Finding]:
        """Orders of one minute of market time. It ends when the order was judged, which was before its first step."""
        if order.purpose != "signal":
            return
        for limit in self._rates:
            if limit.scope not in ("account", "strategy") or limit.key not in ("*", self._account.name, order.strategy_id):
                continue
            since = self._judged_by.get(order.order_id, order.valid_market) - MINUTE_NS
            n = sum(
                1
                for other in approved
                if other.purpose == "signal"
                and since < other.decided_market <= order.decided_market
                and (limit.scope == "account" or other.strategy_id == order.strategy_id)
            )
            if n > limit.value:
                yield Finding(
                    "R", str(order.order_id), f"order {order.order_id} is number {n} within a minute, {limit.name} is {limit.value:g}"
                )

    # --- what there is

    def _range(self, symbol: str, strategy_id: str | None) -> tuple[Decimal, Decimal]:
        """The lowest and highest position that open orders can lead to."""
        held = sum((q for (s, y), q in self._held.items() if y == symbol and strategy_id in (None, s)), ZERO)
        low = high = held
        for id_, order in self._open.items():
            if order.symbol == symbol and strategy_id in (None, order.strategy_id) and order.purpose not in ("stop", "target"):
                change = signed(order.side, max(ZERO, self._left[id_]))
                low, high = low + min(change, ZERO), high + max(change, ZERO)
        return low, high

    def _worst(self, symbol: str, strategy_id: str | None) -> Decimal:
        return max(map(abs, self._range(symbol, strategy_id)))

    def _shrinks(self, order: Order, strategy_id: str | None) -> bool:
        low, high = self._range(order.symbol, strategy_id)
        return ZERO < order.quantity <= (low if order.side == "sell" else -high)

    def _symbols(self) -> set[str]:
        return {symbol for _, symbol in self._held} | {order.symbol for order in self._open.values()}

    def _worth(self, at_market: int) -> Decimal:
        return self._cash + sum((q * self._value(symbol, at_market) for (_, symbol), q in self._held.items() if q), ZERO)

    def _value(self, symbol: str, at_market: int) -> Decimal:
        return (self._price(symbol, at_market) or ZERO) * self._multiplier(symbol)

    def _price(self, symbol: str, at_market: int) -> Decimal | None:
        """The newest close that was known."""
        times, prices = self._prices.get(symbol, ([], []))
        n = bisect_right(times, at_market)
        return prices[n - 1] if n else None

    def _multiplier(self, symbol: str) -> Decimal:
        return self._record.multipliers.get(symbol, Decimal(1))


def _slices(record: Record) -> Iterator[Finding]:
    """Slices beside their parent, each at the moment at which it was made, the others at their worst case."""
    orders = {order.order_id: order for order in record.orders}
    ended: dict[UUID, int] = {}
    for event in record.events:
        if event.status in TERMINAL:
            ended.setdefault(event.order_id, event.at)
    for order in record.orders:
        if order.purpose != "slice":
            continue
        parent = orders.get(order.parent_id) if order.parent_id else None
        before = [o for o in record.orders if o.purpose == "slice" and o.parent_id == order.parent_id and o.created <= order.created]
        total = sum(
            (o.filled if ended.get(o.order_id, order.created + 1) <= order.created else max(o.quantity, o.filled) for o in before), ZERO
        )
        if parent is None or total > parent.quantity or order.side != parent.side:
            of = f"{parent.quantity} of order {parent.order_id}" if parent else "an order that does not exist"
            yield Finding("R", str(order.order_id), f"slice {order.order_id} makes {total} of its parent, which is {of}")

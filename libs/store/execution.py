"""What trade_executor reads and writes: orders and their events, trades, positions, the ledger."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from libs.common.database import Database, Rejected, Write
from libs.domain.books import Position
from libs.domain.identity import transaction_id
from libs.domain.kill import Mode
from libs.domain.ledger import Entry, deposit_entries
from libs.domain.orders import Exits, Order, OrderEvent, OrderType, Purpose, Side, Status, TimeInForce
from libs.domain.trades import Trade
from libs.store import costs
from libs.store.costs import FACTS, Facts
from libs.store.limits import NEWEST
from libs.store.open_orders import IS_OPEN
from libs.store.sessions import Account


class OrderRow(NamedTuple):
    """An order as its row has it."""

    order_id: UUID
    client_order_id: str
    account_id: str
    venue: str
    session_id: str
    strategy_id: str
    symbol: str
    signal_id: UUID
    leg: int
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    time_in_force: TimeInForce
    decided_at: int
    valid_until: int
    expires_at: int
    status: Status
    filled: Decimal
    avg_fill_price: Decimal | None
    events: int
    approved_ns: int  # the database's clock, when the order was approved
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    oco: str = ""
    purpose: Purpose = "signal"
    parent_id: UUID | None = None
    replaces: UUID | None = None
    reduce_only: bool = False
    execution: str = ""
    protect: Exits | None = None

    def order(self) -> Order:
        """The order as it was approved."""
        return Order(**{name: getattr(self, name) for name in Order.__struct_fields__ if name in self._fields})


class Queued(NamedTuple):
    """One message of orders.approved, and the order it speaks of (None when there is no such row)."""

    no: int
    body: str
    order: OrderRow | None


class Snapshot(msgspec.Struct, kw_only=True):
    """What the executor decides on, as of one moment."""

    queued: list[Queued]
    orders: list[OrderRow]  # those asked for by id
    booked: list[str]  # which of the asked execution keys are in the books
    adjusted: list[UUID]  # which of the asked transactions are in the ledger
    killed: list[tuple[str, str, Mode]]  # (scope, key, mode)
    halted: bool  # the account may only close
    unreconciled: bool  # record and venue differ in something that nobody has decided on
    equity: float | None = None  # of the account, as risk_manager counted it last
    limits: int  # the newest version of limits on record
    facts: list[Facts]  # of the orders asked for that may end, for what they cost


ORDER_JSON: LiteralString = (
    "json_build_array(o.id, o.client_order_id, o.account_id, o.venue, o.session_id, o.strategy_id, o.symbol, o.signal_id, o.leg, o.side,"
    " o.order_type, o.quantity::text, o.price::text, o.time_in_force, ns_of(o.decided_at), ns_of(o.valid_until), ns_of(o.expires_at),"
    " o.status, o.filled_quantity::text, o.avg_fill_price::text, o.events, ns_of(o.created_at), o.stop_price::text, o.trail::text, o.oco,"
    " o.purpose, o.parent_id, o.replaces, o.reduce_only, o.execution, o.protect)"
)
_READ: LiteralString = (
    "with queue as (select no, key, body from journal where stream = 'orders.approved' and no > %(cursor)s order by no limit %(limit)s)"
    " select json_build_object("
    "'queued', (select coalesce(json_agg(json_build_array(q.no, q.body, case when o.id is null then null else "
    + ORDER_JSON
    + " end) order by q.no), '[]') from queue q left join orders o on o.id = q.key),"
    "'orders', (select coalesce(json_agg(" + ORDER_JSON + "), '[]') from orders o where o.id = any(array(select unnest(%(ids)s::uuid[])"
    " union select parent_id from orders where id = any(%(ids)s::uuid[]) and purpose = 'slice'))),"
    "'booked', (select coalesce(json_agg(exec_key), '[]') from (select exec_key from trades where venue = %(venue)s and account_id ="
    " %(account)s and exec_key = any(%(keys)s::text[]) union all select exec_key from fill_quarantine q where venue = %(venue)s"
    " and account_id = %(account)s and exec_key = any(%(keys)s::text[]) and not exists (select from reconcile_items i"
    " where i.account_id = q.account_id and i.kind = 'fill' and i.key = q.exec_key and i.decision = 'adopt')) known),"
    "'adjusted', (select coalesce(json_agg(distinct txn_id), '[]') from cash_ledger where txn_id = any(%(transactions)s::uuid[])),"
    "'killed', (select coalesce(json_agg(json_build_array(scope, key, mode)), '[]') from kill_switch where active),"
    "'halted', exists (select from risk_halts where account_id = %(account)s and active),"
    "'unreconciled', unreconciled(%(account)s),"
    "'equity', (select equity from risk_states where account_id = %(account)s),"
    "'limits', " + NEWEST + ","
    "'facts', (" + FACTS + "))::text"
)
_OPEN_ORDERS: LiteralString = (
    "select coalesce(json_agg(" + ORDER_JSON + " order by o.created_at, o.id), '[]')::text from orders o"
    " where o.account_id = %s and o." + IS_OPEN
)
_SLICES: LiteralString = (
    "with made as (select * from orders where parent_id = any(%s::uuid[]) and purpose = 'slice')"
    " select coalesce(json_agg(" + ORDER_JSON + " order by o.leg), '[]')::text from made o"
)
_decode: Final = msgspec.json.Decoder(Snapshot).decode
_decode_orders: Final = msgspec.json.Decoder(list[OrderRow]).decode


class ExecutionStore:
    """One account's orders and books."""

    def __init__(self, database: Database, account: Account) -> None:
        self.database = database
        self._account = account
        self.account_id = account.account_id

    async def read(
        self,
        cursor: int,
        limit: int,
        ids: Sequence[UUID],
        keys: Sequence[str],
        transactions: Sequence[UUID],
        costed: Sequence[UUID] = (),
    ) -> Snapshot:
        """Queued approvals, the orders of `ids`, which of the execution keys and transactions are booked, and what the cost of the
        orders `costed` is worked out from: one snapshot."""
        rows = await self.database.fetch(
            _READ,
            {
                "cursor": cursor,
                "limit": limit,
                "ids": list(ids),
                "keys": list(keys),
                "transactions": list(transactions),
                "costed": list(costed),
                "venue": self._account.venue,
                "account": self._account.account_id,
            },
            plan_once=True,
        )
        try:
            return _decode(rows[0][0])
        except msgspec.ValidationError as error:
            raise Rejected(f"the record holds something the executor cannot read: {error}", None) from error

    async def open_orders(self) -> list[OrderRow]:
        """Every order that has not ended, oldest first."""
        rows = await self.database.fetch(_OPEN_ORDERS, (self._account.account_id,))
        return _decode_orders(rows[0][0])

    async def facts(self, ids: Sequence[UUID]) -> dict[UUID, Facts]:
        """What the cost of orders is worked out from."""
        return await costs.facts(self.database, ids)

    async def slices(self, parents: Sequence[UUID]) -> list[OrderRow]:
        """Every slice of these orders, whatever became of it, in the order in which they were made."""
        rows = await self.database.fetch(_SLICES, (list(parents),))
        return _decode_orders(rows[0][0])

    async def volumes(self, venue: str, symbol: str, timeframe: str, days: Sequence[tuple[int, int]]) -> list[tuple[int, float]]:
        """(start, volume) of the stored bars that begin in one of the stretches [from, to), market ns."""
        rows = await self.database.fetch(
            "select ns_of(timestamp), volume from unnest(%b::int8[], %b::int8[]) d(f, t) join market_ohlcv b on b.venue = %s"
            " and b.symbol = %s and b.timeframe = %s and b.timestamp >= at_ns(d.f) and b.timestamp < at_ns(d.t) where volume is not null"
            " order by 1",
            ([day[0] for day in days], [day[1] for day in days], venue, symbol, timeframe),
        )
        return [(start, volume) for start, volume in rows]

    async def asked_to_cancel(self, ids: Sequence[UUID]) -> set[UUID]:
        """Which of the orders somebody wanted gone."""
        rows = await self.database.fetch(
            "select distinct order_id from order_events where order_id = any(%s::uuid[]) and event = 'cancel'", (list(ids),)
        )
        return {row[0] for row in rows}

    async def passed_over(self, known: Sequence[UUID]) -> int:
        """How many orders have been APPROVED for 5 s and are not among those known."""
        rows = await self.database.fetch(
            "select count(*) from orders where account_id = %s and status = 'APPROVED' and created_at < now() - interval '5 seconds'"
            " and id <> all(%s::uuid[])",
            (self._account.account_id, list(known)),
        )
        return int(rows[0][0])

    async def closes(self, venue: str, timeframe: str, symbols: Sequence[str]) -> dict[str, float]:
        """Close of each symbol's newest bar; those without one are left out."""
        rows = await self.database.fetch(
            "select w.symbol, m.close_price from unnest(%b::text[]) w(symbol) cross join lateral (select close_price from market_ohlcv"
            " where venue = %s and symbol = w.symbol and timeframe = %s and close_price is not null order by timestamp desc limit 1) m",
            (list(symbols), venue, timeframe),
        )
        return {symbol: float(close) for symbol, close in rows}

    async def positions(self) -> dict[tuple[str, str], Position]:
        """Every book of the account, by (strategy, symbol)."""
        rows = await self.database.fetch(
            "select strategy_id, symbol, quantity, avg_cost, realized_pnl from positions where account_id = %s", (self._account.account_id,)
        )
        return {(strategy, symbol): Position(*values) for strategy, symbol, *values in rows}

    async def holdings(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """Cash by currency and quantity by symbol, as the ledger has them; zeros left out."""
        rows = await self.database.fetch(
            "select ledger_account, commodity, sum(amount) from cash_ledger where account_id = %s and ledger_account in ('cash',"
            " 'position') group by 1, 2 having sum(amount) <> 0",
            (self._account.account_id,),
        )
        cash = {commodity: amount for kind, commodity, amount in rows if kind == "cash"}
        return cash, {commodity: amount for kind, commodity, amount in rows if kind == "position"}

    async def in_ledger(self, transactions: Sequence[UUID]) -> set[UUID]:
        """Which of the transactions are in the ledger."""
        rows = await self.database.fetch("select distinct txn_id from cash_ledger where txn_id = any(%b::uuid[])", (list(transactions),))
        return {row[0] for row in rows}

    async def last_executed_at(self) -> int:
        """Market time of the newest booked fill; 0 when there is none."""
        rows = await self.database.fetch("select ns_of(max(executed_at)) from trades where account_id = %s", (self._account.account_id,))
        return rows[0][0] or 0

    async def trades_of(self, orders: Sequence[UUID]) -> list[Trade]:
        """Every trade of the orders, in the order in which they were booked."""
        rows = await self.database.fetch(
            "select id, order_id, account_id, venue, exec_key, strategy_id, symbol, side, quantity, executed_price, commission,"
            " fee_currency, liquidity, ns_of(executed_at), pnl from trades where order_id = any(%b::uuid[]) order by booked_at, exec_key",
            (list(orders),),
        )
        return [Trade(**dict(zip(Trade.__struct_fields__, row, strict=True))) for row in rows]

    async def deposit(self, guard: Write) -> None:
        """Books the account's deposit, once."""
        account = self._account
        txn = transaction_id(account.account_id, "deposit", "opening")
        if await self.database.fetch("select 1 from cash_ledger where txn_id = %s", (txn,)):
            return
        entries = deposit_entries(txn, account.base_currency, account.deposit)
        await self.database.write([guard, store_entries(account.account_id, entries, {}), *store_cash(account.account_id, entries)])


def submitting(ids: Sequence[UUID], epoch: int, market_time: int) -> Write:
    """Intent before send; raises TW004 when an order may no longer be sent."""
    return Write("select orders_submitting(%b::uuid[], %s, %s)", (list(ids), epoch, market_time))


def store_children(children: Sequence[Order], epoch: int) -> list[Write]:
    """New orders within approved ones (`orders_child()` bounds them); raises TW004 when one is not. Done again they change nothing."""
    return [
        Write(
            "select orders_child(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                o.order_id,
                o.client_order_id,
                o.parent_id,
                o.leg,
                o.purpose,
                o.order_type,
                o.side,
                o.quantity,
                o.price,
                o.stop_price,
                o.trail,
                o.oco,
                o.time_in_force,
                o.replaces,
                o.decided_at,
                o.valid_until,
                o.expires_at,
                epoch,
            ),
        )
        for o in children
    ]


def store_attempts(
    attempts: Sequence[tuple[UUID, int, str]], epoch: int, arrivals: Mapping[UUID, tuple[Decimal, Decimal | None]] | None = None
) -> Write:
    """(order, attempt, client order id) of every request about to leave; `arrivals` are (price, spread) of the market it goes to."""
    prices = [(arrivals or {}).get(attempt[0], (None, None)) for attempt in attempts]
    return Write(
        "insert into order_attempts (order_id, n, client_order_id, epoch, arrival_price, arrival_spread) select o, n, c, %s, p, s"
        " from unnest(%b::uuid[], %b::int8[], %b::text[], %s::numeric[], %s::numeric[]) u(o, n, c, p, s)",
        (epoch, [a[0] for a in attempts], [a[1] for a in attempts], [a[2] for a in attempts], *map(list, zip(*prices, strict=True))),
    )


def store_events(events: Sequence[OrderEvent]) -> Write:
    """Steps of orders, each number once."""
    return Write(
        "insert into order_events (order_id, n, event, status, filled_quantity, anomaly, detail, market_time) select o, n, e, s, f, a, d,"
        " at_ns(m) from unnest(%b::uuid[], %b::int8[], %b::text[], %b::text[], %b::numeric[], %b::bool[], %b::text[], %b::int8[])"
        " u(o, n, e, s, f, a, d, m)",
        (
            [e.order_id for e in events],
            [e.n for e in events],
            [e.event for e in events],
            [str(e.status) for e in events],
            [e.filled_quantity for e in events],
            [e.anomaly for e in events],
            [e.detail for e in events],
            [e.market_time for e in events],
        ),
    )


class OrderChange(NamedTuple):
    """Where an order stands after a hop."""

    order_id: UUID
    status: Status
    filled: Decimal
    avg_fill_price: Decimal | None
    events: int


def store_orders(changes: Sequence[OrderChange]) -> Write:
    """The orders as they stand now."""
    return Write(
        "update orders o set status = u.s, filled_quantity = u.f, avg_fill_price = u.p, events = u.n, updated_at = clock_timestamp()"
        " from unnest(%b::uuid[], %b::text[], %b::numeric[], %s::numeric[], %b::int8[]) u(i, s, f, p, n) where o.id = u.i",
        (
            [c.order_id for c in changes],
            [str(c.status) for c in changes],
            [c.filled for c in changes],
            [c.avg_fill_price for c in changes],
            [c.events for c in changes],
        ),
    )


def store_trades(trades: Sequence[Trade]) -> Write:
    """Fills, each once: a second one of the same execution key raises."""
    return Write(
        "insert into trades (id, order_id, account_id, exec_key, symbol, side, quantity, executed_price, commission, fee_currency,"
        " liquidity, executed_at, venue, strategy_id, pnl) select i, o, a, k, y, d, q, p, c, f, l, at_ns(x), v, s, g from"
        " unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::numeric[], %b::numeric[], %b::numeric[],"
        " %b::text[], %b::text[], %b::int8[], %b::text[], %b::text[], %b::numeric[]) u(i, o, a, k, y, d, q, p, c, f, l, x, v, s, g)",
        (
            [t.trade_id for t in trades],
            [t.order_id for t in trades],
            [t.account_id for t in trades],
            [t.exec_key for t in trades],
            [t.symbol for t in trades],
            [t.side for t in trades],
            [t.quantity for t in trades],
            [t.executed_price for t in trades],
            [t.commission for t in trades],
            [t.fee_currency for t in trades],
            [t.liquidity for t in trades],
            [t.executed_at for t in trades],
            [t.venue for t in trades],
            [t.strategy_id for t in trades],
            [t.pnl for t in trades],
        ),
    )


def store_positions(account_id: str, positions: Mapping[tuple[str, str], Position], market_time: int) -> Write:
    """Books as they are after fills and corporate actions."""
    keys = list(positions)
    return Write(
        "insert into positions (account_id, strategy_id, symbol, quantity, avg_cost, realized_pnl, last_updated)"
        " select %s, s, y, q, c, r, at_ns(%s) from unnest(%b::text[], %b::text[], %b::numeric[], %b::numeric[], %b::numeric[])"
        " u(s, y, q, c, r) on conflict (account_id, strategy_id, symbol) do update set quantity = excluded.quantity,"
        " avg_cost = excluded.avg_cost, realized_pnl = excluded.realized_pnl, last_updated = excluded.last_updated",
        (
            account_id,
            market_time,
            [k[0] for k in keys],
            [k[1] for k in keys],
            [positions[k].quantity for k in keys],
            [positions[k].avg_cost for k in keys],
            [positions[k].realized_pnl for k in keys],
        ),
    )


def store_entries(account_id: str, entries: Sequence[Entry], trades: Mapping[UUID, UUID]) -> Write:
    """Ledger lines; `trades` says which trade a transaction is of."""
    return Write(
        "insert into cash_ledger (txn_id, entry, account_id, strategy_id, ledger_account, commodity, amount, trade_id, kind)"
        " select t, n, %s, s, l, c, m, d, k from unnest(%b::uuid[], %b::int8[], %b::text[], %b::text[], %b::text[], %b::numeric[],"
        " %s::uuid[], %b::text[]) u(t, n, s, l, c, m, d, k)",
        (
            account_id,
            [e.txn_id for e in entries],
            [e.entry for e in entries],
            [e.strategy_id for e in entries],
            [e.ledger_account for e in entries],
            [e.commodity for e in entries],
            [e.amount for e in entries],
            [trades.get(e.txn_id) for e in entries],
            [e.kind for e in entries],
        ),
    )


def store_cash(account_id: str, entries: Sequence[Entry]) -> list[Write]:
    """The cash balances moved by ledger lines."""
    moved: dict[str, Decimal] = {}
    for line in entries:
        if line.ledger_account == "cash":
            moved[line.commodity] = moved.get(line.commodity, Decimal(0)) + line.amount
    if not moved:
        return []
    return [
        Write(
            "insert into cash_balances as b (account_id, commodity, balance) select %s, c, m from unnest(%b::text[], %b::numeric[]) u(c, m)"
            " on conflict (account_id, commodity) do update set balance = b.balance + excluded.balance",
            (account_id, list(moved), list(moved.values())),
        )
    ]

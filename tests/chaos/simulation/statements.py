"""What each statement of the order path does to the record in memory: as the SQL beside it, and with the same refusals.

Named by how it begins. `tests/conformance/test_memory_record.py` has a real Postgres answer the same statements.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from libs.common.wire import Row
from libs.domain.books import Position
from libs.domain.ledger import Entry
from libs.domain.orders import AT_VENUE, OPEN, PROTECTIVE, TERMINAL, Exits, Status
from libs.store.execution import OrderRow
from tests.chaos.simulation.record import Do, EventRow, LeaseRow, Record, Refused, TradeRow

STATEMENTS: Final[dict[tuple[str, str], Do]] = {}
ZERO: Final = Decimal(0)
NEVER: Final = float("-inf")
_encode: Final = msgspec.json.Encoder(decimal_format="string").encode


def statement(start: str, end: str = "") -> Callable[[Do], Do]:
    def known(do: Do) -> Do:
        STATEMENTS[start, end] = do
        return do

    return known


def micros(ns: int) -> int:
    """As a timestamptz keeps it."""
    return ns // 1_000 * 1_000


# --- journal and cursors


@statement("select * from cursor_open(")
def cursor_open(record: Record, params: Any) -> list[Row]:
    consumer, streams = params
    rows: list[Row] = []
    for stream in streams:
        if (consumer, stream) not in record.cursors:
            record.put("cursors", (consumer, stream), (0, 1))
        no, epoch = record.cursors[consumer, stream]
        rows.append((stream, no, epoch, 1))  # nothing is ever trimmed here: the oldest message is the first
    return rows


@statement("select cursor_move(")
def cursor_move(record: Record, params: Any) -> list[Row]:
    consumer, stream, start, end, epoch = params
    if record.cursors.get((consumer, stream)) != (start, epoch):
        raise Refused("TW001", f"stale cursor {consumer} {stream} {start}")
    record.put("cursors", (consumer, stream), (end, epoch))
    return [("",)]


@statement("select journal_append(")
def journal_append(record: Record, params: Any) -> list[Row]:
    stream, keys, bodies = params
    numbers = [record.append(stream, key, body) for key, body in zip(keys, bodies, strict=True)]
    return [(numbers[0] if numbers else None,)]


@statement("select no, body from journal where stream")
def journal_read(record: Record, params: Any) -> list[Row]:
    stream, after, limit = params
    return [(after + 1 + n, body) for n, (_, body) in enumerate(record.journal.get(stream, [])[after : after + limit])]


@statement("select j.stream, j.no, j.body from journal_counters")
def journal_last(record: Record, params: Any) -> list[Row]:
    return [(stream, len(record.journal[stream]), record.journal[stream][-1][1]) for stream in params[0] if record.journal[stream]]


@statement("insert into quarantine (consumer")
def put_aside(record: Record, params: Any) -> list[Row]:
    consumer, stream, no, _, error = params
    record.insert("quarantine", (consumer, stream, no), error)
    return []


# --- leases


@statement("select epoch, holder, wait_s from lease_take(")
def lease_take(record: Record, params: Any) -> list[Row]:
    name, holder, ttl_s, deadline_s, streams = params
    now = record.clock()
    held = record.leases.get(name, LeaseRow("", 0, NEVER, True))
    if not (held.released or held.holder == holder or held.expires_at + deadline_s < now):
        return [(held.epoch, held.holder, held.expires_at + deadline_s - now)]
    epoch = held.epoch + 1
    record.put("leases", name, LeaseRow(holder, epoch, now + ttl_s, False))
    for stream in streams:
        no, _ = record.cursors.get((name, stream), (0, 1))
        record.put("cursors", (name, stream), (no, epoch))
    return [(epoch, holder, 0.0)]


@statement("select lease_renew(")
def lease_renew(record: Record, params: Any) -> list[Row]:
    name, holder, epoch, ttl_s = params
    held = record.leases.get(name)
    if held is None or (held.holder, held.epoch, held.released) != (holder, epoch, False):
        raise Refused("TW002", f"lease {name} is no longer held by {holder}")
    record.put("leases", name, held._replace(expires_at=record.clock() + ttl_s))
    return [("",)]


@statement("select lease_release(")
def lease_release(record: Record, params: Any) -> list[Row]:
    name, holder = params
    held = record.leases.get(name)
    if held is not None and held.holder == holder:
        record.put("leases", name, held._replace(released=True))
    return [("",)]


@statement("select set_config('plan_cache_mode', ")
def plan_once(record: Record, params: Any) -> list[Row]:
    """It has no plans."""
    return [("force_generic_plan",)]


@statement("select lease_guard(")
def lease_guard(record: Record, params: Any) -> list[Row]:
    name, epoch = params
    held = record.leases.get(name)
    if held is None or held.epoch != epoch or held.released:
        raise Refused("TW002", f"lease {name} is no longer at epoch {epoch}")
    return [("",)]


# --- what the executor reads


@statement("select scope, key, mode from kill_switch")
def kills(record: Record, params: Any) -> list[Row]:
    return [(scope, key, mode) for (scope, key), mode in record.kills.items()]


def _open(record: Record, account_id: str) -> list[OrderRow]:
    rows = [row for row in record.orders.values() if row.account_id == account_id and row.status in OPEN]
    return sorted(rows, key=lambda row: (row.approved_ns, row.order_id.int))


@statement("with queue as (select no, key, body from journal where stream = 'orders.approved'")
def snapshot(record: Record, params: Any) -> list[Row]:
    after, venue, account = params["cursor"], params["venue"], params["account"]
    queue = record.journal["orders.approved"][after : after + params["limit"]]
    booked = [k for k in dict.fromkeys(params["keys"]) if (venue, account, k) in record.exec_keys or (venue, account, k) in record.aside]
    found = {
        "queued": [(after + 1 + n, body, record.orders.get(key) if key else None) for n, (key, body) in enumerate(queue)],
        "orders": [record.orders[id_] for id_ in _with_parents(record, params["ids"]) if id_ in record.orders],
        "booked": booked,
        "adjusted": [],  # no corporate actions here
        "killed": [(scope, key, mode) for (scope, key), mode in record.kills.items()],
        "halted": account in record.halted,
        "unreconciled": unreconciled(record, account),
        "equity": None,  # no limit of a share of it here
        "limits": 0,  # hard limits are for another test
        "facts": [],  # nothing is decided by what orders cost
    }
    return [(_encode(found),)]


def _with_parents(record: Record, ids: list[UUID]) -> list[UUID]:
    """And the parents of those that are slices."""
    slices = [r for id_ in ids if (r := record.orders.get(id_)) is not None and r.purpose == "slice"]
    return list(dict.fromkeys([*ids, *(r.parent_id for r in slices if r.parent_id is not None)]))


@statement("select coalesce(json_agg(json_build_array(o.id, o.client_order_id, o.account_id")
def open_orders(record: Record, params: Any) -> list[Row]:
    return [(_encode(_open(record, params[0])),)]


@statement("with made as (select * from orders where parent_id")
def slices(record: Record, params: Any) -> list[Row]:
    found = [r for r in record.orders.values() if r.parent_id in params[0] and r.purpose == "slice"]
    return [(_encode(sorted(found, key=lambda r: r.leg)),)]


@statement("select ns_of(timestamp), volume from unnest(")
def volumes(record: Record, params: Any) -> list[Row]:
    return []


@statement("update orders set status = 'WORKING' where id = any(")
def store_working(record: Record, params: Any) -> list[Row]:
    for id_ in params[0]:
        row = record.orders.get(id_)
        if row is not None and row.status is Status.APPROVED:
            record.put("orders", id_, row._replace(status=Status.WORKING))
    return []


@statement("select (select coalesce(json_agg(json_build_array(o.id, s.reference_price")
def facts_of_costs(record: Record, params: Any) -> list[Row]:
    return [("[]",)]


@statement("with entries as (select distinct on (strategy_id, symbol) * from orders e")
def guards(record: Record, params: Any) -> list[Row]:
    """Of every book: one that holds nothing, and has no protection, needs none and is passed over by whoever asks."""
    entries: dict[tuple[str, str], OrderRow] = {}
    for row in record.orders.values():
        if row.account_id == params["account"] and row.protect is not None and row.filled:
            known = entries.setdefault((row.strategy_id, row.symbol), row)
            if (row.decided_at, row.leg) > (known.decided_at, known.leg):
                entries[row.strategy_id, row.symbol] = row
    protective = [row for row in record.orders.values() if row.purpose in PROTECTIVE]
    found = [(entry, max((row.leg for row in protective if row.parent_id == entry.order_id), default=None)) for entry in entries.values()]
    return [(_encode(found),)]


@statement("select distinct order_id from order_events where order_id = any(%s::uuid[]) and event = 'cancel'")
def asked_to_cancel(record: Record, params: Any) -> list[Row]:
    wanted = set(params[0])
    found = dict.fromkeys(order for (order, _), row in record.events.items() if order in wanted and row.event == "cancel")
    return [(order,) for order in found]


@statement("select count(*) from orders where account_id = %s and status = 'APPROVED' and created_at < now() - interval '5 seconds'")
def passed_over(record: Record, params: Any) -> list[Row]:
    account, known = params
    before = record.now_ns() - 5_000_000_000
    rows = [r for r in _open(record, account) if r.status is Status.APPROVED and r.approved_ns < before and r.order_id not in known]
    return [(len(rows),)]


@statement("select strategy_id, symbol, quantity, avg_cost, realized_pnl from positions where account_id")
def positions(record: Record, params: Any) -> list[Row]:
    return [(strategy, symbol, *held) for (account, strategy, symbol), held in record.positions.items() if account == params[0]]


@statement("select ledger_account, commodity, sum(amount) from cash_ledger where account_id")
def holdings(record: Record, params: Any) -> list[Row]:
    sums: dict[tuple[str, str], Decimal] = {}
    for account, line in record.ledger.values():
        if account == params[0] and line.ledger_account in ("cash", "position"):
            key = line.ledger_account, line.commodity
            sums[key] = sums.get(key, ZERO) + line.amount
    return [(*key, amount) for key, amount in sums.items() if amount]


@statement("select distinct txn_id from cash_ledger where txn_id = any(")
def in_ledger(record: Record, params: Any) -> list[Row]:
    return [(txn,) for txn in dict.fromkeys(params[0]) if (txn, 0) in record.ledger]


@statement("select 1 from cash_ledger where txn_id")
def has_transaction(record: Record, params: Any) -> list[Row]:
    return [(1,) for txn, _ in record.ledger if txn == params[0]]


@statement("select ns_of(max(executed_at)) from trades where account_id")
def last_executed_at(record: Record, params: Any) -> list[Row]:
    return [(max((t.executed_at for t in record.trades.values() if t.account_id == params[0]), default=None),)]


@statement("select max(at) from commands where command in ('reconcile', 'decide')")
def asked_to_reconcile(record: Record, params: Any) -> list[Row]:
    return [(record.asked_to_reconcile[-1] if record.asked_to_reconcile else None,)]


@statement("select session_id, feed, seed, mode, speed, venue, timeframes")
def session(record: Record, params: Any) -> list[Row]:
    return [tuple(record.session.values())]


@statement("select symbol, b.timeframe, ns_of(timestamp), open_price")
def bars_between(record: Record, params: Any) -> list[Row]:
    return []  # this market shows no bars


# --- what it writes


def killed(record: Record, row: OrderRow, *, halt: bool) -> bool:
    """killed() and, without `halt`, the switches of only_reduces()."""
    keys = [("fleet", ""), ("account", row.account_id), ("account", record.names.get(row.account_id, "")), ("strategy", row.strategy_id)]
    return any((record.kills.get(key, "") == "halt") is halt for key in [*keys, ("symbol", row.symbol)] if key in record.kills)


def unreconciled(record: Record, account_id: str) -> bool:
    return any(item.account_id == account_id and item.kind != "order" for item in record.items.values())


def shrinks(record: Record, row: OrderRow) -> bool:
    held = record.positions.get((row.account_id, row.strategy_id, row.symbol), Position()).quantity
    sent = sum(
        other.quantity - other.filled
        for other in record.orders.values()
        if (other.account_id, other.strategy_id, other.symbol, other.side) == (row.account_id, row.strategy_id, row.symbol, row.side)
        and other.order_id != row.order_id
        and other.purpose not in ("stop", "target")
        and other.status in AT_VENUE
    )
    return row.quantity <= (held if row.side == "sell" else -held) - sent


@statement("select orders_submitting(")
def orders_submitting(record: Record, params: Any) -> list[Row]:
    ids, epoch, market_ns = params
    rows = [record.orders[id_] for id_ in ids if id_ in record.orders]
    if any(killed(record, row, halt=True) for row in rows):
        raise Refused("TW004", "the kill switch is on")
    closing = [r for r in rows if r.reduce_only or r.account_id in record.halted or killed(record, r, halt=False)]
    if any(not shrinks(record, row) for row in closing):
        raise Refused("TW004", "the book may only close")
    if any(unreconciled(record, row.account_id) and not shrinks(record, row) for row in rows):
        raise Refused("TW004", "record and venue differ, and nobody has decided on it")
    fit = [row for row in rows if row.status is Status.APPROVED and row.valid_until >= micros(market_ns)]
    for row in fit:
        record.put("orders", row.order_id, row._replace(status=Status.SUBMITTING, events=row.events + 1))
        record.put("epochs", row.order_id, epoch)
    if len(fit) != len(ids):
        raise Refused("TW004", f"of {len(ids)} orders only {len(fit)} may still be sent")
    return [("",)]


@statement("select orders_child(")
def orders_child(record: Record, params: Any) -> list[Row]:
    id_, client_id, parent_id, leg, purpose, order_type, side, quantity, price, stop, trail, oco, tif, replaces, *times, epoch = params
    decided_at, valid_until, expires_at = map(micros, times)
    parent = record.orders.get(parent_id)
    if parent is None or parent.parent_id is not None:
        raise Refused("TW004", f"order {id_} has no approved parent")
    if purpose == "slice":
        others = [r for r in record.orders.values() if r.parent_id == parent_id and r.purpose == "slice" and r.order_id != id_]
        taken = sum((r.filled if r.status in TERMINAL else max(r.quantity, r.filled) for r in others), ZERO)
        if parent.status is not Status.WORKING or side != parent.side or taken + quantity > parent.quantity:
            raise Refused("TW004", f"a slice of {quantity} on top of {taken} is not within order {parent_id}")
    elif purpose not in ("stop", "target"):
        raise Refused("TW004", f"an order cannot be a child as {purpose}")
    elif side == parent.side:
        raise Refused("TW004", f"a {purpose} of order {parent_id} would add to its book")
    if id_ in record.orders:
        return [("",)]
    row = parent._replace(
        order_id=id_,
        client_order_id=client_id,
        leg=leg,
        side=side,
        order_type=order_type,
        quantity=quantity,
        price=price,
        time_in_force=tif,
        decided_at=decided_at,
        valid_until=valid_until,
        expires_at=expires_at,
        status=Status.APPROVED,
        filled=ZERO,
        avg_fill_price=None,
        events=0,
        approved_ns=record.now_ns(),
        stop_price=stop,
        trail=trail,
        oco=oco,
        purpose=purpose,
        parent_id=parent_id,
        replaces=replaces,
        reduce_only=purpose != "slice",
        execution="",
        protect=None,
    )
    _insert_order(record, row, epoch)
    return [("",)]


def _insert_order(record: Record, row: OrderRow, epoch: int) -> None:
    if any((r.signal_id, r.leg) == (row.signal_id, row.leg) for r in record.orders.values()):
        raise Refused("23505", f"there is an order of signal {row.signal_id}, leg {row.leg}")
    record.insert("orders", row.order_id, row)
    record.insert("client_ids", row.client_order_id, row.order_id)
    record.put("epochs", row.order_id, epoch)


@statement("insert into orders (id, client_order_id, account_id, venue, session_id, symbol")
def store_orders(record: Record, params: Any) -> list[Row]:
    """risk_manager's: approved orders."""
    epoch, *columns = params
    for id_, client, account, venue, session_id, symbol, order_type, side, quantity, price, tif, strategy, signal, leg, *rest in zip(
        *columns, strict=True
    ):
        decided_at, valid_until, expires_at, purpose, reduce_only, execution, protect = rest
        row = OrderRow(
            order_id=id_,
            client_order_id=client,
            account_id=account,
            venue=venue,
            session_id=session_id,
            strategy_id=strategy,
            symbol=symbol,
            signal_id=signal,
            leg=leg,
            side=side,
            order_type=order_type,
            quantity=quantity,
            price=price,
            time_in_force=tif,
            decided_at=micros(decided_at),
            valid_until=micros(valid_until),
            expires_at=micros(expires_at),
            status=Status.APPROVED,
            filled=ZERO,
            avg_fill_price=None,
            events=0,
            approved_ns=record.now_ns(),
            purpose=purpose,
            reduce_only=reduce_only,
            execution=execution,
            protect=None if protect is None else msgspec.json.decode(protect, type=Exits),
        )
        _insert_order(record, row, epoch)
    return []


@statement("select assessments_store(")
def store_assessments(record: Record, params: Any) -> list[Row]:
    return [("",)]  # nothing of the executor reads them


@statement("insert into kill_switch (scope, key, active, mode, reason, set_by) values ('symbol'")
def halt_symbol(record: Record, params: Any) -> list[Row]:
    record.put("kills", ("symbol", params[0]), "halt")
    return []


@statement("insert into notifications (")
def store_notifications(record: Record, params: Any) -> list[Row]:
    return []  # nobody is told


@statement("insert into order_attempts (")
def store_attempts(record: Record, params: Any) -> list[Row]:
    epoch, orders, numbers, client_ids, *_ = params
    for order, n, client_id in zip(orders, numbers, client_ids, strict=True):
        record.insert("attempts", (order, n), (client_id, epoch))
    return []


@statement("insert into order_events (")
def store_events(record: Record, params: Any) -> list[Row]:
    for order, n, event, status, filled, anomaly, detail, _ in zip(*params, strict=True):
        record.insert("events", (order, n), EventRow(event, Status(status), filled, anomaly, detail))
    return []


@statement("update orders o set status = u.s, filled_quantity = u.f")
def change_orders(record: Record, params: Any) -> list[Row]:
    for order, status, filled, price, events in zip(*params, strict=True):
        row = record.orders.get(order)
        if row is not None:
            changed = row._replace(status=Status(status), filled=filled, avg_fill_price=price, events=events)
            record.put("orders", order, changed)
    return []


@statement("update orders o set status = 'DENIED', updated_at = clock_timestamp() from journal j")
def deny_message(record: Record, params: Any) -> list[Row]:
    stream, no, account = params
    key = record.journal[stream][no - 1][0] if 0 < no <= len(record.journal[stream]) else None
    row = record.orders.get(key) if key else None
    if row is not None and row.account_id == account and row.status is Status.APPROVED:
        record.put("orders", row.order_id, row._replace(status=Status.DENIED))
    return []


@statement("insert into trades (")
def store_trades(record: Record, params: Any) -> list[Row]:
    for values in zip(*params, strict=True):
        row = TradeRow(*values)
        row = row._replace(executed_at=micros(row.executed_at))
        record.insert("trades", row.trade_id, row)
        record.insert("exec_keys", (row.venue, row.account_id, row.exec_key), row.trade_id)
    return []


@statement("insert into positions (")
def store_positions(record: Record, params: Any) -> list[Row]:
    account, _, *columns = params
    for strategy, symbol, *held in zip(*columns, strict=True):
        record.put("positions", (account, strategy, symbol), Position(*held))
    return []


@statement("insert into cash_ledger (")
def store_entries(record: Record, params: Any) -> list[Row]:
    account, txns, numbers, strategies, accounts, commodities, amounts, _, kinds = params
    for txn, n, strategy, kind_of, commodity, amount, kind in zip(
        txns, numbers, strategies, accounts, commodities, amounts, kinds, strict=True
    ):
        record.insert("ledger", (txn, n), (account, Entry(txn, n, strategy, kind_of, commodity, amount, kind)))
    return []


@statement("insert into cash_balances as b (")
def store_cash(record: Record, params: Any) -> list[Row]:
    account, commodities, amounts = params
    for commodity, amount in zip(commodities, amounts, strict=True):
        record.put("balances", (account, commodity), record.balances.get((account, commodity), ZERO) + amount)
    return []


@statement("insert into fill_quarantine (")
def quarantine_fill(record: Record, params: Any) -> list[Row]:
    venue, account, exec_key, _, reason = params
    if (venue, account, exec_key) not in record.aside:
        record.put("aside", (venue, account, exec_key), reason)
    return []


def order_of(record: Record, client_order_id: str) -> UUID | None:
    return record.client_ids.get(client_order_id)

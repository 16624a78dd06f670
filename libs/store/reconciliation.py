"""Differences between record and venue as rows: found and resolved by trade_executor, decided by a person."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from libs.common.database import Database, Write
from libs.domain.orders import Order, Status
from libs.domain.reconciling import EXTERNAL, GATES, Choice, Item, Kind, fill_item
from libs.domain.trades import Fill

FOREVER: Final = 7_258_118_400_000_000_000
"""2200-01-01 in ns: an order that is not ours is not ended by us because its time is over."""

ADOPTED: Final = "placed at the venue by somebody else, or by this fleet before its record was restored: nobody was asked"


class Standing(NamedTuple):
    """An item that is not resolved, or whose external book is being closed."""

    item: Item
    found_at: datetime
    decision: str  # a Choice, or "" as long as nobody has decided
    decided_by: str
    reason: str
    decided_at: datetime | None
    resolved_at: datetime | None = None
    closing_since: datetime | None = None  # of a position: its book is being closed, and nothing differs any more once it is resolved

    @property
    def decided_ns(self) -> int:
        """When, for ids that follow from a decision; 0 when nobody has."""
        return 0 if self.decided_at is None else int(self.decided_at.timestamp() * 1_000_000) * 1_000


_ITEMS: Final[LiteralString] = (
    "select id, account_id, kind, key, ours, theirs, detail, found_at, decision, decided_by, reason, decided_at, resolved_at,"
    " closing_since from reconcile_items where "
)
_STANDING: Final[LiteralString] = "(resolved_at is null or closing_since is not null)"


async def standing(database: Database, account: str | None = None) -> list[Standing]:
    """What is not over, of all accounts of the newest session or of one (by id or name), oldest first."""
    rows = await database.fetch(
        _ITEMS
        + _STANDING
        + " and account_id in (select account_id from accounts where session_id = (select session_id from sessions order by"
        " played_at desc limit 1) and (%s::text is null or %s in (account_id, name))) order by found_at, kind, key",
        (account, account),
    )
    return [_standing(row) for row in rows]


def _standing(row: Sequence[object]) -> Standing:
    return Standing(Item(*row[:7]), *row[7:])  # type: ignore[arg-type]


async def open_item(database: Database, beginning: str) -> Standing:
    """The one item that is not over and whose id begins so.

    Raises:
        LookupError: there is none, or there are several.
    """
    rows = await database.fetch(_ITEMS + _STANDING + " and starts_with(id::text, %s) order by found_at limit 3", (beginning.lower(),))
    if len(rows) == 1:
        return _standing(rows[0])
    if rows:
        raise LookupError(f"several open items begin with {beginning!r}: write more of it")
    raise LookupError(f"no open item begins with {beginning!r}: `fleet doctor` lists those there are")


def holding(found: Iterable[Standing]) -> list[Standing]:
    """Those that hold back whatever adds to a book of their account (`unreconciled()` in SQL)."""
    return [one for one in found if one.resolved_at is None and one.item.kind in GATES and one.decision != "ignore"]


class ReconcileStore:
    """One account's differences."""

    def __init__(self, database: Database, account_id: str, venue: str, guard: "Guard") -> None:
        """`guard`: makes the statement by which every write is this account's lease holder's."""
        self._database = database
        self._account_id = account_id
        self._venue = venue
        self._guard = guard

    async def standing(self) -> list[Standing]:
        """What is not resolved, oldest first."""
        rows = await self._database.fetch(
            _ITEMS + "resolved_at is null and account_id = %s order by found_at, kind, key", (self._account_id,)
        )
        return [_standing(row) for row in rows]

    async def closing(self) -> dict[str, str]:
        """Symbols whose external book a person wants closed, with why: its open orders are in the way."""
        rows = await self._database.fetch(
            "select key, decided_by || ': ' || reason from reconcile_items where closing_since is not null and account_id = %s",
            (self._account_id,),
        )
        return {symbol: why for symbol, why in rows}

    async def found(self, items: Sequence[Item], kinds: Collection[Kind]) -> None:
        """What a look at these kinds of things has found: what it has not found any more is resolved.

        An item that had been resolved and is found again is open anew, whatever was decided on it then.
        """
        await self._database.write([self._guard(), *store_items(items), resolve_but(self._account_id, items, kinds)])

    async def known(self, ids: Collection[UUID]) -> dict[UUID, Status]:
        """Which of the orders the record has, and where they stand."""
        rows = await self._database.fetch("select id, status from orders where id = any(%b::uuid[])", (list(ids),))
        return {id_: Status(status) for id_, status in rows}

    async def quarantined(self) -> dict[str, tuple[Fill, str]]:
        """Fills that were put aside and are in no book, with why, by their execution key."""
        rows = await self._database.fetch(
            "select exec_key, raw, reason from fill_quarantine q where account_id = %s and venue = %s and not exists (select from trades t"
            " where (t.venue, t.account_id, t.exec_key) = (q.venue, q.account_id, q.exec_key))",
            (self._account_id, self._venue),
        )
        return {key: (msgspec.json.decode(raw, type=Fill), reason) for key, raw, reason in rows}

    async def last_price(self, source: str, symbol: str) -> Decimal:
        """The close of the newest bar of a symbol; 0 when there is none.

        Args:
            source: of the session's market data.
        """
        rows = await self._database.fetch(
            "select close_price::text from market_ohlcv where venue = %s and symbol = %s and close_price is not null"
            " order by timestamp desc limit 1",
            (source, symbol),
        )
        return Decimal(rows[0][0]) if rows else Decimal(0)


class Guard(msgspec.Struct, frozen=True):
    """Makes the statement that raises unless the lease is still held in this epoch."""

    lease: str
    epoch: int

    def __call__(self) -> Write:
        return Write("select lease_guard(%s, %s)", (self.lease, self.epoch))


def store_items(items: Iterable[Item]) -> list[Write]:
    """Items as they are now; one that was resolved before begins anew."""
    return [
        Write(
            "insert into reconcile_items as i (id, account_id, kind, key, ours, theirs, detail) values (%s, %s, %s, %s, %s, %s, %s)"
            " on conflict (id) do update set ours = excluded.ours, theirs = excluded.theirs, detail = excluded.detail,"
            " found_at = case when i.resolved_at is null then i.found_at else excluded.found_at end,"
            " decision = case when i.resolved_at is null then i.decision else '' end,"
            " decided_by = case when i.resolved_at is null then i.decided_by else '' end,"
            " reason = case when i.resolved_at is null then i.reason else '' end,"
            " decided_at = case when i.resolved_at is null then i.decided_at end, resolved_at = null",
            tuple(item),
        )
        for item in items
    ]


def resolve_but(account_id: str, items: Iterable[Item], kinds: Collection[Kind]) -> Write:
    """Items of these kinds that are not among those found are gone. A position that a person wants closed is in the external book by now,
    and that book is closed from this moment on."""
    return Write(
        "update reconcile_items set resolved_at = clock_timestamp(),"
        " closing_since = case when kind = 'position' and decision = 'close' then clock_timestamp() else closing_since end"
        " where account_id = %s and kind = any(%b::text[])"
        " and resolved_at is null and id <> all(%b::uuid[])",
        (account_id, list(kinds), [item.id for item in items]),
    )


def decide(item: UUID, choice: Choice, reason: str, by: str) -> Write:
    """A person's word on an item that is not over. Anything but `close` calls off the closing of its book."""
    return Write(
        "update reconcile_items set decision = %s, reason = %s, decided_by = %s, decided_at = clock_timestamp(),"
        " closing_since = case when %s = 'close' then closing_since end where id = %s and " + _STANDING,
        (choice, reason, by, choice, item),
    )


def closed(closings: Iterable[tuple[UUID, int]]) -> Write:
    """The external books of these items (id, ns since when they were being closed) are flat."""
    ids, since = zip(*closings, strict=True)
    return Write(
        "update reconcile_items i set closing_since = null from unnest(%b::uuid[], %b::int8[]) w(id, since)"
        " where i.id = w.id and i.closing_since = at_ns(w.since)",
        (list(ids), list(since)),
    )


def put_aside(venue: str, account_id: str, fill: Fill, reason: str) -> list[Write]:
    """A fill that contradicts the record is kept for a person, once, and from this moment on holds the account back."""
    raw = msgspec.json.encode(fill).decode()
    return [
        Write(
            "insert into fill_quarantine (venue, account_id, exec_key, raw, reason) values (%s, %s, %s, %s, %s) on conflict do nothing",
            (venue, account_id, fill.exec_key, raw, reason),
        ),
        *store_items([fill_item(account_id, fill.exec_key, shown(fill), reason)]),
    ]


def shown(fill: Fill) -> str:
    """A fill in so many words."""
    return f"{fill.side} {fill.quantity.normalize():f} {fill.symbol} @ {fill.price.normalize():f}, order {fill.client_order_id}"


def adopt_order(order: Order, epoch: int) -> Write:
    """An order that is at the venue is taken into the record. Raises when it is there already."""
    return Write(
        "select orders_adopt(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            order.order_id,
            order.client_order_id,
            order.account_id,
            order.venue,
            order.session_id,
            order.symbol,
            order.order_type,
            order.side,
            order.quantity,
            order.price,
            order.stop_price,
            EXTERNAL,
            order.decided_at,
            order.expires_at,
            epoch,
            ADOPTED,
        ),
    )


def halt_symbol(symbol: str, reason: str) -> Write:
    """Nothing new is ordered of a symbol until a person allows it again."""
    return Write(
        "insert into kill_switch (scope, key, active, mode, reason, set_by) values ('symbol', %s, true, 'halt', %s, 'trade_executor')"
        " on conflict (scope, key) do update set active = true, mode = 'halt', reason = excluded.reason, set_by = excluded.set_by,"
        " set_at = clock_timestamp() where not kill_switch.active or kill_switch.mode <> 'halt'",
        (symbol, reason),
    )

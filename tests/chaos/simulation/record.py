"""The record in memory: the tables of the order path, changed in transactions that happen whole or not at all.

What a statement does stands in `statements`. Whoever watches is told of each committed transaction what it changed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from libs.common.wire import Row
from libs.domain.books import Position
from libs.domain.ledger import Entry
from libs.domain.orders import Status
from libs.store.execution import OrderRow

STREAMS: Final = ("signals", "orders.approved", "orders.updates", "trades.executed", "portfolio.updates", "risk.alerts", "commands")


class Refused(psycopg.DatabaseError):
    """The server refuses a statement, as Postgres would with this SQLSTATE."""

    def __init__(self, state: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = state


class NotKnown(Exception):
    """The services say something to the record that the record in memory does not understand."""


class LeaseRow(NamedTuple):
    holder: str
    epoch: int
    expires_at: float  # seconds of the server's clock
    released: bool


class EventRow(NamedTuple):
    event: str
    status: Status
    filled: Any
    anomaly: bool
    detail: str


class TradeRow(NamedTuple):
    trade_id: UUID
    order_id: UUID
    account_id: str
    exec_key: str
    symbol: str
    side: str
    quantity: Any
    price: Any
    commission: Any
    fee_currency: str
    liquidity: str
    executed_at: int
    venue: str
    strategy_id: str
    pnl: Any


class ItemRow(NamedTuple):
    """A difference that is not resolved; the simulation has nobody who decides."""

    account_id: str
    kind: str
    key: str
    ours: str
    theirs: str
    detail: str


class Changed(NamedTuple):
    """A row before and after a transaction; None where there is none."""

    table: str
    key: Any
    before: Any
    after: Any


Do = Callable[["Record", Any], list[Row]]
"""What a statement does, given its parameters."""


class Record:
    """One server. Time is passed in; everything else of it is in the tables."""

    def __init__(self, clock: Callable[[], float], epoch_ns: int) -> None:
        """
        Args:
            clock: the server's seconds.
            epoch_ns: UTC of its second 0.
        """
        self.clock = clock
        self._epoch_ns = epoch_ns
        self.orders: dict[UUID, OrderRow] = {}
        self.client_ids: dict[str, UUID] = {}
        self.epochs: dict[UUID, int] = {}  # of orders: under which they were changed last
        self.attempts: dict[tuple[UUID, int], tuple[str, int]] = {}  # client order id, epoch
        self.events: dict[tuple[UUID, int], EventRow] = {}
        self.trades: dict[UUID, TradeRow] = {}
        self.exec_keys: dict[tuple[str, str, str], UUID] = {}
        self.aside: dict[tuple[str, str, str], str] = {}  # fill_quarantine
        self.quarantine: dict[tuple[str, str, int], str] = {}
        self.positions: dict[tuple[str, str, str], Position] = {}
        self.ledger: dict[tuple[UUID, int], tuple[str, Entry]] = {}
        self.balances: dict[tuple[str, str], Any] = {}
        self.journal: dict[str, list[tuple[UUID | None, str]]] = {name: [] for name in STREAMS}
        self.cursors: dict[tuple[str, str], tuple[int, int]] = {}
        self.leases: dict[str, LeaseRow] = {}
        self.kills: dict[tuple[str, str], str] = {}  # mode of the active ones
        self.halted: set[str] = set()  # accounts
        self.items: dict[UUID, ItemRow] = {}  # reconcile_items
        self.names: dict[str, str] = {}  # of accounts
        self.session: dict[str, Any] = {}
        self.asked_to_reconcile: list[Any] = []
        self.watch: Callable[[Sequence[Changed]], None] | None = None
        self.heard: Callable[[Sequence[tuple[str, Any]], list[list[Row]] | Exception], None] | None = None
        self.unknown: list[str] = []
        self._statements: Mapping[tuple[str, str], Do] = {}
        self._found: dict[str, Do] = {}
        self._undo: list[Changed] = []

    def understand(self, statements: Mapping[tuple[str, str], Do]) -> None:
        """By how they begin and end."""
        self._statements = statements

    def now_ns(self) -> int:
        """The server's time, UTC, to the microsecond."""
        return (self._epoch_ns + int(self.clock() * 1_000_000) * 1_000) // 1_000 * 1_000

    def execute(self, statements: Sequence[tuple[str, Any]]) -> list[list[Row]]:
        """One transaction; the rows of each statement.

        Raises:
            Refused: nothing has changed.
        """
        self._undo.clear()
        try:
            rows = [self._meaning(sql)(self, params) for sql, params in statements]
        except Exception as error:
            for table, key, before, _ in reversed(self._undo):
                self._restore(table, key, before)
            if self.heard is not None:
                self.heard(statements, error)
            raise
        if self.heard is not None:
            self.heard(statements, rows)
        if self.watch is not None and self._undo:
            self.watch(self._undo)
        return rows

    def put(self, table: str, key: Any, row: Any) -> None:
        """A row is written."""
        rows: dict[Any, Any] = getattr(self, table)
        self._undo.append(Changed(table, key, rows.get(key), row))
        rows[key] = row

    def insert(self, table: str, key: Any, row: Any) -> None:
        """A row that must not be there yet."""
        if key in getattr(self, table):
            raise Refused("23505", f"duplicate key {key} in {table}")
        self.put(table, key, row)

    def append(self, stream: str, key: UUID | None, body: str) -> int:
        """A message; its number."""
        if stream not in self.journal:
            raise Refused("TW003", f"unknown stream {stream}")
        entries = self.journal[stream]
        self._undo.append(Changed("journal", stream, len(entries), body))
        entries.append((key, body))
        return len(entries)

    def _restore(self, table: str, key: Any, before: Any) -> None:
        if table == "journal":
            del self.journal[key][before:]
        elif before is None:
            del getattr(self, table)[key]
        else:
            getattr(self, table)[key] = before

    def _meaning(self, sql: str) -> Do:
        found = self._found.get(sql)
        if found is None:
            fits = [(start, end) for start, end in self._statements if sql.startswith(start) and sql.endswith(end)]
            if not fits:
                self.unknown.append(sql)
                raise NotKnown(f"tests/chaos/simulation/statements.py does not know what this does: {sql}")
            found = self._found[sql] = self._statements[max(fits, key=lambda fit: len(fit[0] + fit[1]))]
        return found

"""Whether the books agree with each other and with the venue's. Looked at while nothing is being booked."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from libs.common.database import Database
from libs.domain.amounts import kept

SHOWN: Final = 20  # faults of one kind that are named; a broken book breaks in thousands of places


class Held(NamedTuple):
    """What a venue says an account holds: cash by currency, quantity by symbol."""

    cash: Mapping[str, Decimal]
    positions: Mapping[str, Decimal]


class VenueFault(NamedTuple):
    """An amount of which ledger and venue say different things."""

    account_id: str
    kind: str  # cash, position: as `libs.domain.reconciling` calls it
    key: str  # currency or symbol
    ours: Decimal
    theirs: Decimal

    def __str__(self) -> str:
        theirs, ours = f"{self.theirs.normalize():f}", f"{self.ours.normalize():f}"
        return f"{self.account_id}: the venue has {theirs} {self.key} in {self.kind}, the ledger {ours}"


async def ledger_faults(database: Database, held: Mapping[str, Held]) -> list[str]:
    """Every difference, one sentence each; empty when the books balance.

    Transactions sum to zero in each commodity; positions and cash balances equal the ledger; and for each account of
    `held` the ledger equals what its venue says, but for an amount that a person has decided to ignore.
    """
    return [*await record_faults(database), *map(str, await venue_faults(database, held))]


async def record_faults(database: Database) -> list[str]:
    """Those of them in which the record differs from itself."""
    return [*await _unbalanced(database), *await _positions(database), *await _balances(database)]


async def _unbalanced(database: Database) -> list[str]:
    rows = await database.fetch(
        "select account_id, txn_id, commodity, sum(amount) from cash_ledger group by account_id, txn_id, commodity"
        " having sum(amount) <> 0 order by 1, 2, 3 limit %s",
        (SHOWN,),
    )
    return [f"{account}: transaction {txn} is off by {amount.normalize():f} {what}, expected 0" for account, txn, what, amount in rows]


async def _positions(database: Database) -> list[str]:
    rows = await database.fetch(
        "select account_id, strategy_id, symbol, coalesce(p.quantity, 0), coalesce(l.quantity, 0) from positions p full join"
        " (select account_id, strategy_id, commodity as symbol, sum(amount) as quantity from cash_ledger"
        " where ledger_account = 'position' group by 1, 2, 3) l using (account_id, strategy_id, symbol)"
        " where coalesce(p.quantity, 0) <> coalesce(l.quantity, 0) order by 1, 2, 3 limit %s",
        (SHOWN,),
    )
    return [
        f"{account}: {strategy} holds {book.normalize():f} {symbol} by its position, {ledger.normalize():f} by the ledger"
        for account, strategy, symbol, book, ledger in rows
    ]


async def _balances(database: Database) -> list[str]:
    rows = await database.fetch(
        "select account_id, commodity, coalesce(b.balance, 0), coalesce(l.balance, 0) from cash_balances b full join"
        " (select account_id, commodity, sum(amount) as balance from cash_ledger where ledger_account = 'cash' group by 1, 2) l"
        " using (account_id, commodity) where coalesce(b.balance, 0) <> coalesce(l.balance, 0) order by 1, 2 limit %s",
        (SHOWN,),
    )
    return [
        f"{account}: the balance is {balance.normalize():f} {what}, the ledger's cash {ledger.normalize():f}"
        for account, what, balance, ledger in rows
    ]


async def venue_faults(database: Database, held: Mapping[str, Held]) -> list[VenueFault]:
    """Those of them in which the ledger differs from a venue."""
    rows = await database.fetch(
        "select account_id, ledger_account, commodity, sum(amount) from cash_ledger"
        " where ledger_account in ('cash', 'position') and account_id = any(%b::text[]) group by 1, 2, 3",
        (list(held),),
    )
    ours: defaultdict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
    for account, side, commodity, amount in rows:
        ours[account, side][commodity] = amount
    ignored = await _ignored(database)
    return [
        fault
        for account, there in sorted(held.items())
        for side, theirs in (("cash", there.cash), ("position", there.positions))
        for fault in _differences(account, side, ours[account, side], theirs, ignored)
    ]


async def _ignored(database: Database) -> dict[tuple[str, str, str], Decimal]:
    """What a person has said may differ: how much more the venue has, exactly."""
    rows = await database.fetch(
        "select account_id, kind, key, theirs::numeric - ours::numeric from reconcile_items"
        " where decision = 'ignore' and resolved_at is null and kind in ('cash', 'position')"
    )
    return {(account, kind, key): missing for account, kind, key, missing in rows}


def _differences(
    account: str, side: str, ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal], ignored: Mapping[tuple[str, str, str], Decimal]
) -> list[VenueFault]:
    zero = Decimal(0)
    return [
        VenueFault(account, side, commodity, here, there)
        for commodity in sorted(ours.keys() | theirs.keys())
        if (here := ours.get(commodity, zero)) != (there := kept(theirs.get(commodity, zero)))
        and there - here != ignored.get((account, side, commodity), zero)
    ]

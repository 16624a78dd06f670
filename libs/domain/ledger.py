"""Double entry over currencies and instruments: every transaction sums to zero in every commodity."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal, NamedTuple, get_args
from uuid import UUID

Carry = Literal["cash_interest", "margin_interest", "borrow", "funding"]
"""What holding costs or pays with time, each with a ledger account of its own."""
CARRIES: Final[tuple[Carry, ...]] = get_args(Carry)
LedgerAccount = Literal["cash", "position", "trading", "fees", "equity", "income"] | Carry
"""`cash` and `position` are ours; the others are where it came from or went, `income` for what a holding paid by itself."""
Kind = Literal["trade", "deposit", "reconcile", "corporate_action", "financing"]


class Entry(NamedTuple):
    """One line of a transaction. Amount is signed, in `commodity`, with at most 12 decimals."""

    txn_id: UUID
    entry: int
    strategy_id: str
    ledger_account: LedgerAccount
    commodity: str
    amount: Decimal
    kind: Kind


def trade_entries(
    txn_id: UUID,
    strategy_id: str,
    *,
    symbol: str,
    currency: str,
    change: Decimal,
    price: Decimal,
    multiplier: Decimal,
    fee: Decimal,
    fee_currency: str,
) -> list[Entry]:
    """Lines of one fill: the instrument against `trading`, its price back, and the fee. `change` is signed."""
    paid = change * price * multiplier
    lines: list[tuple[LedgerAccount, str, Decimal]] = [
        ("position", symbol, change),
        ("trading", symbol, -change),
        ("cash", currency, -paid),
        ("trading", currency, paid),
    ]
    if fee:
        lines += [("cash", fee_currency, -fee), ("fees", fee_currency, fee)]
    return [Entry(txn_id, n, strategy_id, account, commodity, amount, "trade") for n, (account, commodity, amount) in enumerate(lines)]


def action_entries(
    txn_id: UUID,
    strategy_id: str,
    *,
    symbol: str,
    before: Decimal,
    new_symbol: str,
    after: Decimal,
    currency: str,
    cash: Decimal,
) -> list[Entry]:
    """Lines of a corporate action on one book: its old units out, its new ones in, and the money it was paid (or pays)."""
    if new_symbol == symbol:
        units = [(symbol, after - before)]
    else:
        units = [(symbol, -before), (new_symbol, after)]
    lines: list[tuple[LedgerAccount, str, Decimal]] = []
    for commodity, change in units:
        if change:
            lines += [("position", commodity, change), ("trading", commodity, -change)]
    if cash:
        lines += [("cash", currency, cash), ("income", currency, -cash)]
    return [Entry(txn_id, n, strategy_id, *line, "corporate_action") for n, line in enumerate(lines)]


def financing_entries(txn_id: UUID, strategy_id: str, carry: Carry, currency: str, amount: Decimal) -> list[Entry]:
    """Lines of what was earned (above 0) or paid for holding; `strategy_id` is "" for what belongs to no book."""
    return [
        Entry(txn_id, 0, strategy_id, "cash", currency, amount, "financing"),
        Entry(txn_id, 1, strategy_id, carry, currency, -amount, "financing"),
    ]


def action_mark(txn_id: UUID, symbol: str) -> Entry:
    """The line that says an account has booked a corporate action. It moves nothing, and is there also when no book held any."""
    return Entry(txn_id, 0, "", "position", symbol, Decimal(0), "corporate_action")


def reconcile_entries(
    txn_id: UUID, strategy_id: str, ledger_account: Literal["cash", "position"], commodity: str, amount: Decimal
) -> list[Entry]:
    """Lines of an amount (signed) that is at the venue and was not in the books, and that a person has accepted."""
    return [
        Entry(txn_id, 0, strategy_id, ledger_account, commodity, amount, "reconcile"),
        Entry(txn_id, 1, strategy_id, "equity", commodity, -amount, "reconcile"),
    ]


def deposit_entries(txn_id: UUID, currency: str, amount: Decimal) -> list[Entry]:
    """Lines of money paid into an account."""
    return [
        Entry(txn_id, 0, "", "cash", currency, amount, "deposit"),
        Entry(txn_id, 1, "", "equity", currency, -amount, "deposit"),
    ]


def imbalance(entries: Iterable[Entry]) -> dict[tuple[UUID, str], Decimal]:
    """What does not sum to zero, by transaction and commodity; empty when the books balance."""
    sums: defaultdict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    for line in entries:
        sums[line.txn_id, line.commodity] += line.amount
    return {key: amount for key, amount in sums.items() if amount}

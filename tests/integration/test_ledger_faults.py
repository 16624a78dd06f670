from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import UUID

import pytest

from libs.common.database import Database, Write
from libs.store.audit import Held, ledger_faults

D = Decimal
DEPOSIT, TRADE = UUID(int=1), UUID(int=2)
LINES = [
    (DEPOSIT, 0, "", "cash", "USD", D(1000)),
    (DEPOSIT, 1, "", "equity", "USD", D(-1000)),
    (TRADE, 0, "fast", "position", "ALFA", D(3)),
    (TRADE, 1, "fast", "trading", "ALFA", D(-3)),
    (TRADE, 2, "fast", "cash", "USD", D("-300.5")),
    (TRADE, 3, "fast", "trading", "USD", D("300.5")),
]
VENUE = {"main": Held({"USD": D("699.5")}, {"ALFA": D(3), "BRVO": D(0)})}


@pytest.fixture
async def books(url: str) -> AsyncIterator[Database]:
    """One account with a deposit and a trade, in which everything agrees."""
    database = Database(url, "test")
    line = (
        "insert into cash_ledger (txn_id, entry, account_id, strategy_id, ledger_account, commodity, amount, kind)"
        " values (%s, %s, 'main', %s, %s, %s, %s, 'trade')"
    )
    await database.write(
        [
            Write("truncate cash_ledger, positions, cash_balances", ()),
            *(Write(line, values) for values in LINES),
            Write("insert into positions values ('main', 'fast', 'ALFA', 3, 100, 0, now())", ()),
            Write("insert into cash_balances values ('main', 'USD', 699.5)", ()),
        ]
    )
    yield database
    await database.close()


async def test_books_that_agree_have_no_faults(books: Database) -> None:
    assert await ledger_faults(books, VENUE) == []


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        pytest.param(
            "update cash_ledger set amount = amount + 1 where ledger_account = 'equity'",
            f"main: transaction {DEPOSIT} is off by 1 USD, expected 0",
            id="a transaction that does not sum to zero",
        ),
        pytest.param("update positions set quantity = 4", "main: fast holds 4 ALFA by its position, 3 by the ledger", id="a position"),
        pytest.param("delete from positions", "main: fast holds 0 ALFA by its position, 3 by the ledger", id="a position lost"),
        pytest.param(
            "insert into positions values ('main', 'slow', 'BRVO', 2, 1, 0, now())",
            "main: slow holds 2 BRVO by its position, 0 by the ledger",
            id="a position from nowhere",
        ),
        pytest.param("update cash_balances set balance = 700", "main: the balance is 700 USD, the ledger's cash 699.5", id="cash"),
    ],
)
async def test_a_planted_fault_is_found_and_named(books: Database, planted: str, said: str) -> None:
    await books.write([Write(planted, ())])
    assert await ledger_faults(books, VENUE) == [said]


@pytest.mark.parametrize(
    ("venue", "said"),
    [
        (Held({"USD": D(700)}, {"ALFA": D(3)}), "main: the venue has 700 USD in cash, the ledger 699.5"),
        (Held({"USD": D("699.5")}, {}), "main: the venue has 0 ALFA in position, the ledger 3"),
        (Held({"USD": D("699.5")}, {"ALFA": D(3), "BRVO": D(1)}), "main: the venue has 1 BRVO in position, the ledger 0"),
    ],
)
async def test_a_venue_that_holds_something_else_is_found(books: Database, venue: Held, said: str) -> None:
    assert await ledger_faults(books, {"main": venue}) == [said]


async def test_an_account_the_ledger_does_not_know_is_found(books: Database) -> None:
    assert await ledger_faults(books, {**VENUE, "other": Held({"USD": D(5)}, {})}) == ["other: the venue has 5 USD in cash, the ledger 0"]

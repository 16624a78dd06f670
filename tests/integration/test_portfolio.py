"""Accounts valued from a record whose numbers are known by hand.

`fast` buys 100 ALFA at 100 for a fee of 1 USD, wanting 99.9. Market time begins at NOON; the newest bar closes at 101.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from fleet.reading import worth_text
from libs.common.bus import MemoryBus
from libs.common.database import Database, Write
from libs.common.envelope import Sealer
from libs.common.journal import PostgresJournal
from libs.common.runner import Context
from libs.common.settings import Settings
from libs.domain.booking import action_transaction, book_action
from libs.domain.instruments import Instrument
from libs.domain.ledger import action_mark
from libs.quant.portfolio.fx import Peg
from libs.store import actions, execution, portfolio, sessions
from libs.store.execution import ExecutionStore
from libs.store.portfolio import DayRow, MarkRow
from libs.store.queries import performance
from services.portfolio import app
from services.portfolio.account import AccountBook, opened
from tests.factories import INSTRUMENTS, NOON, SECOND, HandClock, a_signal
from tests.fleets import configuration
from tests.paper import ALFA, COIN
from tests.scenes import LOCKSTEP, SESSION, a_bar, begin, clear, record
from tests.scripted_broker import a_split
from tests.trading import Scene
from tests.waiting import until

D = Decimal
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
EURO = Instrument(symbol="EUR/USD", venue="TEST", asset_class="forex", currency="USD", tick=D("0.00001"), lot=D(1))
BUND = Instrument(symbol="BUND", venue="TEST", asset_class="future", currency="EUR", tick=D("0.01"), lot=D(1), multiplier=D(10))
ENTRY = a_signal(1.0, reference_price=99.9, decided_at=NOON - SECOND)


class Office:
    """One portfolio service on the account `paper`, in this process."""

    def __init__(self, database: Database, book: AccountBook, bus: MemoryBus, host: HandClock) -> None:
        self.database = database
        self.book = book
        self.bus = bus
        self.host = host

    async def mark(self, *, at: int | None = None, leaving: bool = False) -> None:
        """Values the account a second of host time later, the market having come to `at`."""
        if at is not None:
            await self.database.write([Write("update sessions set market_time = %s", (at,))])
        self.host.move(1.0)
        await self.book.mark(leaving=leaving)

    async def account(self) -> dict[str, Any]:
        """Its newest day."""
        return (await days(self.database))[-1]


async def office_of(database: Database, pegs: Sequence[Peg] = (), session: sessions.Session = SESSION) -> Office:
    bus, host = MemoryBus(), HandClock()
    (book,) = await opened(database, PostgresJournal(database, bus, host), Sealer("portfolio", host), host, session, pegs)
    return Office(database, book, bus, host)


async def rows(database: Database, query: Any) -> list[Any]:
    return [row[0] for row in await database.fetch(query)]


async def days(database: Database, strategy_id: str = "") -> list[dict[str, Any]]:
    found = await database.fetch(
        "select to_jsonb(p)::text from portfolio_snapshots p where strategy_id = %s order by snapshot_date", (strategy_id,)
    )
    return [json.loads(row[0], parse_float=D) for row in found]


async def contents(database: Database) -> list[Any]:
    """Every row that portfolio keeps, and how many messages there are."""
    return await rows(
        database,
        "select to_jsonb(m)::text from portfolio_marks m union all select to_jsonb(e)::text from portfolio_equity e union all"
        " select to_jsonb(s)::text from portfolio_snapshots s union all select last_no::text from journal_counters"
        " where stream = 'portfolio.updates' order by 1",
    )


async def quote(database: Database, at: int, bid: float, ask: float, symbol: str = "ALFA") -> None:
    await database.write(
        [
            Write(
                "insert into market_quotes (venue, symbol, timestamp, bid, ask) values ('TEST', %s, at_ns(%s), %s, %s)",
                (symbol, at, bid, ask),
            )
        ]
    )


def metric(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"account": "paper", **labels})


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """`fast` has bought, and the market stands half a minute after NOON."""
    database = Database(url, "test")
    await clear(database)
    account = await begin(database, instruments=[ALFA, COIN, EURO, BUND])
    await ExecutionStore(database, account).deposit(Write("select 1", ()))
    await record(database, [a_bar(NOON, 101.0)])
    scene = Scene(database)
    await scene.wants(ENTRY, "APPROVED", [])
    await scene.trades(ENTRY, "buy", 100, [(100, "100")])
    await database.write([Write("update sessions set market_time = %s", (NOON + MINUTE // 2,))])
    yield database
    await database.close()


# --- what is written


async def test_an_account_is_worth_its_cash_and_its_positions_at_the_newest_close(database: Database) -> None:
    office = await office_of(database)
    await office.mark()
    day = await office.account()
    assert (day["snapshot_date"], D(day["total_value"]), D(day["cash_balance"])) == ("2025-01-06", D(100_099), D(89_999))
    assert (day["invested_value"], day["day_pnl"], day["total_pnl"]) == (10_100, 99, 99)
    told = day["performance_metrics"]
    assert (told["trades"], D(told["fees"]), D(told["peak"]), told["hit_rate"], told["sharpe"]) == (1, D(1), D(100_099), None, None)
    assert float(told["return"]) == pytest.approx(99 / 100_000)
    assert float(told["turnover"]) == pytest.approx(10_000 / 100_099)
    (fast,) = await days(database, "fast")
    assert (fast["total_value"], fast["cash_balance"], fast["day_pnl"]) == (99, -10_001, 99)
    assert office.book.state == "100099.00 USD"


async def test_a_quote_after_the_bar_is_newer_and_its_middle_is_the_mark(database: Database) -> None:
    await quote(database, NOON + 2 * SECOND, 103.98, 104.02)
    await quote(database, NOON + MINUTE, 50.0, 51.0)  # not there yet
    await (await office_of(database)).mark()
    assert await database.fetch("select symbol, price, rate, ns_of(marked_at) from portfolio_marks") == [
        ("ALFA", 104.0, 1.0, NOON + 2 * SECOND)
    ]
    assert await rows(database, "select trim_scale(unrealized_pnl) from portfolio_positions") == [D(400)]


async def test_the_worth_is_told_once_a_second_and_only_when_it_has_changed(database: Database) -> None:
    office = await office_of(database)
    await office.mark()
    await office.mark(at=NOON + MINUTE - 1)
    await quote(database, NOON + MINUTE, 103.0, 105.0)
    await office.mark(at=NOON + MINUTE)
    office.host.move(-0.5)
    await quote(database, NOON + MINUTE + 1000, 104.0, 106.0)
    await office.mark(at=NOON + MINUTE + 1000)
    bodies = await rows(database, "select body from journal where stream = 'portfolio.updates' order by no")
    told = [msgspec.json.decode(body)["payload"] for body in bodies]
    assert [(D(t["equity"]), D(t["day_pnl"]), t["market_time"]) for t in told] == [
        (D(100_099), D(99), NOON + MINUTE // 2),
        (D(100_399), D(399), NOON + MINUTE),
    ]
    assert told[1]["gross_exposure"] == pytest.approx(10_400 / 100_399)


async def test_in_lockstep_every_step_is_told(database: Database) -> None:
    office = await office_of(database, session=replace(LOCKSTEP, session_id="session"))
    for n in range(3):
        await quote(database, NOON + n * SECOND, 100.0 + n, 100.0 + n)
        await database.write([Write("update sessions set market_time = %s", (NOON + n * SECOND,))])
        await office.book.mark()  # host time stands still
    assert await rows(database, "select last_no from journal_counters where stream = 'portfolio.updates'") == [3]


async def test_worth_is_kept_by_the_minute_and_the_first_of_a_minute_stays(database: Database) -> None:
    office = await office_of(database)
    for after, price in ((30, 101.0), (61, 104.0), (90, 90.0), (121, 102.0)):
        await quote(database, NOON + after * SECOND, price, price)
        await office.mark(at=NOON + after * SECOND)
    found = await database.fetch(
        "select (ns_of(at) - %s) / %s, trim_scale(equity), drawdown from portfolio_equity where strategy_id = '' order by at",
        (NOON, MINUTE),
    )
    assert [(minute, equity) for minute, equity, _ in found] == [(0, D(100_099)), (1, D(100_399)), (2, D(100_199))]
    assert found[2][2] == pytest.approx(200 / 100_399)
    assert await rows(database, "select count(*) from portfolio_equity where strategy_id = 'fast'") == [3]


async def test_valuing_again_what_has_not_moved_writes_nothing(database: Database) -> None:
    office = await office_of(database)
    await office.mark()
    before = await contents(database)
    await office.mark()
    assert await contents(database) == before


async def test_a_second_instance_changes_no_row(database: Database) -> None:
    await (await office_of(database)).mark()
    before = await contents(database)
    await (await office_of(database)).mark(leaving=True)
    assert [row for row in await contents(database) if row.startswith("{")] == [row for row in before if row.startswith("{")]


async def test_rows_never_go_back_in_market_time(database: Database) -> None:
    await (await office_of(database)).mark()
    before = await contents(database)
    day = (await rows(database, "select snapshot_date from portfolio_snapshots"))[0]
    late = DayRow("", day, D(1), D(1), D(0), D(0), D(0), "{}", NOON)
    stale = [portfolio.store_marks("paper", [MarkRow("ALFA", 1.0, 1.0, NOON)]), portfolio.store_days("paper", [late])]
    await database.write(stale)
    assert await contents(database) == before


# --- trades


async def test_new_fills_are_added_to_the_books_and_come_to_what_a_fresh_start_finds(database: Database) -> None:
    office = await office_of(database)
    await office.mark()
    scene = Scene(database)
    for n, (name, side) in enumerate((("slow", "buy"), ("slow", "sell"))):
        signal = a_signal(1.0, strategy_id=name, bar_time=NOON + n * SECOND, decided_at=NOON + n * SECOND)
        await scene.wants(signal, "APPROVED", [])
        await scene.trades(signal, side, 10, [(4, "100"), (6, "102")])  # type: ignore[arg-type]
    await office.mark(at=NOON + MINUTE, leaving=True)
    carried_on = await contents(database)
    assert (await days(database, "slow"))[0]["day_pnl"] == -4  # fees
    assert (await office.account())["performance_metrics"]["hit_rate"] == D("0.5")
    await (await office_of(database)).mark(leaving=True)
    assert [row for row in await contents(database) if row.startswith("{")] == [row for row in carried_on if row.startswith("{")]


async def test_the_slippage_of_every_new_fill_counts_once(database: Database) -> None:
    office = await office_of(database)
    labels = {"strategy": "seller"}
    await office.mark()
    signal = a_signal(0.0, strategy_id="seller", reference_price=100.0)
    scene = Scene(database)
    await scene.wants(signal, "APPROVED", [])
    await scene.trades(signal, "sell", 10, [(10, "99.5")])
    await office.mark()
    await office.mark()
    assert REGISTRY.get_sample_value("tradewinds_slippage_ratio_count", labels) == 1
    assert [REGISTRY.get_sample_value("tradewinds_slippage_ratio_bucket", labels | {"le": le}) for le in ("0.003", "0.01")] == [0, 1]
    assert REGISTRY.get_sample_value("tradewinds_slippage_ratio_count", {"strategy": "fast"}) is None  # was there before we looked


async def test_a_corporate_action_changes_no_worth_when_it_is_booked_before_anything_trades(database: Database) -> None:
    split, txn = a_split(NOON + MINUTE), "paper"
    await database.write(actions.store([split]))
    office = await office_of(database)
    await office.mark()
    key = action_transaction(txn, split)
    lines = [action_mark(key, "ALFA"), *book_action("paper", "fast", split, D(100), D(100) * split.ratio, "USD", D(0))]
    await database.write(
        [
            execution.store_entries("paper", lines, {}),
            Write("update positions set quantity = quantity * %s, avg_cost = avg_cost / %s", (split.ratio, split.ratio)),
        ]
    )
    await office.mark(at=NOON + MINUTE, leaving=True)
    assert (await office.account())["total_value"] == pytest.approx(D(100_099), abs=D("1e-9"))
    assert await rows(database, "select price from portfolio_marks") == [101.0 / float(split.ratio)]


async def test_money_that_came_without_a_fill_is_found(database: Database) -> None:
    """A dividend is booked to its strategy; another account's ledger is left alone."""
    office = await office_of(database)
    await office.mark()
    lines = book_action("paper", "fast", a_split(NOON + MINUTE), D(100), D(100), "USD", D(50))
    await database.write([execution.store_entries("paper", lines, {}), *execution.store_cash("paper", lines)])
    await office.mark(leaving=True)
    assert (await days(database, "fast"))[0]["day_pnl"] == 149
    assert (await office.account())["day_pnl"] == 149


# --- days


async def test_a_day_ends_as_it_was_last_seen_and_the_next_one_begins_there(database: Database) -> None:
    office = await office_of(database)
    await office.mark()
    await quote(database, NOON + MINUTE // 2 + 1000, 102.0, 102.0)
    await office.mark(at=NOON + MINUTE // 2 + 1000)  # not a new minute: nothing of it is written yet but the mark
    await quote(database, NOON + DAY, 99.0, 99.0)
    await office.mark(at=NOON + DAY)
    first, second = await days(database)
    assert (first["total_value"], first["day_pnl"]) == (100_199, 199)
    assert (second["snapshot_date"], second["day_pnl"], second["total_pnl"]) == ("2025-01-07", -300, -101)
    assert float(second["performance_metrics"]["return"]) == pytest.approx(-300 / 100_199)
    assert second["performance_metrics"]["trades"] == 0
    assert float(second["performance_metrics"]["cagr"]) == pytest.approx(1.00199**365 - 1)  # both instruments trade every day


async def test_a_restart_goes_on_from_the_record(database: Database) -> None:
    office = await office_of(database)
    await office.mark()
    await quote(database, NOON + DAY, 105.0, 105.0)
    await office.mark(at=NOON + DAY)
    await quote(database, NOON + DAY + MINUTE, 99.0, 99.0)
    again = await office_of(database)
    await again.mark(at=NOON + DAY + MINUTE)
    day = await again.account()
    assert (day["day_pnl"], D(day["performance_metrics"]["peak"])) == (-200, D(100_499))
    assert float(day["performance_metrics"]["drawdown"]) == pytest.approx(600 / 100_499)
    assert float(day["performance_metrics"]["max_drawdown"]) == 0.0  # of completed days


async def test_a_day_that_could_not_be_valued_to_its_end_counts_as_far_as_the_record_knows_it(database: Database) -> None:
    await (await office_of(database)).mark()
    await hold_bund(database)
    again = await office_of(database)
    await again.mark(at=NOON + MINUTE)  # no rate
    await quote(database, NOON + DAY, 1.0, 1.0, "EUR/USD")
    await quote(database, NOON + DAY, 102.0, 102.0)
    await again.mark(at=NOON + DAY)
    assert (await again.account())["day_pnl"] == 100 + 29  # since the 99 of the day before


async def test_the_day_is_the_accounts_own(database: Database) -> None:
    await database.write([Write("update accounts set day_starts_at = '17:00', day_tz = 'America/New_York'", ())])
    await (await office_of(database)).mark()
    assert (await days(database))[0]["snapshot_date"] == "2025-01-05"


# --- currencies


async def hold_bund(database: Database) -> None:
    """2 contracts of 10 EUR a point at 130, and a fee of 1 EUR."""
    scene = Scene(database, INSTRUMENTS | {"BUND": BUND})
    signal = a_signal(1.0, strategy_id="bond", symbol="BUND")
    await scene.wants(signal, "APPROVED", [])
    await scene.trades(signal, "buy", 2, [(2, "130")])
    await quote(database, NOON + 5 * SECOND, 131.0, 132.0, "BUND")


async def test_money_in_another_currency_counts_at_the_middle_of_its_pair(database: Database) -> None:
    await hold_bund(database)
    await quote(database, NOON + 6 * SECOND, 1.24, 1.26, "EUR/USD")
    office = await office_of(database)
    await office.mark()
    (bond,) = await days(database, "bond")
    assert (bond["cash_balance"], bond["invested_value"]) == (D("-2601") * D("1.25"), D("2630") * D("1.25"))
    assert (await office.account())["total_value"] == D(100_099) + 29 * D("1.25")
    assert await rows(database, "select rate from portfolio_marks order by symbol") == [1.0, 1.25]
    assert float(bond["performance_metrics"]["fees"]) == 1.25


async def test_without_a_fresh_rate_an_account_has_no_worth_and_no_figures(database: Database) -> None:
    await hold_bund(database)
    await quote(database, NOON + 6 * SECOND, 1.24, 1.26, "EUR/USD")
    office = await office_of(database)
    await office.mark()
    assert metric("tradewinds_portfolio_equity", currency="USD") is not None
    before = await contents(database)
    await office.mark(at=NOON + 67 * SECOND)
    assert "no rate of EUR to USD" in office.book.state
    assert await contents(database) == before
    assert metric("tradewinds_portfolio_equity", currency="USD") is None
    await quote(database, NOON + 67 * SECOND, 1.0, 1.0, "EUR/USD")
    await office.mark(at=NOON + 68 * SECOND)
    assert metric("tradewinds_portfolio_equity", currency="USD") == 100_128


async def test_a_peg_is_a_rate(database: Database) -> None:
    await hold_bund(database)
    office = await office_of(database, pegs=[Peg("EUR", "USD", 2.0)])
    await office.mark()
    assert (await office.account())["total_value"] == D(100_099) + 58


# --- metrics


async def test_what_is_held_no_more_is_taken_off(database: Database) -> None:
    office = await office_of(database)
    await office.mark()
    assert metric("tradewinds_portfolio_position_ratio", symbol="ALFA") == pytest.approx(10_100 / 100_099)
    assert metric("tradewinds_portfolio_mark_age_seconds") == 29
    await database.write([Write("update positions set quantity = 0", ())])
    await office.mark()
    assert metric("tradewinds_portfolio_position_ratio", symbol="ALFA") is None
    office.book.close()
    assert metric("tradewinds_portfolio_day_pnl", strategy="fast") is None
    assert metric("tradewinds_portfolio_gross_exposure_ratio") is None


# --- what people are shown


async def test_performance_counts_what_is_held_and_days_without_a_trade(database: Database) -> None:
    office = await office_of(database)
    await office.mark()
    await quote(database, NOON + DAY, 99.0, 99.0)
    await office.mark(at=NOON + DAY)
    days = await performance.daily(database)
    assert [(f"{d.day}", d.strategy_id, d.trades, d.net_pnl, d.day_pnl) for d in days] == [
        ("2025-01-07", "fast", 0, D(0), D(-200)),
        ("2025-01-06", "fast", 1, D(-1), D(99)),
    ]
    (fast,) = await performance.summary(database)
    assert (fast.trades, fast.net_pnl, fast.total_pnl) == (1, D(-1), D(-101))


async def test_an_account_tells_how_it_performs(database: Database) -> None:
    office = await office_of(database)
    assert await performance.worth(database) == []
    await office.mark()
    assert "measures    none yet" in worth_text((await performance.worth(database))[0])
    await quote(database, NOON + DAY, 99.0, 99.0)
    await office.mark(at=NOON + DAY)
    (worth,) = await performance.worth(database)
    said = worth_text(worth)
    assert "worth 99,899.00 USD at 2025-01-07 12:00:00 UTC: cash 89,999.00, positions 9,900.00" in said
    assert "day -200.00 (of 2025-01-07), in all -101.00; 0.2% below its highest" in said
    assert "1 day       Sharpe -, Sortino -, Calmar -, max drawdown 0.0%; a year: volatility -, growth 43.5%" in said


# --- the service


async def test_an_account_without_its_deposit_is_not_valued_yet(database: Database) -> None:
    await database.write([Write("delete from cash_ledger", ()), Write("delete from cash_balances", ())])
    office = await office_of(database)
    await office.mark()
    assert office.book.state == "its deposit is not booked yet"
    assert await rows(database, "select count(*) from portfolio_snapshots") == [0]


@asynccontextmanager
async def served(url: str, redis_url: str, folder: Path) -> AsyncIterator[Context]:
    """The service itself, until the end of the block; it leaves in order."""
    settings = Settings(database_url=url, redis_url=redis_url, config_dir=str(configuration(folder / "config")))
    context = Context("portfolio", settings)
    working = asyncio.create_task(app.work(context, settings))
    try:
        yield context
    finally:
        context.stopping.set()
        await working
        await context.close()


def shown(context: Context) -> Any:
    """What /info says of the accounts."""
    return context.info["accounts"]() if "accounts" in context.info else {}


async def test_the_service_values_what_is_played_without_a_bell_and_leaves_the_day_as_it_stands(
    database: Database, url: str, redis_url: str, tmp_path: Path
) -> None:
    async with served(url, redis_url, tmp_path) as context:
        await until(lambda: shown(context) == {"paper": "100099.00 USD"})
        await quote(database, NOON + MINUTE // 2 + 1000, 102.0, 102.0)
        await database.write([Write("update sessions set market_time = market_time + 1000, state = 'suspended'", ())])
    assert (await days(database))[0]["total_value"] == 100_199


async def test_an_account_that_cannot_be_valued_holds_up_no_other(database: Database, url: str, redis_url: str, tmp_path: Path) -> None:
    neighbour = (
        "insert into accounts select 'aside', session_id, 'aside', venue, base_currency, kind, allow_short, deposit, day_starts_at,"
        " 'Atlantis' from accounts"
    )
    await database.write([Write(neighbour, ()), Write("insert into cash_balances values ('aside', 'USD', 5)", ())])
    async with served(url, redis_url, tmp_path) as context:
        await until(lambda: shown(context).get("paper") == "100099.00 USD")
    assert REGISTRY.get_sample_value("tradewinds_portfolio_faults_total", {"account": "aside"}) is not None

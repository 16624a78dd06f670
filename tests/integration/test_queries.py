"""A small record whose numbers are known by hand, read through every query and command.

`fast` (10 % of 100,000 USD) buys 100 ALFA at 100.05, sells them in two fills at 101.05 on the next day, and is then
refused; `slow` buys 10 at 100.00 and keeps them. The newest close is 102. Every fill costs 1 USD.
"""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from typer.testing import CliRunner

from fleet.cli import app
from libs.common.database import Database, Write
from libs.domain.configuration import StrategyConfig
from libs.domain.identity import client_order_id, order_id
from libs.store import market, strategies
from libs.store.execution import ExecutionStore
from libs.store.queries import accounts, orders, performance, stories
from libs.store.queries import strategies as standings
from libs.store.queries.orders import Place
from tests.factories import NOON, SECOND, a_signal
from tests.fleets import configuration
from tests.records import a_record
from tests.scenes import GRACE, a_bar, begin
from tests.trading import Scene

D = Decimal
DAY = 24 * 3600 * SECOND
FAST = StrategyConfig(
    id="fast", class_name="sma_cross", symbols=["*"], account="paper", allocation=0.1, params={"fast": 2, "slow": 3}, sizing="equity"
)
SLOW = msgspec.structs.replace(FAST, id="slow", params={"fast": 5, "slow": 8}, allocation=0.01)
CHECKS = [["RC-C01", "kill switch", "off", "off"], ["RC-A07", "distance of the reference price from the market", 0.02, 0.001]]
GROSS = ["RC-B02", "gross exposure", 50_000.0, 61_234.5]

ENTRY = a_signal(1.0)
EXIT = a_signal(
    0.0, bar_time=NOON + DAY, decided_at=NOON + DAY + SECOND + GRACE, valid_until=NOON + DAY + 6 * SECOND, reference_price=101.0
)
REFUSED = a_signal(1.0, bar_time=NOON + DAY + 9 * SECOND, decided_at=NOON + DAY + 10 * SECOND, valid_until=NOON + DAY + 15 * SECOND)
KEPT = a_signal(1.0, strategy_id="slow")


async def populate(url: str) -> None:
    database = Database(url, "test")
    account = await begin(database)
    await ExecutionStore(database, account).deposit(Write("select 1", ()))
    await strategies.register(database, [FAST, SLOW])
    starts = [NOON - n * SECOND for n in (4, 3, 2, 1)]
    bars = [a_bar(start, 99.0 + n / 3) for n, start in enumerate(starts)] + [a_bar(NOON + DAY, 101.0), a_bar(NOON + DAY + SECOND, 102.0)]
    clock = Write("update sessions set start_time = %s, market_time = %s", (NOON - 3 * SECOND, NOON + DAY + 20 * SECOND))
    await database.write([*market.store_bars(bars), clock])
    scene = Scene(database)
    await scene.wants(ENTRY, "APPROVED", CHECKS)
    await scene.trades(ENTRY, "buy", 100, [(100, "100.05")])
    await scene.wants(KEPT, "APPROVED", CHECKS)
    await scene.trades(KEPT, "buy", 10, [(10, "100.00")])
    await scene.wants(EXIT, "APPROVED", CHECKS)
    await scene.trades(EXIT, "sell", 100, [(60, "101.05"), (40, "101.05")])
    await scene.wants(REFUSED, "REFUSED", [*CHECKS, GROSS], "RC-B02", "gross exposure above max_gross_exposure")
    await database.close()


@pytest.fixture(scope="module")
def url(database_url: str) -> Iterator[str]:
    with a_record(database_url) as url:
        asyncio.run(populate(url))
        yield url


@pytest.fixture(scope="module")
def empty(database_url: str) -> Iterator[str]:
    with a_record(database_url) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    yield database
    await database.close()


BUY, KEEP, SELL = (order_id(s.signal_id, 0) for s in (ENTRY, KEPT, EXIT))

# --- the queries


async def test_orders_come_newest_first_page_by_page(database: Database) -> None:
    first = await orders.orders(database, limit=2)
    rest = await orders.orders(database, limit=2, before=first[-1].order_id)
    found = [o.order_id for o in first + rest]
    assert found[0] == SELL
    assert found[1:] == sorted((BUY, KEEP), reverse=True)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"strategy": "slow"}, [KEEP]),
        ({"symbol": "BTC/USD"}, []),
        ({"statuses": ["ACKED"]}, []),
        ({"account": "paper", "strategy": "fast", "statuses": ["FILLED", "ACKED"]}, [SELL, BUY]),
    ],
)
async def test_orders_are_filtered(database: Database, asked: dict[str, Any], found: list[UUID]) -> None:
    assert [o.order_id for o in await orders.orders(database, **asked)] == found


async def test_an_unknown_account_is_refused_and_names_those_there_are(database: Database) -> None:
    with pytest.raises(LookupError, match="no account is called 'papr'; there are: paper"):
        await orders.orders(database, account="papr")


async def test_trades_come_oldest_first_page_by_page(database: Database) -> None:
    first = await orders.trades(database, limit=3)
    rest = await orders.trades(database, limit=3, after=Place(first[-1].executed_at, first[-1].trade_id))
    assert [t.quantity for t in first[2:] + rest] == [D(60), D(40)]
    assert {t.order_id for t in first[:2]} == {BUY, KEEP}


async def test_an_account_is_worth_its_cash_and_its_positions_at_the_newest_close(database: Database) -> None:
    (paper,) = await accounts.standing(database)
    assert paper.cash == {"USD": D(100_000) - D(10_005) - D(1_000) + D(10_105) - 4}
    assert (paper.equity, paper.gross_exposure, paper.net_exposure) == (paper.cash["USD"] + 1020, D(1020), D(1020))
    assert (paper.realized_pnl, paper.unrealized_pnl, paper.fees) == (D(100), D(20), D(4))
    (held,) = paper.holdings
    assert (held.strategy_id, held.quantity, held.mark, held.market_value) == ("slow", D(10), D(102), D(1020))
    assert held.marked_at == datetime(2025, 1, 7, 12, 0, 1, tzinfo=UTC)


async def test_performance_is_told_by_day_and_strategy(database: Database) -> None:
    days = await performance.daily(database)
    assert [(d.day, d.strategy_id, d.trades, d.realized_pnl, d.fees, d.net_pnl, d.turnover) for d in days] == [
        (date(2025, 1, 7), "fast", 2, D(100), D(2), D(98), D(10_105)),
        (date(2025, 1, 6), "fast", 1, D(0), D(1), D(-1), D(10_005)),
        (date(2025, 1, 6), "slow", 1, D(0), D(1), D(-1), D(1_000)),
    ]
    assert [d.day for d in await performance.daily(database, before=date(2025, 1, 7), limit=1)] == [date(2025, 1, 6)]


async def test_a_day_begins_when_the_accounts_trading_day_does(url: str, database: Database) -> None:
    await database.write([Write("update accounts set day_starts_at = '17:00', day_tz = 'America/New_York'", ())])
    days = await performance.daily(database)
    await database.write([Write("update accounts set day_starts_at = '00:00', day_tz = 'UTC'", ())])
    assert {d.day for d in days} == {date(2025, 1, 5), date(2025, 1, 6)}  # noon UTC is seven in New York: yesterday's day goes on


async def test_a_summary_counts_what_is_realised_and_leaves_out_what_is_not_defined(database: Database) -> None:
    fast, slow = await performance.summary(database)
    assert (fast.trades, fast.wins, fast.losses, fast.hit_rate, fast.average_win) == (3, 2, 0, 1.0, D(50))
    assert (fast.gross_pnl, fast.fees, fast.net_pnl, fast.turnover) == (D(100), D(3), D(97), D(20_110))
    assert (fast.average_loss, fast.profit_factor, slow.hit_rate) == (None, None, None)


async def test_a_strategy_tells_what_it_did_and_last_wanted(database: Database) -> None:
    (fast,) = await standings.strategies(database, "fast")
    assert (fast.signals, fast.refused, fast.orders, fast.trades, fast.realized_pnl, fast.fees) == (3, 1, 2, 3, D(100), D(3))
    (last,) = fast.last_targets
    assert (last.symbol, last.target, last.verdict, last.code, last.held) == ("ALFA", 1.0, "REFUSED", "RC-B02", D(0))
    assert [s.strategy_id for s in await standings.strategies(database)] == ["fast", "slow"]


async def test_a_story_has_every_stage_of_an_order(database: Database) -> None:
    story = await stories.signal_story(database, EXIT.signal_id)
    assert story is not None
    assert (story.signal.previous_target, story.signal.target) == (1.0, 0.0)
    assert story.bar is not None
    assert (story.bar.close, story.bar.before) == (101.0, 3)  # of four bars before it one is from before the session
    (order,) = story.orders
    assert [e.event for e in order.events] == ["submit", "accepted", "fill"]
    assert [(f.quantity, f.pnl, round(f.slippage_bps or 0, 2)) for f in order.fills] == [(D(60), D(60), -4.95), (D(40), D(40), -4.95)]
    assert order.after == stories.BookAfter(quantity=D(0), realized_pnl=D(100))
    assert order.worth.held == D(100)


async def test_the_equity_a_decision_counted_on_is_made_again_from_the_ledger(database: Database) -> None:
    entry, exit_ = [await stories.signal_story(database, signal.signal_id) for signal in (ENTRY, EXIT)]
    assert entry is not None
    assert exit_ is not None
    assert entry.orders[0].worth == stories.Worth(held=D(0), equity=D(100_000))
    marked_at = D(101) * 110  # 101 is the newest close known when the exit was decided
    assert exit_.orders[0].worth.equity == D(100_000) - 10_005 - 1_000 - 2 + marked_at


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (str(BUY)[:8], [(ENTRY.signal_id, BUY)]),
        (BUY.hex.upper(), [(ENTRY.signal_id, BUY)]),
        (client_order_id("TEST", SELL, 3), [(EXIT.signal_id, SELL)]),
        (str(REFUSED.signal_id), [(REFUSED.signal_id, None)]),
        ("ffffffff-ffff", []),
    ],
)
async def test_an_id_is_found_by_its_beginning(database: Database, text: str, found: list[tuple[UUID, UUID | None]]) -> None:
    assert list(await stories.named(database, text)) == found


# --- the commands


@pytest.fixture
def fleet(url: str, tmp_path: Path) -> dict[str, str]:
    written = configuration(tmp_path / "config")
    return {"DATABASE_URL": url, "STATE_DIR": str(tmp_path / "state"), "CONFIG_DIR": str(written)}


def cli(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments, env=environment)
    return done.exit_code, done.stdout + done.stderr


def test_explain_tells_why_an_order_was_made_and_what_came_of_it(fleet: dict[str, str]) -> None:
    code, said = cli(fleet, "explain", str(BUY)[:8])
    assert code == 0, said
    for fact in (
        f"order       {BUY}: buy 100 limit 102 ALFA, FILLED",
        "close 100, volume 10; 2 bars before it in the session",
        "fast is sma_cross(fast=3, slow=8) on account paper",
        "closes [99,000,000; 100,000,000; 101,000,000], sums [7; 201; 300]",
        "target none -> 1, scale 1, reference price 100,",
        "passed   RC-A07  distance of the reference price from the market: 0.001 (limit 0.02)",
        "APPROVED",
        "allocation 0.5 x equity of about 100,000.00 / price 100 = 500 ALFA wanted, held 0: buy 100",
        "notional 10,200.00 USD",
        "100 at 100.05, 5.00 bps worse than the reference price, fee 1 USD",
        "0 -> 100 ALFA; the book has realised 0.00 USD so far",
        "order approved",
    ):
        assert fact in said


def test_explain_tells_why_a_signal_was_refused(fleet: dict[str, str]) -> None:
    code, said = cli(fleet, "explain", str(REFUSED.signal_id))
    assert code == 0, said
    assert "REFUSED  RC-B02  gross exposure above max_gross_exposure (seen 61234.50, limit 50000.00)" in said
    assert "passed   RC-B02" not in said
    assert "target 0 -> 1" in said


def test_explain_as_json_is_the_story_with_the_states_fields(fleet: dict[str, str]) -> None:
    code, said = cli(fleet, "explain", str(SELL), "--json")
    story = json.loads(said)
    assert code == 0
    assert story["order_id"] == str(SELL)
    assert story["state"]["fields"]["sums"] == [7, 201, 300]
    assert [fill["quantity"] for fill in story["orders"][0]["fills"]] == ["60", "40"]


@pytest.mark.parametrize(
    ("text", "said"), [("ffffff", "no order or signal"), ("ff", "6 or more characters"), ("TEST00", "no order or signal")]
)
def test_explain_of_nothing_says_how_to_list_orders(fleet: dict[str, str], text: str, said: str) -> None:
    code, answer = cli(fleet, "explain", text)
    assert code == 1
    assert said in answer
    assert "`fleet orders status` lists orders" in answer


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        ("orders status", ["FILLED", str(SELL)[:8], "2025-01-07 12:00:01"]),
        ("orders status --limit 1", ["older ones: --before " + str(SELL)]),
        ("orders status --status open", ["no order matches"]),
        ("account status", ["equity      100,116.00 USD, +116.00 on a deposit of 100,000.00", "slow", "+20.00"]),
        ("performance daily", ["2025-01-07", "10,105.00"]),
        ("performance summary", ["100.0%", "20,110.00"]),
        ("strategies status fast", ["sma_cross(fast=2, slow=3)", "REFUSED RC-B02"]),
    ],
)
def test_commands_show_the_record(fleet: dict[str, str], command: str, facts: list[str]) -> None:
    code, said = cli(fleet, *command.split())
    assert code == 0, said
    assert [fact for fact in facts if fact not in said] == []


@pytest.mark.parametrize(
    ("command", "key"),
    [
        ("orders status", "orders"),
        ("account status paper", "accounts"),
        ("performance daily", "days"),
        ("performance summary", "strategies"),
        ("strategies status slow", "last_targets"),
    ],
)
def test_every_answer_can_be_had_as_json(fleet: dict[str, str], command: str, key: str) -> None:
    code, said = cli(fleet, *command.split(), "--json")
    assert code == 0
    assert json.loads(said)[key]


@pytest.mark.parametrize(
    ("command", "code", "fact"),
    [
        ("orders status --status lost", 2, "expected one of acked"),
        ("account status nobody", 1, "no account is called 'nobody'; there are: paper"),
        ("strategies status nobody", 1, "no strategy is called 'nobody'; there are: fast, slow"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(fleet: dict[str, str], command: str, code: int, fact: str) -> None:
    done, said = cli(fleet, *command.split())
    assert done == code
    assert fact in " ".join(said.replace("│", "").split())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("orders status", "no orders yet"),
        ("account status", "no accounts yet"),
        ("performance daily", "no trades yet"),
        ("performance summary", "no trades yet"),
    ],
)
def test_nothing_yet_is_said_with_what_to_do(fleet: dict[str, str], empty: str, command: str, said: str) -> None:
    code, answer = cli(fleet | {"DATABASE_URL": empty}, *command.split())
    assert code == 0
    assert said in answer
    assert "`fleet " in answer


def test_trades_are_exported_and_no_file_is_replaced_unasked(fleet: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "trades.csv"
    assert cli(fleet, "performance", "export", str(file))[0] == 0
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(row["side"], row["quantity"], row["pnl"]) for row in rows[2:]] == [("sell", "60", "60"), ("sell", "40", "40")]
    file.write_text("mine")
    code, said = cli(fleet, "performance", "export", str(file))
    assert (code, file.read_text()) == (1, "mine")
    assert "--overwrite" in said
    assert cli(fleet, "performance", "export", str(file), "--overwrite")[0] == 0
    assert len(file.read_text().splitlines()) == 5


def test_an_export_of_nothing_leaves_no_file(fleet: dict[str, str], empty: str, tmp_path: Path) -> None:
    code, said = cli(fleet | {"DATABASE_URL": empty}, "performance", "export", str(tmp_path / "trades.csv"))
    assert code == 1
    assert "no trades yet" in said
    assert not list(tmp_path.glob("trades*"))

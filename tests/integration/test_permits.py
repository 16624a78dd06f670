"""A person's word for one order that is larger than usual: used once, or it ends. Real Postgres."""

import asyncio
import json
import re
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from typer.testing import CliRunner, Result

from fleet.cli import app
from libs.common.bus import MemoryBus
from libs.common.database import Conflict, Database
from libs.common.journal import PostgresJournal
from libs.domain.messages import Signal
from libs.store import market, permits
from libs.store.control import Control
from libs.store.permits import Order
from tests.factories import NOON, SECOND, HandClock, a_limit, a_signal
from tests.integration.test_risk_manager import Desk, desk_of, orders, say, verdicts
from tests.scenes import GRACE, a_bar, begin, record

USUAL = a_limit("max_adv_share", 0.01, unit="fraction")
DAY = 86_400 * SECOND
BUY = Order("paper", "fast", "ALFA", "buy", Decimal(100))  # ten times what may be, of a thousand that trade on a day
TODAY = NOON + DAY


@pytest.fixture
async def desk(database: Database) -> Desk:
    """A funded account on the day after ALFA has traded a thousand."""
    account = await begin(database)
    await database.fetch("insert into cash_balances values ('paper', 'USD', 100000)")
    await market.ensure_partitions(database, TODAY)
    await database.fetch(
        "insert into strategies (strategy_id, class_name, symbols, timeframe, account, allocation, params, enabled, configured_enabled)"
        " values ('fast', 'sma_cross', '{*}', '1s', 'paper', 1, '{}', true, true)"
    )
    await record(database, [msgspec.structs.replace(a_bar(NOON, 100.0), volume=1_000.0), a_bar(TODAY, 100.0)])
    desk = await desk_of(database, account, USUAL)
    desk.market.hear(TODAY + SECOND + GRACE, 1.0)
    return desk


def wanting(target: float, n: int = 0) -> Signal:
    """A signal for that share of 1,000 shares, the n-th of them."""
    at = TODAY + SECOND + GRACE
    return a_signal(target, bar_time=TODAY + n * SECOND, decided_at=at, valid_until=at + 9 * SECOND)


def hand(database: Database) -> Control:
    return Control(database, PostgresJournal(database, MemoryBus(), HandClock()), HandClock())


async def give(database: Database, order: Order = BUY, valid_s: float = 600.0) -> UUID:
    return await hand(database).permit(order, valid_s, "index rebalance", "ann")


async def used(database: Database) -> list[tuple[bool, UUID | None]]:
    return [(row.open, row.signal_id) for row in await permits.newest(database, 9)]


async def test_the_order_that_a_person_has_named_passes_once_and_the_record_says_which(database: Database, desk: Desk) -> None:
    first, second = wanting(0.1), wanting(0.1, 1)
    await give(database)
    await desk.judge(first)
    await desk.ended((await database.fetch("select id from orders"))[0][0], "EXPIRED")
    await desk.judge(second)
    assert await verdicts(database) == [("APPROVED", ""), ("REFUSED", "RC-A06")]
    assert await used(database) == [(False, first.signal_id)]
    commands = await database.fetch('select command, scope, reason, "by" from commands')
    assert commands == [("permit", "account:paper fast buy 100 ALFA", "index rebalance", "ann")]


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(BUY._replace(quantity=Decimal("99.9")), id="of less"),
        pytest.param(BUY._replace(side="sell"), id="of the other side"),
        pytest.param(BUY._replace(account="other"), id="of another account"),
    ],
)
async def test_what_was_not_named_is_refused_as_before(database: Database, desk: Desk, order: Order) -> None:
    await database.write([permits.give(UUID(int=1), order, 600.0, "because", "ann")])
    await desk.judge(wanting(0.1))
    assert await verdicts(database) == [("REFUSED", "RC-A06")]
    assert await used(database) == [(True, None)]


async def test_a_permit_ends_of_itself_by_the_records_clock(database: Database, desk: Desk) -> None:
    await give(database)
    await database.fetch("update risk_permits set valid_until = clock_timestamp()")
    await desk.judge(wanting(0.1))
    assert (await verdicts(database), await used(database)) == ([("REFUSED", "RC-A06")], [(False, None)])


async def test_of_ten_who_would_use_it_at_once_one_does(url: str, database: Database, desk: Desk) -> None:
    id_ = await give(database)
    racers = [Database(url, f"racer {n}") for n in range(10)]
    found = await asyncio.gather(*(racer.write([permits.use(id_, UUID(int=n))]) for n, racer in enumerate(racers)), return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in found) == 9
    for racer in racers:
        await racer.close()


async def test_an_approval_whose_permit_was_used_meanwhile_is_undone_and_decided_again(database: Database, desk: Desk) -> None:
    id_ = await give(database)
    await say(desk.journal, desk.sealer, wanting(0.1))
    hop = await desk.stage.hop(await desk.journal.cursors(desk.lease.name, desk.stage.streams), 10)
    assert hop is not None
    await database.write([permits.use(id_, UUID(int=1))])
    with pytest.raises(Conflict, match="was used, or ended, meanwhile"):
        await desk.journal.commit(hop)
    assert await orders(database) == []
    await desk.consumer.drain()
    assert await verdicts(database) == [("REFUSED", "RC-A06")]


@pytest.mark.parametrize(
    ("order", "reason", "error", "said"),
    [
        (BUY._replace(symbol="IBM"), "because", LookupError, "no symbol is called 'IBM'; there are: ALFA, BTC/USD"),
        (BUY._replace(account="papper"), "because", LookupError, "no account is called 'papper'"),
        (BUY._replace(quantity=Decimal(0)), "because", ValueError, "expected a quantity above 0, got 0"),
        (BUY._replace(quantity=Decimal("NaN")), "because", ValueError, "expected a quantity above 0, got NaN"),
        (BUY, " ", ValueError, "say with --reason why"),
    ],
)
async def test_what_can_be_no_permit_is_refused_with_the_reason(
    database: Database, desk: Desk, order: Order, reason: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=re.escape(said)):
        await hand(database).permit(order, 600.0, reason, "ann")
    assert await used(database) == []


async def test_an_operator_permits_an_order_and_sees_what_became_of_it(url: str, database: Database, desk: Desk, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": url, "STATE_DIR": str(tmp_path), "REDIS_URL": ""}

    async def types(*words: str) -> Result:
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["risk", *words], env=environment))

    order = ("--account", "paper", "--strategy", "fast", "--symbol", "ALFA", "--side", "buy", "--reason", "index rebalance")
    assert "no order was ever permitted" in (await types("permits")).stdout
    refused = [await types("permit", *order, "--quantity", "many"), await types("permit", *order, "--side", "long", "--quantity", "1")]
    assert [(done.exit_code, done.stderr) for done in refused] == [
        (2, "fleet: expected a quantity, such as 500 or 0.25, got 'many'\n"),
        (2, "fleet: expected buy or sell, got 'long'\n"),
    ]
    done = await types("permit", *order, "--quantity", "100")
    assert "one order of fast in paper to buy at most 100 ALFA passes RC-A06 within 600 s" in done.stdout
    assert "open for" in (await types("permits")).stdout
    await desk.judge(wanting(0.1))
    assert "used " in (await types("permits")).stdout
    [shown] = json.loads((await types("permits", "--json")).stdout)["permits"]
    assert (shown["reason"], shown["quantity"], shown["signal_id"]) == ("index rebalance", "100.000000000000", str(wanting(0.1).signal_id))

"""The end of an account's day: a real desk at the real sim_venue, its statement read and compared, tickets and their end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from libs.common.clocks import SECOND, SystemClock
from libs.common.database import Database, Write
from libs.domain.orders import Order
from libs.quant.fills import FillTerms
from libs.quant.trading_day import trading_day_of
from libs.store import reconciliation, sessions, statements
from libs.store.auditing import AuditStore
from libs.store.jobs import BY_SCHEDULE
from libs.store.statements import Asked
from libs.venues.paper.broker import PaperBroker
from services.risk_manager import brokers
from services.risk_manager.brokers import NoReader, PaperReader, RemoteReader
from services.risk_manager.statements import Statements
from services.scheduler.duty import Failed
from services.scheduler.jobs import statement
from services.sim_venue.market import START_BY_HAND
from tests.factories import NOON
from tests.integration.test_remote_desk import ALPACA, BINANCE, OPEN, Kind, trading
from tests.integration.test_scheduler_service import DAY, a_duty
from tests.paper import ALFA
from tests.scenes import begin
from tests.sim_venues import a_sim_venue

D = Decimal
SPAN = trading_day_of(START_BY_HAND, "00:00", "UTC")
ASKED = Asked(SPAN.date, SPAN.start, SPAN.end)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two reads that have to agree follow upon each other."""
    monkeypatch.setattr(brokers, "AGREE_AFTER_S", 0.01)


class Traded(NamedTuple):
    """A day on which an order was filled and another rests."""

    statements: Statements
    order: Order

    async def breaks(self) -> list[str]:
        return sorted(item.key for item in await self.statements.compare(ASKED))


@asynccontextmanager
async def a_day(kind: Kind, database: Database, url: str, redis_url: str) -> AsyncIterator[Traded]:
    async with a_sim_venue() as venue, trading(kind, venue, database, url, redis_url) as scene:
        await scene.shows(kind.price)
        order = await scene.approves(1, D(kind.price + 1))
        await scene.approves(2, D(kind.price - 5))
        await scene.desk.comes_to("ACKED", "ACKED", clock=START_BY_HAND + SECOND)
        await scene.shows(kind.price)
        await scene.desk.comes_to("FILLED", "ACKED", clock=START_BY_HAND + SECOND)
        (account,) = await sessions.accounts(database, OPEN.session_id)
        account = replace(account, venue=kind.config.name)
        instruments = {symbol: listing.instrument for symbol, listing in venue.host.listings.items()}
        reader = RemoteReader(account, kind.config, OPEN, instruments, "paper", lambda name: "", venue.url, SystemClock(), START_BY_HAND)
        await database.write([statements.ask("paper", SPAN.date, SPAN.start, SPAN.end, again=False)])
        yield Traded(Statements("paper", reader, database), order)
        await reader.close()


@pytest.mark.parametrize("kind", [ALPACA, BINANCE], ids=["alpaca", "ccxt"])
async def test_a_day_that_was_traded_is_the_venues_statement_to_the_last_digit(
    kind: Kind, database: Database, url: str, redis_url: str
) -> None:
    async with a_day(kind, database, url, redis_url) as day:
        assert await day.breaks() == []
        [compared] = await statements.of_days(database, [("paper", SPAN.date)])
        assert (compared.state, compared.fills, compared.breaks) == ("clean", 1, 0)
        assert await statements.last_clean(database, OPEN.session_id) == {"paper": (str(SPAN.date), 0)}


async def test_each_cent_and_billionth_that_differs_is_a_ticket_until_a_person_closes_it(
    database: Database, url: str, redis_url: str
) -> None:
    async with a_day(ALPACA, database, url, redis_url) as day:
        await database.write(
            [
                Write("update trades set commission = commission + 0.01", ()),
                Write("update cash_ledger set amount = amount + 0.000000001 where ledger_account = 'position' and commodity = 'AAPL'", ()),
            ]
        )
        [fill] = [row[0] for row in await database.fetch("select exec_key from trades")]
        assert await day.breaks() == sorted([fill, "ledger AAPL", "position AAPL"])
        tickets = [found for found in await reconciliation.standing(database) if found.item.kind == "break"]
        assert (len(tickets), len(reconciliation.holding(tickets))) == (3, 3)
        assert await statements.last_clean(database, OPEN.session_id) == {"paper": (None, 1)}
        await database.write([reconciliation.decide(ticket.item.id, "ignore", "known", "someone") for ticket in tickets])
        await AuditStore(database, "paper").close_decided()
        assert [found for found in await reconciliation.standing(database) if found.item.kind == "break"] == []
        await database.write([statements.ask("paper", SPAN.date, SPAN.start, SPAN.end, again=True)])
        assert await day.breaks() == []
        assert await statements.last_clean(database, OPEN.session_id) == {"paper": (str(SPAN.date), 0)}


async def test_a_fill_that_was_never_booked_is_a_ticket(database: Database, url: str, redis_url: str) -> None:
    async with a_day(ALPACA, database, url, redis_url) as day:
        await database.write([Write("delete from trades", ())])
        assert len(await day.breaks()) == 1


async def test_the_paper_venues_statement_is_its_book(database: Database, tmp_path: Path) -> None:
    account, path = await begin(database), tmp_path / "paper.log"
    reader = PaperReader(path)
    await database.write([statements.ask("paper", SPAN.date, SPAN.start, SPAN.end, again=False)])
    days = Statements(account.account_id, reader, database)
    assert await days.compare(ASKED) == []  # no book yet: nothing is proven
    [waiting] = await statements.of_days(database, [("paper", SPAN.date)])
    assert (waiting.state, waiting.detail) == ("asked", f"there is no book of the paper venue at {path}")
    broker = PaperBroker.open(path, "paper", {"ALFA": ALFA}, {"ALFA": "quote"}, FillTerms(), {"USD": D("99.99")}, 0, clock=SystemClock())
    [found] = await days.compare(ASKED)  # the deposit is not in the ledger
    assert (found.key, found.ours, found.theirs) == ("cash USD", "0", "99.99")
    broker.close()


# --- the job


async def a_day_later(database: Database, answer: Write) -> None:
    """Somebody compares what is asked for."""
    while not await statements.asked(database, "paper"):  # noqa: ASYNC110 - a row that nobody rings for
        await asyncio.sleep(0.01)
    await database.write([answer])


async def test_the_job_asks_for_each_day_that_has_ended_once_and_reports_it(database: Database, url: str) -> None:
    await begin(database)
    other, today = Database(url, "other"), trading_day_of(NOON, "00:00", "UTC").date
    clean = statements.answered("paper", today, clean=True, fills=3, breaks=0, detail="the same to the last digit")
    async with a_duty(database, BY_SCHEDULE, at=NOON + DAY) as duty:
        answering = asyncio.create_task(a_day_later(other, clean))
        done = await statement.run(duty)
        await answering
        assert done.detail == f"paper, {today}: 3 fills, the same to the last digit"
        assert [(told.kind, told.severity) for told in done.told] == [("report", "info")]
        assert (await statement.run(duty)).detail == "no account's day has ended that was not compared"
    async with a_duty(database, BY_SCHEDULE, at=NOON) as duty:  # the session began on this day
        assert (await statement.run(duty)).detail == "no account's day has ended that was not compared"
    await other.close()


async def test_a_day_that_differs_is_critical_and_its_end_is_told(database: Database, url: str) -> None:
    await begin(database)
    other, today = Database(url, "other"), trading_day_of(NOON, "00:00", "UTC").date
    broken = statements.answered("paper", today, clean=False, fills=3, breaks=1, detail="cash USD: 1 here, 1.01 there")
    async with a_duty(database) as duty:
        answering = asyncio.create_task(a_day_later(other, broken))
        with pytest.raises(Failed, match="1 difference with the venue's statement: paper, .* cash USD: 1 here, 1.01 there") as failed:
            await statement.run(duty)
        await answering
        [told] = failed.value.told
        assert (told.severity, told.state, told.key, told.link) == ("critical", "firing", "day_break:paper", "runbooks/end-of-day")
    await other.close()


async def test_a_day_that_nobody_reads_fails_and_says_why(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "WITHIN_S", 0.0)
    account = await begin(database)
    day = trading_day_of(NOON, "00:00", "UTC")
    await database.write([statements.ask("paper", day.date, day.start, day.end, again=False)])
    await Statements(account.account_id, NoReader("there is no key"), database).compare(Asked(day.date, day.start, day.end))
    async with a_duty(database, BY_SCHEDULE, at=NOON + DAY) as duty:
        with pytest.raises(Failed, match=f"day {date(2025, 1, 6)} of paper is not compared: there is no key; it stays asked for"):
            await statement.run(duty)

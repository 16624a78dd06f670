"""The whole scheduler in this process, on a real record and bus; and what its jobs do to a real record."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import aiohttp
import pytest

from fleet.embedded.ports import free_port
from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.database import Database, Write
from libs.common.journal import PostgresJournal
from libs.common.runner import Context
from libs.common.settings import Settings
from libs.domain.fleet import PORTS
from libs.domain.jobs import Kept
from libs.store import jobs, market, retention, sessions
from libs.store.control import Control
from libs.store.jobs import BY_SCHEDULE, Run
from libs.store.queries.days import days
from services.scheduler import app
from services.scheduler.duty import Done, Duty, Failed
from services.scheduler.jobs import parity, partitions, reconciliation
from services.scheduler.jobs import retention as retention_job
from tests.factories import MINUTE, NOON
from tests.scenes import SESSION, begin, clear

DAY = 24 * 60 * MINUTE
ID = UUID(int=7)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A session that begins at noon; its market goes on around the clock."""
    database = Database(url, "test")
    await clear(database)
    await begin(database)
    yield database
    await database.close()


class Fleet:
    """Schedulers on one url, and the operator."""

    def __init__(self, url: str, redis_url: str, folder: Path, database: Database) -> None:
        self._settings = Settings(database_url=url, redis_url=redis_url, config_dir=str(folder))
        self.database = database
        self.operator = Control(database, PostgresJournal(database, MemoryBus(), SystemClock()), SystemClock())

    @asynccontextmanager
    async def scheduler(self, holder: str = "one") -> AsyncIterator[Context]:
        """One of them; drained at the end."""
        context = Context("scheduler", self._settings)
        context.holder = holder
        working = asyncio.create_task(app.work(context, self._settings))
        try:
            yield context
            context.stopping.set()
            await working
        finally:
            working.cancel()
            await context.close()

    async def plays_to(self, market_time: int) -> None:
        """The record's clock, which is all that tells the market time here."""
        await self.database.write([sessions.advanced(SESSION.session_id, market_time, market_time, 0)])

    async def history(self, *wanted: tuple[str, str]) -> None:
        """Until jobs and states of all runs are these, in order of their due times."""
        async with asyncio.timeout(20):
            while await self._seen() != list(wanted):  # noqa: ASYNC110 - rows ring no bell
                await asyncio.sleep(0.02)

    async def _seen(self) -> list[tuple[str, str]]:
        rows = await self.database.fetch("select job_id, state from job_runs order by scheduled_for, job_id")
        return [(job_id, state) for job_id, state in rows]

    async def comes_to(self, query: LiteralString) -> None:
        """Until a query of the record says true."""
        async with asyncio.timeout(20):
            while not (await self.database.fetch(query))[0][0]:  # noqa: ASYNC110 - rows ring no bell
                await asyncio.sleep(0.02)


MARKET = '[[job]]\nid = "market"\nkind = "partitions"\nclock = "market"\nschedule = "every 1h"\n'
HOST = '[[job]]\nid = "host"\nkind = "partitions"\nclock = "host"\nschedule = "every 1m"\nenabled = false\n'


@pytest.fixture
def fleet(url: str, redis_url: str, tmp_path: Path, database: Database) -> Fleet:
    (tmp_path / "jobs.toml").write_text(MARKET + HOST)
    return Fleet(url, redis_url, tmp_path, database)


async def test_market_time_brings_jobs_about_and_a_restart_repeats_none(fleet: Fleet) -> None:
    async with fleet.scheduler():
        await fleet.history(("market", "done"))  # the session began at a full hour
        await fleet.plays_to(NOON + 61 * MINUTE)
        await fleet.history(("market", "done"), ("market", "done"))
    async with fleet.scheduler("two"):
        await fleet.plays_to(NOON + 3 * 60 * MINUTE)
        await fleet.history(("market", "done"), ("market", "done"), ("market", "done"))
    [(detail,)] = await fleet.database.fetch("select detail from job_runs order by scheduled_for desc limit 1")
    assert detail.endswith("stands for 2 due times since 2025-01-06T14:00:00Z")


async def test_a_recording_that_has_ended_still_gets_what_is_due_soon_after(fleet: Fleet) -> None:
    async with fleet.scheduler():
        await fleet.history(("market", "done"))
        await fleet.plays_to(NOON + 30 * MINUTE)
        await sessions.finish(fleet.database, SESSION.session_id)
        await fleet.history(("market", "done"), ("market", "done"))
        await fleet.comes_to("select bool_and(next_at is null) from jobs")


@pytest.mark.parametrize("bus", ["heard", "deaf"])
async def test_what_the_operator_asks_for_is_run_with_the_bell_and_without(
    bus: str, url: str, redis_url: str, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "jobs.toml").write_text(HOST)
    fleet = Fleet(url, redis_url if bus == "heard" else f"redis://127.0.0.1:{free_port()}", tmp_path, database)
    async with fleet.scheduler():
        await fleet.comes_to("select exists (select from jobs)")
        id_ = await fleet.operator.run_job("host", "ann")
        await fleet.history(("host", "done"))
    run = await jobs.found(database, id_)
    assert (run.asked_by, run.state, run.session_id) == ("ann", "done", "")
    assert await database.fetch("select command, scope from commands") == [("run_job", "job:host")]


async def test_a_job_that_nobody_knows_is_refused_with_those_there_are(fleet: Fleet) -> None:
    async with fleet.scheduler():
        await fleet.comes_to("select exists (select from jobs)")
        with pytest.raises(LookupError, match="no job is called 'hots'; there are: host, market"):
            await fleet.operator.run_job("hots", "ann")


async def test_of_two_schedulers_one_acts_and_the_other_takes_over_when_it_leaves(fleet: Fleet) -> None:
    async with fleet.scheduler("one") as first:
        await fleet.history(("market", "done"))
        async with fleet.scheduler("two") as second:
            await fleet.plays_to(NOON + 61 * MINUTE)
            await fleet.history(("market", "done"), ("market", "done"))
            assert first.readiness.shown()["service"]["status"] == "ok"
            assert "in reserve" in str(second.readiness.shown()["service"]["detail"])
            first.stopping.set()
            await fleet.comes_to("select exists (select from leases where name = 'scheduler' and holder = 'two')")
            await fleet.plays_to(NOON + 121 * MINUTE)
            await fleet.history(("market", "done"), ("market", "done"), ("market", "done"))


async def test_host_time_goes_on_without_a_market(fleet: Fleet, tmp_path: Path) -> None:
    """What was due while nobody held the lease is made up for at once."""
    (tmp_path / "jobs.toml").write_text(HOST.replace("enabled = false\n", ""))
    await sessions.finish(fleet.database, SESSION.session_id)
    long_ago = Run(id=ID, job_id="host", session_id="", scheduled_for=NOON, asked_by=BY_SCHEDULE)
    await fleet.database.write([jobs.skipped(long_ago, "")])
    async with fleet.scheduler():
        await fleet.history(("host", "skipped"), ("host", "done"))
        await fleet.comes_to("select next_at > clock_timestamp() from jobs")


# --- what jobs do


@asynccontextmanager
async def a_duty(database: Database, asked_by: str = "ann", at: int = NOON, settings: Settings | None = None) -> AsyncIterator[Duty]:
    clock = SystemClock()
    async with aiohttp.ClientSession() as http:
        yield Duty(
            run=Run(id=ID, job_id="job", session_id=SESSION.session_id, scheduled_for=at, asked_by=asked_by),
            since=at - DAY,
            session=await sessions.current(database),
            calendars=("24/7",),
            database=database,
            control=Control(database, PostgresJournal(database, MemoryBus(), clock), clock, "scheduler"),
            http=http,
            settings=settings or Settings(database_url="", redis_url=""),
            clock=clock,
        )


async def test_partitions_are_made_for_this_month_and_the_next(database: Database) -> None:
    async with a_duty(database) as duty:
        assert (await partitions.run(duty)).detail.startswith("market_quotes and market_ohlcv have room for 2025-01, 2025-02, ")
    assert await database.fetch("select to_regclass('market_ohlcv_202502') is not null") == [(True,)]


async def test_books_that_do_not_agree_are_critical_until_they_do(database: Database) -> None:
    await database.write([Write("insert into cash_balances values ('paper', 'USD', 5)", ())])
    async with a_duty(database) as duty:
        with pytest.raises(Failed, match="the ledger differs in 1 place: paper: the balance is 5 USD") as failed:
            await reconciliation.run(duty)
        [told] = failed.value.told
        assert (told.severity, told.state, told.key, told.link) == ("critical", "firing", "ledger_difference", "runbooks/ledger-difference")
        await database.write([Write("delete from cash_balances", ()), a_notification("ledger_difference", "firing")])
        done = await reconciliation.run(duty)
    assert [(n.key, n.state) for n in done.told] == [("ledger_difference", "resolved")]
    assert await database.fetch("select command, count(*) from commands group by 1") == [("reconcile", 2)]


def a_notification(key: str, state: str, days_ago: int = 0) -> Write:
    return Write(
        "insert into notifications (id, kind, severity, state, key, title, body, link, producer, created_at) values"
        " (gen_random_uuid(), 'risk', 'info', %s, %s, '', '', '', 'scheduler', clock_timestamp() - make_interval(days => %s))",
        (state, key, days_ago),
    )


async def test_a_day_holds_what_the_account_did_within_it(database: Database) -> None:
    await database.write(
        [
            Write("update accounts set day_tz = 'America/New_York', day_starts_at = '17:00'", ()),
            Write(
                "insert into portfolio_snapshots values ('paper', '', '2025-01-05', 101, 50, 51, 1, 1, '{}', at_ns(%s)),"
                " ('paper', 'fast', '2025-01-05', 0, 0, 0, 1, 1, '{}', at_ns(%s))",
                (NOON, NOON),
            ),
            Write(
                "insert into risk_halts (account_id, limit_name, halted_at, equity, reference, limit_value, seen)"
                " select 'paper', 'max_daily_loss', at_ns(%s), 1, 1, 0.02, 0.03 from generate_series(1, 1)",
                (NOON,),
            ),
        ]
    )
    [day] = await days(database, SESSION.session_id, NOON)
    assert (str(day.day), [w.strategy_id for w in day.worth], len(day.halts)) == ("2025-01-05", ["", "fast"], 1)
    [after] = await days(database, SESSION.session_id, NOON + 10 * 60 * MINUTE)
    assert (str(after.day), after.worth, after.halts) == ("2025-01-06", [], [])


# --- retention


async def emptied(database: Database, kept: Kept) -> Done:
    async with a_duty(database) as duty:
        return await retention_job.run(duty, kept)


def old_messages(stream: str, count: int, days_ago: int) -> list[Write]:
    return [
        Write("select journal_append(%s, array_fill(null::uuid, array[%s]), array_fill('{}'::text, array[%s]))", (stream, count, count)),
        Write("update journal set at = clock_timestamp() - make_interval(days => %s) where stream = %s", (days_ago, stream)),
    ]


async def left(database: Database, stream: str) -> list[int]:
    return [row[0] for row in await database.fetch("select no from journal where stream = %s order by no", (stream,))]


async def test_of_the_journal_goes_what_every_cursor_has_passed_but_never_the_newest(database: Database) -> None:
    await database.write([*old_messages("signals", 5, 20), *old_messages("risk.alerts", 3, 20), *old_messages("orders.updates", 3, 1)])
    await database.write([Write("update cursors set no = 3 where stream in ('signals', 'orders.updates')", ())])
    done = await emptied(database, Kept(journal=10))
    assert [await left(database, s) for s in ("signals", "risk.alerts", "orders.updates")] == [[4, 5], [3], [1, 2, 3]]
    assert "journal 5" in done.detail
    assert done.detail.endswith("older messages wait for risk:paper")
    await PostgresJournal(database, MemoryBus(), SystemClock()).cursors("risk:paper", ["signals"])  # nobody is cut off


async def test_a_cursor_of_a_finished_session_holds_nothing_back(database: Database) -> None:
    await database.write(old_messages("signals", 5, 20))
    await sessions.finish(database, SESSION.session_id)
    await emptied(database, Kept(journal=10))
    assert await left(database, "signals") == [5]


async def test_a_notification_stays_while_it_is_the_last_word_on_something_wrong(database: Database) -> None:
    await database.write(
        [
            a_notification("over", "firing", 20),
            a_notification("over", "resolved", 19),
            a_notification("wrong", "firing", 18),
            a_notification("", "note", 17),
            a_notification("young", "note", 1),
        ]
    )
    assert "notifications 3" in (await emptied(database, Kept(notifications=10))).detail
    assert await database.fetch("select key from notifications order by key") == [("wrong",), ("young",)]


async def test_the_history_keeps_where_each_job_has_come_to_and_what_is_queued(database: Database) -> None:
    for n, (by, state) in enumerate([(BY_SCHEDULE, "done"), (BY_SCHEDULE, "skipped"), ("ann", "failed"), ("ann", "queued")]):
        run = Run(id=UUID(int=n), job_id="job", session_id="", scheduled_for=NOON + n * MINUTE, asked_by=by)
        await database.write([jobs.begun(run), Write("update job_runs set state = %s where id = %s", (state, run.id))])
    await database.write([Write("update job_runs set created_at = clock_timestamp() - interval '20 days'", ())])
    await emptied(database, Kept(job_runs=10))
    assert await database.fetch("select id, state from job_runs order by id") == [(UUID(int=1), "skipped"), (UUID(int=3), "queued")]


async def test_equity_is_kept_for_so_many_days_of_market_time(database: Database) -> None:
    await database.write([sessions.advanced(SESSION.session_id, NOON + 30 * DAY, NOON, 0)])
    await database.write(
        [Write("insert into portfolio_equity values ('paper', '', at_ns(%s), 1, 0, 0)", (NOON + n * DAY,)) for n in (0, 19, 21, 30)]
    )
    assert "portfolio_equity 2" in (await emptied(database, Kept(portfolio_equity=10))).detail
    assert await database.fetch("select count(*) from portfolio_equity") == [(2,)]


async def test_old_months_of_quotes_are_dropped_unless_somebody_reads_them(database: Database, url: str) -> None:
    for months in (-24, -12, 0):
        await market.ensure_partitions(database, NOON + months * 31 * DAY)
    reader = Database(url, "reader")
    connection = await reader.connection()
    async with connection.transaction():
        await connection.execute("select count(*) from market_quotes")
        done = await emptied(database, Kept())
    assert "2 months of quotes are being read" in done.detail
    assert "market_quotes 2 months (2022-12, 2023-12)" in (await emptied(database, Kept())).detail
    await reader.close()
    assert [f"{month:%Y-%m}" for month in await retention.quote_months(database)][:1] == ["2025-01"]


async def test_rows_go_a_batch_at_a_time_until_none_is_left(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    await database.write(
        [
            Write(
                "insert into data_quarantine (session_id, venue, symbol, timestamp, reason, raw, at)"
                " select 's', 'v', 'y', clock_timestamp(), '', '', clock_timestamp() - interval '40 days' from generate_series(1, 5)",
                (),
            )
        ]
    )
    assert "data_quarantine 5" in (await emptied(database, Kept(data_quarantine=30))).detail


async def test_a_backtester_that_is_away_makes_parity_fail_with_its_address(database: Database) -> None:
    settings = Settings(database_url="", redis_url="", port_offset=free_port() - PORTS["backtester"])
    async with a_duty(database, settings=settings) as duty:
        with pytest.raises(Failed, match="the backtester does not answer at http://127.0.0.1:.*/parity"):
            await parity.run(duty)


async def test_a_scheduled_run_is_about_the_day_that_ended_and_one_by_hand_about_the_day_that_goes_on(database: Database) -> None:
    """At noon UTC NYSE is closed since Friday, and a day around the clock ended at midnight."""
    async with a_duty(database, asked_by=BY_SCHEDULE) as scheduled, a_duty(database, asked_by="ann") as by_hand:
        assert replace(scheduled, calendars=("us_equity", "24/7")).moment() == NOON - 12 * 60 * MINUTE - 1
        assert by_hand.moment() == NOON

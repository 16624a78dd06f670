"""The live screen on a real record, and on a real terminal: a pseudo terminal with a person before it."""

import asyncio
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from decimal import Decimal
from fcntl import ioctl
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest

from fleet.face import Lines
from fleet.screen.keys import Kill, Pause, Rearm, obey
from fleet.screen.live import Live
from fleet.screen.model import Hand, Stopped
from fleet.screen.reading import Reading, Title
from fleet.screen.terminal import ENTER, LEAVE
from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.database import Database, Write
from libs.common.journal import PostgresJournal
from libs.domain.books import Position
from libs.store import execution, limits, market
from libs.store.control import Control
from libs.store.queries import screen
from libs.store.queries.screen import Price
from tests.factories import NOON, SECOND, a_limit
from tests.records import a_record
from tests.scenes import a_bar, begin, clear

D = Decimal
LIMIT_S = 60
NOW = NOON + 20 * SECOND


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A session twenty seconds old: 10 ALFA bought at 100 with 1,000 of 100,000 USD, and a book that is flat; the last close is 102."""
    database = Database(url, "test")
    await clear(database)
    await begin(database)
    books = {("fast", "ALFA"): Position(D(10), D(100), D(5)), ("slow", "ALFA"): Position(D(0), D(0), D(-3)), ("idle", "ALFA"): Position()}
    await database.write(
        [
            *market.store_bars([a_bar(NOON, 99.0), a_bar(NOON + SECOND, 101.0), a_bar(NOON + 2 * SECOND, 102.0)]),
            execution.store_positions("paper", books, NOON),
            Write("insert into cash_balances (account_id, commodity, balance) values ('paper', 'USD', 99000)", ()),
            Write("update sessions set market_time = %s", (NOW,)),
        ]
    )
    yield database
    await database.close()


async def test_a_record_without_a_session_is_seen_empty(database: Database) -> None:
    await clear(database)
    seen = await screen.seen(database)
    assert (seen.session, seen.accounts, seen.books, seen.open_orders, seen.alerts) == (None, [], [], 0, [])
    assert await screen.prices(database, ["ALFA"], 9) == []


async def test_books_are_marked_at_the_newest_close_and_flat_ones_told_by_what_they_earned(database: Database) -> None:
    seen = await screen.seen(database)
    assert [(b.strategy_id, b.quantity, b.mark, b.value, b.unrealized_pnl, b.realized_pnl) for b in seen.books] == [
        ("fast", D(10), 102.0, D(1020), D(20), D(5)),
        ("slow", D(0), None, D(0), D(0), D(-3)),
    ]


@pytest.mark.parametrize(("marked_at", "value"), [(NOON + 3 * SECOND, D("2060")), (NOON, D("1020"))], ids=["newer", "older"])
async def test_a_mark_of_portfolio_counts_while_it_is_newer_than_the_close(database: Database, marked_at: int, value: Decimal) -> None:
    await database.write([Write("insert into portfolio_marks values ('paper', 'ALFA', 103, 2, at_ns(%s))", (marked_at,))])
    rate = 2 if value == 1020 else 1
    assert (await screen.seen(database)).books[0].value == value * rate


async def test_without_anybody_who_counts_the_day_begins_with_the_deposit(database: Database) -> None:
    (account,) = (await screen.seen(database)).accounts
    assert (account.cash, account.day_equity, account.peak_equity) == (D(99_000), D(100_000), None)


async def test_portfolios_own_figures_are_taken_where_they_are(database: Database) -> None:
    await database.write(
        [
            Write(
                "insert into portfolio_snapshots (account_id, strategy_id, snapshot_date, total_value, cash_balance, invested_value,"
                " day_pnl, total_pnl, performance_metrics, market_time)"
                " values ('paper', '', '2025-01-06', 100400, 0, 0, 300, 0, '{}', now())",
                (),
            ),
            Write("insert into portfolio_equity values ('paper', '', at_ns(%s), 99000, 0.1, 0)", (NOON,)),
        ]
    )
    (account,) = (await screen.seen(database)).accounts
    assert (account.day_equity, account.peak_equity) == (D(100_100), D(110_000))


async def test_risks_own_figures_are_taken_where_portfolio_has_none(database: Database) -> None:
    await database.write([Write("insert into risk_states values ('paper', %s, 1, %s, 100200, 100900)", (NOON, NOON - 3600 * SECOND))])
    (account,) = (await screen.seen(database)).accounts
    assert (account.day_equity, account.peak_equity) == (D(100_200), D(100_900))


async def test_all_that_is_wrong_is_seen_once_and_what_is_over_is_not(database: Database) -> None:
    alert = "insert into alerts values (%s, %s, 'critical', 'title', 'body', 'link', now(), case when %s then now() end)"
    await database.write(
        [
            Write(alert, ("feed_stale", "direct", False)),
            Write(alert, ("feed_stale", "prometheus", False)),
            Write(alert, ("disk", "direct", True)),
            Write("insert into kill_switch values ('fleet', '', true, 'too hot', 'ann'), ('symbol', 'ALFA', false, 'x', 'ann')", ()),
            Write(
                "insert into risk_halts (account_id, limit_name, halted_at, equity, reference, limit_value, seen)"
                " values ('paper', 'max_drawdown', now(), 1, 2, 0.1, 0.2)",
                (),
            ),
        ]
    )
    seen = await screen.seen(database)
    assert [(a.key, a.title) for a in seen.alerts] == [("feed_stale", "title")]
    assert [(k.scope, k.reason, k.by) for k in seen.killed] == [("fleet", "too hot", "ann")]
    assert [(h.limit_name, h.limit_value, h.seen) for h in seen.halts] == [("max_drawdown", 0.1, 0.2)]
    reading = a_reading()
    await reading.look(database)
    assert reading.stopped == [Stopped("fleet", mode="halt"), Stopped("account:paper", halted=True)]


async def test_closes_come_oldest_first_of_the_symbols_that_were_asked_for(database: Database) -> None:
    assert await screen.prices(database, ["BTC/USD", "ALFA", "NONE"], 2) == [
        Price("BTC/USD", 2, None, []),
        Price("ALFA", 2, 99.0, [101.0, 102.0]),
    ]


def a_reading(**changed: Any) -> Reading:
    return Reading(Title("scripted market", "invented prices", ["ALFA"]), SystemClock(), **changed)


async def test_an_account_is_worth_its_cash_and_its_books(database: Database) -> None:
    await limits.begin(database, [a_limit("max_gross_exposure", 0.5, unit="equity")], "test")
    reading = a_reading()
    await reading.look(database)
    (account,) = reading.snapshot(None, [], Hand(), keys=True, stopping=False).accounts
    assert (account.equity, account.day_pnl, account.gross, account.gross_limit) == (100_020.0, 20.0, 1020.0, 50_010.0)
    assert account.drawdown == 0.0


async def test_an_account_is_opening_until_its_deposit_is_booked(database: Database) -> None:
    await clear(database)
    await begin(database)
    reading = a_reading()
    await reading.look(database)
    seen = reading.snapshot(None, [], Hand(), keys=True, stopping=False)
    assert (list(seen.accounts), list(seen.opening)) == ([], ["paper USD"])
    await database.write([Write("insert into cash_balances (account_id, commodity, balance) values ('paper', 'USD', 100000)", ())])
    await reading.look(database)
    seen = reading.snapshot(None, [], Hand(), keys=True, stopping=False)
    assert ([account.day_pnl for account in seen.accounts], list(seen.opening)) == ([0.0], [])


@pytest.mark.parametrize(
    ("orders", "recorded"),
    [
        ([Pause(True)], [("pause", "fleet", "", "ann")]),
        ([Pause(True), Pause(False)], [("pause", "fleet", "", "ann"), ("resume", "fleet", "", "ann")]),
        ([Kill("too hot"), Rearm("fleet", "calm")], [("kill", "fleet", "too hot", "ann"), ("rearm", "fleet", "calm", "ann")]),
    ],
)
async def test_what_a_key_orders_is_recorded_as_of_the_command(database: Database, orders: list[Any], recorded: list[Any]) -> None:
    control = Control(database, PostgresJournal(database, MemoryBus(), SystemClock()), SystemClock(), cool_off_s=0.0)
    said = [await obey(order, control, "ann", Path()) for order in orders]
    assert await database.fetch('select command, scope, reason, "by" from commands order by at') == recorded
    assert all("ann" in text for text in said)


# --- the terminal


class Person:
    """Before a terminal of 100 columns and 30 rows."""

    def __init__(self) -> None:
        self.fd, self.terminal = pty.openpty()
        termios.tcsetwinsize(self.terminal, (30, 100))
        self.seen = ""

    def until(self, text: str) -> str:
        """Looks until it is there; what came since the last look."""
        fresh, deadline = "", monotonic() + LIMIT_S
        while text not in fresh:
            assert select.select([self.fd], [], [], max(0.0, deadline - monotonic()))[0], f"no {text!r} in {fresh[-3000:]!r}"
            fresh += os.read(self.fd, 65_536).decode(errors="replace")
        self.seen += fresh
        return fresh

    def rest(self) -> str:
        """What is still to be seen when nobody writes any more."""
        found = ""
        with suppress(OSError):  # Linux says so when nobody holds the terminal
            while select.select([self.fd], [], [], 0)[0] and (more := os.read(self.fd, 65_536)):
                found += more.decode(errors="replace")
        self.seen += found
        return found

    def types(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def close(self) -> None:
        for fd in (self.fd, self.terminal):
            with suppress(OSError):
                os.close(fd)


@pytest.fixture
def person() -> Iterator[Person]:
    made = Person()
    yield made
    made.close()


@pytest.fixture(scope="module")
def untouched(database_url: str) -> Iterator[str]:
    """A record in which only fleets have written."""
    with a_record(database_url) as url:
        yield url


@pytest.fixture
def running(person: Person, tmp_path: Path, untouched: str, redis_url: str) -> Iterator["Running"]:
    made = Running(person, tmp_path, untouched, redis_url)
    yield made
    made.end()


class Running:
    """Fleets of fake services on the person's terminal."""

    def __init__(self, person: Person, folder: Path, url: str, redis_url: str) -> None:
        self._person = person
        self._folder = folder
        self._environment = {**os.environ, "TERM": "xterm-256color", "DATABASE_URL": url, "REDIS_URL": redis_url}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *behaviours: str) -> subprocess.Popen[bytes]:
        terminal = self._person.terminal
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fake_fleet", str(self._folder), "0", *behaviours],
            env=self._environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: ioctl(terminal, termios.TIOCSCTTY, 0),  # its own, as a shell's would be
        )
        return self._process

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(LIMIT_S)


def test_keys_steer_the_fleet_and_the_terminal_comes_back_as_it_was(person: Person, running: Running, untouched: str) -> None:
    before = termios.tcgetattr(person.terminal)
    process = running.start()
    person.until("all services are ready")
    person.types("k")
    person.until("Stop and cancel all orders?")
    person.types("too hot\r")
    person.until("KILL SWITCH ON")
    with psycopg.connect(untouched) as connection:
        assert connection.execute("select active, reason from kill_switch where scope = 'fleet'").fetchall() == [(True, "too hot")]
    person.types("R")
    person.until("Allow orders of fleet again?")
    person.types("calm\r")
    person.until("re-armed fleet")
    person.types("q")
    person.until("stopped: healthy, the books balance")
    assert process.wait(LIMIT_S) == 0
    person.rest()
    assert termios.tcgetattr(person.terminal) == before
    screens, _, after = person.seen.rpartition(LEAVE)
    assert screens.startswith(ENTER)
    assert "stopped: healthy" in after  # on the terminal as it was before, for whoever looks later


def test_a_run_that_cannot_go_on_gives_the_terminal_back_before_it_says_why(person: Person, running: Running) -> None:
    before = termios.tcgetattr(person.terminal)
    assert running.start("steady", "steady", "refuses").wait(LIMIT_S) == 2
    person.rest()
    assert termios.tcgetattr(person.terminal) == before
    assert 'fleet: fake: LOTS must be a number, got "many"' in person.seen.rpartition(LEAVE)[2]


def test_control_c_ends_it_in_order_whatever_is_being_typed(person: Person, running: Running) -> None:
    process = running.start()
    person.until("all services are ready")
    person.types("khalf a rea")
    person.until("half a rea")
    person.types("\x03")
    assert process.wait(LIMIT_S) == 0
    person.rest()
    assert "stopped: healthy" in person.seen.rpartition(LEAVE)[2]


def test_once_it_stops_keys_steer_nothing_and_do_not_reach_the_shell(person: Person, running: Running, untouched: str) -> None:
    process = running.start()
    person.until("all services are ready")
    with psycopg.connect(untouched, autocommit=True) as connection:
        before = connection.execute("select count(*) from commands").fetchone()
        person.types("q")
        person.types("clear; make run\rpkhot\r")
        person.until("stopped: healthy, the books balance")
        assert process.wait(LIMIT_S) == 0
        assert connection.execute("select count(*) from commands").fetchone() == before
        assert connection.execute("select 1 from kill_switch where active").fetchall() == []
    assert not select.select([person.terminal], [], [], 0)[0]


class Broken(Reading):
    """Cannot be shown."""

    def snapshot(self, *_: object, **__: object) -> Any:
        raise RuntimeError("a fault of the screen")


async def test_a_screen_that_fails_gives_way_to_plain_lines(person: Person) -> None:
    out, stopping = StringIO(), asyncio.Event()
    reading = Broken(Title("", "", []), SystemClock())
    plain = Lines(out, lambda: None)
    live = Live(reading, plain, (person.terminal, person.terminal), {}, SystemClock(), stopping, lambda: None, state=Path(), cool_off_s=0.0)
    live.open()
    live.event("said before")
    await asyncio.to_thread(person.until, LEAVE)
    live.event("said after")
    assert "said before" in out.getvalue()
    assert "the live screen failed (RuntimeError); the fleet runs on, with plain lines" in out.getvalue()
    assert out.getvalue().endswith("said after\n")
    assert not stopping.is_set()

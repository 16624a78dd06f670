"""`fleet logs`: what the services wrote, of all of them in order of time; one order's story; what is being written now."""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from os import environ
from pathlib import Path
from typing import Annotated, Final, Protocol

import typer

from fleet import explain, running
from fleet.log_files import LogFiles, paths
from fleet.log_lines import WIDTH, LogLine, Screen, Story, Wanted, title
from fleet.log_settings import StoreError, StoreSettings
from fleet.operating import NOTHING_RUNS, OK, REFUSED, USAGE, Answer, Json, failed, tell
from fleet.plan import FleetSettings
from fleet.running import NothingRuns
from libs.common.clocks import HostClock, SystemClock
from libs.common.database import Database, Rejected, Unreachable
from libs.common.settings import ConfigError, from_environment
from libs.store.queries import stories

app = typer.Typer(invoke_without_command=True, help="What the services wrote, of all in order of time; the story of one order.")

NEWEST: Final = 200
"""Lines shown when nothing says how many."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Level(StrEnum):
    """From the least to the worst."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Logs(Protocol):
    """Where lines are read: files of this host, or Elasticsearch."""

    async def signals(self, id_: str, limit: int = 5) -> list[str]:
        """Signals with an id that begins so, or with an order that has one."""
        ...

    async def lines(self, wanted: Wanted, newest: int | None = None) -> list[LogLine]:
        """Lines in order of time; of many only so many of the newest."""
        ...

    def follow(self, wanted: Wanted, since: datetime) -> AsyncIterator[LogLine]:
        """Lines from `since` on, and then as they are written."""
        ...


@app.callback()
def logs_command(
    context: typer.Context,
    order: Annotated[
        str | None,
        typer.Option(metavar="ID", help="One order's story; its id, its signal's or its client order id."),
    ] = None,
    service: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this service; may be given several times.")] = None,
    level: Annotated[Level, typer.Option(help="This level and worse.")] = Level.DEBUG,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="10m, 2h, 1d ago, or a moment: 2026-03-01T09:30 (UTC).")] = None,
    grep: Annotated[str | None, typer.Option(metavar="REGEX", help="Only lines whose text, error or ids match.")] = None,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=1, help=f"The newest so many; else {NEWEST}, or all.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is being written, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Each line as JSON.")] = False,
) -> None:
    """What the services wrote: files of this host, or of ELASTICSEARCH_URL where that is set."""
    if context.invoked_subcommand is not None:
        return
    clock = SystemClock()
    try:
        wanted = Wanted(
            services=frozenset(service or ()),
            level=level.value,
            since=moment_of(since, clock) if since else None,
            grep=re.compile(grep) if grep else None,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
    except re.error as error:
        raise typer.BadParameter(f"not a regular expression: {error}", param_hint="--grep") from error
    newest = lines or (None if order or since else NEWEST)
    show = Show(wanted, order=order, newest=newest, follow=follow, json=json, clock=clock)
    try:
        answer = asyncio.run(_answered(show))
    except KeyboardInterrupt:
        raise typer.Exit(OK) from None
    raise typer.Exit(tell(answer, json=json) if answer.text else answer.code)


@app.command("setup")
def setup_command(json: Json = False) -> None:
    """Install the index template and the deletion policy in ELASTICSEARCH_URL; repeat after an upgrade."""

    async def work() -> Answer:
        from fleet.log_store import LogStore

        async with LogStore.opened(_store_settings()) as store:
            version = await store.set_up()
        text = f"set up: Elasticsearch {version} keeps the fleet's logs in logs-fleet-*, for 14 days"
        return Answer(text, {"ok": True, "version": version})

    async def answered() -> Answer:
        try:
            return await work()
        except ConfigError as error:
            return failed(str(error), USAGE)
        except StoreError as error:
            return failed(str(error), NOTHING_RUNS)

    raise typer.Exit(tell(asyncio.run(answered()), json=json))


def _store_settings() -> StoreSettings:
    settings = from_environment(StoreSettings, environ)
    if not settings.elasticsearch_url:
        raise ConfigError("ELASTICSEARCH_URL is not set: expected where Elasticsearch listens, such as http://127.0.0.1:9200")
    return settings


class Show:
    """What is shown, and how."""

    def __init__(self, wanted: Wanted, *, order: str | None, newest: int | None, follow: bool, json: bool, clock: HostClock) -> None:
        self.wanted = wanted
        self.order = order
        self._newest = newest
        self._follow = follow
        self._json = json
        self._clock = clock

    async def run(self, logs: Logs) -> int:
        """Prints the lines; how many there were before it began to follow."""
        found = await logs.lines(self.wanted, self._newest)
        screen = self._screen(found)
        if self.order and found and not self._json:
            _print(title(found))
        for line in found:
            self._say(screen, line)
        if self._follow:
            since = found[-1].at if found else datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC)
            told = {line.json() for line in found if line.at >= since}
            async for line in logs.follow(self.wanted, since):
                if line.json() not in told:
                    self._say(screen, line)
        return len(found)

    def _screen(self, found: list[LogLine]) -> Screen:
        terminal = sys.stdout.isatty()
        width = max(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns) if terminal else None  # a pipe has its own reader
        if not self.order:
            return Screen(width=width)
        return Screen(width=width or WIDTH, since=found[0].at if found else None)

    def _say(self, screen: Screen, line: LogLine) -> None:
        _print([line.json()] if self._json else screen.rows(line))


def _print(rows: Iterable[str]) -> None:
    print(*rows, sep="\n", flush=True)


async def _answered(show: Show) -> Answer:
    """The lines are printed as they come; the answer says what else is to be said."""
    try:
        settings = from_environment(FleetSettings, environ)
        async with _source(settings) as logs:
            if show.order:
                show.wanted = show.wanted._replace(story=await story_of(show.order, settings, logs))
            count = await show.run(logs)
            return _conclusion(count, logs, show)
    except ConfigError as error:
        return failed(str(error), USAGE)
    except (NothingRuns, StoreError) as error:
        return failed(str(error), NOTHING_RUNS)
    except LookupError as error:
        return failed(str(error.args[0]), REFUSED)


@asynccontextmanager
async def _source(settings: FleetSettings) -> AsyncIterator[Logs]:
    where = from_environment(StoreSettings, environ)
    if where.elasticsearch_url:
        from fleet.log_store import LogStore

        async with LogStore.opened(where) as store:
            yield store
        return
    folder = state_of(settings) / "logs"
    if not paths(folder):
        raise NothingRuns(
            f"there are no logs in {folder}: STATE_DIR names the folder of another fleet, ELASTICSEARCH_URL where its logs are shipped to"
        )
    yield LogFiles(folder)


def _conclusion(count: int, logs: Logs, show: Show) -> Answer:
    if isinstance(logs, LogFiles) and logs.raw:
        shown = "they belong to no story" if show.order else "shown at the time of the record before them"
        print(f"fleet: {logs.raw} lines of the files are no log records; {shown}", file=sys.stderr)
    if count:
        return Answer("", None)
    if show.order:
        return failed(
            f"no line speaks of {show.order} any more: logs are kept for some days or megabytes; `fleet explain` asks the record", REFUSED
        )
    return failed("no line matches: leave options out to see more", REFUSED)


def state_of(settings: FleetSettings) -> Path:
    """The state folder."""
    return Path(settings.state_dir).resolve()


async def story_of(id_: str, settings: FleetSettings, logs: Logs) -> Story:
    """The story of the one order or signal whose id begins so: by the record when it answers, else by the logs themselves.

    Raises:
        LookupError: there is none, there are several, or the id is too short to look for.
    """
    if len(id_) < explain.FEWEST:
        raise LookupError(f"expected {explain.FEWEST} or more characters of an id, got {id_!r}; `fleet orders status` lists orders")
    if signal := await _recorded(id_, settings):
        return Story(signal)
    found = await logs.signals(id_)
    if not found:
        raise LookupError(f"no line speaks of an order or signal whose id begins with {id_!r}; `fleet orders status` lists orders")
    if len(found) > 1:
        raise LookupError(
            f"several signals have ids, or orders, that begin with {id_!r}: {', '.join(found)}; give more of the one you mean"
        )
    return Story(found[0])


async def _recorded(id_: str, settings: FleetSettings) -> str | None:
    """The signal by the record; None when that does not answer, or knows of none."""
    try:
        found = running.find(state_of(settings), settings.database_url, settings.redis_url, settings.port_offset)
    except NothingRuns:
        return None
    database = Database(found.database_url, "fleet:cli")
    try:
        named = await stories.named(database, id_)
    except (Unreachable, Rejected):
        return None
    finally:
        await database.close()
    return str(explain.only(id_, named).signal_id) if named else None


def moment_of(text: str, clock: HostClock) -> datetime:
    """`10m`, `2h`, `1d`, `30s` ago, or a moment; without an offset it is UTC.

    Raises:
        ValueError: it is neither.
    """
    if ago := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip()):
        return datetime.fromtimestamp(clock.now_ns() / 1e9, UTC) - timedelta(seconds=float(ago[1]) * _UNITS[ago[2]])
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected 30s, 10m, 2h, 1d or a moment such as 2026-03-01T09:30, got {text!r}") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)

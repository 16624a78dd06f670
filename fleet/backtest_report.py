"""`fleet backtest report`: the page of a stored backtest, played once more, and the files that `run --report` leaves."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
import typer

from fleet import backtest_spec, record
from fleet.operating import REFUSED, USAGE, Answer, Json, failed
from fleet.plan import FleetSettings
from fleet.tables import short
from fleet.time_left import TimeLeft
from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.settings import ConfigError
from libs.pages.backtest import Report, data_of, page
from libs.pages.search import search_page
from libs.store import backtests, searches
from libs.store.backtests import Backtest
from libs.store.by_id import NotOne
from libs.store.searches import Search
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester.compiling import COMPILED
from services.backtester.data import NoData, load, load_stored
from services.backtester.reporting import Another, again
from services.backtester.spec import Spec
from services.backtester.stored import stored_of, unfinished

WRONG: Final = (BadData, DataNotFound, NoData, ValueError, ConfigError)


class Files(NamedTuple):
    """Where a report goes."""

    html: Path | None
    json: Path | None

    def write(self, made: Callable[[], Report], say: Callable[[str], None]) -> None:
        """Writes what is wanted, and makes a report only then.

        Raises:
            ValueError: a file cannot be written.
        """
        if self.html is None and self.json is None:
            return
        report = made()
        if self.html is not None:
            _write(self.html, page(report).encode(), say)
        if self.json is not None:
            _write(self.json, msgspec.json.encode(data_of(report)), say)


def _write(path: Path, content: bytes, say: Callable[[str], None]) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ValueError(f"the report cannot be written to {path}: {error.strerror}") from error
    say(f"wrote {path}")


def command(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `fleet backtest results` or `searches` lists it; its beginning will do.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Where the page goes; backtest-ID.html or search-ID.html if not said.")
    ] = None,
    json: Json = False,
) -> None:
    """Write the page of a stored backtest or search: figures, curves, trades, trials. With --json the same as data, on stdout."""

    async def work(database: Database, settings: FleetSettings) -> Answer:
        stored = await _stored(database, id_)
        if isinstance(stored, Search):
            if stored.result is None:
                return failed(unfinished("search", short(stored.id), stored.state, stored.error), REFUSED)
            return _written(search_page(stored.result, str(stored.id)), stored.result, output, f"search-{short(stored.id)}.html", json)
        try:
            again = await _again(stored, database, settings)
        except WRONG as error:
            return failed(f"backtest {short(stored.id)} cannot be played again: {error}", USAGE)
        if isinstance(again, str):
            return failed(again, REFUSED)
        return _written(page(again), data_of(again), output, f"backtest-{short(stored.id)}.html", json)

    raise typer.Exit(record.ask(work, json=json))


async def _stored(database: Database, id_: str) -> Backtest | Search:
    """
    Raises:
        NotOne: neither a backtest nor a search is the only one whose id begins so.
    """
    try:
        return await backtests.found(database, id_)
    except NotOne as no_backtest:
        try:
            return await searches.found(database, id_)
        except NotOne as no_search:
            raise NotOne(f"{no_backtest}; {no_search}") from None


def _written(text: str, data: object, output: Path | None, name: str, json: bool) -> Answer:
    """What was done; with `json` no file is written that nobody has named."""
    path = output or (None if json else Path(name))
    try:
        if path is not None:
            _write(path, text.encode(), _say if json else _quiet)
    except ValueError as error:
        return failed(str(error), USAGE)
    return Answer(f"wrote {path}", data)


async def _again(stored: Backtest, database: Database, settings: FleetSettings) -> Report | str:
    """The report of a stored backtest, or why it would be one of another.

    Raises:
        WRONG: its data or its strategy are not to be had any more.
    """
    id_ = short(stored.id)
    if stored.result is None:
        return unfinished("backtest", id_, stored.state, stored.error)
    spec = msgspec.convert(stored.spec, Spec)
    limits = backtest_spec.limits(Path(settings.config_dir), settings.environment) if spec.risk and spec.limits is None else []
    loaded = await load_stored(spec, database) if spec.symbols else load(spec, settings.recordings())
    code = Path(settings.state_dir) / COMPILED
    try:
        return again(stored_of(stored), loaded, limits, SystemClock(), code, _say, TimeLeft.on_stderr().seen)
    except Another as error:
        return (
            f"no report of backtest {id_}: {error}. `fleet backtest results {id_}` still has its figures and trades. Run it again with"
            f" --report to have a page of today's, and `fleet backtest diff {id_} ID` says what came out differently"
        )


def _say(text: str) -> None:
    print(f"fleet: {text}", file=sys.stderr)


def _quiet(text: str) -> None:
    """The answer says it."""

"""`fleet backtest report`: the page of a stored backtest, played once more, and the files that `run --report` leaves."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import typer

from fleet import backtest_spec, record
from fleet.backtest_diff import CAUSES
from fleet.backtest_page import Report, page
from fleet.operating import REFUSED, USAGE, Answer, Json, failed
from fleet.plan import FleetSettings
from fleet.search_page import search_page
from fleet.tables import short
from fleet.time_left import TimeLeft
from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.settings import ConfigError
from libs.domain.times import iso
from libs.quant.backtest.review import review
from libs.quant.backtest.setup import Setup
from libs.store import backtests, searches
from libs.store.backtests import Backtest, Outcome
from libs.store.by_id import NotOne
from libs.store.searches import Search
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester.compiling import COMPILED
from services.backtester.data import Loaded, NoData, load, load_stored
from services.backtester.record import outcome_of
from services.backtester.run import Answer as Found
from services.backtester.run import run, setup_of
from services.backtester.spec import Spec

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


def report_of(found: Found, loaded: Loaded, outcome: Outcome, setup: Setup, id_: str) -> Report:
    """What there is to say of a backtest that was just run; `id_` is "" for one that is not stored."""
    return Report(
        id=id_ or None,
        spec=msgspec.to_builtins(found.spec),
        result=outcome.result,
        fingerprints={name: getattr(outcome, name) for name in CAUSES},
        review=review(loaded.tape, setup, found.played, found.equity),
    )


def data_of(report: Report) -> object:
    """What the page says as JSON has it: times are ISO 8601, for not every reader of JSON keeps nanoseconds as a number."""
    return _with_times(msgspec.to_builtins(report))


def _with_times(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _with_times(each, str(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [iso(each) for each in value] if name == "times" else [_with_times(each) for each in value]
    return iso(value) if name.endswith("_at") and isinstance(value, int) else value


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
    if stored.result is None:
        return f"backtest {short(stored.id)} is {stored.state} and has no result{f': {stored.error}' if stored.error else ''}"
    spec = msgspec.convert(stored.spec, Spec)
    limits = backtest_spec.limits(Path(settings.config_dir), settings.environment) if spec.risk and spec.limits is None else []
    loaded = await load_stored(spec, database) if spec.symbols else load(spec, settings.recordings())
    found = run(spec, loaded, limits, SystemClock(), Path(settings.state_dir) / COMPILED, _say, TimeLeft.on_stderr().seen)
    outcome = outcome_of(found, loaded)
    changed = [cause for cause in CAUSES if getattr(outcome, cause) != getattr(stored, cause)]
    if changed:
        return _not_the_same(stored, changed)
    return report_of(found, loaded, outcome, setup_of(spec, limits, loaded.tape), str(stored.id))


def _not_the_same(stored: Backtest, changed: Sequence[str]) -> str:
    id_ = short(stored.id)
    why = CAUSES | {"config": "the limits of config/risk.toml are not the same"}  # the spec is the stored one
    return (
        f"no report of backtest {id_}: it would be of another one, for {'; '.join(f'{cause}: {why[cause]}' for cause in changed)}."
        f" `fleet backtest results {id_}` still has its figures and trades. Run it again with --report to have a page of today's,"
        f" and `fleet backtest diff {id_} ID` says what came out differently"
    )


def _say(text: str) -> None:
    print(f"fleet: {text}", file=sys.stderr)


def _quiet(text: str) -> None:
    """The answer says it."""

"""A search from its options to its answer: data, who plays, what earlier searches count, and the record."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack
from os import environ
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from fleet import backtest_spec, record
from fleet.backtest_options import Load
from fleet.operating import NOTHING_RUNS, OK, REFUSED, USAGE, Answer, failed
from fleet.plan import FleetSettings
from fleet.record import NoRecord
from fleet.search_options import INTERRUPTED, Walk, Wanted
from fleet.search_words import search_text
from fleet.time_left import TimeLeft
from libs.common.clocks import SystemClock
from libs.common.database import Database, Rejected, Unreachable
from libs.common.settings import ConfigError, from_environment
from libs.store import searches
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester import search_run
from services.backtester.compiling import COMPILED
from services.backtester.data import NoData
from services.backtester.on_ray import RayCrew
from services.backtester.pool import Pool, cores
from services.backtester.search_run import Ended, Prepared, State, earlier, prepared
from services.backtester.search_spec import Forward, SearchSpec, length_of, search_spec

CODES: Final[dict[State, int]] = {"done": OK, "interrupted": INTERRUPTED, "failed": REFUSED}


def searched(wanted: Wanted, walk: Walk | None, load: Load, *, store: bool) -> Answer:
    """Runs a search; what was found until Ctrl-C, or until a trial took down its process, is kept and told."""
    try:
        settings = from_environment(FleetSettings, environ)
        spec = _spec(wanted, walk, settings)
        backtest = spec.backtest
        limits = backtest_spec.limits(Path(settings.config_dir), settings.environment) if backtest.risk and backtest.limits is None else []
        with ExitStack() as stack:
            url = stack.enter_context(record.opened(settings, to_write=False)) if backtest.symbols else None
            search = prepared(spec, load(backtest, settings, url), limits, Path(settings.state_dir).resolve() / COMPILED)
            with _crew(search, wanted) as crew:
                left = TimeLeft.on_stderr()
                ended = search_run.searched(search, crew, SystemClock(), lambda done, of: left.seen("backtests", done, of))

            def place() -> str:
                return url or stack.enter_context(record.opened(settings, to_write=True))

            answer = _kept(ended, place) if store else ended.answer([], "--no-store")
    except (ConfigError, BadData, DataNotFound, NoData, ValueError) as error:
        return failed(str(error), USAGE)
    except (NoRecord, Unreachable) as error:
        return failed(str(error), NOTHING_RUNS)
    if ended.state == "failed":
        warn(ended.stopped)
    return Answer(search_text(answer, answer["id"] or ""), answer, CODES[ended.state])


def _spec(wanted: Wanted, walk: Walk | None, settings: FleetSettings) -> SearchSpec:
    forward = None
    if walk is not None:
        forward = Forward(train=length_of("--train", walk.train), test=length_of("--test", walk.test), anchored=walk.anchored)
    return search_spec(
        wanted.asked(settings),
        wanted.ranges,
        method=wanted.method,
        trials=wanted.trials,
        seed=wanted.seed,
        metric=wanted.metric,
        cv=wanted.cv,
        forward=forward,
    )


def _crew(search: Prepared, wanted: Wanted) -> Pool | RayCrew:
    workers = wanted.workers or cores()
    if wanted.ray is not None:
        return RayCrew(search.bench, wanted.ray, workers)
    return Pool(search.bench, workers, warn, compiles=search.compiles)


def _kept(ended: Ended, place: Callable[[], str]) -> dict[str, Any]:
    """The answer with the trials of earlier searches counted, stored; or without, where there is no place for it."""

    async def work(database: Database) -> dict[str, Any]:
        answer = ended.answer(await earlier(database, ended))
        id_ = uuid4()
        await database.write(searches.stored(id_, ended.finished(answer)))
        return answer | {"id": str(id_)}

    try:
        return asyncio.run(record.with_database(place(), work))
    except (NoRecord, Unreachable, Rejected) as error:
        warn(f"the search is not stored: {error}")
        return ended.answer([], str(error))


def warn(text: str) -> None:
    """Says it on stderr."""
    print(f"fleet: {text}", file=sys.stderr)

"""A search from its options to its answer: data, who plays, what earlier searches count, and the record."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import environ
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import msgspec

from fleet import backtest_spec, record
from fleet.operating import NOTHING_RUNS, OK, REFUSED, USAGE, Answer, failed
from fleet.plan import FleetSettings
from fleet.record import NoRecord
from fleet.search_words import search_text
from fleet.time_left import TimeLeft
from libs.common.clocks import SystemClock
from libs.common.database import Database, Rejected, Unreachable
from libs.common.settings import ConfigError, from_environment
from libs.domain.configuration import LimitConfig
from libs.quant.backtest.tape import Tape
from libs.quant.search.trial import period_of
from libs.store import searches
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester.compiling import COMPILED
from services.backtester.data import Loaded, NoData
from services.backtester.engines import MANY_BARS, SO_MANY_BARS
from services.backtester.judging import Earlier
from services.backtester.on_ray import RayCrew
from services.backtester.pool import Pool
from services.backtester.run import fingerprints_of
from services.backtester.search_result import PERIOD_SHARPE, Found
from services.backtester.search_spec import SearchSpec
from services.backtester.searching import Search
from services.backtester.spec import Spec
from services.backtester.trying import Bench, Crew, Lost

Load = Callable[[Spec, FleetSettings, str | None], Loaded]
INTERRUPTED: Final = 130
"""Exit code of what was asked to end by Ctrl-C."""


class Playing(NamedTuple):
    """Who plays the trials. What is found does not depend on it."""

    workers: int
    ray: str | None


def searched(asked: Callable[[FleetSettings], SearchSpec], playing: Playing, load: Load, *, store: bool) -> Answer:
    """Runs a search; what was found until Ctrl-C, or until a trial took down its process, is kept and told."""
    clock = SystemClock()
    try:
        settings = from_environment(FleetSettings, environ)
        spec = asked(settings)
        backtest = spec.backtest
        limits = backtest_spec.limits(Path(settings.config_dir), settings.environment) if backtest.risk and backtest.limits is None else []
        with ExitStack() as stack:
            url = stack.enter_context(record.opened(settings, to_write=False)) if backtest.symbols else None
            loaded = load(backtest, settings, url)
            bench = _bench(spec, loaded, limits, Path(settings.state_dir).resolve() / COMPILED)
            began = clock.monotonic()
            found, stopped, code = _run(spec, bench, loaded, playing)
            seconds = clock.monotonic() - began
            answer = _kept(found, limits, stopped, code, seconds, lambda: url or stack.enter_context(record.opened(settings, to_write=True)), store)
    except (ConfigError, BadData, DataNotFound, NoData, ValueError) as error:
        return failed(str(error), USAGE)
    except (NoRecord, Unreachable) as error:
        return failed(str(error), NOTHING_RUNS)
    text = search_text(answer, answer["id"] or "")
    return Answer(text, answer, code)


def _bench(spec: SearchSpec, loaded: Loaded, limits: Sequence[LimitConfig], code: Path) -> Bench:
    tape, backtest = loaded.tape, spec.backtest
    engine = backtest.engine
    if engine == "auto":  # machine code is loaded once for all trials of a process, so it pays sooner than for one backtest
        engine = "compiled" if tape.count() * spec.trials >= SO_MANY_BARS and tape.count() >= MANY_BARS // 100 else "event"
    return Bench(tape, msgspec.structs.replace(backtest, engine=engine), limits, period_of(_known(tape), tape.timeframes[0]), code)


def _known(tape: Tape) -> Any:
    import numpy as np

    columns = tape.bars[tape.timeframes[0]].values()
    return np.unique(np.concatenate([np.asarray(each.start, np.int64) for each in columns])) + tape.late_ns


def _run(spec: SearchSpec, bench: Bench, loaded: Loaded, playing: Playing) -> tuple[Found, str, int]:
    """What was found, why it did not come to its end ("" when it did), and the exit code."""
    left = TimeLeft.on_stderr()
    with _crew(bench, playing) as crew:
        search = Search(spec, bench, crew, lambda done, of: left.seen("backtests", done, of))
        found, stopped, code = Found(spec, bench, search, loaded), "", OK
        try:
            search.run()
        except KeyboardInterrupt:
            stopped, code = "interrupted", INTERRUPTED
        except Lost as lost:
            stopped, code = str(lost), REFUSED
            warn(stopped)
    return found, stopped, code


def _crew(bench: Bench, playing: Playing) -> Any:
    if playing.ray is not None:
        return RayCrew(bench, playing.ray, playing.workers)
    return Pool(bench, playing.workers, warn, compiles=bench.spec.engine == "compiled")


def _kept(
    found: Found, limits: Sequence[LimitConfig], stopped: str, code: int, seconds: float, place: Callable[[], str], store: bool
) -> dict[str, Any]:
    """The answer, with the trials of earlier searches counted, and stored where that is wanted and possible."""
    prints = fingerprints_of(found.loaded, found.spec.backtest, limits)
    strategy, why = found.spec.backtest.strategy, "--no-store"
    spec = msgspec.json.encode(found.spec)

    async def work(database: Database) -> tuple[str, dict[str, Any]]:
        rows = await searches.earlier(database, strategy, prints.data)
        result = found.result([Earlier(params, figures[PERIOD_SHARPE]) for params, figures in rows], stopped=stopped)
        result |= about
        id_ = uuid4()
        finished = searches.Finished(
            state="done" if not stopped else "interrupted" if code == INTERRUPTED else "failed",
            strategy=strategy,
            spec=spec,
            result=result,
            trials=found.trials,
            error=stopped,
            seconds=seconds,
            fingerprint=about["fingerprint"],
            data=prints.data,
            code=prints.code,
            config=prints.config,
            engine=prints.engine,
        )
        await database.write(searches.stored(id_, finished))
        return str(id_), result

    about = {"seconds": round(seconds, 3), "fingerprint": _digest(prints.all, spec)}
    if store:
        try:
            id_, result = asyncio.run(record.with_database(place(), work))
            return result | {"trials": found.trials, "id": id_}
        except (NoRecord, Unreachable, Rejected) as error:
            why = str(error)
            warn(f"the search is not stored: {why}")
    result = found.result([], stopped=stopped) | about
    result["words"].append(f"Earlier searches over these data are not counted, and later ones will not count this one: {why}.")
    return result | {"trials": found.trials, "id": None}


def _digest(prints: str, spec: bytes) -> str:
    from hashlib import blake2b

    return blake2b(prints.encode() + b"|" + spec, digest_size=16).hexdigest()


def warn(text: str) -> None:
    """Says it on stderr."""
    print(f"fleet: {text}", file=sys.stderr)

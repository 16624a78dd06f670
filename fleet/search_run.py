"""A search from its options to its answer: data, who plays, what earlier searches count, and the record."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from hashlib import blake2b
from os import environ
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

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
from libs.domain.configuration import LimitConfig
from libs.quant.backtest.tape import Tape
from libs.quant.quality.gate import admitted
from libs.quant.search.trial import period_of
from libs.store import searches
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester.compiling import COMPILED
from services.backtester.data import Loaded, NoData
from services.backtester.engines import SO_MANY_BARS
from services.backtester.judging import Earlier
from services.backtester.on_ray import RayCrew
from services.backtester.pool import Pool, cores
from services.backtester.run import Fingerprints, fingerprints_of
from services.backtester.search_result import PERIOD_SHARPE, Found
from services.backtester.search_spec import Forward, SearchSpec, length_of, search_spec
from services.backtester.searching import Search
from services.backtester.trying import Bench, Lost


def searched(wanted: Wanted, walk: Walk | None, load: Load, *, store: bool) -> Answer:
    """Runs a search; what was found until Ctrl-C, or until a trial took down its process, is kept and told."""
    try:
        settings = from_environment(FleetSettings, environ)
        spec = _spec(wanted, walk, settings)
        backtest = spec.backtest
        limits = backtest_spec.limits(Path(settings.config_dir), settings.environment) if backtest.risk and backtest.limits is None else []
        with ExitStack() as stack:
            url = stack.enter_context(record.opened(settings, to_write=False)) if backtest.symbols else None
            loaded = load(backtest, settings, url)
            loaded = replace(loaded, labels=admitted(loaded.tape, backtest.quality, loaded.labels))
            bench = _bench(spec, loaded, limits, Path(settings.state_dir).resolve() / COMPILED)
            ended = _run(spec, bench, loaded, wanted)

            def place() -> str:
                return url or stack.enter_context(record.opened(settings, to_write=True))

            answer = _kept(ended, place) if store else ended.answer([], "--no-store")
    except (ConfigError, BadData, DataNotFound, NoData, ValueError) as error:
        return failed(str(error), USAGE)
    except (NoRecord, Unreachable) as error:
        return failed(str(error), NOTHING_RUNS)
    if ended.code == REFUSED:
        warn(ended.stopped)
    return Answer(search_text(answer, answer["id"] or ""), answer, ended.code)


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


def _bench(spec: SearchSpec, loaded: Loaded, limits: Sequence[LimitConfig], code: Path) -> Bench:
    tape, engine = loaded.tape, spec.backtest.engine
    if engine == "auto":  # each process loads machine code once for all its trials, so it pays sooner than for one backtest
        engine = "compiled" if tape.count() * spec.trials >= SO_MANY_BARS else "event"
    backtest = msgspec.structs.replace(spec.backtest, engine=engine)
    return Bench(tape, backtest, limits, period_of(_known(tape), tape.timeframes[0]), code)


def _known(tape: Tape) -> Any:
    import numpy as np

    columns = tape.bars[tape.timeframes[0]].values()
    return np.unique(np.concatenate([np.asarray(each.start, np.int64) for each in columns])) + tape.late_ns


class Ended(NamedTuple):
    """A search that is over."""

    found: Found
    prints: Fingerprints  # of the backtest that each trial is
    stopped: str  # why it did not come to its end; "" when it did
    code: int  # of the command
    seconds: float

    @property
    def fingerprint(self) -> str:
        """Equal ones give equal results, but for what earlier searches count. One that was stopped has what was done of it in its own."""
        digest = blake2b(self.prints.all.encode() + b"|" + msgspec.json.encode(self.found.spec), digest_size=16)
        if self.stopped:
            search = self.found.search
            digest.update(msgspec.json.encode([[trial.n for trial in search.trials], [each.window for each in search.walked], search.idle]))
        return digest.hexdigest()

    def answer(self, earlier: Sequence[Earlier], unstored: str = "") -> dict[str, Any]:
        """Everything that was found, as JSON.

        Args:
            unstored: why it is not stored and earlier ones were not looked at; "" when it will be.
        """
        result = self.found.result(earlier, stopped=self.stopped)
        if unstored:
            result["words"].append(f"Earlier searches over these data do not count here, nor this one in later ones: {unstored}.")
        about = {"seconds": round(self.seconds, 3), "fingerprint": self.fingerprint, "id": None}
        return result | about | {"trials": self.found.trials}

    def finished(self, answer: dict[str, Any]) -> searches.Finished:
        """As the record keeps it."""
        states = {OK: "done", INTERRUPTED: "interrupted"}
        return searches.Finished(
            state=states.get(self.code, "failed"),
            strategy=self.found.spec.backtest.strategy,
            spec=msgspec.json.encode(self.found.spec),
            result={name: value for name, value in answer.items() if name not in ("trials", "id")},
            trials=answer["trials"],
            error=self.stopped,
            seconds=self.seconds,
            fingerprint=self.fingerprint,
            data=self.prints.data,
            code=self.prints.code,
            config=self.prints.config,
            engine=self.prints.engine,
        )


def _run(spec: SearchSpec, bench: Bench, loaded: Loaded, wanted: Wanted) -> Ended:
    clock, left = SystemClock(), TimeLeft.on_stderr()
    began = clock.monotonic()
    with _crew(bench, wanted) as crew:
        search = Search(spec, bench, crew, lambda done, of: left.seen("backtests", done, of))
        stopped, code = "", OK
        try:
            search.run()
        except KeyboardInterrupt:
            stopped, code = "interrupted", INTERRUPTED
        except Lost as lost:
            stopped, code = str(lost), REFUSED
    prints = fingerprints_of(loaded, spec.backtest, bench.limits)
    return Ended(Found(spec, bench, search, loaded), prints, stopped, code, clock.monotonic() - began)


def _crew(bench: Bench, wanted: Wanted) -> Pool | RayCrew:
    workers = wanted.workers or cores()
    if wanted.ray is not None:
        return RayCrew(bench, wanted.ray, workers)
    return Pool(bench, workers, warn, compiles=bench.spec.engine == "compiled")


def _kept(ended: Ended, place: Callable[[], str]) -> dict[str, Any]:
    """The answer with the trials of earlier searches counted, stored; or without, where there is no place for it."""

    async def work(database: Database) -> dict[str, Any]:
        rows = await searches.earlier(database, ended.found.spec.backtest.strategy, ended.prints.data)
        answer = ended.answer([Earlier(params, figures[PERIOD_SHARPE], figures["trades"] > 0) for params, figures in rows])
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

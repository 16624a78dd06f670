"""A search from its data to what is kept of it: the same for the command and for the service."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from libs.common.clocks import HostClock
from libs.common.database import Database
from libs.domain.configuration import LimitConfig
from libs.quant.backtest.tape import Tape
from libs.quant.quality.gate import admitted
from libs.quant.search.trial import period_of
from libs.store import searches
from services.backtester.data import Loaded
from services.backtester.engines import SO_MANY_BARS
from services.backtester.judging import Earlier
from services.backtester.run import Fingerprints, fingerprints_of
from services.backtester.search_result import PERIOD_SHARPE, Found
from services.backtester.search_spec import SearchSpec
from services.backtester.searching import Search
from services.backtester.trying import Bench, Crew, Lost

State = Literal["done", "interrupted", "failed"]


class Prepared(NamedTuple):
    """A search that can begin."""

    spec: SearchSpec
    loaded: Loaded
    bench: Bench

    @property
    def compiles(self) -> bool:
        """Whether its trials run as machine code."""
        return self.bench.spec.engine == "compiled"


def prepared(spec: SearchSpec, loaded: Loaded, limits: Sequence[LimitConfig], code: Path) -> Prepared:
    """
    Args:
        limits: the operator's, used with risk on when the spec brings none.
        code: folder for machine code.

    Raises:
        ValueError: the data are refused (Unfit).
    """
    backtest, tape = spec.backtest, loaded.tape
    loaded = replace(loaded, labels=admitted(tape, backtest.quality, loaded.labels))
    engine = backtest.engine
    if engine == "auto":  # each process loads machine code once for all its trials, so it pays sooner than for one backtest
        engine = "compiled" if tape.count() * spec.trials >= SO_MANY_BARS else "event"
    used = limits if backtest.risk and backtest.limits is None else []
    backtest = msgspec.structs.replace(backtest, engine=engine)
    return Prepared(spec, loaded, Bench(tape, backtest, used, period_of(_known(tape), tape.timeframes[0]), code))


def _known(tape: Tape) -> Any:
    columns = tape.bars[tape.timeframes[0]].values()
    return np.unique(np.concatenate([np.asarray(each.start, np.int64) for each in columns])) + tape.late_ns


class Ended(NamedTuple):
    """A search that is over."""

    found: Found
    prints: Fingerprints  # of the backtest that each trial is
    state: State
    stopped: str  # why it did not come to its end; "" when it did
    seconds: float

    @property
    def fingerprint(self) -> str:
        """Equal ones give equal results, but for what earlier searches count. One that was stopped has what was done of it in its own."""
        spec = msgspec.json.encode(self.found.spec, order="deterministic")  # the record does not keep the order of names
        digest = blake2b(self.prints.all.encode() + b"|" + spec, digest_size=16)
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
        return searches.Finished(
            state=self.state,
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


def searched(search: Prepared, crew: Crew, clock: HostClock, progress: Callable[[int, int], None] = lambda done, of: None) -> Ended:
    """Runs it; what was found until Ctrl-C, or until a trial was lost, is kept.

    Args:
        progress: told how many backtests of how many are done.

    Raises:
        ValueError: there is no room for the windows of the walk-forward, or not one trial could be run; the message says why.
    """
    began, (spec, loaded, bench) = clock.monotonic(), search
    running = Search(spec, bench, crew, progress)
    state: State = "done"
    stopped = ""
    try:
        running.run()
    except KeyboardInterrupt:
        state, stopped = "interrupted", "interrupted"
    except Lost as lost:
        state, stopped = "failed", str(lost)
    prints = fingerprints_of(loaded, spec.backtest, bench.limits)
    return Ended(Found(spec, bench, running, loaded), prints, state, stopped, clock.monotonic() - began)


async def earlier(database: Database, ended: Ended) -> list[Earlier]:
    """Trials of earlier searches of the same strategy over the same data, which count."""
    rows = await searches.earlier(database, ended.found.spec.backtest.strategy, ended.prints.data)
    return [Earlier(params, figures[PERIOD_SHARPE], figures["trades"] > 0) for params, figures in rows]

"""Orders end to end: real risk_manager and trade_executor, durable commits, and sim_venue over HTTP at both of its dialects.

Signals are committed at a steady rate, as strategy_engine would; each makes one order, which fills at once and so frees its
book. An order counts when its request has reached the venue, by the venue's own log; so does the time from the commit of its signal.
"""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from benchmarks.figures import Figure, middle, quantile
from benchmarks.fleet import Failed
from libs.common.clocks import SECOND
from libs.domain.messages import Signal
from tests.chaos import venues
from tests.chaos.load import Load, a_target
from tests.chaos.money_path import MoneyPath, Shape

FIGURES: Final = ("orders_sustained_per_s", "orders_peak_per_s", "signal_to_wire_p50_ms", "signal_to_wire_p99_ms")
RUNS: Final = 5
CALM: Final = 100.0  # signals a second: latency is measured where no queue forms
SUSTAINED: Final = 330.0
PEAK: Final = 550.0
CALM_S: Final = 8.0
SUSTAINED_S: Final = 20.0
PEAK_S: Final = 10.0
STRATEGIES: Final = 96  # of each account; with its symbols, enough books that none has two orders at once
SETTLES_S: Final = 3.0
TARGET: Final = 0.05  # of 20 units: one
COLLAR: Final = 0.01


class Part(NamedTuple):
    """A stretch at one rate."""

    orders: int  # that reached the venue
    per_s: float
    waits_ms: Sequence[float]  # from the commit of the signal to the venue


class Steady(Load):
    """One book after another goes in, and the next time round out again."""

    beat_s = 0.01
    turn = 0

    def _drawn(self, n: int) -> Signal:
        book = self.books[self.turn % len(self.books)]
        self.turn += 1
        target = TARGET - self._targets.get(book, 0.0)
        self._targets[book] = target
        return a_target(book, target, self._market.mids[book.symbol], self._market.now() + n, self._session.session_id)

    def at(self, per_s: float) -> None:
        """From now on so many a second."""
        self._per_s = per_s


def measure() -> dict[str, Figure]:
    """Five runs, each on a record of its own."""
    runs = [uvloop.run(_run(n)) for n in range(RUNS)]
    limit = "Python on two cores: two hops of one process each, the adapters' requests, and the venue that answers them"
    found = {
        f"orders_{name}_per_s": Figure(
            value=middle([run[name].per_s for run in runs], 0),
            unit=f"orders/s at the venue, {seconds:g} s at {rate:g} signals/s",
            target=target,
            better="higher",
            runs=[run[name].per_s for run in runs],
            limit=limit,
        )
        for name, rate, seconds, target in (("sustained", SUSTAINED, SUSTAINED_S, 300.0), ("peak", PEAK, PEAK_S, 500.0))
    }
    for name, q, target in (("p50", 0.5, 5.0), ("p99", 0.99, 15.0)):
        values = [round(quantile(run["calm"].waits_ms, q), 3) for run in runs]
        found[f"signal_to_wire_{name}_ms"] = Figure(
            value=middle(values),
            unit=f"ms from the signal's commit to the venue, {CALM:g}/s",
            target=target,
            runs=values,
            limit="two durable commits with a read each, and the wake-ups between four processes on few cores",
        )
    return found


async def _run(seed: int) -> Mapping[str, Part]:
    with tempfile.TemporaryDirectory() as folder:
        shape = Shape(strategies=STRATEGIES, per_s=CALM, collar=COLLAR, environment={"LOG_LEVEL": "WARNING"})
        path = MoneyPath(Path(folder), shape, seed, Steady)
        try:
            async with path.running():
                await path.orders_flow()
                path.market.moves = False  # it is the way of an order that is measured, not what risk makes of a market that runs away
                spans = {
                    "calm": await _stretch(path, CALM, CALM_S),
                    "sustained": await _stretch(path, SUSTAINED, SUSTAINED_S),
                    "peak": await _stretch(path, PEAK, PEAK_S),
                }
                said = dict(await path.rows("select o.client_order_id, ns_of(s.created_at) from orders o join signals s using (signal_id)"))
            arrived = {id_: came[0] for history in venues.sim_venue(path.venue_state).values() for id_, came in history.submits.items()}
            return {name: _part(span, said, arrived) for name, span in spans.items()}
        finally:
            path.wipe()


async def _stretch(path: MoneyPath, per_s: float, seconds: float) -> tuple[int, int]:
    """Loads it so for so long, and lets it settle; when that was, UTC ns."""
    assert isinstance(path.load, Steady)
    path.load.at(per_s)
    path.load.flows = True
    began = await path.one("select ns_of(clock_timestamp())")
    await asyncio.sleep(seconds)
    path.load.flows = False
    ended = await path.one("select ns_of(clock_timestamp())")
    await asyncio.sleep(SETTLES_S)
    return began, ended


def _part(span: tuple[int, int], said: Mapping[str, int], arrived: Mapping[str, int]) -> Part:
    began, ended = span
    waits = [(arrived[id_] - at) / 1e6 for id_, at in said.items() if id_ in arrived and began <= at < ended]
    placed = sum(1 for at in arrived.values() if began <= at < ended)
    if not waits:
        raise Failed("no order reached the venue")
    return Part(placed, round(placed / ((ended - began) / SECOND), 1), waits)

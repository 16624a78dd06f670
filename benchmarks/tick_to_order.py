"""From what closed a bar to the committed, approved order: the whole fleet on 1,000 ticks/s, 20 stocks and 1 s bars.

The figure is risk_manager's own, over every order since its start, the cold first ones included. The anchor is three hops without a
database. Where the time goes is seen from outside, by the bells: each share ends when a message was sealed or when its bell was heard here.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import uvloop

from benchmarks.figures import Figure, middle, quantile
from benchmarks.fleet import fleet
from libs.common.bus import RedisBus
from libs.common.envelope import opened
from libs.domain.market import Clock
from libs.domain.messages import Signal
from libs.domain.orders import CancelRequest, Order
from libs.domain.streams import CLOCK, ORDERS_APPROVED, SIGNALS

RUNS: Final = 5
SECONDS: Final = 25.0
MARKET: Final = {"STOCKS": "20", "TICKS_PER_S": "1000"}
SHARES: Final = {
    "bars_stored": "the collector's one transaction for the bars of all symbols",
    "signals_decided": "publishing 20 bars and a clock, hearing and decoding them, the folds, sealing",
    "signals_stored": "the transaction of states, signals and journal, its flush, and the bell",
    "orders_decided": "one read of the risk snapshot, the controls, sealing",
    "orders_stored": "the transaction of assessments, orders and journal, its flush, and the bell",
}
FIGURES: Final = (
    "tick_to_order_p50_ms",
    "tick_to_order_p99_ms",
    "tick_to_order_orders_per_s",
    *(f"tick_to_order_share_{share}_ms" for share in SHARES),
)


class Heard(NamedTuple):
    """A message and when it came, host ns."""

    at: int
    channel: str
    payload: bytes


class Run(NamedTuple):
    """One run on fresh processes; milliseconds."""

    orders: int
    p50: float
    p99: float
    shares: Mapping[str, float]  # medians


def measure() -> dict[str, Figure]:
    """Five runs, each on a new record."""
    runs = [_run() for _ in range(RUNS)]
    found = {
        f"tick_to_order_{name}_ms": Figure(
            value=middle([getattr(run, name) for run in runs]),
            unit="ms",
            target=target,
            anchor=anchor,
            runs=[getattr(run, name) for run in runs],
            limit=limit,
        )
        for name, target, anchor, limit in (
            ("p50", 4.0, 0.6, "three durable round trips in a row, each on caches gone cold within a second"),
            ("p99", 15.0, 2.5, "the scheduler on few cores, and the first orders of new processes"),
        )
    }
    rates = [round(run.orders / SECONDS, 1) for run in runs]
    found["tick_to_order_orders_per_s"] = Figure(
        value=middle(rates), unit="orders/s", better="higher", runs=rates, limit="the market: how often five crossings turn on 20 stocks"
    )
    for share, limit in SHARES.items():
        values = [run.shares[share] for run in runs]
        found[f"tick_to_order_share_{share}_ms"] = Figure(value=middle(values), unit="ms", runs=values, limit=limit)
    return found


def _run() -> Run:
    with fleet("--market", "synthetic", "--speed", "1", market=MARKET) as running:
        heard = uvloop.run(_listen(running.redis_url))
        said = running.ask("risk_manager", "info")["tick_to_order_ms"]
        running.stop()
    return Run(said["n"], said["p50"], said["p99"], _shares(heard))


async def _listen(redis_url: str) -> list[Heard]:
    heard: list[Heard] = []
    bus = RedisBus(redis_url)
    patterns = [CLOCK.address, SIGNALS.pattern, ORDERS_APPROVED.address]
    listening = asyncio.create_task(bus.listen(patterns, lambda c, p: heard.append(Heard(time.time_ns(), c, p)), lambda: None))
    await asyncio.sleep(SECONDS)
    listening.cancel()
    await bus.close()
    return heard


def _shares(heard: list[Heard]) -> dict[str, float]:
    """Median milliseconds between the stations that each order passed."""
    closed: dict[int, int] = {}
    signals: dict[UUID, tuple[int, int, int]] = {}
    stations: list[tuple[int, ...]] = []
    for at, channel, payload in heard:
        for envelope in opened(payload):
            if channel == CLOCK.address:
                closed[msgspec.json.decode(envelope.payload, type=Clock).noticed_ns] = envelope.ts_pub_ns
            elif channel == ORDERS_APPROVED.address:
                order = msgspec.json.decode(envelope.payload, type=Order | CancelRequest)
                if isinstance(order, Order) and order.signal_id in signals:
                    stations.append((*signals[order.signal_id], envelope.ts_pub_ns, at))
            else:
                signal = msgspec.json.decode(envelope.payload, type=Signal)
                signals[signal.signal_id] = (signal.triggered_ns, envelope.ts_pub_ns, at)
    whole = [(noticed, closed[noticed], *rest) for noticed, *rest in stations if noticed in closed]
    steps = {share: [(row[n + 1] - row[n]) / 1e6 for row in whole] for n, share in enumerate(SHARES)}
    return {share: round(quantile(values, 0.5), 3) for share, values in steps.items()}

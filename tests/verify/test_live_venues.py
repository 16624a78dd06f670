"""The collector on both adapters at once: a sim_venue process that plays, sockets cut and fallen silent, the collector killed.

The bars that it stores have to be those that the market's own trades make.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
import pytest

from fleet.embedded.ports import free_port
from libs.common.clocks import SECOND
from libs.domain.fleet import PORTS
from libs.domain.market import TradeTick
from libs.quant.bars import BarBuilder
from libs.venues.synthetic.feed import SyntheticFeed
from tests.fleets import configuration
from tests.records import a_record

Bars = dict[tuple[str, str, int], tuple[float, ...]]
SYSTEM: Final = "".join(
    f'[[account]]\nname = "{name}"\nbase_currency = "USD"\ndeposit = "100000"\nvenue = "{name}"\n' for name in ("alpaca", "binance")
) + (
    '[[venue]]\nname = "alpaca"\nadapter = "alpaca"\nasset_classes = ["equity"]\n'
    '[[venue]]\nname = "binance"\nadapter = "ccxt"\nexchange = "binance"\nasset_classes = ["crypto"]\n'
)


class Playing:
    """A sim_venue and a collector, each a process."""

    def __init__(self, url: str, redis_url: str, folder: Path) -> None:
        self._by = free_port() - max(PORTS.values())
        self._environment = {
            **os.environ,
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "PORT_OFFSET": str(self._by),
            "STATE_DIR": str(folder / "state"),
            "CONFIG_DIR": str(configuration(folder / "config", system=SYSTEM)),
            "SIM_MARKET": "synthetic",
            "FEED": "venues",
            "SPEED": "10",
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._record = psycopg.connect(url, autocommit=True)

    def start(self, service: str) -> None:
        self._processes[service] = subprocess.Popen([sys.executable, "-m", f"services.{service}"], env=self._environment)

    def end(self, service: str, how: signal.Signals = signal.SIGTERM) -> int:
        process = self._processes.pop(service)
        process.send_signal(how)
        return process.wait(timeout=20)

    def close(self) -> None:
        for service in list(self._processes):
            self.end(service, signal.SIGKILL)
        self._record.close()

    def fault(self, **knob: object) -> None:
        body = msgspec.json.encode({"what": "market", **knob})
        address = f"http://127.0.0.1:{PORTS['sim_venue'] + self._by}/sim/v1/faults"
        with urllib.request.urlopen(urllib.request.Request(address, body, method="POST"), timeout=5) as answer:
            assert answer.status < 400

    def market_time(self) -> int:
        rows = self._record.execute("select market_time from sessions").fetchall()
        return int(rows[0][0]) if rows else 0

    def reaches(self, seconds: float) -> None:
        """Market time goes on for so long; AssertionError when it stands still."""
        self._until(lambda: self.market_time() > 0)
        goal = self.market_time() + int(seconds * SECOND)
        self._until(lambda: self.market_time() >= goal)

    def _until(self, holds: Callable[[], bool]) -> None:
        gives_up = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < gives_up, "the market stands still"
            time.sleep(0.05)

    def count(self, query: Any) -> int:
        rows = self._record.execute(query).fetchall()
        return int(rows[0][0])

    def bars(self) -> Bars:
        rows = self._record.execute(
            "select symbol, timeframe, ns_of(timestamp), open_price, high_price, low_price, close_price, volume from market_ohlcv"
        ).fetchall()
        return {(symbol, timeframe, int(start)): tuple(values) for symbol, timeframe, start, *values in rows}


@pytest.fixture
def playing(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Playing]:
    with a_record(database_url) as url:
        made = Playing(url, redis_url, tmp_path)
        yield made
        made.close()


def real(known_by: int) -> Bars:
    """What the trades of the market make."""
    feed = SyntheticFeed(1)
    builders = {i.symbol: BarBuilder("", i.symbol, ("1s", "1m")) for i in feed.instruments}
    for step in feed.timeline(0):
        if step.time > known_by:
            break
        for event in step.events:
            if isinstance(event, TradeTick):
                builders[event.symbol].add(event)
    bars = [bar for builder in builders.values() for bar in builder.close(known_by)]
    return {(b.symbol, b.timeframe, b.start): (b.open, b.high, b.low, b.close, b.volume) for b in bars}


def lost_sockets(it: Playing) -> None:
    for dialect in ("alpaca", "binance"):
        it.fault(kind="disconnect", dialect=dialect)
        it.reaches(30)


def a_killed_collector(it: Playing) -> None:
    it.end("data_collector", signal.SIGKILL)
    it.start("data_collector")
    it.reaches(30)


def a_collector_killed_while_a_socket_is_mute(it: Playing) -> None:
    it.fault(kind="mute", dialect="alpaca")
    it.reaches(5)
    it.end("data_collector", signal.SIGKILL)
    it.start("data_collector")
    it.reaches(30)


def a_mute_socket(it: Playing) -> None:
    it.fault(kind="mute", dialect="alpaca")
    it.reaches(60)


def a_venue_that_is_killed(it: Playing) -> None:
    it.end("sim_venue", signal.SIGKILL)
    it.start("sim_venue")
    it.reaches(60)


@pytest.mark.parametrize(
    "trouble", [lost_sockets, a_killed_collector, a_collector_killed_while_a_socket_is_mute, a_mute_socket, a_venue_that_is_killed]
)
def test_stored_bars_are_those_of_the_market_whatever_happens(playing: Playing, trouble: Callable[[Playing], None]) -> None:
    playing.start("sim_venue")
    playing.start("data_collector")
    playing.reaches(30)
    trouble(playing)
    playing.reaches(130)  # what was left behind is whole again
    assert playing.end("data_collector") == 0
    stored = playing.bars()
    first = {key[:2]: min(start for symbol, timeframe, start in stored if (symbol, timeframe) == key[:2]) for key in stored}
    expected = {key: bar for key, bar in real(playing.market_time()).items() if key[2] > first[key[:2]]}
    differ = {key: (bar, stored.get(key)) for key, bar in expected.items() if stored.get(key) != bar}
    assert len(expected) > 500
    assert differ == {}
    assert playing.count("select count(*) from data_quarantine") == 0

"""The real fleet in lockstep: whatever happens to its processes, the market decides what is traded."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from libs.domain.fleet import PORTS
from tests.verify.running import a_fleet

ENOUGH = 8  # trades
STORIES = {
    "signals": (
        "select strategy_id, symbol, timeframe, bar_time, target, reference_price, valid_until from signals where decided_at < {until}"
        " order by decided_at, strategy_id, symbol"
    ),
    "orders": (
        "select strategy_id, symbol, side, quantity, price, decided_at, expires_at from orders where decided_at < {until}"
        " order by decided_at, strategy_id, symbol"
    ),
    "trades": (
        "select strategy_id, symbol, side, quantity, executed_price, executed_at, commission, pnl from trades where executed_at < {until}"
        " - interval '{booked_after}'"  # a fill is booked when its bar is known, and the step a run was stopped in may not be through
        " order by executed_at, strategy_id, symbol"
    ),
}
TRADING = ("data_collector", "strategy_engine", "risk_manager", "trade_executor")


class Played(NamedTuple):
    """What a run left in its record, up to a market time."""

    market_time: int
    url: str
    booked_after: str  # how long after its time a fill may be booked

    def story(self, until: int) -> dict[str, list[Any]]:
        with psycopg.connect(self.url) as record:
            told = {"until": f"at_ns({until})", "booked_after": self.booked_after}
            return {name: record.execute(query.format(**told).encode()).fetchall() for name, query in STORIES.items()}


@pytest.fixture(scope="module")
def replay() -> list[str]:
    """A recorded market of minutes where there is one, else the default market, which has ticks."""
    return ["--replay", "equities"] if os.environ.get("MARKET_DATA_DIR") else []


@contextmanager
def a_run(folder: Path, database_url: str, redis_url: str, replay: Sequence[str], *, kill: str | None = None) -> Iterator[Played]:
    """Plays until enough is traded. `kill` names a service to be killed in the middle."""
    with a_fleet(folder, database_url, redis_url, ["--lockstep", *replay]) as fleet:
        if kill is not None:
            fleet.play_until_traded(ENOUGH // 2)
            fleet.kill(kill)
        fleet.play_until_traded(ENOUGH)
        fleet.stop(restarts=0 if kill is None else 1)
        yield Played(fleet.ask("select market_time from sessions"), fleet.url, "1 minute" if replay else "2 seconds")


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str, replay: list[str]) -> Iterator[Played]:
    with a_run(tmp_path_factory.mktemp("steady"), database_url, redis_url, replay) as played:
        yield played


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kill", [None, *TRADING], ids=["nothing happens", *(f"{name} is killed" for name in TRADING)])
def test_a_market_played_again_gives_the_same_signals_orders_and_trades(
    tmp_path: Path, database_url: str, redis_url: str, replay: list[str], steady: Played, kill: str | None
) -> None:
    assert set(TRADING) <= set(PORTS)
    with a_run(tmp_path / "state", database_url, redis_url, replay, kill=kill) as again:
        until = min(steady.market_time, again.market_time)
        first, second = steady.story(until), again.story(until)
    assert len(first["trades"]) >= ENOUGH // 2
    assert first == second

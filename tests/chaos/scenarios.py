"""What happens to a fleet in the world, each with the figures that it is judged by."""

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import redis

from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.envelope import Sealer
from libs.common.journal import PostgresJournal
from tests.chaos.ending import control, histories, verdict
from tests.chaos.figures import quantiles
from tests.chaos.history import Verdict
from tests.chaos.kept import KeptService
from tests.chaos.load import a_target, said
from tests.chaos.money_path import MoneyPath, Shape, a_money_path
from tests.chaos.progress import Progress

Figures = dict[str, Any]
MANY: Final = 500
RESTART_WITHIN_S: Final = 10.0
TAKEOVER_WITHIN_S: Final = 12.0
LAST_ORDER_WITHIN_MS: Final = 250.0
GONE_WITHIN_S: Final = 5.0


class Skipped(Exception):
    """It cannot be played on this machine; the message says why."""


class Played(NamedTuple):
    """A scenario, and what it was found to be."""

    name: str
    figures: Figures
    orders: int
    faults: int
    verdict: Verdict | None  # None: skipped
    wrong: list[str]  # figures that are not what they have to be


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How it is played."""

    about: str
    play: Callable[[MoneyPath, Random, float], Awaitable[tuple[Figures, list[str]]]]
    shape: Callable[[Path], Shape] = lambda _: Shape()
    lasts_s: float = 30.0
    folder: Callable[[], Any] | None = None  # a context of a folder of its own


# --- redis


async def _redis(path: MoneyPath, _: Random, lasts_s: float) -> tuple[Figures, list[str]]:
    """Flushed, then killed, every five seconds."""
    times, recovery, over = 0, [], time.monotonic() + lasts_s
    while time.monotonic() < over:
        await asyncio.sleep(5.0)
        await asyncio.to_thread(_flush, path.redis_url)
        await path.valkey.kill()
        times += 1
        recovery.append(await path.orders_flow())
    return {"flushed_and_killed": times, "seconds": round(lasts_s, 1), "orders_again_s": quantiles(recovery), "faults": 2 * times}, []


def _flush(url: str) -> None:
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        client.flushall()


# --- 500 open orders


def _five_hundred(folder: Path) -> Shape:
    """500 books whose orders will rest, and others in other symbols that go on."""
    quiet = ("KO", "XOM", "ETH/USD")
    return Shape(strategies=-(-MANY // len(quiet)), per_s=10.0, collar=0.2, most_held=1e9, quiet=quiet)


async def _rest(path: MoneyPath) -> None:
    """500 orders, one of each book, far below the market."""
    journal = PostgresJournal(path.looking, MemoryBus(), SystemClock())
    sealer = Sealer("strategy_engine", SystemClock())
    sealer.session_id = path.session.session_id
    signals = [
        a_target(book, 0.2, path.market.mids[book.symbol] * 0.81, path.market.now() + n, path.session.session_id, 60)
        for n, book in enumerate(path.quiet_books[:MANY])
    ]
    for begin in range(0, MANY, 100):
        await journal.commit(said(signals[begin : begin + 100], sealer))
    path.load.promised += [signal.signal_id for signal in signals]
    await path.until(lambda: _resting(path), f"{MANY} orders rest at their venues", 60.0)


async def _resting(path: MoneyPath) -> bool:
    return bool(await path.one("select count(*) >= %s from orders where status = 'ACKED'", MANY))


async def _restart(path: MoneyPath, _: Random, __: float) -> tuple[Figures, list[str]]:
    """SIGKILL of the executor: until it is armed again, everything looked up."""
    await _rest(path)
    kept = path.services["trade_executor"]
    starts, began = kept.starts, time.monotonic()
    kept.strike()

    async def armed() -> bool:
        return kept.starts > starts and await kept.ready(path.http)

    await path.until(armed, "the executor is armed again", 60.0)
    took_s = time.monotonic() - began
    wrong = [f"kill to re-armed took {took_s:.1f} s, at most {RESTART_WITHIN_S:g}"] if took_s > RESTART_WITHIN_S else []
    return {"open_orders": MANY, "kill_to_armed_s": round(took_s, 2), "at_most_s": RESTART_WITHIN_S, "faults": 1}, wrong


async def _takeover(path: MoneyPath, _: Random, __: float) -> tuple[Figures, list[str]]:
    """SIGSTOP of the active executor while another stands by; when that trades, the stopped one wakes up again."""
    await _rest(path)
    await path.start_behind_lines("standby")
    await path.until(path.ready, "the standby stands by", 60.0)
    active = await _active(path)
    began = time.monotonic()
    active.strike(signal.SIGSTOP)
    epochs = "select sum(epoch) from leases where name like 'executor:%%'"
    before = await path.one(epochs)

    async def taken() -> bool:
        return bool(await path.one(epochs) >= before + len(path.shape.venues)) and await _other(path, active).ready(path.http)

    await path.until(taken, "the standby is armed", 60.0)
    took_s = time.monotonic() - began
    active.strike(signal.SIGCONT)
    await path.until(path.ready, "the one that was stopped stands by", 60.0)
    wrong = [f"the takeover took {took_s:.1f} s, at most {TAKEOVER_WITHIN_S:g}"] if took_s > TAKEOVER_WITHIN_S else []
    return {"open_orders": MANY, "stop_to_armed_s": round(took_s, 2), "at_most_s": TAKEOVER_WITHIN_S, "faults": 1}, wrong


async def _active(path: MoneyPath) -> KeptService:
    """The executor that holds the leases."""
    holders = {row[0] for row in await path.rows("select holder from leases where name like 'executor:%%' and not released")}
    return next(k for k in _executors(path) if k.process is not None and k.process.holder in holders)


def _other(path: MoneyPath, active: KeptService) -> KeptService:
    return next(k for k in _executors(path) if k is not active)


def _executors(path: MoneyPath) -> list[KeptService]:
    return [kept for kept in path.services.values() if kept.name == "trade_executor"]


# --- the kill switch


async def _kill(path: MoneyPath, _: Random, __: float) -> tuple[Figures, list[str]]:
    """With 500 orders at their venues, and more on their way."""
    await _rest(path)
    began = time.monotonic()
    await control(path).kill("fleet", "", "halt", "chaos", "chaos")
    answered_s = time.monotonic() - began

    async def gone() -> bool:
        found = [await path.venue("GET", f"accounts/{account}") for account in path.shape.venues]
        return not any(account["open_orders"] for account in found)

    await path.until(gone, "no venue has an open order", 60.0)
    took_s = time.monotonic() - began
    killed_ns = await path.one("select (extract(epoch from set_at) * 1e9)::int8 from kill_switch where active")
    sent = [at for history in histories(path).values() for times in history.submits.values() for at in times]
    last_ms = max(0.0, (max(sent) - killed_ns) / 1e6)
    found: Figures = {"open_orders": MANY, "last_order_after_ms": round(last_ms, 1), "last_order_at_most_ms": LAST_ORDER_WITHIN_MS}
    found |= {"all_gone_s": round(took_s, 2), "all_gone_at_most_s": GONE_WITHIN_S, "commit_s": round(answered_s, 3), "faults": 1}
    wrong = [f"an order left {last_ms:.0f} ms after the kill, at most {LAST_ORDER_WITHIN_MS:g}"] if last_ms > LAST_ORDER_WITHIN_MS else []
    return found, wrong + ([f"{MANY} orders were gone after {took_s:.1f} s, at most {GONE_WITHIN_S:g}"] if took_s > GONE_WITHIN_S else [])


# --- pauses


async def _pause(path: MoneyPath, draw: Random, lasts_s: float) -> tuple[Figures, list[str]]:
    """F18, scaled: the executor that trades is stopped for longer than its lease at moments nobody chose, another stands by, and the
    stopped one wakes up among its orders."""
    await path.start_behind_lines("standby")
    await path.until(path.ready, "the standby stands by", 60.0)
    pause_s, pauses, recovery, over = 7.5 * SHORT_LEASE_S, 0, [], time.monotonic() + lasts_s
    while time.monotonic() < over:
        await asyncio.sleep(draw.uniform(0.0, 1.0))
        active = await _active(path)
        active.strike(signal.SIGSTOP)
        stopped = time.monotonic()
        recovery.append(await path.orders_flow())
        await asyncio.sleep(max(0.0, pause_s - (time.monotonic() - stopped)))
        active.strike(signal.SIGCONT)
        await path.until(path.ready, "the one that was stopped stands by", 60.0)
        pauses += 1
    return {"pauses": pauses, "lease_s": SHORT_LEASE_S, "pause_s": pause_s, "orders_again_s": quantiles(recovery), "faults": pauses}, []


SHORT_LEASE_S: Final = 1.0


# --- servers


def _behind_lines(_: Path) -> Shape:
    return Shape(proxied=True)


async def _postgres(path: MoneyPath, _: Random, __: float) -> tuple[Figures, list[str]]:
    """Deaf and stopped, for one second and for ten; then a commit whose answer is lost, ten times (F4, F5, F9)."""
    line, recovery = path.proxies["trade_executor:postgres"], {}
    for away_s in (1.0, 10.0):
        line.turn(blackhole=True)
        await asyncio.sleep(away_s)
        await line.mend()
        recovery[f"deaf for {away_s:g} s"] = round(await path.orders_flow(), 2)
        async with path.postgres.away():
            await asyncio.sleep(away_s)
        recovery[f"killed for {away_s:g} s"] = round(await path.orders_flow(), 2)
    lost = []
    for _n in range(10):
        line.turn("up", reset_on=SYNC)
        resets = line.resets
        await path.until(lambda resets=resets: line.resets > resets, "an exchange was cut off", 20.0)  # type: ignore[misc]
        await line.mend()
        lost.append(await path.orders_flow())
    return {
        "orders_again_s": recovery,
        "commits_without_answer": len(lost),
        "orders_again_after_those_s": quantiles(lost),
        "faults": 14,
    }, []


SYNC: Final = b"S\x00\x00\x00\x04".hex()
"""How an exchange with Postgres ends, and a transaction commits: see libs/common/wire.py."""


async def _broker(path: MoneyPath, draw: Random, lasts_s: float) -> tuple[Figures, list[str]]:
    """A broker that does what it is told and says otherwise, or nothing; and a line to it that breaks (F10, F11, F12, F15)."""
    some: dict[str, Any] = {"count": None, "probability": 0.25}
    for knob in (
        {"kind": "status_after", "status": 504, "what": "order_submit"},
        {"kind": "status_before", "status": 503, "what": "order_submit"},
        {"kind": "drop_after", "what": "order_submit"},
        {"kind": "drop_before", "what": "order_submit"},
        {"kind": "half", "what": "order_submit"},
        {"kind": "drop_after", "what": "order_cancel"},
        {"kind": "lose", "what": "orders"},
        {"kind": "duplicate", "what": "orders"},
        {"kind": "reorder", "what": "orders"},
    ):
        await path.venue("POST", "faults", some | knob)
    line, cuts, over = path.proxies["trade_executor:venue"], 0, time.monotonic() + lasts_s
    while time.monotonic() < over:
        await asyncio.sleep(draw.uniform(1.0, 3.0))
        match cuts % 4:
            case 0:
                line.reset()
            case 1:
                line.turn("down", reset_after=draw.randrange(2000))
            case 2:
                line.turn(latency_s=0.05, jitter_s=0.2)
            case _:
                line.turn("up", bytes_per_s=20_000.0)
        cuts += 1
        await asyncio.sleep(0.5)
        await line.mend()
    hits = sum(knob["hits"] for knob in await path.venue("GET", "faults"))
    await path.venue("POST", "faults", {"kind": "mute", "what": "orders", "count": 2})
    await asyncio.sleep(1.0)
    await path.venue("DELETE", "faults")
    line.reset()
    unknown = await path.one("select count(*) from order_events where status = 'UNKNOWN'")
    return {"answers_spoiled": hits, "lines_broken": cuts, "orders_that_were_unknown": unknown, "faults": hits + cuts}, []


# --- the machine


@asynccontextmanager
async def _small_disk() -> AsyncIterator[Path]:
    """A file system of its own for everything that the fleet writes."""
    with tempfile.TemporaryDirectory(prefix="chaos-disk-") as name:
        folder = Path(name)
        mounted = await asyncio.to_thread(
            subprocess.run,
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "tmpfs", name],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode:
            raise Skipped(f"this machine lets nobody mount a small disk: {mounted.stderr.strip()}")
        os.chmod(name, 0o755)
        try:
            yield folder
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", "--lazy", name], check=False)


DISK_MB: Final = 320
FULL_FOR_S: Final = 8.0


async def _disk(path: MoneyPath, _: Random, lasts_s: float) -> tuple[Figures, list[str]]:
    """The disk of everything is full: the database with its log, the bus, the venue, the services' logs (F20)."""
    filler, recovery, fulls = path.folder / "filler", [], 0
    over = time.monotonic() + lasts_s
    while time.monotonic() < over:
        await asyncio.to_thread(_fill, filler)
        fulls += 1
        await asyncio.sleep(FULL_FOR_S)
        await asyncio.to_thread(filler.unlink)
        recovery.append(await path.orders_flow(90.0))
    said = await asyncio.to_thread(path.postgres.server.log.read_text, errors="replace")
    refused = said.count("No space left on device")
    found: Figures = {"disk_mb": DISK_MB, "times_full": fulls, "full_for_s": FULL_FOR_S, "refused_by_postgres": refused}
    return {**found, "orders_again_s": quantiles(recovery), "faults": fulls}, [] if refused else ["the database never met the full disk"]


def _fill(filler: Path) -> None:
    piece = b"\0" * 65536
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                if file.write(piece) == 0:
                    return
        except OSError:
            return


def _with_a_clock(folder: Path) -> Shape:
    return Shape(of_service={name: {"CHAOS_CLOCK": str(folder / "clock")} for name in ("risk_manager", "trade_executor")})


async def _clock(path: MoneyPath, _: Random, __: float) -> tuple[Figures, list[str]]:
    """The wall clock of the services jumps; monotonic time, and so leases and deadlines, does not (F21). While it is off every account
    is disarmed, and is armed again by itself once it is right."""
    file, disarmed, recovery = path.folder / "clock", {}, {}
    off = "select count(distinct account_id) = %s from disarmed where code = 'RC-C06'"

    async def noticed() -> bool:
        return bool(await path.one(off, len(path.shape.venues)))

    for off_s in (1.0, -1.0, 3600.0, -3600.0):
        await asyncio.to_thread(file.write_text, str(off_s))
        disarmed[f"{off_s:+g} s"] = round(await path.until(noticed, "every account is disarmed", 10.0), 2)
        await asyncio.sleep(2.0)
        await asyncio.to_thread(file.write_text, "0.0")
        recovery[f"{off_s:+g} s"] = round(await path.orders_flow(), 2)
        await path.until(lambda: _none(path), "every account is armed again", 30.0)
    how = "time.time of the services, replaced by the start-up hook"
    return {"by": how, "disarmed_s": disarmed, "orders_again_s": recovery, "faults": 8}, []


async def _none(path: MoneyPath) -> bool:
    return not await path.one("select count(*) from disarmed")


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "redis": Scenario(about="Redis is flushed and killed every 5 s", play=_redis, lasts_s=120.0),
    "restart500": Scenario(about="kill to re-armed with 500 open orders", play=_restart, shape=_five_hundred),
    "takeover500": Scenario(about="takeover by a standby with 500 open orders", play=_takeover, shape=_five_hundred),
    "kill500": Scenario(about="the kill switch with 500 open orders", play=_kill, shape=_five_hundred),
    "pause": Scenario(
        about="an executor sleeps longer than its lease, and wakes up",
        play=_pause,
        shape=lambda _: Shape(environment={"CHAOS_LEASE_S": f"{SHORT_LEASE_S:g}"}),
        lasts_s=60.0,
    ),
    "postgres": Scenario(about="the database is deaf, gone, or does not answer a commit", play=_postgres, shape=_behind_lines),
    "broker": Scenario(about="a broker that answers wrongly or not at all", play=_broker, shape=_behind_lines),
    "disk": Scenario(about="the disk of everything is full", play=_disk, folder=_small_disk, lasts_s=20.0),
    "clock": Scenario(about="the wall clock jumps", play=_clock, shape=_with_a_clock),
}


async def play(name: str, seed: int, lasts_s: float | None, progress: Progress) -> Played:
    """Plays one, and judges what is left."""
    scenario = SCENARIOS[name]
    progress.say(scenario.about)
    try:
        if scenario.folder is not None:
            async with scenario.folder() as folder:
                return await _in(folder, name, scenario, seed, lasts_s)
        return await _in(None, name, scenario, seed, lasts_s)
    except Skipped as why:
        progress.say(f"skipped: {why}")
        return Played(name, {"skipped": str(why)}, 0, 0, None, [])


async def _in(given: Path | None, name: str, scenario: Scenario, seed: int, lasts_s: float | None) -> Played:
    folder = given or Path(tempfile.mkdtemp(prefix="chaos-"))
    async with a_money_path(scenario.shape(folder), seed, folder) as path:
        if scenario.shape(folder).per_s:
            await path.orders_flow()
        found, wrong = await scenario.play(path, Random(f"{name} {seed}"), lasts_s or scenario.lasts_s)
        judged = await verdict(path)
        orders = await path.one("select count(*) from orders")
    path.wipe(remove_folder=given is None)
    return Played(name, found, orders, found.pop("faults"), judged, wrong)

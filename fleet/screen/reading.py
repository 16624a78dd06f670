"""From the record and the running fleet to a snapshot. Asks the database once a second; what is asked is in libs/store/queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fleet.face import Parts
from fleet.screen.alerts import firing
from fleet.screen.model import STARTING, Account, Hand, Light, Path, Snapshot, Stopped
from libs.common.clocks import HostClock
from libs.common.database import Database
from libs.domain.kill import named
from libs.quant.risk.limits import Limits
from libs.store import limits
from libs.store.queries import screen
from libs.store.queries.screen import AccountSeen, BookSeen, Price, Seen

CLOSES: Final = 40
SYMBOLS: Final = 40  # at most


@dataclass(frozen=True)
class Title:
    """What a run is, from its beginning to its end."""

    market: str
    prices: str
    symbols: Sequence[str]
    live: bool = False  # real money is traded


class Lamps:
    """For how long each service has been in its state."""

    def __init__(self, clock: HostClock) -> None:
        self._clock = clock
        self._since: dict[str, tuple[object, float]] = {}
        self._been_well: set[str] = set()

    def lit(self, states: Mapping[str, tuple[str, int]]) -> list[Light]:
        """State and restarts by name, as lights. A restart begins the time anew; one that was never well is only starting."""
        now = self._clock.monotonic()
        lights = []
        for name, (state, restarts) in states.items():
            if state == "healthy":
                self._been_well.add(name)
            elif name not in self._been_well and state == "not listening":
                state = STARTING
            what = (state == "healthy", restarts)
            if self._since.get(name, (None, 0.0))[0] != what:
                self._since[name] = (what, now)
            lights.append(Light(name, state, now - self._since[name][1], restarts))
        return lights


class Reading:
    """The newest that is known. `look` asks the record; `snapshot` puts it together with what the run itself knows."""

    def __init__(self, title: Title, clock: HostClock) -> None:
        self._title = title
        self._clock = clock
        self._lamps = Lamps(clock)
        self._began = clock.monotonic()
        self._answered = clock.monotonic()
        self._seen: Seen | None = None
        self._prices: Sequence[Price] = ()
        self._limits = Limits(())
        self._peaks: dict[str, float] = {}  # the highest equity seen here, for accounts without a better witness

    async def look(self, database: Database) -> None:
        """Asks the record.

        Raises:
            Unreachable: the database is away; what was known stays, and grows old.
        """
        self._seen = await screen.seen(database)
        self._prices = await screen.prices(database, self._title.symbols[:SYMBOLS], CLOSES)
        self._limits = Limits([row.limit for row in (await limits.now(database)).holding])
        self._answered = self._clock.monotonic()

    @property
    def stopped(self) -> list[Stopped]:
        """Where nothing new is ordered: the fleet first, then other kill switches, then accounts that passed a loss limit."""
        if self._seen is None:
            return []
        killed = sorted(self._seen.killed, key=lambda switch: switch.scope != "fleet")
        halted = dict.fromkeys(f"account:{halt.account_id}" for halt in self._seen.halts)
        return [Stopped(named(k.scope, k.key), named(k.scope, k.key) in halted, k.mode) for k in killed] + [
            Stopped(scope, halted=True) for scope in halted if scope not in {named(k.scope, k.key) for k in killed}
        ]

    def snapshot(self, parts: Parts | None, events: Sequence[str], hand: Hand, *, keys: bool, stopping: bool) -> Snapshot:
        """All that is shown now; `parts` is None before the services are started."""
        now = self._clock.monotonic()
        lights = self._lamps.lit(_states(parts)) if parts is not None else []
        silent = now - self._answered if parts is not None else 0.0
        seen = self._seen
        return Snapshot(
            market=self._title.market,
            prices=self._title.prices,
            live=self._title.live,
            uptime_s=now - self._began,
            session=seen.session if seen is not None else None,
            services=lights,
            venues=parts.samples.venues if parts is not None else {},
            accounts=[self._account(account, seen.books) for account in seen.accounts if account.opened] if seen is not None else (),
            opening=[f"{account.name} {account.currency}" for account in seen.accounts if not account.opened] if seen is not None else (),
            books=seen.books if seen is not None else (),
            closes=self._prices,
            path=_path(parts, seen.open_orders if seen is not None else 0),
            alerts=firing(seen, lights, silent) if not stopping else (),
            stopped=self.stopped,
            events=events,
            hand=hand,
            keys=keys,
            stopping=stopping,
        )

    def _account(self, seen: AccountSeen, books: Sequence[BookSeen]) -> Account:
        values = [float(book.value) for book in books if book.account_id == seen.account_id]
        equity = float(seen.cash) + sum(values)
        known = seen.peak_equity if seen.peak_equity is not None else max(seen.deposit, seen.day_equity or seen.deposit)
        peak = self._peaks[seen.account_id] = max(equity, float(known), self._peaks.get(seen.account_id, 0.0))
        return Account(
            seen=seen,
            equity=equity,
            day_pnl=equity - float(seen.day_equity) if seen.day_equity is not None else None,
            drawdown=1 - equity / peak if peak > 0 else 0.0,
            gross=sum(map(abs, values)),
            gross_limit=self._limits.tightest("max_gross_exposure", equity=equity, account=seen.name, fleet="*"),
        )


def _states(parts: Parts) -> dict[str, tuple[str, int]]:
    states = {name: (service.state, service.restarts) for name, service in parts.supervisor.services.items()}
    return states | {name: (state, restarts) for name, (state, restarts) in parts.servers.states.items()}


def _path(parts: Parts | None, open_orders: int) -> Path:
    if parts is None:
        return Path()
    told = parts.watcher.seen
    return Path(
        signals=told["signals"],
        orders=told["orders.approved"],
        trades=told["trades.executed"],
        open_orders=open_orders,
        refused=dict(parts.watcher.refused),
        latency=parts.samples.latency,
    )

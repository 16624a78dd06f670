"""A simulated venue for a test: the real application on a free port, its state in a folder of its own."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession, web

from libs.common.clocks import HostClock, SystemClock
from libs.common.http import problems
from libs.domain.market import Quote, TradeTick
from libs.quant.sim_venue.listings import Listing
from libs.venues.markets import Timeline, named
from services.sim_venue import app as venue_app
from services.sim_venue.host import Dialect, Host
from services.sim_venue.listings import by_hand, of_feed
from services.sim_venue.venue import Terms, Venue

Dialects = Sequence[Callable[[Host], Dialect]]


class SimVenue:
    """A venue that answers at `url`. Its control API is called as anybody would."""

    def __init__(self, terms: Terms, clock: HostClock, dialects: Dialects | None) -> None:
        self._terms = terms
        self._clock = clock
        self._dialects = venue_app.dialects() if dialects is None else dialects
        self._port = 0
        self._http = ClientSession()
        self.venue: Venue
        self.url = ""

    @property
    def host(self) -> Host:
        """For what no client can see."""
        return self.venue.host

    async def start(self) -> None:
        self.venue = Venue(self._terms, self._clock, self._dialects)
        app = web.Application(middlewares=[problems], client_max_size=64 * 1024)
        self.venue.mount(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        await self.venue.open()

    async def stop(self) -> None:
        self.venue.close()
        await self._runner.cleanup()

    async def restart(self) -> None:
        """Stops it and starts another from the same folder, at the same port."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        await self._http.close()
        await self.stop()

    # --- the control API

    async def control(self, method: str, path: str, body: object = None) -> Any:
        """The answer of `/sim/v1/<path>`; AssertionError when it is a refusal."""
        data = None if body is None else msgspec.json.encode(body)
        async with self._http.request(method, f"{self.url}/sim/v1/{path}", data=data) as answer:
            text = await answer.read()
            assert answer.status < 400, f"{method} {path}: {answer.status} {text.decode()}"
            return msgspec.json.decode(text) if text else None

    async def show(self, *shown: Quote | TradeTick, at: int | None = None) -> Any:
        """Tells a manual market quotes and trades; sequence and venue are the venue's own. Without `at` a millisecond passes."""
        body = {
            "quotes": [_fields(e, "bid", "ask", "bid_size", "ask_size") for e in shown if isinstance(e, Quote)],
            "trades": [_fields(e, "price", "size") for e in shown if isinstance(e, TradeTick)],
            "market_time": at,
        }
        return await self.control("POST", "market", body)

    async def quote(self, symbol: str, bid: float, ask: float, size: float = 1_000_000.0) -> Any:
        """Tells a manual market one quote."""
        return await self.control(
            "POST", "market", {"quotes": [{"symbol": symbol, "bid": bid, "ask": ask, "bid_size": size, "ask_size": size}]}
        )

    async def trade(self, symbol: str, price: float, size: float) -> Any:
        """Tells a manual market one trade of others."""
        return await self.control("POST", "market", {"trades": [{"symbol": symbol, "price": price, "size": size}]})

    async def pass_time(self, seconds: float) -> Any:
        """Lets market time pass, and nothing happen but what is due."""
        return await self.control("POST", "market", {"market_time": self.host.now() + int(seconds * 1_000_000_000)})

    async def fault(self, kind: str, **knob: object) -> Any:
        """Sets a fault knob."""
        return await self.control("POST", "faults", {"kind": kind, **knob})

    async def no_faults(self) -> None:
        """Takes all knobs away."""
        await self.control("DELETE", "faults")

    async def weather(self, **weather: object) -> Any:
        """Turns the weather; what is not named is fair."""
        return await self.control("PUT", "weather", weather)

    async def account(self, name: str, dialect: str, deposit: Mapping[str, Decimal | int], **terms: object) -> tuple[str, str]:
        """Opens an account: its key and secret."""
        opened = await self.control(
            "POST", "accounts", {"account": name, "dialect": dialect, "deposit": {k: str(v) for k, v in deposit.items()}, **terms}
        )
        return opened["key"], opened["secret"]

    async def requests(self, client_order_id: str) -> Mapping[str, int]:
        """How many requests named the order, by what they were for."""
        counts: Mapping[str, int] = (await self.control("GET", f"requests?client_order_id={client_order_id}"))["requests"]
        return counts


def _fields(event: object, *names: str) -> dict[str, object]:
    return {name: getattr(event, name) for name in ("symbol", *names)}


@contextlib.asynccontextmanager
async def a_sim_venue(
    market: str = "manual",
    *,
    listings: Sequence[Listing] | None = None,
    dialects: Dialects | None = None,
    seed: int = 1,
    speed: float = 10.0,
    folder: Path | None = None,
    clock: HostClock | None = None,
) -> AsyncIterator[SimVenue]:
    """A venue that is open.

    Args:
        market: "manual" (told by the test), "synthetic" or "closes". A feed stands still until the test calls
            `venue.venue.run()` or `venue.host.hear`.
        listings: what it lists; None: what its market has.
        dialects: None: all there are.
    """
    with tempfile.TemporaryDirectory() as made:
        feed: Timeline | None = None if market == "manual" else named(market, seed, None)
        listed = listings or (of_feed(feed) if feed else by_hand())
        venue = SimVenue(Terms(feed, listed, seed, speed, folder or Path(made)), clock or SystemClock(), dialects)
        try:
            await venue.start()
            yield venue
        finally:
            await venue.close()

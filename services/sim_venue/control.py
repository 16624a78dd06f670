"""The control API, `/sim/v1`: accounts, the market, the faults and the weather, what an operator of a venue can do, and its log."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from libs.domain.market import Quote, TradeTick
from libs.quant.sim_venue.commands import Bust, Command, Configure, Correct, Halt, OpenAccount, Transfer
from libs.quant.sim_venue.listings import VenueRules
from services.sim_venue.control_bodies import (
    AccountAsked,
    BustAsked,
    CorrectAsked,
    HaltAsked,
    KeyAsked,
    MarketShown,
    QuoteShown,
    TradeShown,
    TransferAsked,
)
from services.sim_venue.credentials import Credential, credential
from services.sim_venue.faults import Fault, Weather
from services.sim_venue.host import Failed, Host
from services.sim_venue.kinds import Origin
from services.sim_venue.log import Granted, Shown, Turned

T = TypeVar("T")
MOST_ENTRIES: Final = 1_000
MOST_BYTES: Final = 4 * 1024 * 1024  # of lines in one answer
_MOST_DIGITS: Final = 18
STEP_NS: Final = 1_000_000  # that pass with each thing a manual market is told, unless it says more


class Control:
    """The routes, over one venue."""

    def __init__(self, host: Host, *, feed: str, speed: float, manual: bool) -> None:
        self._host = host
        self._feed = feed
        self._speed = speed
        self._manual = manual
        self._seqs: dict[tuple[type, str], int] = {}

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """All of them."""
        v1 = "/sim/v1"
        return [
            web.post(f"{v1}/accounts", self._when_open(self.open_account)),
            web.get(f"{v1}/accounts/{{account}}", self._when_open(self.account)),
            web.post(f"{v1}/accounts/{{account}}/keys", self._when_open(self.key)),
            web.get(f"{v1}/market", self._when_open(self.market)),
            web.post(f"{v1}/market", self._when_open(self.show)),
            web.get(f"{v1}/faults", self._when_open(self.faults)),
            web.post(f"{v1}/faults", self._when_open(self.add_fault)),
            web.delete(f"{v1}/faults", self._when_open(self.remove_faults)),
            web.delete(f"{v1}/faults/{{id}}", self._when_open(self.remove_fault)),
            web.get(f"{v1}/weather", self._when_open(self.weather)),
            web.put(f"{v1}/weather", self._when_open(self.turn_weather)),
            web.get(f"{v1}/rules", self._when_open(self.rules)),
            web.put(f"{v1}/rules", self._when_open(self.turn_rules)),
            web.post(f"{v1}/halt", self._when_open(self.halt)),
            web.post(f"{v1}/bust", self._when_open(self.bust)),
            web.post(f"{v1}/correct", self._when_open(self.correct)),
            web.post(f"{v1}/transfer", self._when_open(self.transfer)),
            web.get(f"{v1}/requests", self._when_open(self.requests)),
            web.get(f"{v1}/log", self._when_open(self.log)),
        ]

    def _when_open(self, handler: Callable[[web.Request], Awaitable[web.Response]]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handled(request: web.Request) -> web.Response:
            if not self._host.open:
                raise web.HTTPServiceUnavailable(text="the venue is reading its log; ask again in a moment", headers={"Retry-After": "1"})
            try:
                return await handler(request)
            except Failed as error:
                raise web.HTTPServiceUnavailable(text=f"the venue cannot go on: {error}") from error

        return handled

    # --- accounts

    async def open_account(self, request: web.Request) -> web.Response:
        """Opens one, or finds it open; with its key."""
        asked = await _read(request, AccountAsked)
        terms = {name: getattr(asked, name) for name in ("account", "deposit", "kind", "allow_short", "leverage", "self_trade")}
        await self._do(request, OpenAccount(**terms))
        return await self._granted(credential(self._host.seed, asked.account, asked.dialect))

    async def key(self, request: web.Request) -> web.Response:
        """A further key of an account that is open; the same one for the same name."""
        account, asked = request.match_info["account"], await _read(request, KeyAsked)
        if account not in self._host.view.accounts:
            raise _no_account(account)
        return await self._granted(credential(self._host.seed, account, asked.dialect, asked.name))

    async def _granted(self, key: Credential) -> web.Response:
        held = next((c for c in self._host.credentials.values() if c[2:] == key[2:]), None)  # a demo account has one of its own
        if held is None:
            await self._host.take(Granted(credential=key))
            held = key
        return _json({"account": held.account, "dialect": held.dialect, "key": held.key, "secret": held.secret})

    async def account(self, request: web.Request) -> web.Response:
        """What it holds, in truth: a ledger is compared with it, and `read_lag_s` is for clients."""
        name = request.match_info["account"]
        account = self._host.view.accounts.get(name)
        if account is None:
            raise _no_account(name)
        balances, held = account.balances.copy(), account.positions.copy()
        for report in self._host.unseen():
            if report.account == name:
                held[report.symbol] += report.position
                for currency, change in report.balances.items():
                    balances[currency] += change
        positions = {symbol: self._host.listings[symbol].instrument.quantity(lots) for symbol, lots in held.items() if lots}
        return _json(
            {
                "account": name,
                "balances": {currency: amount for currency, amount in balances.items() if amount},
                "positions": positions,
                "open_orders": len(account.open),
                "orders": len(account.orders),
                "executions": len(account.executions),
            }
        )

    async def transfer(self, request: web.Request) -> web.Response:
        """Money or an asset comes in, or leaves."""
        asked = await _read(request, TransferAsked)
        return await self._did(request, Transfer(account=asked.account, currency=asked.currency, amount=asked.amount))

    # --- market

    async def market(self, _: web.Request) -> web.Response:
        """Where it stands."""
        return _json(
            {
                "market_time": self._host.now(),
                "speed": self._speed,
                "feed": self._feed,
                "seed": self._host.seed,
                "symbols": sorted(self._host.listings),
                "halted": sorted(self._host.view.halted),
            }
        )

    async def show(self, request: web.Request) -> web.Response:
        """Quotes, trades and the time of a manual market."""
        if not self._manual:
            raise web.HTTPConflict(
                text=f"this market is played from {self._feed}; only one that was started with SIM_MARKET=manual can be told"
            )
        asked = await _read(request, MarketShown)
        now = self._host.now()
        at = now + STEP_NS if asked.market_time is None else asked.market_time
        if at < now:
            raise web.HTTPBadRequest(text=f"expected a market_time of {now} or later, got {at}: the market is there already")
        events: tuple[Quote | TradeTick, ...] = (
            *(self._quote(quote, at) for quote in asked.quotes),
            *(self._trade(trade, at) for trade in asked.trades),
        )
        outcome = await self._host.take(Shown(events=events, market_time=at))
        return _json({"market_time": self._host.now(), "reports": outcome.reports})

    def _quote(self, shown: QuoteShown, at: int) -> Quote:
        if not (0 < shown.bid <= shown.ask and min(shown.bid_size, shown.ask_size) >= 0):
            raise web.HTTPBadRequest(text=f"{shown.symbol}: expected 0 < bid <= ask and sizes of 0 or more, got {shown}")
        venue, seq = self._listed(shown.symbol, Quote)
        return Quote(venue=venue, seq=seq, ts=at, **msgspec.structs.asdict(shown))

    def _trade(self, shown: TradeShown, at: int) -> TradeTick:
        if not (shown.price > 0 and shown.size > 0):
            raise web.HTTPBadRequest(text=f"{shown.symbol}: expected a price and a size above 0, got {shown}")
        venue, seq = self._listed(shown.symbol, TradeTick)
        return TradeTick(venue=venue, seq=seq, ts=at, **msgspec.structs.asdict(shown))

    def _listed(self, symbol: str, kind: type[Quote] | type[TradeTick]) -> tuple[str, int]:
        listing = self._host.listings.get(symbol)
        if listing is None:
            raise web.HTTPBadRequest(text=f"{symbol!r} is not listed; there are: {', '.join(sorted(self._host.listings))}")
        newest = self._host.tape.quote(symbol) if kind is Quote else self._host.tape.trade(symbol)
        seq = max(self._seqs.get((kind, symbol), 0), newest.seq if newest else 0) + 1
        self._seqs[kind, symbol] = seq
        return listing.instrument.venue, seq

    # --- faults, weather, rules

    async def faults(self, _: web.Request) -> web.Response:
        """All knobs and how often they have hit."""
        return _json(self._host.faults.shown())

    async def add_fault(self, request: web.Request) -> web.Response:
        """Sets a knob."""
        return _json(self._host.faults.add(await _read(request, Fault)).shown(), status=201)

    async def remove_faults(self, _: web.Request) -> web.Response:
        """Takes all knobs away."""
        self._host.faults.remove()
        return web.Response(status=204)

    async def remove_fault(self, request: web.Request) -> web.Response:
        """Takes one away."""
        number = request.match_info["id"]
        if not _counts(number) or not self._host.faults.remove(int(number)):
            raise web.HTTPNotFound(text=f"there is no fault {number[:20]}; GET /sim/v1/faults lists them")
        return web.Response(status=204)

    async def weather(self, _: web.Request) -> web.Response:
        """What holds for everybody."""
        return _json(self._host.faults.weather)

    async def turn_weather(self, request: web.Request) -> web.Response:
        """Other weather: what is not named is as it was at the beginning."""
        asked = await _read(request, Weather)
        unknown = sorted(asked.price_gap_bps.keys() - self._host.listings.keys())
        if unknown:
            raise web.HTTPBadRequest(text=f"price_gap_bps: {', '.join(unknown)}: not listed")
        await self._host.take(Turned(weather=asked))
        return _json(self._host.faults.weather)

    async def rules(self, _: web.Request) -> web.Response:
        """The rules of the venue."""
        return _json(self._host.exchange.rules)

    async def turn_rules(self, request: web.Request) -> web.Response:
        """Other rules: what is not named is as it was at the beginning."""
        await self._do(request, Configure(rules=await _read(request, VenueRules)))
        return _json(self._host.exchange.rules)

    # --- the operator of a venue

    async def halt(self, request: web.Request) -> web.Response:
        """Trading of a symbol stops, or goes on again."""
        asked = await _read(request, HaltAsked)
        return await self._did(request, Halt(symbol=asked.symbol, on=asked.on))

    async def bust(self, request: web.Request) -> web.Response:
        """An execution never happened."""
        return await self._did(request, Bust(execution=(await _read(request, BustAsked)).execution))

    async def correct(self, request: web.Request) -> web.Response:
        """An execution happened at another price."""
        asked = await _read(request, CorrectAsked)
        found = next((e for a in self._host.view.accounts.values() if (e := a.executions.get(asked.execution))), None)
        if found is None:
            raise web.HTTPNotFound(text=f"there is no execution {asked.execution}")
        try:
            ticks = self._host.listings[found.symbol].instrument.ticks(asked.price)
        except (ValueError, ArithmeticError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return await self._did(request, Correct(execution=asked.execution, ticks=ticks))

    async def _did(self, request: web.Request, command: Command) -> web.Response:
        return _json({"reports": await self._do(request, command)})

    async def _do(self, request: web.Request, command: Command) -> object:
        outcome = await self._host.execute(command, Origin("control", self._host.requests.next()))
        if outcome.refusal is not None:
            raise web.HTTPUnprocessableEntity(text=f"{outcome.refusal.code}: {outcome.refusal.text}")
        return outcome.reports

    # --- what happened

    async def requests(self, request: web.Request) -> web.Response:
        """How many requests named an order by the client's id, by what they were for."""
        client_order_id = request.query.get("client_order_id", "")
        counts = self._host.requests.of(client_order_id) if client_order_id else {}
        return _json({"client_order_id": client_order_id, "requests": counts, "of_all": self._host.requests.n})

    async def log(self, request: web.Request) -> web.Response:
        """Lines of the log, the oldest after `after`."""
        after = request.query.get("after", "0")
        if not _counts(after):
            raise web.HTTPBadRequest(text=f"after: expected the number of a line, got {after[:40]!r}")
        assert self._host.log is not None
        lines = await asyncio.to_thread(self._host.log.raw, int(after), MOST_ENTRIES, MOST_BYTES)
        return web.Response(body=b"[%s]" % b",".join(lines), content_type="application/json")


def _counts(text: str) -> bool:
    """Whether it is a number as something here is counted by."""
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def _no_account(name: str) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=f"there is no account {name!r}; POST /sim/v1/accounts opens one")


async def _read(request: web.Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:  # a ValidationError is one
        raise web.HTTPBadRequest(text=f"the body is no {kind.__name__}: {error}") from error


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")

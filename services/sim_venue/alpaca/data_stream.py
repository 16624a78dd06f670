"""/v2/iex, /v2/sip, /v2/test: trades, quotes, bars and halts as they happen; three names for one market.

Minute bars are told when the market has moved past their end. `updatedBars`, `lulds`, `corrections` and `cancelErrors` can be
subscribed to and stay silent: nothing of the kind happens here.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from aiohttp import WSMessage, WSMsgType, web

from libs.domain.market import MarketEvent, Quote, TradeTick
from libs.quant.sim_venue.reports import Report
from services.sim_venue.alpaca import bars
from services.sim_venue.alpaca.authentication import account_of, of_headers
from services.sim_venue.alpaca.codec import Codec, Garbled, Json, MessagePack, wants_message_pack
from services.sim_venue.alpaca.data_json import TAPE, bar_json, quote_json, trade_json
from services.sim_venue.alpaca.door import DIALECT, Floor
from services.sim_venue.alpaca.feeding import feeding
from services.sim_venue.alpaca.subscriptions import Subscriptions, Wrong
from services.sim_venue.alpaca.wire import Json as Message
from services.sim_venue.lines import Line, accept

AUTHENTICATES_WITHIN_S: Final = 10.0
LAST_WORD_S: Final = 1.0
"""How long a client may take to read why it is hung up on."""
HEARTBEAT_S: Final = 60.0
MOST_BYTES: Final = 1024 * 1024  # a subscription can name thousands of symbols

_HALTED: Final = {"sc": "H", "sm": "Trading Halt", "rc": "T12", "rm": "Trading Halted; For information requested by NASDAQ"}
_RESUMED: Final = {
    "sc": "T",
    "sm": "Trading Resumption",
    "rc": "R4",
    "rm": "Qualifications Issues Reviewed/Resolved; Quotations/Trading to Resume",
}


async def data_stream(floor: Floor, request: web.Request) -> web.StreamResponse:
    """GET /v2/{feed}"""
    socket = await accept(request, heartbeat_s=HEARTBEAT_S, most_bytes=MOST_BYTES)
    codec: Codec = MessagePack() if wants_message_pack(request.headers) else Json()
    line = floor.host.lines.open(socket, DIALECT, "market")
    client = _Client(floor, line, codec)
    client.say([_success("connected")])
    try:
        pair = of_headers(request.headers)
        if pair is not None:
            client.authenticate(*pair)
        await _converse(client, socket)
    finally:
        await client.leave()
        await line.close()
    return socket


async def _converse(client: "_Client", socket: web.WebSocketResponse) -> None:
    """Until the client goes, or is told why it must."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + AUTHENTICATES_WITHIN_S
    while not client.over:
        try:
            frame = await socket.receive(None if client.account else max(deadline - loop.time(), 0.001))
        except TimeoutError:
            client.hang_up(404, "auth timeout")
            break
        if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        client.hear(frame)
    try:
        await socket.receive(LAST_WORD_S)
    except TimeoutError:
        pass


class _Client:
    """One connection."""

    def __init__(self, floor: Floor, line: Line, codec: Codec) -> None:
        self._floor = floor
        self._line = line
        self._codec = codec
        self._subscribed = Subscriptions()
        self._tasks: list[asyncio.Task[None]] = []
        self._minute = floor.host.now() // bars.MINUTE
        self.account: str | None = None
        self.over = False

    def say(self, messages: Sequence[Message], symbol: str = "") -> None:
        """One frame; every frame is a list."""
        self._line.send(self._codec.frame(messages), symbol)

    def hang_up(self, code: int, text: str) -> None:
        """Says why, and that this is the end."""
        self.say([_error(code, text)])
        self.over = True

    def hear(self, frame: WSMessage) -> None:
        """A message of the client."""
        try:
            message = self._codec.read(frame)
        except Garbled:
            message = None
        action = message.get("action") if isinstance(message, dict) else None
        if not isinstance(message, dict) or action not in ("auth", "subscribe", "unsubscribe"):
            self.say([_error(400, "invalid syntax")])
        elif action == "auth":
            self.authenticate(message.get("key"), message.get("secret"))
        elif self.account is None:
            self.say([_error(401, "not authenticated")])
        else:
            self._subscribe(message)

    def authenticate(self, key: object, secret: object) -> None:
        """Lets the client in, once; where the venue allows one connection an account, the first keeps it."""
        if self.account is not None:
            self.say([_error(403, "already authenticated")])
            return
        account = account_of(self._floor.host, DIALECT, key, secret)
        if account is None:
            self.hang_up(402, "auth failed")
        elif self._floor.host.faults.weather.one_market_stream and self._floor.streaming[account]:
            self.hang_up(406, "connection limit exceeded")
        else:
            self.account = account
            self._floor.streaming[account] += 1
            self.say([_success("authenticated")])

    async def leave(self) -> None:
        """Is told nothing any more."""
        if self.account is not None:
            self._floor.streaming[self.account] -= 1
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _subscribe(self, message: dict[str, object]) -> None:
        try:
            self._subscribed.change(message)
        except Wrong as wrong:
            self.say([_error(wrong.code, wrong.text)])
            return
        self.say([self._subscribed.message()])
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(feeding(work, self._line)) for work in (self._watch_market(), self._watch_halts())]

    async def _watch_market(self) -> None:
        market = self._floor.host.market()
        try:
            async for events in market:
                for symbol, messages in self._of(events).items():
                    self.say(messages, symbol)
                self._tell_bars()
        finally:
            market.close()

    def _of(self, events: Iterable[MarketEvent]) -> dict[str, list[Message]]:
        """What is told of a batch, by symbol: a frame for each, so that a fault can be aimed at one."""
        told: dict[str, list[Message]] = {}
        wants, stamp = self._subscribed.wants, self._codec.stamp
        for event in events:
            if event.symbol not in self._floor.listings:
                continue
            if isinstance(event, Quote) and wants("quotes", event.symbol):
                told.setdefault(event.symbol, []).append({"T": "q", "S": event.symbol, **quote_json(event, stamp)})
            elif isinstance(event, TradeTick) and wants("trades", event.symbol):
                told.setdefault(event.symbol, []).append({"T": "t", "S": event.symbol, **trade_json(event, stamp)})
        return told

    def _tell_bars(self) -> None:
        """The minutes that have ended since the last time, and the day so far."""
        minute, since = self._floor.host.now() // bars.MINUTE, self._minute
        if minute == since:
            return
        self._minute = minute
        tape, stamp = self._floor.host.tape, self._codec.stamp
        for symbol in self._floor.listings if self._subscribed.any("bars") or self._subscribed.any("dailyBars") else ():
            found = tape.bars(symbol, "1m", since * bars.MINUTE, minute * bars.MINUTE, minute - since)
            told: list[Message] = []
            if self._subscribed.wants("bars", symbol):
                told += [{"T": "b", "S": symbol, **bar_json(bar, stamp)} for bar in found]
            if found and self._subscribed.wants("dailyBars", symbol):
                days = bars.newest(tape, symbol, bars.timeframe("1Day"), self._floor.host.now())
                told += [{"T": "d", "S": symbol, **bar_json(day, stamp)} for day in days]
            if told:
                self.say(told, symbol)

    async def _watch_halts(self) -> None:
        reports = self._floor.host.reports("")
        try:
            async for report in reports:
                if report.kind in ("halted", "resumed") and self._subscribed.wants("statuses", report.symbol):
                    self.say([self._status(report)], report.symbol)
        finally:
            reports.close()

    def _status(self, report: Report) -> Message:
        what = _HALTED if report.kind == "halted" else _RESUMED
        return {"T": "s", "S": report.symbol, **what, "t": self._codec.stamp(report.at), "z": TAPE}


def _success(text: str) -> Message:
    return {"T": "success", "msg": text}


def _error(code: int, text: str) -> Message:
    return {"T": "error", "code": code, "msg": text}

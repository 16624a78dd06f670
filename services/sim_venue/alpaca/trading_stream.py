"""/stream: what happens to the account's orders, as it happens. Nothing is repeated: who was away asks the activities.

Frames to the client are binary and hold JSON, as those of Alpaca's paper venue; MessagePack for who asks for it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from aiohttp import WSMsgType, web

from libs.quant.sim_venue.orders import Order
from libs.quant.sim_venue.reports import Report
from services.sim_venue.alpaca.authentication import account_of, of_headers
from services.sim_venue.alpaca.codec import Codec, Garbled, Json, MessagePack, wants_message_pack
from services.sim_venue.alpaca.door import DIALECT, Floor
from services.sim_venue.alpaca.feeding import feeding
from services.sim_venue.alpaca.trade_updates import events
from services.sim_venue.lines import Line, accept

AUTHENTICATES_WITHIN_S: Final = 10.0
UPDATES: Final = "trade_updates"
HEARTBEAT_S: Final = 60.0
MOST_BYTES: Final = 64 * 1024


async def trading_stream(floor: Floor, request: web.Request) -> web.StreamResponse:
    """GET /stream"""
    socket = await accept(request, heartbeat_s=HEARTBEAT_S, most_bytes=MOST_BYTES)
    codec: Codec = MessagePack() if wants_message_pack(request.headers) else Json(binary=True)
    line = floor.host.lines.open(socket, DIALECT, "orders")
    client = _Client(floor, line, codec, request.headers)
    stranger = asyncio.get_running_loop().call_later(AUTHENTICATES_WITHIN_S, client.hang_up_on_a_stranger)
    try:
        async for frame in socket:
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            try:
                client.hear(codec.read(frame))
            except Garbled:
                client.say("error", {"error": "invalid syntax"})
    finally:
        stranger.cancel()
        await client.leave()
        await line.close()
    return socket


class _Client:
    """One connection, and what it listens to."""

    def __init__(self, floor: Floor, line: Line, codec: Codec, headers: Mapping[str, str]) -> None:
        self._floor = floor
        self._line = line
        self._codec = codec
        pair = of_headers(headers)
        self._account = account_of(floor.host, DIALECT, *pair) if pair is not None else None
        self._listening: asyncio.Task[None] | None = None

    def hear(self, said: object) -> None:
        """A message of the client: who it is, or what it wants to hear."""
        message = said if isinstance(said, dict) else {}
        action, data = message.get("action"), message.get("data")
        if action in ("auth", "authenticate"):
            self._authenticate(action, message, data if isinstance(data, dict) else {})
        elif action == "listen" and self._account is None:
            self.say("authorization", {"action": "listen", "status": "unauthorized"})
        elif action == "listen":
            streams = data.get("streams") if isinstance(data, dict) else None
            self._listen(self._account or "", isinstance(streams, list) and UPDATES in streams)
        else:
            self.say("error", {"error": "unknown action"})

    def say(self, stream: str, data: object, symbol: str = "") -> None:
        """A message to the client."""
        self._line.send(self._codec.frame({"stream": stream, "data": data}), symbol)

    def hang_up_on_a_stranger(self) -> None:
        """The time to say who it is has passed."""
        if self._account is None:
            self._line.hang_up()

    async def leave(self) -> None:
        """Listens to nothing any more."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None

    def _authenticate(self, action: str, message: Mapping[str, object], data: Mapping[str, object]) -> None:
        """Alpaca documents one form, `key` and `secret`, and its Python client sends the older one."""
        key = message.get("key", data.get("key_id"))
        secret = message.get("secret", data.get("secret_key"))
        self._account = account_of(self._floor.host, DIALECT, key, secret)
        status = "unauthorized" if self._account is None else "authorized"
        self.say("authorization", {"action": action, "status": status})

    def _listen(self, account: str, wanted: bool) -> None:
        if wanted and self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(feeding(self._tell(account), self._line))
        elif not wanted and self._listening is not None:
            self._listening.cancel()
            self._listening = None
        self.say("listening", {"streams": [UPDATES] if wanted else []})

    async def _tell(self, account: str) -> None:
        """The account's reports from now on. The position after each is counted along: reads may already know of later ones."""
        host = self._floor.host
        reports, known = host.reports(account), host.view.n
        positions = defaultdict(int, self._floor.account(account).positions)
        try:
            async for report in reports:
                if report.n > known:
                    positions[report.symbol] += report.position
                self._tell_of(report, positions[report.symbol])
        finally:
            reports.close()

    def _tell_of(self, report: Report, position: int) -> None:
        listing, order = self._floor.listings.get(report.symbol), self._order(report)
        if listing is not None and order is not None:
            for event in events(report, order, listing, position):
                self.say(UPDATES, event, report.symbol)

    def _order(self, report: Report) -> Order | None:
        """The order that a report is about; those that take executions back name only the execution."""
        if report.order is not None or report.execution is None:
            return report.order
        return self._floor.account(report.account).orders.get(report.execution.order)

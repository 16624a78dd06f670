"""The smallest dialect: JSON in, commands out. For tests of what is around every dialect."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from libs.quant.sim_venue.commands import Cancel, Submit
from libs.quant.sim_venue.orders import NewOrder
from services.sim_venue.host import NUMBER, Host, Origin, serves
from services.sim_venue.lines import accept
from tests.sim_venues import SimVenue, a_sim_venue

ACCOUNT = "demo-alpaca"


class PlainDialect:
    """Orders of one account, under /plain."""

    name = "plain"
    prefix = "/plain"

    def __init__(self, host: Host) -> None:
        self._host = host

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.post("/orders", self.submit),
            web.get("/orders/{id}", self.read),
            web.delete("/orders/{id}", self.cancel),
            web.get("/stream", self.stream),
            web.get("/broken", self.broken),
        ]

    def fault_answer(self, status: int) -> web.Response:
        return web.json_response({"plain": status}, status=status)

    async def client_order_id(self, request: web.Request) -> str:
        if "id" in request.match_info:
            return request.match_info["id"]
        try:
            return str(msgspec.json.decode(await request.read())["client_order_id"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return ""

    @serves("order_submit")
    async def submit(self, request: web.Request) -> web.Response:
        try:
            order = msgspec.json.decode(await request.read(), type=NewOrder)
        except msgspec.DecodeError as error:
            return web.json_response({"plain": 400, "why": str(error)}, status=400)
        return await self._do(Submit(account=ACCOUNT, orders=(order,)), request)

    @serves("order_cancel")
    async def cancel(self, request: web.Request) -> web.Response:
        order = self._host.view.accounts[ACCOUNT].order_of(request.match_info["id"])
        return await self._do(Cancel(account=ACCOUNT, order=order.id if order else 0), request)

    @serves("order_read")
    async def read(self, request: web.Request) -> web.Response:
        order = self._host.view.accounts[ACCOUNT].order_of(request.match_info["id"])
        return self.fault_answer(404) if order is None else _json(order)

    async def broken(self, _: web.Request) -> web.Response:
        raise RuntimeError("a defect")

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = await accept(request, heartbeat_s=60.0, most_bytes=1024 * 1024)
        line = self._host.lines.open(socket, self.name, "orders")
        line.send("hello")
        async for message in socket:
            line.send(str(message.data), symbol="AAPL")
        await line.close()
        return socket

    async def _do(self, command: Any, request: web.Request) -> web.Response:
        outcome = await self._host.execute(command, Origin(self.name, request[NUMBER]))
        if outcome.refusal is not None:
            return web.json_response({"plain": 422, "code": outcome.refusal.code}, status=422)
        return _json(outcome.reports)


@asynccontextmanager
async def a_plain_venue() -> AsyncIterator[SimVenue]:
    """A venue that speaks nothing else, and shows AAPL at 100.00 to 100.10."""
    async with a_sim_venue(dialects=[PlainDialect]) as venue:
        await venue.quote("AAPL", 100.0, 100.1)
        yield venue


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")

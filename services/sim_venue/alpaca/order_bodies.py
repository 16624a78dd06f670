"""The bodies of order requests. Numbers may come as numbers or as strings, and are taken digit by digit, never through a float."""

from decimal import Decimal
from typing import TypeVar

import msgspec

from services.sim_venue.alpaca.errors import bad_format


class TakeProfit(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bracket takes its profit."""

    limit_price: Decimal | None = None


class StopLoss(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bracket gives up; with a limit price it becomes a limit order there."""

    stop_price: Decimal | None = None
    limit_price: Decimal | None = None


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v2/orders. Numbers may come as numbers or as strings, and are taken digit by digit."""

    symbol: str = ""
    qty: Decimal | None = None
    notional: Decimal | None = None
    side: str = ""
    type: str = ""
    time_in_force: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool | None = None
    client_order_id: str | None = None
    order_class: str | None = None
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None
    position_intent: str | None = None


class ReplaceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of PATCH /v2/orders/{id}. What is not said stays."""

    qty: Decimal | None = None
    time_in_force: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    client_order_id: str | None = None


S = TypeVar("S", bound=msgspec.Struct)


def read_order(body: bytes) -> OrderRequest:
    """The request, or the 400 that says it is none."""
    return _read(body, OrderRequest)


def read_replace(body: bytes) -> ReplaceRequest:
    """The request, or the 400 that says it is none."""
    return _read(body, ReplaceRequest)


def _read(body: bytes, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_format() from error

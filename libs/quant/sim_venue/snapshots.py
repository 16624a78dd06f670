"""The core's whole state as bytes, and back. Only of this version and for the same listings."""

from array import array
from collections.abc import Mapping
from decimal import Decimal
from heapq import heapify
from typing import Final

import msgspec

from libs.domain.orders import Side
from libs.quant.exchange.book import Moment
from libs.quant.sim_venue.book import Half
from libs.quant.sim_venue.listings import Agents, Listing, VenueRules
from libs.quant.sim_venue.orders import Execution
from libs.quant.sim_venue.state import FOREVER, Account, Core, Crowd, Group, Live, Market, fingerprint

VERSION: Final = "sim_venue core 1"

_Row = tuple[int, int, int, str, str, str, Side, int, int, Decimal, str, bool, int, int]
"""An execution without the names of its fields: there may be very many."""

_Levels = list[tuple[int, list[tuple[int, int]]]]


class _Market(msgspec.Struct, array_like=True):
    halted: bool
    heard: dict[str, Moment]
    bid: tuple[int, int] | None
    ask: tuple[int, int] | None
    last: int | None
    open: dict[str, list[int]]
    bids: _Levels
    asks: _Levels
    street: dict[Side, int]
    unshown: bool
    stops: list[int]
    waiting: list[int]
    crowd: Crowd


class _State(msgspec.Struct, array_like=True):
    seed: int
    rules: VenueRules
    agents: Agents | None
    now: int
    told: int
    trades: int
    accounts: list[Account]
    live: list[Live]
    groups: dict[int, Group]
    markets: dict[str, _Market]
    owners: bytes
    busted: list[int]
    executions: list[_Row]


class _Snapshot(msgspec.Struct, array_like=True):
    version: str
    listings: str
    state: msgspec.Raw = msgspec.Raw(b"")


def taken(core: Core) -> bytes:
    """All of the core's state, between two inputs."""
    state = _State(
        seed=core.seed,
        rules=core.rules,
        agents=core.agents,
        now=core.now,
        told=core.told,
        trades=core.trades,
        accounts=[msgspec.structs.replace(account, live={}) for account in core.accounts.values()],
        live=list(core.live.values()),
        groups=core.groups,
        markets={symbol: _market(market) for symbol, market in core.markets.items()},
        owners=core.owners.tobytes(),
        busted=sorted(core.busted),
        executions=[msgspec.structs.astuple(execution) for execution in core.executions],
    )
    return msgspec.msgpack.encode(_Snapshot(VERSION, core.fingerprint, msgspec.Raw(msgspec.msgpack.encode(state))))


def restored(listings: Mapping[str, Listing], snapshot: bytes) -> Core:
    """The core as it was.

    Raises:
        ValueError: no snapshot of this version, or of other listings; the message says which.
    """
    try:
        outer = msgspec.msgpack.decode(snapshot, type=_Snapshot)
        if outer.version != VERSION:
            raise ValueError(f"a snapshot of {outer.version!r}, this is {VERSION!r}")
        if outer.listings != fingerprint(listings):
            raise ValueError("a snapshot of a venue that lists other instruments, or these on other terms")
        state = msgspec.msgpack.decode(outer.state, type=_State)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no snapshot of {VERSION!r}: {error}") from error
    core = Core(listings, state.seed, state.rules, state.agents)
    core.now, core.told, core.trades = state.now, state.told, state.trades
    core.owners = array("I", state.owners)
    core.busted = set(state.busted)
    core.executions = [_execution(row) for row in state.executions]
    core.groups = state.groups
    core.names = [account.name for account in state.accounts]
    core.accounts = {account.name: account for account in state.accounts}
    for live in state.live:
        core.live[live.order.id] = core.accounts[live.order.account].live[live.order.id] = live
    core.ends = [(live.end, live.order.id) for live in state.live if live.end != FOREVER]
    heapify(core.ends)
    for symbol, kept in state.markets.items():
        _fill(core, core.markets[symbol], kept)
    return core


def _market(market: Market) -> _Market:
    return _Market(
        halted=market.halted,
        heard=market.heard,
        bid=market.bid,
        ask=market.ask,
        last=market.last,
        open={account: list(orders) for account, orders in market.open.items()},
        bids=_levels(market.book.bids),
        asks=_levels(market.book.asks),
        street=market.street,
        unshown=market.unshown,
        stops=list(market.stops),
        waiting=list(market.waiting),
        crowd=market.crowd,
    )


def _fill(core: Core, market: Market, kept: _Market) -> None:
    market.halted, market.heard, market.bid, market.ask, market.last = kept.halted, kept.heard, kept.bid, kept.ask, kept.last
    market.open = {account: {n: core.live[n] for n in orders} for account, orders in kept.open.items()}
    market.street, market.unshown, market.crowd = kept.street, kept.unshown, kept.crowd
    market.stops = {n: core.live[n] for n in kept.stops}
    market.waiting = {n: core.live[n] for n in kept.waiting}
    for half, levels in ((market.book.bids, kept.bids), (market.book.asks, kept.asks)):
        for ticks, entries in levels:
            for key, lots in entries:
                half.add(ticks, key, lots)


def _levels(half: Half) -> _Levels:
    return [(ticks, list(half.levels[ticks].items())) for ticks in half.every()]


def _execution(row: _Row) -> Execution:
    return Execution(**dict(zip(Execution.__struct_fields__, row, strict=True)))  # type: ignore[arg-type]

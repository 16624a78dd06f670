"""The whole venue at one line of its log, in a file: a start reads it instead of everything that was before."""

import logging
import os
import zlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from libs.domain.books import Position
from libs.quant.sim_venue.commands import OpenAccount
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Execution, Order
from libs.quant.sim_venue.reports import Report
from libs.quant.sim_venue.view import AccountView, View
from libs.venues.line_file import flush_directory
from services.sim_venue.credentials import Credential
from services.sim_venue.faults import Weather
from services.sim_venue.log import Began
from services.sim_venue.tape import SymbolKept

log = logging.getLogger(__name__)

VERSION: Final = 2
KEPT: Final = 2  # files: the newest, and one to fall back on
_NAME: Final = "snapshot-{:012}.msgpack"


class AccountKept(msgspec.Struct, frozen=True, kw_only=True):
    """An account as readers see it."""

    name: str
    opened_at: int
    terms: OpenAccount
    orders: list[Order]
    executions: list[Execution]
    busted: list[int]
    activity: list[Report]
    balances: dict[str, Decimal]
    positions: dict[str, int]
    costs: dict[str, Position]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything after line `n` of the log."""

    version: int
    n: int
    began: Began
    exchange: bytes
    reported: int
    halted: list[str]
    accounts: list[AccountKept]
    tape: list[SymbolKept]
    credentials: list[Credential]
    weather: Weather
    requests: int
    of_ids: dict[str, dict[str, int]]


class Restored(NamedTuple):
    """A venue from a snapshot."""

    kept: Snapshot
    exchange: Exchange
    view: View


def accounts_of(view: View) -> list[AccountKept]:
    """All accounts of a view, to be kept."""
    return [
        AccountKept(
            name=account.name,
            opened_at=account.opened_at,
            terms=account.terms,
            orders=list(account.orders.values()),
            executions=list(account.executions.values()),
            busted=sorted(account.busted),
            activity=account.activity,
            balances=dict(account.balances),
            positions=dict(account.positions),
            costs=account.costs,
        )
        for account in view.accounts.values()
    ]


def write(folder: Path, snapshot: Snapshot) -> None:
    """Puts it on disk, whole or not at all, and forgets older ones; blocks."""
    data = msgspec.msgpack.encode(snapshot)
    path = folder / _NAME.format(snapshot.n)
    making = path.with_suffix(".making")
    with open(making, "wb", opener=_private) as file:
        file.write(zlib.crc32(data).to_bytes(4, "big") + data)
        file.flush()
        os.fsync(file.fileno())
    making.replace(path)
    flush_directory(folder)
    for old in sorted(folder.glob("snapshot-*.msgpack"))[:-KEPT]:
        old.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)  # keys and their secrets are in it


def newest(folder: Path, began: Began, listings: Mapping[str, Listing]) -> Restored | None:
    """The venue of the newest snapshot that can be read; None without one. Those that cannot are passed over, with a warning."""
    for path in sorted(folder.glob("snapshot-*.msgpack"), reverse=True):
        try:
            kept = _read(path)
            if (kept.version, kept.began) != (VERSION, began):
                raise ValueError(f"it is of version {kept.version} and {kept.began}")
            return Restored(kept, Exchange.restore(listings, kept.exchange), _view(listings, kept))
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.warning("%s cannot be used, an older one or the whole log is: %s", path, error)
    return None


def _read(path: Path) -> Snapshot:
    data = path.read_bytes()
    if zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
        raise ValueError("its checksum is wrong")
    return msgspec.msgpack.decode(data[4:], type=Snapshot)


def _view(listings: Mapping[str, Listing], kept: Snapshot) -> View:
    view = View(listings)
    view.n = kept.reported
    view.halted.update(kept.halted)
    for account in kept.accounts:
        view.accounts[account.name] = _account(account)
    return view


def _account(kept: AccountKept) -> AccountView:
    account = AccountView(kept.name, kept.opened_at)
    account.terms = kept.terms
    for order in kept.orders:
        account.orders[order.id] = order
        account.by_client_id.setdefault(order.asked.client_order_id, []).append(order.id)
        if order.live:
            account.open[order.id] = order
    for execution in kept.executions:
        account.executions[execution.id] = execution
        account.of_order[execution.order].append(execution.id)
    account.busted.update(kept.busted)
    account.activity.extend(kept.activity)
    account.balances.update(kept.balances)
    account.positions.update(kept.positions)
    account.costs.update(kept.costs)
    return account

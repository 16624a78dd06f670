"""What clients ask of orders: each does it, or says why not."""

import msgspec

from libs.quant.sim_venue import admission, lifecycle
from libs.quant.sim_venue.commands import Cancel, CancelAll, Halt, Refusal, Replace, Submit
from libs.quant.sim_venue.listings import SelfTrade
from libs.quant.sim_venue.orders import NewOrder, Order, Shape
from libs.quant.sim_venue.sessions import end_of
from libs.quant.sim_venue.settling import settle
from libs.quant.sim_venue.state import Account, Core, Group, Live


def submit(core: Core, command: Submit) -> Refusal | None:
    """Takes one order, or those of a shape."""
    account = core.accounts.get(command.account)
    if account is None:
        return Refusal("unknown_account", f"there is no account {command.account!r}")
    refusal = admission.refusal_of(core, account, command)
    if refusal is not None:
        return refusal
    shape, first = command.shape, len(core.owners)
    mode = command.self_trade or account.self_trade
    group = 0 if shape == "simple" else first
    if group:
        ids = list(range(first, first + len(command.orders)))
        core.groups[group] = Group(rest=ids) if shape == "oco" else Group(first=first, rest=ids[1:])
    for n, asked in enumerate(command.orders):
        held = n > 0 and shape in ("oto", "bracket")
        lifecycle.take(core, account, _live(core, account, asked, mode, held=held, group=group, shape=shape))
    return None


def cancel(core: Core, command: Cancel) -> Refusal | None:
    """Ends an order of the account, and those that it cancels."""
    found = _found(core, command.account, command.order)
    if isinstance(found, Refusal):
        return found
    lifecycle.end(core, found, "canceled")
    return None


def cancel_all(core: Core, command: CancelAll) -> Refusal | None:
    """Ends all of them; held ones first, so that none goes live by the end of another."""
    account = core.accounts.get(command.account)
    if account is None:
        return None
    wanted = [live for live in account.live.values() if command.symbol in (None, live.order.asked.symbol)]
    for live in sorted(wanted, key=lambda live: live.order.status != "held"):
        lifecycle.end(core, live, "canceled")
    return None


def replace(core: Core, command: Replace) -> Refusal | None:
    """Another order takes the place of one that is open or held."""
    found = _found(core, command.account, command.order)
    if isinstance(found, Refusal):
        return found
    account = core.accounts[command.account]
    asked = _replacement(found, command)
    refusal = admission.refusal_of_replacement(core, account, found, asked)
    if refusal is not None:
        return refusal
    old = found.order
    new = _live(core, account, asked, found.self_trade, held=old.status == "held", group=old.group, shape=old.shape)
    order = new.order
    order.filled, order.value, order.triggered, order.replaces = old.filled, old.value, old.triggered, old.id
    if command.stop is None and command.trail is None:
        order.stop = old.stop
    lifecycle.replace(core, account, found, new)
    return None


def halt(core: Core, command: Halt) -> Refusal | None:
    """Trading of a symbol stops or goes on; nothing happens where it is so already."""
    market = core.markets.get(command.symbol)
    if market is None:
        return Refusal("unknown_symbol", f"{command.symbol!r} is not listed")
    if market.halted != command.on:
        market.halted = command.on
        core.report("halted" if command.on else "resumed", symbol=command.symbol)
        settle(core, market)
    return None


def _found(core: Core, account: str, number: int) -> Live | Refusal:
    known = core.accounts.get(account)
    if known is None:
        return Refusal("unknown_account", f"there is no account {account!r}")
    live = known.live.get(number)
    if live is not None:
        return live
    if 0 < number < len(core.owners) and core.owners[number] == known.index:
        return Refusal("not_open", f"order {number} has ended")
    return Refusal("unknown_order", f"the account has no order {number}")


def _live(core: Core, account: Account, asked: NewOrder, mode: SelfTrade, *, held: bool, group: int, shape: Shape) -> Live:
    market = core.markets[asked.symbol]
    order = Order(
        id=len(core.owners),
        account=account.name,
        asked=asked,
        status="held" if held else "open",
        lots=asked.lots,
        stop=asked.stop,
        group=group,
        shape=shape,
        created_at=core.now,
        updated_at=core.now,
    )
    return Live(
        order=order,
        since=core.now,
        end=end_of(asked, market.instrument.calendar, core.now),
        self_trade=mode,
        hold_ticks=admission.hold_ticks(market, asked),
    )


def _replacement(old: Live, command: Replace) -> NewOrder:
    asked = old.order.asked
    changes = {name: value for name in ("lots", "limit", "stop", "trail", "tif") if (value := getattr(command, name)) is not None}
    changes.setdefault("lots", old.order.lots)
    if "trail" in changes:
        changes["trail_bps"] = None
    if command.tif is not None:
        changes["expires_at"] = None
    return msgspec.structs.replace(asked, client_order_id=command.client_order_id, **changes)

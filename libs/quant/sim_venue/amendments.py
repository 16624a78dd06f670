"""Executions that never happened, or at another price. Orders keep what they were told when they filled."""

from decimal import Decimal

import msgspec

from libs.quant.sim_venue.commands import Bust, Correct, Refusal
from libs.quant.sim_venue.fees import fee, moves
from libs.quant.sim_venue.ledger import deliver
from libs.quant.sim_venue.orders import Execution
from libs.quant.sim_venue.state import MOST, ZERO, Core


def bust(core: Core, command: Bust) -> Refusal | None:
    """Money and positions go back, on both sides of the trade, whatever they have become since."""
    sides = _sides(core, command.execution)
    if not sides:
        return _unknown(command.execution)
    for execution in sides:
        market, account = core.markets[execution.symbol], core.accounts[execution.account]
        changes, position = moves(market, execution)
        back = {name: -change for name, change in changes.items()}
        core.busted.add(execution.id)
        deliver(account, market, back, -position)
        core.report("bust", account=account.name, symbol=market.symbol, execution=execution, balances=back, position=-position)
    return None


def correct(core: Core, command: Correct) -> Refusal | None:
    """Both sides of the trade pay and are paid what the other price makes of it, fees included."""
    if not 0 < command.ticks <= MOST:
        return Refusal("bad_price", f"expected a price of 1 to {MOST} ticks, got {command.ticks}")
    sides = _sides(core, command.execution)
    if not sides:
        return _unknown(command.execution)
    for was in sides:
        market, account = core.markets[was.symbol], core.accounts[was.account]
        paid, currency = fee(market, was.side, was.lots, command.ticks, was.maker)
        execution = msgspec.structs.replace(was, ticks=command.ticks, fee=paid, fee_currency=currency)
        core.executions[was.id - 1] = execution
        changes = _difference(moves(market, execution)[0], moves(market, was)[0])
        deliver(account, market, changes, 0)
        core.report("correct", account=account.name, symbol=market.symbol, execution=execution, was=was, balances=changes)
    return None


def _sides(core: Core, number: int) -> list[Execution]:
    """The executions of the trade; none when there is no such execution, or it was busted. The two of a trade are neighbours."""
    if not 0 < number <= len(core.executions) or number in core.busted:
        return []
    trade = core.executions[number - 1].trade
    return [found for found in core.executions[max(0, number - 2) : number + 1] if found.trade == trade]


def _unknown(number: int) -> Refusal:
    return Refusal("unknown_execution", f"there is no execution {number}, or it was busted")


def _difference(after: dict[str, Decimal], before: dict[str, Decimal]) -> dict[str, Decimal]:
    changes = {name: after.get(name, ZERO) - before.get(name, ZERO) for name in (*after, *(name for name in before if name not in after))}
    return {name: change for name, change in changes.items() if change}

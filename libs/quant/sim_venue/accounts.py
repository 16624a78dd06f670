"""Accounts are opened, money comes and goes, the venue gets other rules."""

from decimal import Decimal
from typing import Final

from libs.quant.sim_venue import holding
from libs.quant.sim_venue.commands import Configure, OpenAccount, Refusal, Transfer
from libs.quant.sim_venue.ledger import pay
from libs.quant.sim_venue.state import MOST, ZERO, Account, Core

MOST_MONEY: Final = Decimal(10) ** 15
"""Of one balance, by deposit and transfer: with 12 decimals it stays exact in the 28 digits of Decimal."""


def open_account(core: Core, command: OpenAccount) -> Refusal | None:
    """Opens it, unless it is there already."""
    if command.account in core.accounts:
        return None
    refusal = _unfit(command)
    if refusal is not None:
        return refusal
    deposit = {name: amount for name, amount in command.deposit.items() if amount}
    core.accounts[command.account] = Account(
        name=command.account,
        index=len(core.names),
        kind=command.kind,
        allow_short=command.allow_short,
        leverage=command.leverage,
        self_trade=command.self_trade,
        balances=dict(deposit),
    )
    core.names.append(command.account)
    core.report("opened", account=command.account, balances=deposit, terms=command)
    return None


def transfer(core: Core, command: Transfer) -> Refusal | None:
    """Money or an asset comes in or leaves; no more leaves than is free."""
    account = core.accounts.get(command.account)
    if account is None:
        return Refusal("unknown_account", f"there is no account {command.account!r}")
    name, amount = command.currency, command.amount
    if not name or not countable(amount) or not amount:
        return Refusal("bad_quantity", f"expected an amount other than 0 with at most 12 decimals, got {amount} {name}")
    if amount < 0 and -amount > holding.free(account, name):
        return Refusal("insufficient_funds", f"{-amount} {name} should leave, {holding.free(account, name)} is free")
    if account.balances.get(name, ZERO) + amount > MOST_MONEY:
        return Refusal("bad_quantity", f"a balance of more than {MOST_MONEY} {name} is not kept")
    changes = {name: amount}
    pay(account, changes)
    core.report("transfer", account=account.name, balances=changes)
    return None


def configure(core: Core, command: Configure) -> Refusal | None:
    """Other rules from now on."""
    rules = command.rules
    if not 0 <= rules.most_lots_per_fill <= MOST or not 0 <= rules.latency_ns < 2**62:
        return Refusal("bad_quantity", f"expected most_lots_per_fill of 0 to {MOST} and latency_ns of 0 to {2**62 - 1}")
    core.rules = rules
    return None


def countable(amount: Decimal) -> bool:
    """Whether it can be added up exactly."""
    return amount.is_finite() and abs(amount) <= MOST_MONEY and amount == round(amount, 12)


def _unfit(command: OpenAccount) -> Refusal | None:
    if not command.account:
        return Refusal("unknown_account", "an account needs a name")
    for name, amount in command.deposit.items():
        if not name or not countable(amount) or amount < 0:
            return Refusal("bad_quantity", f"expected a deposit of 0 or more with at most 12 decimals, got {amount} {name}")
    if not (command.leverage.is_finite() and 0 < command.leverage <= 1000):
        return Refusal("bad_quantity", f"expected a leverage above 0 and at most 1000, got {command.leverage}")
    return None

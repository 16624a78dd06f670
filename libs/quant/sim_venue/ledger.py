"""Money, assets and positions change hands."""

from decimal import Decimal

from libs.quant.sim_venue.state import ZERO, Account, Market


def deliver(account: Account, market: Market, balances: dict[str, Decimal], position: int) -> None:
    """Moves money, assets and a position."""
    pay(account, balances)
    if position:
        held = account.positions.get(market.symbol, 0) + position
        if held:
            account.positions[market.symbol] = held
        else:
            del account.positions[market.symbol]


def pay(account: Account, balances: dict[str, Decimal]) -> None:
    """Moves money and assets."""
    for name, change in balances.items():
        account.balances[name] = account.balances.get(name, ZERO) + change

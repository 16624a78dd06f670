"""What an account is worth: the one function that sizes, live and in the backtester."""

from libs.quant.risk.view import View


def equity(view: View) -> float:
    """Cash of the ledger plus every position at the close of the newest bar known, in the base currency.

    Raises:
        LookupError: a position without a price, or money in a currency without a rate: no size can be trusted then.
    """
    total = 0.0
    for currency, amount in view.cash.items():
        if currency != view.base_currency and amount:
            raise LookupError(f"{amount} {currency} in cash and no rate to {view.base_currency}")
        total += float(amount)
    for (_, symbol), lots in view.positions.items():
        if lots:
            total += value(view, symbol, lots)
    return total


def value(view: View, symbol: str, lots: int) -> float:
    """Signed worth of a number of lots at the newest known close, base currency; LookupError without a price."""
    instrument = view.instruments.get(symbol)
    mark = view.marks.get(symbol)
    if instrument is None or mark is None:
        raise LookupError(f"a position in {symbol} and no price of it")
    if instrument.currency != view.base_currency:
        raise LookupError(f"{symbol} is priced in {instrument.currency} and there is no rate to {view.base_currency}")
    return float(instrument.quantity(lots)) * mark * float(instrument.multiplier)

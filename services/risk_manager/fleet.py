"""What the other accounts hold, in the money and the worst case of the one that asks."""

from collections import defaultdict

from libs.quant.risk.view import Others, View
from libs.store.fleet import FleetRow


def elsewhere(view: View, row: FleetRow) -> None:
    """Tells the view what the others hold, or why nobody can say."""
    try:
        view.others = others_of(row, view)
    except LookupError as error:
        view.others_unknown = str(error)


def others_of(row: FleetRow, view: View) -> Others:
    """The other accounts as a limit over all of them counts.

    Raises:
        LookupError: one is in another currency, or holds what has no price: nothing can be said then, and
            whoever asks has to refuse.
    """
    foreign = [currency for currency in row.currencies if currency != view.base_currency]
    if foreign:
        raise LookupError(f"a limit is for all accounts, and there is no rate from {foreign[0]} to {view.base_currency}")
    gross = low = high = 0.0
    positions: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for _, symbol, held, buys, sells in row.books:
        lot = view.value(symbol, 1) / view.grid(symbol).lot
        least, most = float(held - sells) * lot, float(held + buys) * lot
        gross += max(abs(least), abs(most))
        low, high = low + least, high + most
        below, above = positions[symbol]
        positions[symbol] = below + least, above + most
    return Others(row.equity, gross, low, high, dict(positions), row.open_orders, row.per_second, row.per_minute)

"""`fleet risk permit` and `permits`: one order that may be larger than usual, and what became of those that were named."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

import typer

from fleet import operating
from fleet.operating import USAGE, Answer, Hands, Json, ask
from libs.domain.orders import Side
from libs.store import permits
from libs.store.permits import Order, PermitStanding

SHOWN: Final = 20
LONGEST_S: Final = 86_400.0


def permit(
    account: Annotated[str, typer.Option(metavar="NAME", help="As in config/risk.toml, or its id.")],
    strategy: Annotated[str, typer.Option(metavar="ID", help="Whose order it is.")],
    symbol: Annotated[str, typer.Option(metavar="SYMBOL", help="Of what.")],
    side: Annotated[str, typer.Option(metavar="SIDE", help="buy or sell.")],
    quantity: Annotated[str, typer.Option(metavar="N", help="Shares, coins or contracts, at the most.")],
    reason: Annotated[str, typer.Option(help="Why: it stays on record.")],
    valid: Annotated[float, typer.Option(min=1.0, max=LONGEST_S, metavar="S", help="Seconds until it ends of itself.")] = 600.0,
    json: Json = False,
) -> None:
    """Let ONE order pass max_adv_share and max_order_to_median (RC-A06). Every other control still judges it."""

    async def work(hands: Hands) -> Answer:
        try:
            order = Order(account, strategy, symbol, _side(side), _quantity(quantity))
            given = await hands.control.permit(order, valid, reason, hands.by)
        except ValueError as error:
            return operating.failed(str(error), USAGE)
        return Answer(
            f"permit {given}: one order of {strategy} in {account} to {side} at most {order.quantity:f} {symbol} passes RC-A06"
            f" within {valid:g} s; what was refused already is not judged again",
            {"ok": True, "id": str(given), "valid_s": valid},
        )

    raise typer.Exit(ask(work, json=json))


def permits_command(json: Json = False) -> None:
    """Orders that may be larger than usual, and what became of those before."""

    async def work(hands: Hands) -> Answer:
        found = await permits.newest(hands.database, SHOWN)
        text = "\n".join(map(permit_text, found)) or "no order was ever permitted to be larger than usual"
        return Answer(text, {"permits": [row._asdict() for row in found]})

    raise typer.Exit(ask(work, json=json))


def permit_text(row: PermitStanding) -> str:
    """One line, and what became of it."""
    what = f"{row.strategy_id} in {row.account}: {row.side} at most {row.quantity.normalize():f} {row.symbol}"
    return f"{row.id}  {row.at:%Y-%m-%d %H:%M:%S}  {what} ({row.by}: {row.reason})\n          {_then(row)}"


def _then(row: PermitStanding) -> str:
    if row.used_at is not None:
        return f"used {row.used_at:%H:%M:%S} for signal {row.signal_id}"
    return f"open for {row.left_s:.0f} s" if row.open else f"ended {row.valid_until:%H:%M:%S}, unused"


def _side(text: str) -> Side:
    if text in ("buy", "sell"):
        return "buy" if text == "buy" else "sell"
    raise ValueError(f"expected buy or sell, got {text!r}")


def _quantity(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"expected a quantity, such as 500 or 0.25, got {text!r}") from None

"""`fleet orders costs`: what executing orders cost, by strategy, venue and symbol."""

from collections.abc import Sequence
from typing import Annotated

import typer

from fleet import operating
from fleet.operating import Answer, Hands, Json, ask
from fleet.tables import NONE, change, money, share, table
from libs.store.queries import costs
from libs.store.queries.costs import CostLine

AccountName = Annotated[str | None, typer.Option("--account", metavar="NAME", help="One account, also of an earlier session.")]


def command(account: AccountName = None, strategy: Annotated[str | None, typer.Option(metavar="ID")] = None, json: Json = False) -> None:
    """What executing orders cost: slippage against arrival, shortfall against the decision; positive is worse."""

    async def work(hands: Hands) -> Answer:
        worse = operating.risk().best_execution.worse
        found = await costs.costs(hands.database, worse, account=account, strategy=strategy)
        return Answer(costs_text(found, worse), {"costs": found, "worse": worse})

    raise typer.Exit(ask(work, json=json))


def costs_text(found: Sequence[CostLine], worse: float) -> str:
    """A line for each strategy, venue and symbol; `worse` as the figures were asked for."""
    if not found:
        return "no order has ended yet: `fleet orders status` shows what is on its way"
    measured = ("SLIPPAGE, bps", "MEDIAN", f"OVER {worse * 10_000:g}", "SHORTFALL", "FEES", "", "SENT, ms", "FILL, ms")
    head = ("ACCOUNT", "STRATEGY", "VENUE", "SYMBOL", "ORDERS", "FILLED", *measured)
    rows = [
        (
            line.account_id,
            line.strategy_id,
            line.venue,
            line.symbol,
            str(line.orders),
            share(line.fill_rate),
            _signed(line.slippage_bps_mean),
            _signed(line.slippage_bps_median),
            NONE if line.poor is None else share(line.poor),
            NONE if line.shortfall is None else change(line.shortfall),
            money(line.fees),
            line.currency,
            _ms(line.sent_ms_median),
            _ms(line.filled_ms_median),
        )
        for line in found
    ]
    return f"{table(head, rows, left=4)}\nof one order: `fleet explain ORDER_ID`; what the figures mean: docs/execution.md"


def _signed(bps: float | None) -> str:
    return NONE if bps is None else f"{bps:+.2f}"


def _ms(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f}"

"""`fleet backtest montecarlo`: how else the trades of a stored backtest could have come."""

from typing import Annotated, Final, Literal

import typer

from fleet import record
from fleet.operating import USAGE, Answer, Json, failed
from fleet.plan import FleetSettings
from fleet.tables import short
from libs.common.database import Database
from libs.quant.validation.trade_results import results_of
from libs.store import backtests

RUNS: Final = 10_000
"""A chance of 1 in 20 is then known to half a per cent."""


def command(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `fleet backtest results` lists it; its beginning will do.")],
    runs: Annotated[int, typer.Option(min=1, help="How often the backtest is drawn anew.")] = RUNS,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds draw equal runs.")] = 1,
    method: Annotated[
        Literal["trades", "blocks"],
        typer.Option(help="trades: drawn anew, and in another order; blocks: stretches of days in a row."),
    ] = "trades",
    json: Json = False,
) -> None:
    """What else could have come of a backtest's trades: equity, drawdown, Sharpe ratio and ruin over thousands of runs."""

    async def work(database: Database, _: FleetSettings) -> Answer:
        from fleet import backtest_redrawn  # numpy, which no other command shall wait for

        found = await backtests.found(database, id_)
        results = results_of(await backtests.trades(database, found.id))
        try:
            played = backtest_redrawn.play(found, results, method, runs, seed)
        except ValueError as error:
            return failed(f"backtest {short(found.id)}: {error}", USAGE)
        return Answer(backtest_redrawn.text(found, played), backtest_redrawn.data(found, played))

    raise typer.Exit(record.ask(work, json=json))

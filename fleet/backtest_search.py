"""`fleet backtest search`, `walk-forward` and `searches`: many backtests of one strategy, and whether the best of them can be believed."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
import typer

from fleet import record
from fleet.backtest_options import Asked, Load, taking
from fleet.operating import OK, REFUSED, Answer, Json, tell
from fleet.plan import FleetSettings
from fleet.search_options import INTERRUPTED, Walk, Wanted
from fleet.search_words import list_text, whole_text
from libs.common.database import Database
from libs.store import searches

FOUND: Final = frozenset({OK, REFUSED, INTERRUPTED})
"""Exit codes of searches that found something, though they may not have come to their end."""

Store = Annotated[bool, typer.Option("--store/--no-store", help="Keep all trials in the record, and count earlier ones.")]


def added(app: typer.Typer, options: Callable[..., Asked], load: Load) -> None:
    """Adds the commands.

    Args:
        options: of a backtest.
        load: reads its data.
    """

    @taking(options)
    def wanted(
        asked: Asked,
        strategy: Annotated[str | None, typer.Argument(metavar="[STRATEGY]", help="A file of libs/quant/strategies.")] = None,
        range_: Annotated[
            list[str] | None,
            typer.Option("--range", metavar="K=RANGE", help="fast=5:50:5, fast=5,10,20, x=0.1:2.0 or x=1e-4:1e-1:log; may be repeated."),
        ] = None,
        method: Annotated[
            str | None, typer.Option(metavar="HOW", help="grid, random or bayes; a grid where there are steps and no --trials.")
        ] = None,
        trials: Annotated[int | None, typer.Option(metavar="N", help="Of a search that draws; 100 if not said.")] = None,
        seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Equal seeds find the same.")] = 1,
        metric: Annotated[str, typer.Option(metavar="NAME", help="sharpe, total_return, return_over_drawdown or max_drawdown.")] = "sharpe",
        cv: Annotated[str, typer.Option(metavar="SCHEME", help="purged:5 or combinatorial:6:2.")] = "",
        workers: Annotated[int | None, typer.Option(min=1, max=1_024, help="Processes; all cores if not said.")] = None,
        ray: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Play on a Ray cluster: ray://HOST:PORT, auto or local.")] = None,
    ) -> Wanted:
        return Wanted(asked, range_ or [], method, trials, seed, metric, cv, workers, ray)

    @app.command("search")
    @taking(wanted)
    def search_command(wanted: Wanted, store: Store = True, json: Json = False) -> None:
        """Try many parameters of a strategy, and say whether the best of them can be believed."""
        _tell(_searched(wanted, None, load, store=store), json=json)

    @app.command("walk-forward")
    @taking(wanted)
    def walk_forward_command(
        wanted: Wanted,
        train: Annotated[str, typer.Option(metavar="250d", help="Length of each training: m, h, d or w.")],
        test: Annotated[str, typer.Option(metavar="50d", help="Length of each test, which begins where its training ends.")],
        anchored: Annotated[bool, typer.Option("--anchored", help="Every training begins with the data, and grows.")] = False,
        store: Store = True,
        json: Json = False,
    ) -> None:
        """Choose parameters on one window and trade them on the next, again and again, beside a search over all the data."""

        _tell(_searched(wanted, Walk(train, test, anchored), load, store=store), json=json)

    app.command("searches")(searches_command)


def _searched(wanted: Wanted, walk: Walk | None, load: Load, *, store: bool) -> Answer:
    from fleet.search_run import searched  # numpy, which it needs, takes longer to load than most commands take in all

    return searched(wanted, walk, load, store=store)


def _tell(answer: Answer, *, json: bool) -> None:
    """What was found goes to stdout, also of a search that did not come to its end."""
    raise typer.Exit(tell(answer, json=json, page=answer.code in FOUND))


def searches_command(
    id_: Annotated[str | None, typer.Argument(metavar="[ID]", help="Of one search; its beginning will do.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 20,
    json: Json = False,
) -> None:
    """What searches have found: all in a list, or one with its best trials."""

    async def several(database: Database, _: FleetSettings) -> Answer:
        found = await searches.listed(database, limit)
        return Answer(list_text(found), {"searches": found})

    async def one(database: Database, _: FleetSettings) -> Answer:
        found = await searches.found(database, id_ or "")
        built: Any = msgspec.to_builtins(found)
        return Answer(whole_text(found), built)

    raise typer.Exit(record.ask(several if id_ is None else one, json=json))

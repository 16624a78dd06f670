"""`fleet backtest search`, `walk-forward` and `searches`: many backtests of one strategy, and whether the best of them can be believed."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from fleet import record
from fleet.backtest_options import Asked, taking
from fleet.operating import Answer, Json, tell
from fleet.plan import FleetSettings
from fleet.search_run import FOUND, Load, Playing, searched
from fleet.search_words import list_text, search_text
from libs.common.database import Database
from libs.store import searches
from services.backtester.pool import cores
from services.backtester.search_spec import Forward, Method, SearchSpec, length_of, search_spec
from services.backtester.spec import Spec


class Wanted(NamedTuple):
    """What the options of a search ask for."""

    asked: Asked  # the backtest that each trial is
    spec: Callable[..., SearchSpec]  # (backtest, forward=...) -> the search
    playing: Playing


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
        def spec(backtest: Spec, forward: Forward | None) -> SearchSpec:
            how = _method(method)
            return search_spec(backtest, range_ or [], method=how, trials=trials, seed=seed, metric=metric, cv=cv, forward=forward)

        return Wanted(asked, spec, Playing(workers or cores(), ray))

    @app.command("search")
    @taking(wanted)
    def search_command(wanted: Wanted, store: Store = True, json: Json = False) -> None:
        """Try many parameters of a strategy, and say whether the best of them can be believed."""
        _tell(_searched(wanted, load, lambda: None, store=store), json=json)

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

        def forward() -> Forward:
            return Forward(train=length_of("--train", train), test=length_of("--test", test), anchored=anchored)

        _tell(_searched(wanted, load, forward, store=store), json=json)

    app.command("searches")(searches_command)


def _searched(wanted: Wanted, load: Load, forward: Callable[[], Forward | None], *, store: bool) -> Answer:
    def asked(settings: FleetSettings) -> SearchSpec:
        return wanted.spec(wanted.asked(settings), forward=forward())

    return searched(asked, wanted.playing, load, store=store)


def _tell(answer: Answer, *, json: bool) -> None:
    """What was found goes to stdout, also of a search that did not come to its end."""
    raise typer.Exit(tell(answer, json=json, page=answer.code in FOUND))


def _method(text: str | None) -> Method | None:
    try:
        return msgspec.convert(text, Method | None)  # type: ignore[no-any-return]
    except msgspec.ValidationError:
        raise ValueError(f"--method {text}: expected grid, random or bayes") from None


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
        return Answer(search_text(found.result, str(found.id)), built)

    raise typer.Exit(record.ask(several if id_ is None else one, json=json))

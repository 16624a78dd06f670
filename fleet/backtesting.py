"""`fleet backtest`: runs a strategy over recorded bars in this process, and reads what earlier runs have left in the record."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from os import environ
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import msgspec
import typer

from fleet import (
    backtest_carry,
    backtest_check,
    backtest_diff,
    backtest_montecarlo,
    backtest_report,
    backtest_search,
    backtest_spec,
    record,
)
from fleet.backtest_options import Asked, taking
from fleet.backtest_report import Files
from fleet.backtest_spec import WRONG
from fleet.backtest_words import list_text, result_text, whole_text
from fleet.operating import NOTHING_RUNS, OK, REFUSED, USAGE, Answer, Json, failed, tell
from fleet.plan import FleetSettings
from fleet.record import NoRecord
from fleet.time_left import TimeLeft
from libs.common.clocks import SystemClock
from libs.common.database import Database, Rejected, Unreachable
from libs.common.settings import ConfigError, from_environment
from libs.store import backtests
from libs.store.backtests import Outcome
from services.backtester.compiling import COMPILED
from services.backtester.data import Loaded, load, load_stored
from services.backtester.record import outcome_of
from services.backtester.reporting import report_of
from services.backtester.run import run, setup_of
from services.backtester.spec import Spec

app = typer.Typer(no_args_is_help=True, help="Try strategies on recorded bars, and look at what came of it.")

Text = str | None
Id = Annotated[str, typer.Argument(metavar="ID", help="As `fleet backtest results` lists it; its beginning will do.")]


def options(
    strategy: Annotated[Text, typer.Option(metavar="NAME", help="A file of libs/quant/strategies.")] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A parameter of it; may be repeated.")] = None,
    config: Annotated[bool, typer.Option("--config", help="All enabled strategies, limits and terms of config/.")] = False,
    account: Annotated[Text, typer.Option(metavar="NAME", help="With --config: whose strategies, where there are several.")] = None,
    spec: Annotated[Path | None, typer.Option(metavar="FILE.json", help="What is asked for as JSON; options go before it.")] = None,
    data: Annotated[Text, typer.Option(metavar="FILE", help="Bars: .csv, .csv.gz or .parquet.")] = None,
    actions: Annotated[Text, typer.Option(metavar="FILE", help="Splits and dividends of a file of bars.")] = None,
    funding: Annotated[Text, typer.Option(metavar="FILE", help="Recorded funding rates of perpetuals.")] = None,
    symbol: Annotated[Text, typer.Option(help="What a file without a column symbol holds.")] = None,
    calendar: Annotated[
        Text, typer.Option(metavar="NAME", help="When a file's market is open: us_equity, cme_globex, forex, 24/7.")
    ] = None,
    replay: Annotated[Text, typer.Option(metavar="NAME", help="A recorded market of MARKET_DATA_DIR.")] = None,
    symbols: Annotated[Text, typer.Option(metavar="A,B", help="Bars that a fleet has stored.")] = None,
    venue: Annotated[Text, typer.Option(help="Of stored bars, where several have them.")] = None,
    start: Annotated[Text, typer.Option(metavar="D", help="First day or moment, UTC.")] = None,
    end: Annotated[Text, typer.Option(metavar="D", help="Last day, or the moment at which it ends, UTC.")] = None,
    timeframe: Annotated[Text, typer.Option(metavar="1h", help="That strategies run on; made of finer bars where need be.")] = None,
    cash: Annotated[Text, typer.Option(metavar="N", help="Deposit of the account; 100000 if not said.")] = None,
    fee_bps: Annotated[Text, typer.Option(metavar="X", help="Fee, of the notional.")] = None,
    fee_per_unit: Annotated[Text, typer.Option(metavar="X", help="Fee per share, coin or contract.")] = None,
    slippage_bps: Annotated[Text, typer.Option(metavar="X", help="Every price is so much worse.")] = None,
    half_spread_bps: Annotated[Text, typer.Option(metavar="X", help="Prices of trade bars are so much worse.")] = None,
    participation: Annotated[Text, typer.Option(metavar="X", help="Share of shown size or volume that is ours; 1 is all.")] = None,
    cash_rate: Annotated[Text, typer.Option(metavar="X", help="Per cent a year on idle cash.")] = None,
    margin_rate: Annotated[Text, typer.Option(metavar="X", help="Per cent a year on what cash is short of.")] = None,
    borrow_rate: Annotated[Text, typer.Option(metavar="X", help="Per cent a year on what is sold short.")] = None,
    funding_rate: Annotated[Text, typer.Option(metavar="X", help="Per cent each 8 hours that longs of perpetuals pay.")] = None,
    latency_ms: Annotated[Text, typer.Option(metavar="X", help="From decision to venue; matters on quotes.")] = None,
    sizing: Annotated[Text, typer.Option(metavar="RULE", help="How large: equity, fixed:UNITS, ...; docs/sizing.md.")] = None,
    allocation: Annotated[Text, typer.Option(metavar="F", help="Share of equity per symbol at target 1; 0.2 if not said.")] = None,
    risk: Annotated[Text, typer.Option(metavar="on|off", help="The fleet's risk controls; on if not said.")] = None,
    fill: Annotated[Text, typer.Option(metavar="next_open", help="What a market order fills on.")] = None,
    allow_short: Annotated[bool, typer.Option("--allow-short", help="Targets below 0 are sold short.")] = False,
    entry: Annotated[Text, typer.Option(metavar="KIND", help="market, limit:BPS, stop:BPS or stop_limit:BPS:BPS; risk off.")] = None,
    stop_loss: Annotated[Text, typer.Option(metavar="BPS", help="A stop so far below the cost of what is held.")] = None,
    take_profit: Annotated[Text, typer.Option(metavar="BPS", help="A limit so far above it.")] = None,
    trailing_stop: Annotated[Text, typer.Option(metavar="BPS", help="A stop that follows the price at this distance.")] = None,
    engine: Annotated[Text, typer.Option(metavar="HOW", help="event, compiled, or auto: where it pays. Equal results.")] = None,
    quality: Annotated[Text, typer.Option(metavar="HOW", help="Odd data: label, strict (refuse) or off; docs/data-quality.md.")] = None,
) -> Asked:
    """What the options of every command that runs backtests ask for."""

    def asked(settings: FleetSettings) -> Spec:
        if account is not None and not config:
            raise ValueError(
                f"--account {account}: it says whose strategies --config runs; --data and the like without --config have no account"
            )
        base: dict[str, Any] = {} if spec is None else backtest_spec.from_file(spec)
        if config:
            base |= backtest_spec.from_configuration(Path(settings.config_dir), settings.environment, account)
        given = {
            "strategy": strategy,
            "params": backtest_spec.params(param) if param else None,
            "data": data,
            "actions": actions,
            "funding": funding,
            "symbol": symbol,
            "calendar": calendar,
            "replay": replay,
            "symbols": [name for name in symbols.split(",") if name] if symbols is not None else None,
            "venue": venue,
            "start": start,
            "end": end,
            "timeframe": timeframe,
            "cash": cash,
            "fee_bps": fee_bps,
            "fee_per_unit": fee_per_unit,
            "slippage_bps": slippage_bps,
            "half_spread_bps": half_spread_bps,
            "participation": participation,
            "latency_ms": latency_ms,
            "financing": backtest_carry.financing(
                base, cash_rate=cash_rate, margin_rate=margin_rate, borrow_rate=borrow_rate, funding_rate=funding_rate
            ),
            "sizing": sizing,
            "allocation": allocation,
            "risk": backtest_spec.switch("--risk", risk) if risk is not None else None,
            "fill": fill,
            "engine": engine,
            "quality": quality,
            "allow_short": allow_short or None,
            "entry": backtest_spec.entry(entry) if entry is not None else None,
            "exits": backtest_spec.exits(stop_bps=stop_loss, target_bps=take_profit, trail_bps=trailing_stop) or None,
        }
        return backtest_spec.spec_of(base, {name: value for name, value in given.items() if value is not None})

    return asked


@app.command("run")
@taking(options)
def run_command(
    asked: Asked,
    store: Annotated[bool, typer.Option("--store/--no-store", help="Keep the result in the record.")] = True,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a page about it, whole in itself.")] = None,
    report_json: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write what that page says as JSON.")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON line on stdout.")] = False,
) -> None:
    """Run a backtest here and now; no fleet is needed."""
    raise typer.Exit(tell(_run(asked, Files(report, report_json), store=store), json=json))


def _run(asked: Asked, files: Files, *, store: bool) -> Answer:
    try:
        settings = from_environment(FleetSettings, environ)
        spec = asked(settings)
        limits = backtest_spec.limits(Path(settings.config_dir), settings.environment) if spec.risk and spec.limits is None else []
        with ExitStack() as stack:
            url = stack.enter_context(record.opened(settings, to_write=False)) if spec.symbols else None
            loaded = _loaded(spec, settings, url)
            answer = run(spec, loaded, limits, SystemClock(), Path(settings.state_dir) / COMPILED, _warn, TimeLeft.on_stderr().seen)
            outcome = outcome_of(answer, loaded)
            id_ = _kept(spec, outcome, settings, url, stack) if store else ""
            files.write(lambda: report_of(answer, loaded, outcome, setup_of(spec, limits, loaded.tape), id_), _warn)
    except (ConfigError, *WRONG) as error:
        return failed(str(error), USAGE)
    except (NoRecord, Unreachable) as error:
        return failed(str(error), NOTHING_RUNS)
    if not outcome.trades:
        _warn("there was no trade, so the figures say nothing about the strategy: " + _why_none(outcome.result))
    asked_for, result = msgspec.to_builtins(spec), dict(outcome.result)
    del result["parts"]  # many, and of use to `diff` alone
    return Answer(result_text(asked_for, result, id_), {**result, "id": id_ or None})


def _loaded(spec: Spec, settings: FleetSettings, url: str | None) -> Loaded:
    if url is not None:
        return asyncio.run(record.with_database(url, lambda database: load_stored(spec, database)))
    return load(spec, settings.recordings())


def _kept(spec: Spec, outcome: Outcome, settings: FleetSettings, url: str | None, stack: ExitStack) -> str:
    """Stores a result; its id, or "" when there is no place for it: the result is no worse for that."""
    id_ = uuid4()
    try:
        place = url or stack.enter_context(record.opened(settings, to_write=True))
        writes = backtests.stored(id_, msgspec.json.encode(spec), outcome)
        asyncio.run(record.with_database(place, lambda database: database.write(writes)))
    except (NoRecord, Unreachable, Rejected) as error:
        _warn(f"the result is not stored: {error}")
        return ""
    return str(id_)


def _why_none(result: Mapping[str, Any]) -> str:
    why = "; ".join(result["notes"]) or "no reason is known"
    smaller = ". A smaller --allocation, other limits in config/risk.toml, or --risk off would let them pass" if result["refused"] else ""
    return why + smaller


def _warn(text: str) -> None:
    print(f"fleet: {text}", file=sys.stderr)


@app.command("results")
def results_command(
    id_: Annotated[str | None, typer.Argument(metavar="[ID]", help="Of one backtest; its beginning will do.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 20,
    json: Json = False,
) -> None:
    """What backtests have found: all in a list, or one with its trades."""

    async def several(database: Database, _: FleetSettings) -> Answer:
        found = await backtests.listed(database, limit)
        return Answer(list_text(found), {"backtests": found})

    async def one(database: Database, _: FleetSettings) -> Answer:
        found = await backtests.found(database, id_ or "")
        trades = await backtests.trades(database, found.id)
        return Answer(whole_text(found, trades), {**msgspec.to_builtins(found), "trades": trades})

    raise typer.Exit(record.ask(several if id_ is None else one, json=json))


@app.command("diff")
def diff_command(a: Id, b: Id, json: Json = False) -> None:
    """Why two backtests came out differently; exit code 1 when nothing explains it."""

    async def work(database: Database, _: FleetSettings) -> Answer:
        one, other = await backtests.found(database, a), await backtests.found(database, b)
        trades = await backtests.trades(database, one.id), await backtests.trades(database, other.id)
        found = backtest_diff.difference(one, other, *trades)
        answer = {**msgspec.to_builtins(found), "equal": found.equal, "defect": found.defect}
        return Answer(backtest_diff.text(found), answer, REFUSED if found.defect else OK)

    raise typer.Exit(record.ask(work, json=json))


app.command("montecarlo")(backtest_montecarlo.command)
app.command("check")(backtest_check.command)
app.command("report")(backtest_report.command)
backtest_search.added(app, options, _loaded)

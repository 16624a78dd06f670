"""`fleet backtest check`: whether a strategy and what a backtest says of it can be believed, in words that lead to the fault."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from os import environ
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from fleet import backtest_spec
from fleet.backtest_spec import WRONG
from fleet.checking import WALK, random_walk, recorded
from fleet.operating import OK, REFUSED, USAGE, Answer, Json, failed, tell
from fleet.plan import FleetSettings
from fleet.tables import called, table
from libs.common.settings import ConfigError, from_environment
from libs.domain.columns import Columns
from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.sturdiness import Run
from libs.quant.backtest.tape import Tape
from libs.quant.folds import bias
from libs.quant.folds.bias import MEND, Finding, Kind
from libs.quant.folds.contract import BarView, PanelView, Strategy
from libs.quant.folds.registry import configured
from services.backtester.check import Check, Subject, checks, paths
from services.backtester.compiling import COMPILED
from services.backtester.data import load, plain

LONGEST: Final = 5_000
"""Bars of each symbol over which a fold is stepped again and again; of more the first."""
SOURCE: Final = "made.csv"
NAMES: Final[Mapping[Kind, str]] = {
    "raises": "runs",
    "repeat": "repeat",
    "look-ahead": "look-ahead",
    "restart": "restart",
    "declared": "what it declares",
    "sealed": "sealed",
}
WHY: Final[Mapping[Kind, str]] = {
    "raises": "A strategy that fails on a bar is stopped there, and holds what it holds.",
    "repeat": "What comes out differently each time is no result: the next run is another one.",
    "look-ahead": "It trades on prices that nobody has yet. Live it has none of them, and nothing of the result.",
    "restart": "After a restart it trades otherwise than it was tested.",
    "declared": "Searches draw from its ranges, and nothing is traded before its warm-up.",
    "sealed": "What it brings along may hold the very future that it is tested on, and no run can show it.",
}

Text = str | None


def command(
    strategy: Annotated[str, typer.Argument(metavar="STRATEGY", help="A file of libs/quant/strategies.")],
    param: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A parameter of it; may be repeated.")] = None,
    spec: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Terms as JSON; options go before it.")] = None,
    data: Annotated[Text, typer.Option(metavar="FILE", help="Bars: .csv, .csv.gz or .parquet.")] = None,
    calendar: Annotated[
        Text, typer.Option(metavar="NAME", help="When a file's market is open: us_equity, cme_globex, forex, 24/7.")
    ] = None,
    replay: Annotated[Text, typer.Option(metavar="NAME", help="A recorded market of MARKET_DATA_DIR.")] = None,
    start: Annotated[Text, typer.Option(metavar="D", help="First day or moment, UTC.")] = None,
    end: Annotated[Text, typer.Option(metavar="D", help="Last day, or the moment at which it ends, UTC.")] = None,
    fee_bps: Annotated[Text, typer.Option(metavar="X", help="Fee, of the notional.")] = None,
    slippage_bps: Annotated[Text, typer.Option(metavar="X", help="Every price is so much worse.")] = None,
    sizing: Annotated[Text, typer.Option(metavar="RULE", help="How large: equity, fixed:UNITS, ...; docs/sizing.md.")] = None,
    allocation: Annotated[Text, typer.Option(metavar="F", help="Share of equity per symbol at target 1; 0.2 if not said.")] = None,
    risk: Annotated[Text, typer.Option(metavar="on|off", help="The fleet's risk controls; on if not said.")] = None,
    allow_short: Annotated[bool, typer.Option("--allow-short", help="Targets below 0 are sold short.")] = False,
    engine: Annotated[Text, typer.Option(metavar="HOW", help="event: without the compiled path.")] = None,
    runs: Annotated[int, typer.Option(min=3, max=1_000, help="Of each disturbance of the data.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise: the same seed finds the same.")] = 1,
    json: Json = False,
) -> None:
    """Look for look-ahead, lone parameters and results that hang on the very prices; exit code 1 when a check fails."""
    given = {
        "strategy": strategy,
        "params": backtest_spec.params(param) if param else None,
        "data": data,
        "calendar": calendar,
        "replay": replay,
        "start": start,
        "end": end,
        "fee_bps": fee_bps,
        "slippage_bps": slippage_bps,
        "sizing": sizing,
        "allocation": allocation,
        "risk": backtest_spec.switch("--risk", risk) if risk is not None else None,
        "allow_short": allow_short or None,
        "engine": engine,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    raise typer.Exit(tell(_answer(asked, spec, runs, seed), json=json))


def _answer(asked: dict[str, Any], file: Path | None, runs: int, seed: int) -> Answer:
    try:
        settings = from_environment(FleetSettings, environ)
        base = {} if file is None else backtest_spec.from_file(file)
        made_up = not any(name in asked or name in base for name in ("data", "replay"))
        if made_up and "calendar" in asked:
            raise ValueError("--calendar is of a file of bars, see --data: the random walk is always open")
        spec = backtest_spec.spec_of(base, {**asked, "data": SOURCE} if made_up else asked)
        limits = backtest_spec.limits(Path(settings.config_dir), settings.environment) if spec.risk and spec.limits is None else []
        strategy, params = configured(spec.configured()[0])
        tape = made(strategy) if made_up else load(spec, settings.recordings()).tape
        machine_code = None if spec.engine == "event" else Path(settings.state_dir) / COMPILED
        subject = Subject(spec=spec, tape=tape, limits=limits, code=machine_code, seed=seed, runs=runs, say=_say)
        found = [*_of_the_fold(strategy, params, tape), *(paths(subject) if made_up else checks(subject))]
    except (ConfigError, *WRONG) as error:
        return failed(str(error), USAGE)
    code = REFUSED if any(check.outcome == "failed" for check in found) else OK
    market = f"{WALK:,} bars of a random walk" if made_up else spec.data or spec.replay
    base_run = None if made_up else subject.base
    said = {"ok": code == OK, "strategy": spec.strategy, "params": params._asdict(), "market": market, "seed": seed, "base": base_run}
    return Answer(text(called(spec.strategy, params._asdict()), market, base_run, found), {**said, "checks": found}, code)


def _say(text_: str) -> None:
    print(f"fleet: {text_}", file=sys.stderr)


# --- the fold by itself


def _of_the_fold(strategy: Strategy, params: Any, tape: Tape) -> Iterator[Check]:
    """What `fleet strategies check` finds, as one check of each kind over all symbols."""
    findings = [found for bars in recorded(strategy, tape).values() for found in bias.check(strategy, params, bars[:LONGEST])]
    for kind, name in NAMES.items():
        if mine := [finding for finding in findings if finding.kind == kind]:
            yield Check(name=name, outcome="failed", saw=_seen(mine), why=WHY[kind], mend=MEND[kind])
        elif not (kind in ("look-ahead", "restart") and any(finding.kind == "repeat" for finding in findings)):
            yield Check(name=name, outcome="passed", saw="nothing found in its code" if kind == "sealed" else "bit by bit")


def _seen(findings: Sequence[Finding]) -> str:
    first = findings[0]
    return f"{first.what}. See {first.line}" if first.line is not None else first.what


# --- a market that is made up


def made(strategy: Strategy) -> Tape:
    """The random walk of `fleet strategies check` as a tape of minutes."""
    bars = random_walk(strategy, WALK)
    width = len(bars[0].close) if isinstance(bars[0], PanelView) else 1
    columns = {f"S{n}": _columns([_view(bar, n) for bar in bars]) for n in range(width)}
    return Tape(
        instruments={symbol: plain(symbol, "USD") for symbol in columns}, bars={"1m": columns}, fill_on=dict.fromkeys(columns, "bar")
    )


def _view(bar: BarView | PanelView, n: int) -> BarView:
    return BarView(*(column[n] for column in bar)) if isinstance(bar, PanelView) else bar


def _columns(bars: Sequence[BarView]) -> Columns:
    there = [(TIMEFRAMES["1m"] * (n + 1), *bar) for n, bar in enumerate(bars) if not isnan(bar.close)]
    return Columns(*map(list, zip(*there, strict=True))).packed


# --- words


def text(strategy: str, market: str, base: Run | None, found: Sequence[Check]) -> str:
    """Each check in a line, and of those that failed what it means and what to do."""
    lines = [f"{strategy} on {market}"]
    if base is not None:
        lines.append(f"  as asked: return {base.total_return:+.2%}, Sharpe {base.sharpe:.2f}, {base.trades:,} fills")
    for check in found:
        lines.append(f"  {check.outcome:<8} {check.name}: {check.saw}")
        if check.outcome == "failed":
            lines += [f"           why: {check.why}", f"           mend: {check.mend}"]
            lines += [f"           {line}" for line in _worst(check.runs)]
    wrong, unclear = (sum(check.outcome == outcome for check in found) for outcome in ("failed", "unclear"))
    lines.append(f"{len(found)} checks, {wrong} failed" + (f", {unclear} can say nothing" if unclear else ""))
    if base is None:
        lines.append("say --data or --replay to check the result as well: parameters, noise, later execution, costs")
    return "\n".join(lines)


SHOWN: Final = 5
"""Runs that are shown of a check that failed, the worst."""


def _worst(runs: Sequence[Run]) -> list[str]:
    if len(runs) < 2:
        return []
    rows = [(run.label, f"{run.total_return:+.2%}", f"{run.sharpe:.2f}", f"{run.trades:,}") for run in sorted(runs, key=lambda r: r.sharpe)]
    return table(("RUN", "RETURN", "SHARPE", "FILLS"), rows[:SHOWN]).split("\n")

"""`fleet`: the operator's commands. Exit codes: 0 done, 1 refused or unhealthy, 2 usage or configuration, 3 no fleet is running."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fleet import (
    backtesting,
    checking,
    checklist,
    costs,
    diagnose,
    doctor,
    explain,
    jobs,
    killing,
    limits,
    logs,
    losses,
    measures,
    migrating,
    notify,
    parity,
    permits,
    reading,
    risk_alerts,
    risk_report,
    status,
    weights,
)
from fleet.monitoring import command as monitoring
from fleet.operating import OK, REFUSED, Answer, Hands, Json, ask
from fleet.plan import Options
from libs.common import secrets
from libs.store import control

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Runs and operates the Tradewinds fleet, and backtests its strategies.",
)
strategies = typer.Typer(no_args_is_help=True, help="List strategies, look at one, check one, switch them on and off.")
risk = typer.Typer(no_args_is_help=True, help="What can be lost; stop trading at once, and allow it again.")
app.add_typer(strategies, name="strategies")
app.add_typer(risk, name="risk")
app.add_typer(reading.orders, name="orders")
reading.orders.command("costs")(costs.command)
app.add_typer(reading.account, name="account")
app.add_typer(reading.earned, name="performance")
app.add_typer(backtesting.app, name="backtest")
app.add_typer(jobs.app, name="jobs")
app.add_typer(monitoring.app, name="monitoring")
app.add_typer(logs.app, name="logs")
app.add_typer(checklist.app, name="checklist")
app.add_typer(notify.app, name="notify")
risk.command("kill")(killing.kill)
risk.command("close-all")(killing.close_all)
risk.command("rearm")(killing.rearm)
risk.add_typer(limits.app, name="limits")
risk.command("permit")(permits.permit)
risk.command("permits")(permits.permits_command)
risk.command("measures")(measures.command)
risk.command("weights")(weights.command)
risk.command("report")(risk_report.command)
risk.command("alerts")(risk_alerts.alerts)
risk.command("ack")(risk_alerts.ack)
strategies.command("status")(reading.strategy_status)
strategies.command("check")(checking.command)
app.command("parity")(parity.command)
app.command("migrate")(migrating.command)
app.command("alerts")(notify.alerts_command)
app.command("diagnose")(diagnose.command)
app.command("doctor")(doctor.command)

StrategyId = Annotated[str, typer.Argument(metavar="ID", help="As in config/strategies.toml.")]


def main() -> None:
    """The console script. Whoever prints, on the screen stands no secret."""
    sys.stdout, sys.stderr = secrets.masked(sys.stdout), secrets.masked(sys.stderr)
    app()


@app.command("run")
def run_command(
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so long (host time, once all are ready).")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON line on stdout; events go to stderr.")] = False,
    market: Annotated[
        str | None, typer.Option(metavar="NAME", help="closes (real daily closes, simulated between; the default) or synthetic.")
    ] = None,
    venue: Annotated[
        str | None, typer.Option(metavar="NAME", help="paper: trade inside trade_executor, not at the venues of config/system.toml.")
    ] = None,
    replay: Annotated[str | None, typer.Option(metavar="NAME", help="Play one of docs/recorded-markets.md: equities, crypto, ...")] = None,
    speed: Annotated[float, typer.Option(min=0, max=1e6, help="Market seconds per second; 0: the market's own.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn in the market.")] = 1,
    lockstep: Annotated[bool, typer.Option("--lockstep", help="Go on only when every service has done its part.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget all earlier runs first, and all stored backtests.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines, also on a terminal that could show the live screen.")] = False,
    standby: Annotated[bool, typer.Option("--standby", help="A second trade_executor in reserve, which takes over at once.")] = False,
    screenshot: Annotated[Path | None, typer.Option(metavar="FILE", hidden=True, help="Leave a picture of the screen, as SVG.")] = None,
) -> None:
    """Start everything and play a market until Ctrl-C."""
    from fleet import run  # loads alembic, which costs every other command half a second

    if market not in (None, "closes", "synthetic"):
        raise typer.BadParameter(f"expected closes or synthetic, got {market!r}", param_hint="--market")
    if venue not in (None, "paper"):
        raise typer.BadParameter(f"expected paper, got {venue!r}", param_hint="--venue")
    options = Options(
        seconds=seconds,
        json=json,
        market=market,
        venue=venue,
        replay=replay,
        speed=speed,
        seed=seed,
        lockstep=lockstep,
        fresh=fresh,
        plain=plain,
        standby=standby,
        screenshot=screenshot,
    )
    raise typer.Exit(run.run(options, os.environ))


@app.command("status")
def status_command(json: Json = False) -> None:
    """How the fleet is."""

    async def work(hands: Hands) -> Answer:
        found = await status.status(hands.running, hands.database)
        return Answer(found.text(), found, OK if found.healthy else REFUSED)

    raise typer.Exit(ask(work, json=json, page=True))


@app.command("explain")
def explain_command(
    id_: Annotated[str, typer.Argument(metavar="ORDER_ID", help="Of an order or a signal, or a client order id; its beginning will do.")],
    json: Json = False,
) -> None:
    """Why an order was made, or a signal refused, and what came of it."""

    async def work(hands: Hands) -> Answer:
        return await explain.explain(hands.database, id_)

    raise typer.Exit(ask(work, json=json))


@app.command()
def pause(json: Json = False) -> None:
    """No new signals; the market, open orders and cancels go on."""
    raise typer.Exit(_set_paused(True, "paused: no strategy emits a signal; go on with `fleet resume`", json))


@app.command()
def resume(json: Json = False) -> None:
    """Signals again."""
    raise typer.Exit(_set_paused(False, "resumed: strategies emit signals again", json))


def _set_paused(paused: bool, text: str, json: bool) -> int:
    async def work(hands: Hands) -> Answer:
        await hands.control.set_paused(paused, hands.by)
        return Answer(text, {"ok": True, "paused": paused})

    return ask(work, json=json)


@strategies.command("list")
def list_command(json: Json = False) -> None:
    """Every strategy and whether it is on."""

    async def work(hands: Hands) -> Answer:
        found = await control.strategies(hands.database)
        lines = [
            f"{s.strategy_id:<20} {'FAILED' if s.failed else 'OFF' if not s.enabled else 'rests' if s.rests else 'on':<6} {s.class_name}"
            f" {s.timeframe} {' '.join(s.symbols)} in {s.account}, {s.allocation:.0%} of its equity"
            + (", which is not traded in this market" if s.rests else "")
            for s in found
        ]
        return Answer("\n".join(lines) or "no strategies: config/strategies.toml has none", [s._asdict() for s in found])

    raise typer.Exit(ask(work, json=json))


@strategies.command()
def enable(strategy_id: StrategyId, json: Json = False) -> None:
    """Let a strategy emit signals again."""
    raise typer.Exit(_enable(strategy_id, True, "emits signals from its next bar on", json))


@strategies.command()
def disable(strategy_id: StrategyId, json: Json = False) -> None:
    """Let a strategy emit nothing more; what it holds stays."""
    raise typer.Exit(
        _enable(strategy_id, False, f"emits nothing more; what it holds stays; back with `fleet strategies enable {strategy_id}`", json)
    )


def _enable(strategy_id: str, enabled: bool, effect: str, json: bool) -> int:
    async def work(hands: Hands) -> Answer:
        await hands.control.enable_strategy(strategy_id, enabled, hands.by)
        word = "enabled" if enabled else "disabled"
        return Answer(f"{strategy_id} {word}: it {effect}", {"ok": True, "strategy_id": strategy_id, "enabled": enabled})

    return ask(work, json=json)


@risk.command("status")
def risk_status(json: Json = False) -> None:
    """What is stopped, and how far each account is from its loss limits."""

    async def work(hands: Hands) -> Answer:
        return await losses.risk_status(hands.database)

    raise typer.Exit(ask(work, json=json))


if __name__ == "__main__":
    main()

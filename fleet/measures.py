"""`fleet risk measures`: what an account can lose, and where that comes from, in words."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fleet.operating import Answer, Hands, Json, ask
from fleet.plan import FleetSettings
from fleet.tables import NONE, change, moment, money, ratio, share, table
from libs.common.settings import from_environment, from_toml
from libs.domain.configuration import RiskConfig
from libs.domain.fleet import ONE_THREAD
from libs.domain.history import Material
from libs.domain.names import TIMEFRAMES
from libs.domain.times import SECOND
from libs.store import history
from libs.store.queries.accounts import account_ids

if TYPE_CHECKING:  # numpy comes with it, which costs every other command a tenth of a second
    from libs.quant.risk.measures.picture import PortfolioRisk, Tail
    from libs.quant.risk.measures.var_backtest import VarBacktest

AccountName = Annotated[str | None, typer.Option("--account", metavar="NAME", help="One account, also of an earlier session.")]

_PERIODS: Final = {TIMEFRAMES["1d"]: "day", TIMEFRAMES["1h"]: "hour", TIMEFRAMES["1m"]: "minute"}
_METHODS: Final = {
    "historical": "the past replayed",
    "normal": "normal returns",
    "ewma": "normal, the newest weigh most",
    "monte_carlo": "drawn, with fat tails",
}


def command(account: AccountName = None, json: Json = False) -> None:
    """What each account can lose: value at risk, what brings it, stress tests, how fast it could be out."""

    async def work(hands: Hands) -> Answer:
        for name, value in ONE_THREAD.items():
            environ.setdefault(name, value)  # before numpy is there, which reads it
        from libs.quant.risk.measures.portfolio import risk_of
        from libs.quant.risk.measures.returns import LEAST

        settings = from_environment(FleetSettings, environ)
        config = from_toml(RiskConfig, Path(settings.config_dir), "risk", settings.environment)
        measures, texts, found = config.measures, [], {}
        for account_id in await account_ids(hands.database, account):
            known = await history.material(
                hands.database, account_id, measures.benchmarks, observations=measures.observations, enough=LEAST
            )
            found[account_id] = risk_of(known, measures, config.shock)
            texts.append("\n".join(_lines(known, found[account_id], measures.confidence)))
        text = "\n\n".join(texts) or "no accounts yet: a session opens them when the market begins; see `fleet status`"
        return Answer(text, {"accounts": found})

    raise typer.Exit(ask(work, json=json))


def _lines(known: Material, risk: "PortfolioRisk", confidence: float) -> Iterator[str]:
    at = datetime.fromtimestamp(known.market_time // SECOND, UTC)
    yield f"account      {known.account_id}: worth {money(risk.equity)} {known.currency} at {moment(at)} UTC"
    if not known.held:
        yield "positions    none: nothing can be lost but by a trade"
        return
    of_equity = f" ({share(risk.gross / risk.equity)} and {share(risk.net / risk.equity)} of equity)" if risk.equity > 0 else ""
    yield f"exposure     gross {money(risk.gross)}, net {money(risk.net)}{of_equity}"
    period = period_of(risk)
    if risk.tails:
        yield f"measured     from {risk.observations} returns of one {period}, as if held through them what is held now"
        yield from _tails(risk.tails, period)
    if risk.unmeasured:
        yield f"unmeasured   positions of {money(risk.unmeasured)} have no history: no value at risk counts them"
    yield ""
    yield _positions(risk, confidence)
    yield from _whole(risk, period)
    yield ""
    yield _stress(risk)
    if risk.backtest is not None:
        yield ""
        yield from _backtest(risk.backtest, period)
    if risk.missing:
        yield ""
        yield "not measured"
        yield from (f"  {missing.what}: {missing.why}" for missing in risk.missing)
    yield "what the figures mean: docs/risk-measures.md"


def period_of(risk: "PortfolioRisk") -> str:
    """What its figures are of: a day, hour, minute."""
    return _PERIODS.get(risk.period_ns, f"{risk.period_ns / SECOND:g} s")


def _tails(tails: "Sequence[Tail]", period: str) -> Iterator[str]:
    levels = sorted({tail.confidence for tail in tails})
    by_method: dict[tuple[str, float], Tail] = {(tail.method, tail.confidence): tail for tail in tails}
    head = ["A LOSS OF"]
    for level in levels:
        head += [f"1 {period} IN {1 / (1 - level):.0f}".upper(), "MEAN BEYOND"]
    rows = []
    for method, words in _METHODS.items():
        row = [words]
        for level in levels:
            tail = by_method.get((method, level))
            row += [NONE, NONE] if tail is None else [money(tail.value_at_risk), money(tail.expected_shortfall)]
        rows.append(row)
    yield ""
    yield table(head, rows)


def _positions(risk: "PortfolioRisk", confidence: float) -> str:
    head = (
        "SYMBOL",
        "VALUE",
        "OF EQUITY",
        "VOLATILITY",
        "BETA",
        f"IN VAR {confidence:.0%}",
        "LESS WITHOUT",
        "IN SHORTFALL",
        "EXIT, days",
    )
    rows = [
        (
            p.symbol,
            money(p.value),
            share(p.weight),
            NONE if p.volatility is None else f"{p.volatility:.2%}",
            ratio(p.beta),
            money(p.component_var),
            money(p.incremental_var),
            money(p.component_cvar),
            ratio(p.days_to_exit),
        )
        for p in sorted(risk.positions, key=lambda p: (-(p.component_var or 0.0), p.symbol))
    ]
    return table(head, rows)


def _whole(risk: "PortfolioRisk", period: str) -> Iterator[str]:
    if risk.volatility is not None:
        beta = "" if risk.beta is None else f"; beta of the whole {ratio(risk.beta)}"
        yield f"volatility   {money(risk.volatility)} a {period}{beta}"
    if risk.concentration is not None:
        c = risk.concentration
        alike = f"{c.effective_positions:.1f} equal positions (HHI {c.herfindahl:.2f})"
        yield f"spread       as over {alike}; the largest is {share(c.largest)} of gross"
    if risk.correlation is not None:
        c2, pair = risk.correlation, risk.correlation.highest
        drawn = f", drawn {share(c2.shrinkage)} of the way to their mean: the history is short" if c2.shrinkage >= 0.1 else ""
        yield f"correlation  {ratio(c2.mean)} on average; {pair.one} and {pair.other} {ratio(pair.correlation)}{drawn}"
    if risk.liquidity is not None:
        liquid = risk.liquidity
        yield (
            f"exit         {ratio(liquid.days)} days for all with {share(liquid.participation)} of the volume;"
            f" {share(liquid.within_a_day)} of it within one"
        )
    if risk.drawdown is not None:
        fall = risk.drawdown
        yield f"drawdown     {share(fall.current)} below the highest day end; the deepest so far was {share(fall.deepest)}"


def _stress(risk: "PortfolioRisk") -> str:
    head = ("WERE IT AGAIN", "", "P&L", "OF EQUITY", "SAYS NOTHING OF")
    rows = [
        (
            test.title,
            "recorded" if test.recorded else "your own",
            NONE if test.uncovered >= risk.gross else change(test.pnl),
            NONE if test.uncovered >= risk.gross else share(test.share),
            money(test.uncovered) if test.uncovered else NONE,
        )
        for test in risk.stress
    ]
    return table(head, rows, left=2)


def _backtest(found: "VarBacktest", period: str) -> Iterator[str]:
    yield (
        f"backtest     {found.hits} of {found.periods} {period}s lost more than their {found.confidence:.0%} value at risk,"
        f" forecast from the {found.window} before each; {found.expected:.1f} were to be expected"
    )
    words = {True: "rejected", False: "not rejected"}
    yield (
        f"             as many as there should be: {words[found.kupiec.rejected]} (p {found.kupiec.p_value:.2f});"
        f" independent of each other: {words[found.independence.rejected]} (p {found.independence.p_value:.2f})"
    )

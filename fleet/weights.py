"""`fleet risk weights`: what each strategy's allocation would be, from how the strategies' own daily returns move."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from fleet.measures import AccountName
from fleet.operating import Answer, Hands, Json, ask
from fleet.plan import FleetSettings
from fleet.tables import ratio, share, table
from libs.common.settings import from_environment, from_toml
from libs.domain.configuration import StrategiesConfig, StrategyConfig
from libs.domain.fleet import ONE_THREAD
from libs.store.queries.accounts import account_ids
from libs.store.queries.strategy_returns import StrategyReturns, strategy_returns

if TYPE_CHECKING:  # numpy comes with it, which costs every other command a tenth of a second
    from libs.quant.risk.measures.allocations import Allocations

Method = Annotated[
    Literal["parity", "correlation"],
    typer.Option("--method", help="parity: every strategy brings the same risk. correlation: less of what moves together."),
]
_DECIMALS: Final = 6


def command(
    method: Method = "parity",
    account: AccountName = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DATE", help="First trading day.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], metavar="DATE", help="Last trading day.")] = None,
    json: Json = False,
) -> None:
    """Allocations for the strategies of an account from their own daily returns on record, to paste into config/strategies.toml."""

    async def work(hands: Hands) -> Answer:
        for name, value in ONE_THREAD.items():
            environ.setdefault(name, value)  # before numpy is there, which reads it
        from libs.quant.risk.measures.allocations import allocations_of

        settings = from_environment(FleetSettings, environ)
        configured = from_toml(StrategiesConfig, Path(settings.config_dir), "strategies", settings.environment).strategy
        texts, data = [], {}
        for account_id in await account_ids(hands.database, account):
            known = await strategy_returns(hands.database, account_id, _day(since), _day(until))
            allocated, left_out = weighed(configured, known)
            days = common_days(known.days, list(allocated))
            matrix = [[known.days[name][day] / allocated[name] for name in allocated] for day in days]
            try:
                found = allocations_of(matrix, allocated, method)
            except ValueError as error:
                raise LookupError(f"account {account_id}: {error}{_why(left_out)}") from error
            texts.append("\n".join(told(account_id, method, found, days, left_out)))
            data[account_id] = {"method": method, "left_out": left_out, **_data(found)}
        return Answer(
            "\n\n".join(texts) or "no accounts yet: a session opens them when the market begins; see `fleet status`", {"accounts": data}
        )

    raise typer.Exit(ask(work, json=json))


def weighed(configured: Sequence[StrategyConfig], known: StrategyReturns) -> tuple[dict[str, float], dict[str, str]]:
    """Allocations of the account's strategies that have returns, and of the others why they are left as they are."""
    allocated, left_out = {}, {}
    for config in configured:
        if config.account != known.name:
            continue
        if not config.enabled:
            left_out[config.id] = "not enabled"
        elif not known.days.get(config.id):
            left_out[config.id] = "no day with a return on record"
        elif config.allocation <= 0:
            left_out[config.id] = "nothing is allocated to it"
        else:
            allocated[config.id] = config.allocation
    return allocated, left_out


def common_days(days: Mapping[str, Mapping[date, float]], strategies: Sequence[str]) -> list[date]:
    """Trading days on which each of them has a return, in order."""
    return sorted(set.intersection(*(set(days[name]) for name in strategies))) if strategies else []


def told(account_id: str, method: str, found: "Allocations", days: Sequence[date], left_out: Mapping[str, str]) -> Iterator[str]:
    """The answer for a person, its end as TOML."""
    what = {
        "parity": "every strategy brings the same share of the risk",
        "correlation": "each is cut by what it shares with the others",
    }
    yield f"account      {account_id}: {what[method]}"
    yield f"measured     from {found.observations} daily returns, {days[0]} to {days[-1]}, on what is allocated now"
    if found.intensity >= 0.1:
        yield f"             correlations are drawn {share(found.intensity)} of the way to their mean: the history is short"
    head = ("STRATEGY", "ALLOCATION", "WOULD BE", "VOLATILITY A DAY", "WITH THE OTHERS", "RISK NOW", "RISK THEN")
    rows = [
        (
            name,
            f"{found.before[n]:.4f}",
            f"{found.after[n]:.4f}",
            f"{found.covariance[n][n] ** 0.5:.2%}",
            ratio(found.mean_correlation[n]),
            share(found.risk_before[n]),
            share(found.risk_after[n]),
        )
        for n, name in enumerate(found.strategies)
    ]
    rows.append(("all", f"{sum(found.before):.4f}", f"{sum(found.after):.4f}", "", "", "", ""))
    yield ""
    yield table(head, rows)
    yield ""
    yield "correlations"
    yield table(("", *found.strategies), [(name, *map(ratio, found.correlations[n])) for n, name in enumerate(found.strategies)])
    for name, why in left_out.items():
        yield f"left as it is: {name}, {why}"
    yield ""
    yield "# Nothing is changed by this. In config/strategies.toml, in the table of each strategy:"
    for n, name in enumerate(found.strategies):
        yield f"allocation = {_floored(found.after[n]):.{_DECIMALS}f} # {name}"
    yield "# how it is worked out: docs/sizing.md"


def _floored(allocation: float) -> float:
    """Down, so that what is pasted never adds up to more than there was."""
    return int(allocation * 10**_DECIMALS) / 10**_DECIMALS


def _data(found: "Allocations") -> dict[str, object]:
    plain = found._asdict()
    return plain | {"covariance": found.covariance.tolist(), "correlations": found.correlations.tolist()}


def _why(left_out: Mapping[str, str]) -> str:
    return "".join(f"; {name}: {why}" for name, why in left_out.items())


def _day(at: datetime | None) -> date | None:
    return None if at is None else at.date()

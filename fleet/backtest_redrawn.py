"""How else the trades of a stored backtest could have come: drawn, and told. Loads numpy; the command that asks for it does not."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from fleet.tables import money, share, short, table
from libs.pages.terms import strategies_text
from libs.quant.validation import monte_carlo
from libs.quant.validation.monte_carlo import MonteCarlo, Observed, Spread, Terms
from libs.quant.validation.trade_results import TradeResult, by_day, shares
from libs.store.backtests import Backtest

LEAST_DAYS: Final = 60
"""With fewer days the blocks are of trades: a day's results would be too few to draw from."""
FEW: Final = 30
"""Trades below which the answer says that they are few."""
ONE_OF_TEN: Final = 0.1
"""Of all gains: a single result that brings more carries the backtest."""
NAMES: Final = {
    "drawn": "trades drawn anew, each from all of them",
    "shuffled": "the same trades in another order",
    "blocks": "blocks of {unit}s in a row, {block:.1f} on average",
}

Kind = Literal["trades", "blocks"]


class Played(NamedTuple):
    """What was drawn from, and what came of it."""

    unit: str  # trade or day
    trades: int
    observed: Observed
    found: list[MonteCarlo]
    notes: list[str]


def play(found: Backtest, results: Sequence[TradeResult], method: Kind, runs: int, seed: int) -> Played:
    """Draws from the trades of a finished backtest.

    Raises:
        ValueError: it has no result, too few trades, or lost all; the message says which and what to do.
    """
    if found.result is None:
        raise ValueError(f"it is {found.state} and has no trades{f': {found.error}' if found.error else ''}")
    if len(results) < 2:
        raise ValueError(f"expected at least 2 closed trades to draw from, got {len(results)}: run it over more bars")
    deposit = Decimal(str(found.spec.get("cash", 100_000)))
    compounded = not _of_fixed_size(found.spec)
    gains = [result.gain for result in results]
    unit, drawn_from = _series(found.result, results) if method == "blocks" else ("trade", gains)
    steps, terms = shares(drawn_from, deposit, compounded=compounded), Terms(float(deposit), seed, runs, compounded=compounded)
    ways = (monte_carlo.blocks,) if method == "blocks" else (monte_carlo.drawn, monte_carlo.shuffled)
    notes = list(_notes(len(results), unit, method, steps, compounded=compounded))
    return Played(unit, len(results), monte_carlo.observed(steps, terms), [way(steps, terms) for way in ways], notes)


def _of_fixed_size(spec: dict[str, Any]) -> bool:
    """Whether gains do not grow with the equity."""
    sizings = [each.get("sizing", "equity") for each in spec["strategies"]] if spec.get("strategies") else [spec.get("sizing", "equity")]
    return all(sizing.startswith("fixed:") for sizing in sizings)


def _series(result: dict[str, Any], results: Sequence[TradeResult]) -> tuple[str, list[Decimal]]:
    """Days where there are enough of them, else the trades themselves."""
    first, last = (datetime.fromisoformat(result[end]).date() for end in ("from", "to"))
    if (last - first).days + 1 < LEAST_DAYS:
        return "trade", [each.gain for each in results]
    return "day", by_day(results, first, last)


def _notes(trades: int, unit: str, method: Kind, steps: Sequence[float], *, compounded: bool) -> Iterator[str]:
    """What a reader should know before believing the figures."""
    if trades < FEW:
        yield f"{trades} trades are few: no run can show what none of them has shown"
    if unit == "day":
        yield "a day's result is what it realised: what a held position fell and regained in between is not in it"
    elif method == "blocks":
        yield f"the backtest is shorter than {LEAST_DAYS} days, so the blocks are of trades"
    best, whole = max(steps), sum(steps)
    if whole > 0 and best > ONE_OF_TEN * whole:
        of = "the equity before it" if compounded else "the deposit"
        yield f"one {unit} gained {share(best)} of {of}, as much as {share(best / whole)} of the gains of all: make sure that it is real"
    if compounded:
        yield f"each {unit} counts as a share of the equity realised before it, and compounds"
    yield "positions still open at the end are in no result"


def data(found: Backtest, played: Played) -> dict[str, Any]:
    """All of it as JSON."""
    return {
        "id": str(found.id),
        "unit": played.unit,
        "trades": played.trades,
        "observed": played.observed._asdict(),
        "found": [_json(each) for each in played.found],
        "notes": played.notes,
    }


def _json(found: MonteCarlo) -> dict[str, Any]:
    flat = found._asdict() | found.terms._asdict()
    del flat["terms"]
    return {name: value._asdict() if isinstance(value, Spread) else value for name, value in flat.items()}


def text(found: Backtest, played: Played) -> str:
    """A table for each way to draw, and how to read it."""
    terms, currency = played.found[0].terms, found.result["currency"] if found.result else ""
    lines = [
        f"backtest    {short(found.id)}: {strategies_text(found.spec)}",
        f"drawn from  {played.trades:,} closed trades less fees, as {played.found[0].steps:,} results; {terms.runs:,} runs of as many",
        f"account     {money(terms.deposit)} {currency}, seed {terms.seed}",
        *(f"note        {note}" for note in played.notes),
    ]
    return "\n".join([*lines, *(part for each in played.found for part in ("", *_way(each, played.observed, played.unit)))])


def _way(found: MonteCarlo, observed: Observed, unit: str) -> list[str]:
    """One way to draw: its quantiles beside what was, and what they say."""
    head = (NAMES[found.method].format(unit=unit, block=found.block), "5 %", "25 %", "50 %", "75 %", "95 %", "AS IT WAS")
    rows = [
        ("final equity", *map(money, (*found.final_equity, observed.final_equity))),
        ("largest drawdown", *map(share, (*found.max_drawdown, observed.max_drawdown))),
        (f"Sharpe ratio of a {unit}", *(f"{each:.3f}" for each in (*found.sharpe, observed.sharpe))),
        (f"longest fall, {unit}s", *(f"{count:,.0f}" for count in (*found.longest_fall, observed.longest_fall))),
    ]
    return [table(head, rows), *_meaning(found)]


def _meaning(found: MonteCarlo) -> list[str]:
    fall = f"1 run in 20 fell by more than {share(found.max_drawdown.p95)}: be ready for that, not for what was"
    ruin = f"{share(found.ruin_probability)} of all runs lost {share(found.terms.ruin)} of the deposit at some time"
    if found.method == "shuffled":
        return [f"{fall}; {ruin}. The end is the same in every order"]
    return [f"{fall}; {ruin}; {share(found.loss_probability)} ended below the deposit"]

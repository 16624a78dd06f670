"""Searches as an operator reads them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fleet.tables import NONE, called, moment, money, ratio, short, table
from libs.store.searches import Search

SHOWN: Final = 10
"""Trials that are listed, the best."""
_HEAD: Final = ("TRIAL", "PARAMETERS", "RETURN", "DRAWDOWN", "SHARPE", "TRADES")


def search_text(r: Mapping[str, Any], id_: str) -> str:
    """What was searched, the best trials, the walk-forward, and whether to believe it; `id_` is "" for one that is not stored."""
    trials: Sequence[Mapping[str, Any]] = r["trials"]
    ran = [trial for trial in trials if trial["figures"] is not None]
    best = next((trial for trial in trials if trial["n"] == r["best"]), None)
    lines = [
        f"search      {called(r['strategy'], r['fixed'])}: {', '.join(f'{name} {_range(each)}' for name, each in r['ranges'].items())}",
        f"data        {r['source']}: {' '.join(r['symbols'])}, {r['from']} to {r['to']}",
        f"trials      {len(trials):,} of {r['asked']:,} by {r['method']}{_seeded(r)}, {len(trials) - len(ran):,} could not be run;"
        f" {r['counted']:,} counted, compared by {r['period']} returns",
        *([f"STOPPED     {r['stopped']}: what follows is of the trials until then"] if r["stopped"] else []),
        f"best        {_best(best, r)}",
        f"label       {r['label'].upper()}",
        *(f"            {word}" for word in r["words"]),
        *(f"note        {note}" for note in r["notes"]),
        f"took        {r['seconds']:.2f} s, fingerprint {short(r['fingerprint'])}",
    ]
    if id_:
        lines.append(f"stored      {short(id_)}: `fleet backtest report {short(id_)}` makes a page of it, `searches {short(id_)}` shows it")
    if ran:
        lines.append(_trials(ran))
    if r["walk_forward"] is not None:
        lines.append(_windows(r["walk_forward"]))
    return "\n".join(lines)


def whole_text(search: Search) -> str:
    """Everything about a stored one."""
    if search.result is None:
        return f"search      {search.strategy}\nstate       {search.state}{f': {search.error}' if search.error else ''}"
    return search_text(search.result, str(search.id))


def _seeded(r: Mapping[str, Any]) -> str:
    return "" if r["method"] == "grid" else f", seed {r['seed']}"


def _range(each: Mapping[str, Any]) -> str:
    if values := each.get("values"):
        return ",".join(f"{value:g}" for value in values)
    step = f" by {each['step']:g}" if each["step"] is not None else " on a logarithmic scale" if each.get("log") else ""
    return f"{each['low']:g} to {each['high']:g}{step}"


def _best(best: Mapping[str, Any] | None, r: Mapping[str, Any]) -> str:
    if best is None:
        return "none: no trial traded"
    figures = best["figures"]
    params = " ".join(f"--param {name}={_number(value)}" for name, value in best["params"].items())
    return (
        f"trial {best['n']} by {r['metric']}: {params}; equity {money(figures['final_equity'])}, {figures['total_return']:+.2%},"
        f" Sharpe ratio {ratio(figures['sharpe'])}, drawdown {figures['max_drawdown']:.2%}"
    )


def _number(value: float) -> str:
    return repr(value)


def _trials(ran: Sequence[Mapping[str, Any]]) -> str:
    """The best first; a trial that never traded has no score."""
    ordered = sorted(ran, key=lambda trial: (trial["figures"]["score"] is None, -(trial["figures"]["score"] or 0.0), trial["n"]))
    rows = [
        (
            str(trial["n"]),
            ", ".join(f"{name}={_number(value)}" for name, value in trial["params"].items()),
            *_figures(trial["figures"]),
        )
        for trial in ordered[:SHOWN]
    ]
    return table(_HEAD, rows, left=2)


def _figures(figures: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return (
        f"{figures['total_return']:+.2%}",
        f"{figures['max_drawdown']:.2%}",
        ratio(figures["sharpe"]),
        f"{figures['trades']:,}",
    )


def _windows(walk: Mapping[str, Any]) -> str:
    head = ("TEST FROM", "TO", "PARAMETERS", "CHOSEN WITH SHARPE", "RETURN", "DRAWDOWN", "SHARPE", "TRADES")
    rows = [
        (
            window["test"][0][:16],
            window["test"][1][:16],
            ", ".join(f"{name}={_number(value)}" for name, value in window["params"].items()),
            ratio(window["train_figures"]["sharpe"]),
            *_figures(window["test_figures"]),
        )
        for window in walk["windows"]
    ]
    return table(head, rows, left=3)


def list_text(found: Sequence[Search]) -> str:
    """A line for each search."""
    if not found:
        return "no searches yet: `fleet backtest search sma_cross --range fast=5:50:5 --range slow=20:200:10 --data FILE.csv` makes one"
    head = ("ID", "ENDED (UTC)", "STATE", "STRATEGY", "DATA", "METHOD", "ASKED", "COUNTED", "LABEL")
    return table(head, [_line(each) for each in found], left=6)


def _line(each: Search) -> tuple[str, ...]:
    r = each.result or _asked(each.spec)
    return (
        short(each.id),
        NONE if each.finished_at is None else moment(each.finished_at)[:19],
        each.state,
        each.strategy,
        str(r["source"])[-40:],
        r["method"],
        f"{r['asked']:,}",
        f"{r['counted']:,}" if "counted" in r else NONE,
        r.get("label", NONE),
    )


def _asked(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a search that has no result."""
    backtest = spec["backtest"]
    source = backtest.get("data") or backtest.get("replay") or " ".join(backtest.get("symbols", []))
    return {"source": source, "method": spec["method"], "asked": spec["trials"]}

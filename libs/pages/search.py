"""The page of a search: whether its best trial can be believed, how the trials lie, and what was left out of sample. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import combinations
from typing import Any, Final

from libs.domain.times import nanoseconds
from libs.pages import charts
from libs.pages.charts import Cell, Curve
from libs.pages.hover import HOVER
from libs.pages.numbers import NONE, called, money, ratio, share
from libs.pages.page import document, few, pairs, table
from libs.quant.backtest.bins import bins

BELIEVED: Final = "credible"
SHOWN: Final = 100
"""Trials that are listed, the best first."""
PLACES: Final = 40
"""Values of a parameter that a map has room for; more are put together."""
MAPS: Final = 6

Trial = Mapping[str, Any]


def search_page(result: Mapping[str, Any], id_: str = "") -> str:
    """HTML, whole in itself.

    Args:
        result: as `fleet backtest search --json` gives it and the record keeps it, the trials within.
        id_: of the search; "" for one that is not stored.
    """
    title = f"Search over {result['strategy']}"
    return document(title, [f"<h1>{escape(title)}</h1>", *_body(result, id_)], HOVER)


def _body(result: Mapping[str, Any], id_: str) -> Iterator[str]:
    yield pairs(_said(result, id_))
    yield from _verdict(result)
    yield "<h2>The best trial</h2>"
    yield _best(result)
    yield "<h2>Where it lies</h2>"
    yield from _maps(result)
    yield "<h2>All trials</h2>"
    yield from _trials(result)
    if result.get("cross_validation"):
        yield "<h2>Cross-validation</h2>"
        yield from _folds(result["cross_validation"], _name(result["metric"]))
    if result.get("walk_forward"):
        yield "<h2>Walk-forward</h2>"
        yield from _walk_forward(result["walk_forward"], result["metric"])


def _said(result: Mapping[str, Any], id_: str) -> list[tuple[str, str]]:
    failed = sum(1 for trial in result["trials"] if trial.get("error"))
    counted = result.get("counted", len(result["trials"]))
    earlier = counted - len(result["trials"])
    ranges = "; ".join(f"{name} {_range(of)}" for name, of in result["ranges"].items())
    return [
        ("Method", f"{result['method']}, seed {result['seed']}, the best by {_name(result['metric'])}"),
        ("Ranges", ranges or NONE),
        *([("Held fixed", _params(result["fixed"]))] if result.get("fixed") else []),
        *([("Data", _data(result))] if result.get("source") else []),
        (
            "Trials",
            f"{len(result['trials']):,}"
            + (f", {failed:,} of them could not be run" if failed else "")
            + (f"; {counted:,} are counted, {earlier:,} of earlier searches of this strategy on these data" if earlier > 0 else ""),
        ),
        ("Result", id_ or "not stored"),
    ]


def _params(params: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in params.items())


def _data(result: Mapping[str, Any]) -> str:
    return f"{result['source']}: {few(result['symbols'])}; {result['from']} to {result['to']}"


def _range(of: Mapping[str, Any]) -> str:
    if of.get("values"):
        return ", ".join(f"{value:g}" for value in of["values"])
    step = f" in steps of {of['step']:g}" if of.get("step") else ""
    return f"{of['low']:g} to {of['high']:g}{step}"


def _name(metric: str) -> str:
    return {"sharpe": "Sharpe ratio", "cagr": "growth a year"}.get(metric, metric.replace("_", " "))


# --- whether it can be believed


def _verdict(result: Mapping[str, Any]) -> Iterator[str]:
    label = result["label"]
    kind = "" if label == BELIEVED else ' class="bad"'
    yield f'<section class="notes"><h2>Can it be believed?</h2><p{kind}>{escape(str(label).upper())}</p><ul>'
    if result.get("stopped"):
        yield f'<li class="bad">It did not come to its end: {escape(result["stopped"])}</li>'
    yield from (f"<li>{escape(word)}</li>" for word in (*result["words"], *result.get("notes", ())))
    yield "</ul></section>"
    rows = [
        *_measured("Deflated Sharpe ratio", result.get("deflated"), _DEFLATED),
        *_measured("Backtest overfitting", result.get("overfitting"), _OVERFITTING),
    ]
    if rows:
        yield table(("Figure", "", "Value"), rows, words=(1,))


_DEFLATED: Final = {
    "sharpe": "Sharpe ratio of the best, a bar or day",
    "expected_max": "what the best of so many trials has without any skill",
    "probability": "probability that the true one is above that; believed from 95 % on",
    "trials": "trials that are counted",
}
_OVERFITTING: Final = {
    "probability": "probability that the best in sample is below the middle out of sample",
    "slope": "slope of the ratio out of sample over that in sample; above 0 it lasts",
    "loss_probability": "probability that the best in sample loses out of sample",
}
"""What is said of a figure that the verdict stands on; others are told by their name."""


def _measured(name: str, found: Mapping[str, Any] | None, words: Mapping[str, str]) -> list[tuple[str, str, str]]:
    if not found:
        return [(name, "not measured", NONE)]
    figures = [(words.get(key, _name(key)), value) for key, value in found.items() if isinstance(value, int | float)]
    return [(name if n == 0 else "", said, _number(value)) for n, (said, value) in enumerate(figures)]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


# --- the trials


def _figure(trial: Trial, metric: str) -> float | None:
    figures = trial.get("figures") or {}
    value = figures.get(metric, figures.get("score"))  # a metric that is no figure of its own is told as the score
    return None if value is None or trial.get("error") else float(value)


def _rank(trial: Trial, metric: str) -> float:
    value = _figure(trial, metric)
    return float("-inf") if value is None else value


def _by_number(result: Mapping[str, Any]) -> Trial | None:
    return next((trial for trial in result["trials"] if trial["n"] == result.get("best")), None)


def _best(result: Mapping[str, Any]) -> str:
    best = _by_number(result)
    if best is None:
        return '<p class="soft">No trial could be run.</p>'
    figures = "".join(
        f"<li>{escape(_name(name))}: {escape(_written(name, value))}</li>" for name, value in best["figures"].items() if value is not None
    )
    return f"<p><strong>{escape(called(result['strategy'], best['params']))}</strong>, trial {best['n']}</p><ul>{figures}</ul>"


_AS_SHARE: Final = frozenset({"total_return", "max_drawdown", "cagr", "volatility"})
_AS_MONEY: Final = frozenset({"final_equity", "fees"})


def _written(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return str(value)
    if name in _AS_SHARE:
        return f"{value:.2%}"
    return money(value) if name in _AS_MONEY else f"{value:,}" if isinstance(value, int) else ratio(value)


def _maps(result: Mapping[str, Any]) -> Iterator[str]:
    """Each pair of parameters that were searched, the others as in the best trial; where only one was, a line over it."""
    best, metric = _by_number(result), result["metric"]
    names = [name for name in result["ranges"] if len({trial["params"].get(name) for trial in result["trials"]}) > 1]
    if best is None or not names:
        yield '<p class="soft">There is nothing to compare.</p>'
        return
    if len(names) == 1:
        yield _along(result, names[0])
        return
    pairs_of = list(combinations(names, 2))
    for across, down in pairs_of[:MAPS]:
        yield _map(result, best, across, down, metric)
    if len(pairs_of) > MAPS:
        yield f'<p class="soft">{len(pairs_of) - MAPS} more pairs of parameters are not drawn.</p>'
    yield ('<p class="soft">A best trial that stands alone among bad neighbours is more likely luck than one on a plateau.</p>')


def _map(result: Mapping[str, Any], best: Trial, across: str, down: str, metric: str) -> str:
    """Of several trials in one place the best is shown: those whose other parameters differ only where no others are the best's."""
    others = {name: value for name, value in best["params"].items() if name not in (across, down)}
    at_best = [t for t in result["trials"] if all(t["params"].get(name) == value for name, value in others.items())]
    grid = len(at_best) > max(3, len(result["trials"]) ** 0.5)
    trials = at_best if grid else result["trials"]
    columns, rows = (_Places([trial["params"][name] for trial in trials]) for name in (across, down))
    cells: dict[tuple[int, int], Cell] = {}
    for trial in trials:
        place = columns.of(trial["params"][across]), rows.of(trial["params"][down])
        value, told = _figure(trial, metric), called(result["strategy"], trial["params"])
        words = f"{told}: {trial.get('error') or 'no figure'}" if value is None else f"{told}: {_name(metric)} {value:.4g}"
        cell, there = Cell(value, words, trial["n"] == best["n"]), cells.get(place)
        if there is None or cell.best or (not there.best and value is not None and (there.value is None or value > there.value)):
            cells[place] = cell
    said = "the other parameters as in the best trial" if grid and others else "the best of each place" if others else "all trials"
    return charts.heat_map(f"{_name(metric)}, {said}", (across, columns.names), (down, rows.names), cells)


class _Places:
    """Values of a parameter as places on an axis, equal stretches put together where there are too many."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values = sorted(set(values))
        self._low, self._high = self._values[0], self._values[-1]
        self._many = len(self._values) > PLACES
        count = PLACES // 2
        self.names = [f"{self._low + (n + 0.5) * (self._high - self._low) / count:.4g}" for n in range(count)]
        if not self._many:
            self.names = [f"{value:g}" for value in self._values]

    def of(self, value: float) -> int:
        if not self._many:
            return self._values.index(value)
        return min(len(self.names) - 1, int((value - self._low) / (self._high - self._low) * len(self.names)))


def _along(result: Mapping[str, Any], name: str) -> str:
    found = [(trial["params"][name], _figure(trial, result["metric"]), trial) for trial in result["trials"]]
    places = _Places([value for value, _, _ in found])
    cells = {
        (places.of(value), 0): Cell(
            figure,
            f"{name} {value:g}: {trial.get('error') or 'no figure' if figure is None else f'{figure:.4g}'}",
            trial["n"] == result["best"],
        )
        for value, figure, trial in found
    }
    return charts.heat_map(_name(result["metric"]), (name, places.names), ("trials", [""]), cells)


def _cell(trial: Trial, name: str) -> str:
    value = _figure(trial, name)
    return NONE if value is None else _written(name, trial["figures"].get(name, value))  # a count as it is, without decimals


def _trials(result: Mapping[str, Any]) -> Iterator[str]:
    metric, trials = result["metric"], result["trials"]
    values = [value for trial in trials if (value := _figure(trial, metric)) is not None]
    yield charts.counts(f"Trials by {_name(metric)}", bins(values), "percent" if metric in _AS_SHARE else "ratio")
    columns = [
        name for name in ("total_return", "max_drawdown", "sharpe", "trades") if any(name in (t.get("figures") or {}) for t in trials)
    ]
    columns = list(dict.fromkeys((metric, *columns)))
    params = list(result["ranges"])
    order = sorted(trials, key=lambda trial: (-_rank(trial, metric), trial["n"]))
    rows = [
        (
            str(trial["n"]),
            *(f"{trial['params'][name]:g}" if name in trial["params"] else NONE for name in params),
            *(
                NONE if _figure(trial, name) is None else _written(name, trial["figures"].get(name, _figure(trial, name)))
                for name in columns
            ),
            trial.get("error") or "",
        )
        for trial in order[:SHOWN]
    ]
    head = ("Trial", *params, *map(_name, columns), "")
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    yield table(head, rows, words=(len(params) + len(columns) + 1,))
    if len(trials) > SHOWN:
        yield f'<p class="soft">{len(trials) - SHOWN:,} more trials are counted and not listed.</p>'


# --- what was left out of the choice


def _folds(found: Mapping[str, Any], metric: str) -> Iterator[str]:
    rows = [
        (_periods(fold["tested"]), str(fold["chosen"]), *(ratio(fold[name]) for name in ("train", "test", "median")))
        for fold in found["folds"]
    ]
    yield f"<p>{escape(found['scheme'])}: each time the best of some periods is looked at in the others, with nothing near them.</p>"
    yield table(("Tested periods", "Trial", f"{metric} where it was chosen", "where it was not", "of the middle trial there"), rows)
    if found["paths"]:
        paths = sorted(found["paths"])
        yield f"<p>{len(paths)} whole backtests made of them: {metric} from {ratio(paths[0])} to {ratio(paths[-1])}.</p>"


def _periods(parts: Sequence[Sequence[int]]) -> str:
    return ", ".join(f"{first:,} to {last - 1:,}" for first, last in parts)


def _walk_forward(found: Mapping[str, Any], metric: str) -> Iterator[str]:
    kind = "anchored: every window is trained from the first bar on" if found["anchored"] else "rolling: the training moves along"
    yield f"<p>{len(found['windows'])} windows, {kind}. Only what was tested counts: those bars played no part in the choice.</p>"
    if found.get("equity"):
        times, values = [nanoseconds(at) for at, _ in found["equity"]], [float(value) for _, value in found["equity"]]
        yield charts.curves("Worth of the tested windows, one after another", [Curve("out of sample", times, values)], "money")
    figures = found.get("figures") or {}
    if figures:
        yield pairs((_name(name), _written(name, value)) for name, value in figures.items() if isinstance(value, int | float))
    yield table(
        ("Trained", "Tested", "Parameters", f"{_name(metric)} in", "out", "Return in", "out of sample"),
        [_window(window, metric) for window in found["windows"]],
        words=(1, 2),
    )
    pairs_of = [tuple((w[part] or {}).get(metric) for part in ("train_figures", "test_figures")) for w in found["windows"]]
    known = [(trained, tested) for trained, tested in pairs_of if trained is not None and tested is not None]
    if known:
        kept = sum(tested > 0 for _, tested in known)
        yield (
            f"<p>On average {_name(metric)} was {_mean([a for a, _ in known])} in sample and {_mean([b for _, b in known])} out of sample;"
            f" it was above 0 in {kept} of {len(known)} tested windows.</p>"
        )


def _window(window: Mapping[str, Any], metric: str) -> tuple[str, ...]:
    train, test = window["train_figures"] or {}, window["test_figures"] or {}
    return (
        _span(window["train"]),
        _span(window["test"]),
        _params(window["params"]),
        *(NONE if of.get(metric) is None else _written(metric, of[metric]) for of in (train, test)),
        *(share(of.get("total_return")) for of in (train, test)),
    )


def _span(ends: Sequence[str]) -> str:
    return " to ".join(f"{datetime.fromisoformat(end):%Y-%m-%d}" for end in ends)


def _mean(values: Sequence[float]) -> str:
    return ratio(round(sum(values) / len(values), 2) + 0.0)  # never -0.00

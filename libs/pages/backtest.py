"""The page of a backtest: what was tested, what must be believed first, the figures, the pictures, the trades. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

import msgspec

from libs.domain.losses import percent
from libs.domain.times import iso
from libs.pages import charts
from libs.pages.charts import Curve, moment_at
from libs.pages.hover import HOVER
from libs.pages.numbers import NONE, called, change, moment, money, ratio
from libs.pages.page import document, few, pairs, table
from libs.pages.terms import costs_text, strategies_text
from libs.quant.backtest import review
from libs.quant.backtest.bins import MANY, bins
from libs.quant.backtest.review import Review
from libs.quant.backtest.round_trips import RoundTrip
from libs.quant.backtest.statistics import Measures

ENDS: Final = 50
"""So many of the first and of the last trades are listed."""
FEW: Final = 30
"""Trades from which on an average is worth a look."""
LEAP: Final = 0.5
"""What no market gains in a day."""
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A page's content; as JSON it is the file beside it."""

    id: str | None  # None: not on record
    spec: Mapping[str, Any]
    result: Mapping[str, Any]  # as `fleet backtest run --json` ends with
    fingerprints: Mapping[str, str]  # of data, code, config and engine
    review: Review


def page(report: Report) -> str:
    """HTML, whole in itself."""
    spec = report.spec
    title = f"Backtest of {called(spec['strategy'], spec.get('params', {}))}" if spec.get("strategy") else "Backtest of a portfolio"
    return document(title, [f"<h1>{escape(title)}</h1>", *_body(report)], HOVER)


def data_of(report: Report) -> object:
    """What the page says as JSON has it: times are ISO 8601, for not every reader of JSON keeps nanoseconds as a number."""
    return _with_times(msgspec.to_builtins(report))


def _with_times(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _with_times(each, str(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [iso(each) for each in value] if name == "times" else [_with_times(each) for each in value]
    return iso(value) if name.endswith("_at") and isinstance(value, int) else value


def _body(report: Report) -> Iterator[str]:
    seen, result = report.review, report.result
    yield _said(report)
    yield from _believe_first(report)
    yield "<h2>Figures</h2>"
    yield from _figures(seen, result)
    yield "<h2>Equity</h2>"
    yield charts.curves(
        f"Worth of the account, {result['currency']}",
        [_named("account", seen.equity), _named("bought and held", seen.benchmark)],
        "money",
    )
    yield (
        '<p class="soft">Bought and held: an equal part of the deposit in each symbol at its first close, free of cost, dividends put'
        " back in.</p>"
    )
    yield charts.curves("Fall from the highest worth so far", [_named("drawdown", seen.drawdown)], "percent", height=150, from_zero=True)
    yield "<h3>The worst falls</h3>"
    yield _falls(seen)
    yield "<h2>Months</h2>"
    yield months_table(seen.months)
    yield "<h2>Trades on the price</h2>"
    yield '<p class="soft">Prices are those of their day: a split is a step.</p>'
    yield from (charts.market(each) for each in seen.markets)
    if seen.undrawn:
        yield f'<p class="soft">{seen.undrawn:,} more symbols were traded; those with most fills are drawn.</p>'
    yield "<h2>Exposure</h2>"
    thin = ", mean of each stretch" if len(seen.gross.times) < seen.gross.of else ""
    yield charts.curves(f"Held, of the equity{thin}", _exposure(seen), "percent", height=150, from_zero=True)
    yield "<h2>What trading cost</h2>"
    yield from _costs(report)
    yield "<h2>Results of the trades</h2>"
    results = [trip.result for trip in seen.round_trips if trip.closed_at is not None]
    tails = "; the hundredth at either end is in the outermost steps" if len(results) >= MANY else ""
    yield charts.counts(f"Closed trades by result, of what was put in{tails}", bins(results), "percent")
    yield "<h2>Refused signals</h2>"
    yield _refusals(seen)
    yield "<h2>Trades</h2>"
    yield from _trades(seen)
    yield "<h2>How to get this again</h2>"
    yield from _again(report)


def _named(name: str, curve: review.Curve) -> Curve:
    return Curve(name, curve.times, curve.values)


def _said(report: Report) -> str:
    spec, r = report.spec, report.result
    rows = [
        ("Strategy", strategies_text(spec)),
        ("Data", f"{r['source']}: {few(r['symbols'])}; {r['bars']:,} bars, finest {r['timeframe']}"),
        ("From, to (UTC)", f"{r['from']} to {r['to']}"),
        ("Account", _account(spec, r["currency"])),
        ("Costs", costs_text(spec)),
        ("Result", report.id or "not stored"),
    ]
    return pairs(rows)


def _account(spec: Mapping[str, Any], currency: str) -> str:
    side = "may sell short" if spec.get("allow_short") else "long only"
    return f"{money(float(spec.get('cash', 100_000)))} {currency}, risk controls {'on' if spec.get('risk', True) else 'OFF'}, {side}"


def _believe_first(report: Report) -> Iterator[str]:
    """What a reader should know before the figures."""
    notes = [*_doubts(report), *report.result["notes"]]
    halts = report.result.get("halts", [])
    if not notes and not halts:
        return
    yield '<section class="notes"><h2>Read this first</h2><ul>'
    for halt in halts:
        passed = f"{halt['limit']}, {percent(halt['seen'])} lost, limit {percent(halt['max'])}"
        text = f"Halted {halt['at']}: {passed}; from there on it only closed"
        yield f'<li class="bad">{escape(text)}</li>'
    yield from (f"<li>{escape(note)}</li>" for note in notes)
    yield "</ul></section>"


def _doubts(report: Report) -> Iterator[str]:
    seen, spec = report.review, report.spec
    paid = seen.costs
    if paid.traded and not paid.fees and not paid.spread and not paid.slippage:
        yield "Trading was free: no fee, no spread and no slippage was asked for. No market is like that."
    if not spec.get("risk", True):
        yield "Risk controls were off: orders were sent that the fleet would refuse."
    if seen.trades.closed < FEW:
        yield f"Closed trades: {seen.trades.closed}. Fewer than {FEW} show little; chance alone can explain any figure below."
    if seen.trades.open:
        were = "1 position was" if seen.trades.open == 1 else f"{seen.trades.open} positions were"
        yield f"{were} open at the end: counted in the equity at the last close, and in no figure of trades."
    if (seen.benchmark_by_day.best or 0.0) > LEAP:
        yield (
            f"Bought and held gained {seen.benchmark_by_day.best:.0%} within a day: a split that is not on record, or a ticker that another"
            " security had before. Do not compare with it, and look at the prices below."
        )
    if 0 < seen.by_day.observations < seen.by_day.per_year:
        yield f"{seen.by_day.observations} trading days: what is said of a year is less than a year, stretched."


def _figures(seen: Review, result: Mapping[str, Any]) -> Iterator[str]:
    day, bar, held = seen.by_day, seen.by_bar, seen.benchmark_by_day
    yield '<div class="figures">'
    yield table(
        ("Account", ""),
        [
            ("Worth at the end", f"{money(result['final_equity'])} {result['currency']}"),
            ("Total return", f"{result['total_return']:+.2%}"),
            ("Bought and held", f"{seen.benchmark.values[-1] / seen.deposit - 1:+.2%}" if seen.benchmark.values else NONE),
            ("Largest fall", f"{result['max_drawdown']:.2%}"),
            ("Fees", money(result["fees"])),
            ("Orders, fills", f"{result['orders']:,}, {result['trades']:,}"),
            ("Signals refused", f"{result['refused']:,}"),
            ("Held on average, at most", f"{seen.activity.mean_exposure:.1%}, {seen.activity.most_exposure:.1%}"),
            ("Time in the market", f"{seen.activity.in_market:.1%}"),
            ("Turnover a year", NONE if seen.activity.turnover is None else f"{seen.activity.turnover:,.1f} x equity"),
        ],
    )
    trades = seen.trades
    yield table(
        ("Closed trades, net of fees", ""),
        [
            ("Closed, still open", f"{trades.closed:,}, {trades.open:,}"),
            ("Hit rate", _share(trades.hit_rate)),
            ("Profit factor", ratio(trades.profit_factor)),
            ("Average win, loss", f"{_money(trades.average_win)}, {_money(trades.average_loss)}" if trades.closed else NONE),
            ("Win over loss", ratio(trades.payoff)),
            ("Expected of a trade", f"{_money(trades.expectancy)} ({_share(trades.expected_result, 3)})" if trades.closed else NONE),
            ("Best, worst", f"{_money(trades.best)}, {_money(trades.worst)}" if trades.closed else NONE),
            ("Held on average", NONE if trades.mean_hours is None else _hours(trades.mean_hours)),
        ],
    )
    yield "</div>"
    rows = [[name, *(written(getattr(of, field)) for of in (day, bar, held))] for name, field, written in _MEASURES]
    yield table(("Of returns", "by day", "by bar", "held, by day"), rows)
    yield (
        f'<p class="soft">A year has {day.per_year:g} days and {bar.per_year:,.0f} bars. No riskless rate is taken off. Compare by day:'
        " that is what others give. The formulas are in docs/reports.md.</p>"
    )


def _share(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:.{digits}%}"


def _count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def _money(value: float | None) -> str:
    return NONE if value is None else change(value)


def _hours(hours: float) -> str:
    return f"{hours * 60:.1f} min" if hours < 1 else f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


_MEASURES: Final = (
    ("Growth a year (CAGR)", "cagr", _share),
    ("Volatility a year", "volatility", _share),
    ("Sharpe ratio", "sharpe", ratio),
    ("Sortino ratio", "sortino", ratio),
    ("Calmar ratio", "calmar", ratio),
    ("Largest fall", "max_drawdown", _share),
    ("Most in a row below a high", "longest_fall", _count),
    ("Best", "best", _share),
    ("Worst", "worst", _share),
    ("Share that gained", "positive", _share),
    ("Returns", "observations", _count),
)
assert {field for _, field, _ in _MEASURES} < set(Measures.__struct_fields__)


def _exposure(seen: Review) -> list[Curve]:
    """Gross and net; only one where there was no short position."""
    if seen.gross == seen.net:
        return [_named("gross, and net", seen.gross)]
    return [_named("gross", seen.gross), _named("net", seen.net)]


def _falls(seen: Review) -> str:
    rows = []
    for fall in seen.falls:
        back = fall.recovered_at
        end = seen.equity.times[-1] if back is None else back
        rows.append(
            (
                f"{-fall.depth:.2%}",
                _at(fall.high_at),
                _at(fall.bottom_at),
                "not yet" if back is None else _at(back),
                f"{(end - fall.high_at) / 8.64e13:,.1f}",
            )
        )
    return table(("Depth", "High (UTC)", "Bottom", "Recovered", "Days"), rows)


def months_table(months: Mapping[int, Mapping[int, float | None]]) -> str:
    """Returns by month and year, the deeper the colour the larger."""
    if not months:
        return '<p class="soft">None.</p>'
    most = max((abs(value) for year in months.values() for n, value in year.items() if n and value is not None), default=0.0) or 1.0
    lines = []
    for year, values in sorted(months.items()):
        cells = "".join(_month(values.get(n), most, there=n in values) for n in (*range(1, 13), 0))
        lines.append(f'<tr><th scope="row">{year}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("", *_MONTHS, "Year"))
    return f'<div class="wide"><table><tr>{heads}</tr>{"".join(lines)}</table></div>'


def _month(value: float | None, most: float, *, there: bool) -> str:
    if value is None:
        return f"<td>{NONE if there else ''}</td>"
    kind = "gain" if value > 0 else "loss" if value < 0 else ""
    text = f"{value:+.1%}" if round(value, 3) else "0.0%"
    return f'<td class="{kind}" style="--much:{min(abs(value) / most, 1) * 45:.0f}%">{text}</td>'


def _costs(report: Report) -> Iterator[str]:
    paid, seen, currency = report.review.costs, report.review, report.result["currency"]
    if not paid.traded and not paid.flows:
        yield '<p class="soft">Nothing was traded.</p>'
        return
    total = paid.fees + paid.spread + paid.slippage
    rows = [("Fees", paid.fees), ("Spread", paid.spread), ("Slippage", paid.slippage), ("Together", total)]
    yield table(
        ("", currency, "Of the deposit", "Of what was traded"),
        [(name, money(value), f"{value / seen.deposit:.2%}", _bps(value, paid.traded)) for name, value in rows],
    )
    r = report.result["total_return"]
    yield (
        f"<p>{money(paid.traded)} {escape(currency)} was traded. The account made {r:+.2%}; without these costs, and with the same"
        f" fills, it had made {r + total / seen.deposit:+.2%}.</p>"
        '<p class="soft">Fees are as booked. Spread and slippage are worked back out of the prices by the terms; that prices are rounded'
        " to the next tick is not in them.</p>"
    )
    if paid.flows:
        yield table(("Received (paid) for what was held", currency), [(name, change(value)) for name, value in sorted(paid.flows.items())])


def _bps(value: float, traded: float) -> str:
    return f"{value / traded * 1e4:.2f} bps" if traded else NONE


def _refusals(seen: Review) -> str:
    rows = [(r.code, f"{r.count:,}", _at(r.first_at), r.limit or NONE, r.seen or NONE, r.reason) for r in seen.refusals]
    return table(("Control", "Signals", "First (UTC)", "Limit then", "Seen then", "Why"), rows, words=(5,))


def _trades(seen: Review) -> Iterator[str]:
    trips = seen.round_trips
    if len(trips) <= 2 * ENDS:
        yield _trips(trips)
        return
    yield _trips(trips[:ENDS])
    unlisted = f"{len(trips) - 2 * ENDS:,} trades are not listed here"
    yield f'<p class="soft">{unlisted}; the JSON beside this page (--report-json, ?format=json) has all.</p>'
    yield _trips(trips[-ENDS:])


def _at(ns: int) -> str:
    """Seconds only where there are some: bars have none."""
    return moment(moment_at(ns)).removesuffix(":00")


def _trips(trips: Sequence[RoundTrip]) -> str:
    rows = [
        (
            _at(t.opened_at),
            "open" if t.closed_at is None else _at(t.closed_at),
            t.strategy_id,
            t.symbol,
            t.side,
            f"{t.quantity:,.6g}",
            charts.FORMS["price"](t.entry),
            NONE if t.exit is None else charts.FORMS["price"](t.exit),
            money(t.fees),
            change(t.pnl),
            f"{t.result:+.2%}",
        )
        for t in trips
    ]
    head = ("Opened (UTC)", "Closed", "Strategy", "Symbol", "Side", "Units", "Entry", "Exit", "Fees", "P&L", "Result")
    return table(head, rows, words=(1, 2, 3, 4))


def _again(report: Report) -> Iterator[str]:
    yield "<p>Equal fingerprints give equal results, to the last digit.</p>"
    yield pairs([*((name, value) for name, value in report.fingerprints.items()), ("played", f"{report.result['engine']}")])
    spec = msgspec.json.format(msgspec.json.encode(report.spec), indent=2).decode()
    yield f"<p>The spec, as <code>fleet backtest run --spec FILE.json</code> takes it:</p><pre>{escape(spec)}</pre>"

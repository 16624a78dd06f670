"""Pictures of a backtest in SVG: curves over time, prices with their fills, counts of results, and maps of two parameters. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import chain, pairwise
from math import ceil, floor, log10
from statistics import median
from typing import Final, Literal, NamedTuple

from libs.domain.times import SECOND
from libs.pages.pictures import BOTTOM, LEFT, RIGHT, TOP, WIDTH
from libs.quant.backtest.bins import round_step
from libs.quant.backtest.review import Fills, Market

Form = Literal["money", "percent", "price", "ratio"]
FORMS: Final[Mapping[Form, Callable[[float], str]]] = {
    "money": lambda v: f"{v:,.0f}" if abs(v) >= 1000 else f"{v:,.2f}",
    "percent": lambda v: f"{v or 0.0:.2%}" if abs(v) < 0.1 else f"{v:.1%}",
    "price": lambda v: f"{v:,.6g}",
    "ratio": lambda v: f"{v:.2f}",
}
_STEPS: Final = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14400))
_MONTHS: Final = (1, 2, 3, 6, 12, 24, 60, 120, 240)
_MARKS: Final = 6


class Curve(NamedTuple):
    """A named line."""

    name: str
    times: Sequence[int]  # market ns
    values: Sequence[float]


class Frame(NamedTuple):
    """Where times and values lie in a picture."""

    first: int
    last: int
    low: float
    high: float
    height: int

    def x(self, at: int) -> float:
        return LEFT + (at - self.first) / max(self.last - self.first, 1) * (RIGHT - LEFT)

    def y(self, value: float) -> float:
        return TOP + (self.high - value) / (self.high - self.low) * (self.height - TOP - BOTTOM)


def curves(title: str, lines: Sequence[Curve], form: Form, *, height: int = 220, from_zero: bool = False) -> str:
    """Lines over one time, each with its last value; words instead of a line of one point.

    Args:
        from_zero: zero belongs to the picture, and what lies between it and the first line is filled.
    """
    if not any(len(line.times) > 1 for line in lines):
        return f'<p class="soft">{escape(title)}: there are too few bars for a picture.</p>'
    if from_zero and not any(chain.from_iterable(line.values for line in lines)):
        return f'<p class="soft">{escape(title)}: nothing, all the time.</p>'
    frame = _frame([line.times for line in lines], [*(line.values for line in lines), *([(0.0,)] if from_zero else [])], height)
    body = [*_values(frame, form), *_times(frame)]
    if from_zero:
        first, zero = lines[0], frame.y(0.0)
        ends = f"{frame.x(first.times[-1]):.2f},{zero:.2f} {frame.x(first.times[0]):.2f},{zero:.2f}"
        body.append(f'<polygon class="under" points="{_points(frame, first.times, first.values)} {ends}"/>')
    body += [_line(frame, line, f"curve{n}") for n, line in enumerate(lines)]
    named = " · ".join(
        f'<span class="name{n}">{escape(line.name)} {escape(FORMS[form](line.values[-1]))}</span>' for n, line in enumerate(lines)
    )
    said = f"{title}: " + ", ".join(
        f"{line.name} from {FORMS[form](line.values[0])} to {FORMS[form](line.values[-1])},"
        f" lowest {FORMS[form](min(line.values))}, highest {FORMS[form](max(line.values))}"
        for line in lines
    )
    return f"<figure><figcaption>{escape(title)}: {named}</figcaption>{_svg(said, height, body, frame, form)}</figure>"


def market(seen: Market) -> str:
    """A symbol's price, from low to high and its closes, with its fills: their tips are at their prices."""
    frame = _frame([seen.times, seen.buys.times, seen.sells.times], [seen.low, seen.high, seen.buys.prices, seen.sells.prices], 240)
    body = [
        *_values(frame, "price"),
        *_times(frame),
        *(_spread(frame, seen, part) for part in _stretches(seen.times)),
        *(_line(frame, Curve("close", seen.times[part], seen.close[part]), "price") for part in _stretches(seen.times)),
        f'<g class="bought">{"".join(_marks(frame, seen.buys, "bought", 1))}</g>',
        f'<g class="sold">{"".join(_marks(frame, seen.sells, "sold", -1))}</g>',
    ]
    named = (
        f'{escape(seen.symbol)}: <span class="bought">▲ {seen.buys.of:,} bought</span> · <span class="sold">▼ {seen.sells.of:,} sold</span>'
    )
    drawn, all_ = len(seen.buys.times) + len(seen.sells.times), seen.buys.of + seen.sells.of
    if drawn < all_:
        named += f" · {drawn:,} of them are drawn, the dearest and the cheapest of each stretch"
    if len(seen.times) < seen.bars:
        named += f" · {seen.bars:,} bars, grey from the lowest low to the highest high"
    said = f"price of {seen.symbol} with {seen.buys.of} fills bought and {seen.sells.of} sold"
    return f"<figure><figcaption>{named}</figcaption>{_svg(said, 240, body, frame, 'price')}</figure>"


def _spread(frame: Frame, seen: Market, part: slice) -> str:
    """From the highs and back over the lows."""
    times = seen.times[part]
    points = f"{_points(frame, times, seen.high[part])} {_points(frame, times[::-1], seen.low[part][::-1])}"
    return f'<polygon class="spread" points="{points}"/>'


def _stretches(times: Sequence[int]) -> list[slice]:
    """Without the long times in between of which there are no bars: nothing is drawn where nothing is known."""
    steps = [after - before for before, after in pairwise(times)]
    if not steps:
        return [slice(0, len(times))]
    long = max((times[-1] - times[0]) / 25, 5 * median(steps))
    ends = [n + 1 for n, step in enumerate(steps) if step > long]
    return [slice(begin, end) for begin, end in pairwise([0, *ends, len(times)])]


def _marks(frame: Frame, fills: Fills, word: str, up: int) -> Iterator[str]:
    for at, price in zip(fills.times, fills.prices, strict=True):
        x, y = frame.x(at), frame.y(price)
        said = f"{word} at {FORMS['price'](price)}, {moment_at(at):%Y-%m-%d %H:%M:%S}"
        yield f'<path class="mark" d="M{x:.1f} {y:.1f}l-4 {7 * up}h8z"><title>{said}</title></path>'


def counts(title: str, bins: Sequence[tuple[float, float, int]], form: Form) -> str:
    """How many results lie in each step; those of losses are drawn in another colour."""
    if not bins:
        return f'<p class="soft">{escape(title)}: no trade was closed.</p>'
    height, most = 200, max(count for _, _, count in bins)
    frame = Frame(0, len(bins), 0.0, float(most), height)
    wide = (RIGHT - LEFT) / len(bins)
    body = [*_values(frame, "money", whole=True)]
    for n, (low, high, count) in enumerate(bins):
        top, kind = frame.y(count), "lost" if high <= 1e-12 else "won"
        said = f"{FORMS[form](low)} to {FORMS[form](high)}: {count:,}"
        body.append(
            f'<rect class="{kind}" x="{LEFT + n * wide + 0.5:.1f}" y="{top:.1f}" width="{max(wide - 1, 0.5):.1f}"'
            f' height="{frame.y(0) - top:.1f}"><title>{said}</title></rect>'
        )
    every = max(1, ceil(len(bins) / _MARKS))
    zero = next((n for n, (low, _, _) in enumerate(bins) if abs(low) < 1e-12), 0)
    for n, edge in enumerate([*(low for low, _, _ in bins), bins[-1][1]]):
        if (n - zero) % every == 0:
            x = LEFT + n * wide
            kind = ("end" if x > RIGHT - 30 else "middle") + (" inner" if (n - zero) // every % 2 else "")
            body.append(f'<text class="{kind}" x="{x:.1f}" y="{height - 4}">{escape(FORMS[form](edge or 0.0))}</text>')
    return f"<figure><figcaption>{escape(title)}</figcaption>{_svg(title, height, body)}</figure>"


class Cell(NamedTuple):
    """A place of a map; None where no trial could be run."""

    value: float | None
    words: str
    best: bool = False


def heat_map(title: str, across: tuple[str, Sequence[str]], down: tuple[str, Sequence[str]], cells: Mapping[tuple[int, int], Cell]) -> str:
    """A map of two parameters, by (column, row); the more colour the higher.

    Args:
        across, down: the parameter's name and its values in words.
    """
    columns, rows = across[1], down[1]
    wide, tall = (RIGHT - LEFT) / len(columns), min(36.0, max(14.0, 420 / len(rows)))
    height = round(TOP + tall * len(rows) + 40)
    values = [cell.value for cell in cells.values() if cell.value is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    body = []
    for (column, row), cell in cells.items():
        x, y = LEFT + column * wide, TOP + (len(rows) - 1 - row) * tall
        place = f'x="{x:.1f}" y="{y:.1f}" width="{max(wide - 1, 0.5):.1f}" height="{tall - 1:.1f}"'
        if cell.value is None:
            body.append(f'<rect class="none" {place}><title>{escape(cell.words)}</title></rect>')
            continue
        much = 0.06 + 0.54 * ((cell.value - low) / (high - low) if high > low else 1.0)
        body.append(f'<rect {place} fill="var(--one)" fill-opacity="{much:.3f}"><title>{escape(cell.words)}</title></rect>')
        if wide >= 40 and tall >= 18:
            middle = f'x="{x + wide / 2:.1f}" y="{y + tall / 2 + 4:.1f}"'
            body.append(f'<text class="middle inner" {middle}>{FORMS["ratio"](cell.value)}</text>')
        if cell.best:
            body.append(f'<rect class="best" {place}><title>the best: {escape(cell.words)}</title></rect>')
    fit = max(1, ceil(len(columns) * 60 / (RIGHT - LEFT)))
    for n, name in enumerate(columns):
        if n % fit == 0:
            kind = "middle inner" if n // fit % 2 else "middle"
            body.append(
                f'<text class="{kind}" x="{LEFT + (n + 0.5) * wide:.1f}" y="{TOP + tall * len(rows) + 16:.1f}">{escape(name)}</text>'
            )
    fit = max(1, ceil(16 / tall))
    for n, name in enumerate(rows):
        if n % fit == 0:
            y = TOP + (len(rows) - 0.5 - n) * tall + 4
            body.append(f'<text class="end" x="{LEFT - 6}" y="{y:.1f}">{escape(name)}</text>')
    body.append(f'<text class="middle" x="{(LEFT + RIGHT) / 2}" y="{height - 4}">{escape(across[0])}</text>')
    caption = f"{escape(title)}: {escape(across[0])} from left to right, {escape(down[0])} upwards; palest {low:.4g}, deepest {high:.4g}"
    return f"<figure><figcaption>{caption}</figcaption>{_svg(title, height, body)}</figure>"


# --- the frame


def _frame(times: Sequence[Sequence[int]], values: Sequence[Sequence[float]], height: int) -> Frame:
    low, high = min(chain(*values)), max(chain(*values))
    if low == high:
        low, high = low - abs(low or 1.0) * 0.01, high + abs(high or 1.0) * 0.01
    return Frame(min(chain(*times)), max(chain(*times)), low, high, height)


def _values(frame: Frame, form: Form, *, whole: bool = False) -> Iterator[str]:
    """Lines across at round values."""
    step = round_step((frame.high - frame.low) / 5)
    step = max(step, 1.0) if whole else step
    digits = max(0, -floor(log10(step) + 1e-9))
    for n in range(ceil(frame.low / step - 1e-9), floor(frame.high / step + 1e-9) + 1):
        value = n * step
        written = {"money": f"{value:,.{digits}f}", "percent": f"{value:.{max(0, digits - 2)}%}"}.get(form, f"{value:,.{digits}f}")
        kind, y = "zero" if n == 0 else "grid", frame.y(value)
        yield (
            f'<line class="{kind}" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{written}</text>'
        )


def _times(frame: Frame) -> Iterator[str]:
    """Round times below."""
    marks, form = _round_times(moment_at(frame.first), moment_at(frame.last))
    for n, at in enumerate(marks):
        x = frame.x(round(at.timestamp()) * SECOND)
        kind = ("end" if x > RIGHT - 30 else "middle" if x > LEFT + 30 else "") + (" inner" if n % 2 else "")
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.height - BOTTOM}" y2="{frame.height - BOTTOM + 4}"/>'
        yield f'<text class="{kind}" x="{x:.1f}" y="{frame.height - 4}">{at.strftime(form)}</text>'


def _round_times(first: datetime, last: datetime) -> tuple[list[datetime], str]:
    span = last - first
    step = next((step for step in _STEPS if span / step <= _MARKS), None)
    if step is not None:
        at = datetime(first.year, first.month, first.day, tzinfo=UTC)
        at += ceil((first - at) / step) * step
        return [at + n * step for n in range(int((last - at) / step) + 1)], "%Y-%m-%d" if step >= timedelta(days=1) else "%m-%d %H:%M"
    months = next((m for m in _MONTHS if span.days / 30.44 / m <= _MARKS), _MONTHS[-1])
    begin = first.year * 12 + first.month - 1
    found = (datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in range(begin // months * months, last.year * 12 + last.month, months))
    return [at for at in found if first <= at <= last], "%Y" if months >= 12 else "%Y-%m"


def moment_at(ns: int) -> datetime:
    """Market time to the microsecond, UTC."""
    return datetime.fromtimestamp(ns // SECOND, UTC).replace(microsecond=ns % SECOND // 1000)


def _points(frame: Frame, times: Sequence[int], values: Sequence[float]) -> str:
    return " ".join(f"{frame.x(at):.2f},{frame.y(value):.2f}" for at, value in zip(times, values, strict=True))


def _line(frame: Frame, line: Curve, kind: str) -> str:
    told = " ".join(f"{value:.8g}" for value in line.values)
    points = _points(frame, line.times, line.values)
    return f'<polyline class="{kind}" points="{points}" data-name="{escape(line.name)}" data-values="{told}"/>'


def _svg(title: str, height: int, body: Sequence[str], frame: Frame | None = None, form: Form | None = None) -> str:
    data = f' data-first="{frame.first // SECOND}" data-last="{frame.last // SECOND}" data-form="{form}"' if frame is not None else ""
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"{data}>{"".join(body)}</svg>'

"""Small pictures in SVG, whole in themselves: lines over time, and bars beside a zero. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 200, 84, 22, 10
RIGHT = WIDTH - 8
ROW, NAMES = 24, 230


class Line(NamedTuple):
    """A curve: its name, and (time, value) in order."""

    name: str
    points: Sequence[tuple[datetime, float]]


def lines(title: str, curves: Sequence[Line], written: Callable[[float], str]) -> str:
    """Curves over one time, each with its last value; words instead where no curve has two points.

    Args:
        written: a value as the axis shows it.
    """
    points = [point for curve in curves for point in curve.points]
    if not any(len(curve.points) > 1 for curve in curves):
        return f'<p class="soft">{escape(title)}: not enough is on record for a picture yet.</p>'
    first, last = min(at for at, _ in points), max(at for at, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    if low == high:
        low, high = low - abs(low or 1.0) * 0.01, high + abs(high or 1.0) * 0.01
    seconds = max((last - first).total_seconds(), 1e-9)

    def x(at: datetime) -> float:
        return LEFT + (at - first).total_seconds() / seconds * (RIGHT - LEFT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    marks = [low, (low + high) / 2, high]
    body = [
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
        f'<text class="end" x="{LEFT - 6}" y="{y(mark) + 4:.1f}">{escape(written(mark))}</text>'
        for mark in marks
    ]
    body += [
        f'<text x="{LEFT}" y="{HEIGHT - 4}">{first:%Y-%m-%d %H:%M}</text>',
        f'<text class="end" x="{RIGHT}" y="{HEIGHT - 4}">{last:%Y-%m-%d %H:%M}</text>',
    ]
    for n, curve in enumerate(curves):
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in curve.points)
        body.append(f'<polyline class="curve{n}" points="{path}"/>')
    named = " · ".join(
        f'<span class="name{n}">{escape(curve.name)} {escape(written(curve.points[-1][1]))}</span>'
        for n, curve in enumerate(curves)
        if curve.points
    )
    return f"<figure><figcaption>{escape(title)}: {named}</figcaption>{_svg(title, HEIGHT, body)}</figure>"


def bars(title: str, values: Sequence[tuple[str, float]], written: Callable[[float], str]) -> str:
    """A bar for each, to the left of zero where it is lost."""
    if not values:
        return f'<p class="soft">{escape(title)}: nothing to show.</p>'
    low, high = min(0.0, *(value for _, value in values)), max(0.0, *(value for _, value in values))
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return NAMES + (value - low) / span * (WIDTH - NAMES - 90)

    body = []
    for n, (name, value) in enumerate(values):
        top = n * ROW + 4
        begin, end = sorted((x(0.0), x(value)))
        long, kind = max(end - begin, 0.5), "lost" if value < 0 else "won"
        body += [
            f'<text class="end" x="{NAMES - 8}" y="{top + 14}">{escape(name)}</text>',
            f'<rect class="{kind}" x="{begin:.1f}" y="{top}" width="{long:.1f}" height="{ROW - 8}"/>',
            f'<text x="{WIDTH - 84}" y="{top + 14}">{escape(written(value))}</text>',
        ]
    return f"<figure><figcaption>{escape(title)}</figcaption>{_svg(title, len(values) * ROW + 8, body)}</figure>"


def _svg(title: str, height: int, body: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(body)}</svg>'

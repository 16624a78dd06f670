"""From a snapshot to the lines of a screen: pure, and exactly as wide and high as asked."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from rich.console import Group
from rich.text import Text

from fleet.screen import blocks, edges, pages
from fleet.screen.blocks import Block
from fleet.screen.columns import line
from fleet.screen.model import Snapshot

LEAST_WIDTH: Final = 80
LEAST_HEIGHT: Final = 24
THREE_SIDE_BY_SIDE: Final = 140  # columns from which services, market and order path stand beside each other
BETWEEN: Final = 1


def screen(snapshot: Snapshot, width: int, height: int) -> Group:
    """The whole screen."""
    return Group(*lines(snapshot, width, height))


def lines(snapshot: Snapshot, width: int, height: int) -> list[Text]:
    """Exactly `height` lines of exactly `width` cells; where there is little room the least important parts are left out."""
    top = edges.header(snapshot, width)[: max(0, height - 1)]
    bottom = edges.footer(snapshot, width)
    body = stacked(_body(snapshot, width), height - len(top) - 1, width)
    return [*top, *body, bottom][:height]


def _body(snapshot: Snapshot, width: int) -> list[Block]:
    if snapshot.hand.view == "alerts":
        middle = [pages.alerts(snapshot, width)]
    elif snapshot.hand.view == "help":
        middle = [pages.keys(width)]
    else:
        middle = [_state(snapshot, width), blocks.positions(snapshot, width), blocks.alerts(snapshot, width)]
    return [blocks.accounts(snapshot, width), *middle, blocks.events(snapshot, width)]


def _state(snapshot: Snapshot, width: int) -> Block:
    """Services, market, order path and venues, in two columns or three."""
    if width >= THREE_SIDE_BY_SIDE:
        third = (width - 2 * BETWEEN) // 3
        rest = width - 2 * BETWEEN - third
        services, market, path = rest // 2, rest - rest // 2, third
        return beside(
            [
                ([blocks.services(snapshot, services)], services),
                ([blocks.market(snapshot, market)], market),
                ([blocks.path(snapshot, path), *blocks.venues(snapshot, path)], path),
            ]
        )
    left = 40 + max(0, width - LEAST_WIDTH) // 3
    right = width - left - BETWEEN
    stack = [blocks.market(snapshot, right), blocks.path(snapshot, right), *blocks.venues(snapshot, right)]
    return beside([([blocks.services(snapshot, left)], left), (stack, right)])


def beside(columns: Sequence[tuple[Sequence[Block], int]]) -> Block:
    """Stacks of blocks side by side as one block; each with its width."""

    def draw(rows: int) -> list[Text]:
        drawn = [stacked(stack, rows, width) for stack, width in columns]
        blank = [Text(" " * width) for _, width in columns]
        joined = []
        for cells in zip_longest(*drawn):
            text = Text(no_wrap=True, overflow="crop")
            for n, cell in enumerate(cells):
                text.append(" " * BETWEEN if n else "").append_text(cell or blank[n])
            joined.append(text)
        return joined

    return Block(
        rank=3,
        floor=min(min(block.floor for block in stack) for stack, _ in columns),
        wanted=max(sum(block.wanted for block in stack) for stack, _ in columns),
        draw=draw,
    )


def stacked(stack: Sequence[Block], rows: int, width: int) -> list[Text]:
    """Blocks one below the other in exactly so many rows."""
    drawn: list[Text] = []
    for block, given in zip(stack, allotted(stack, rows), strict=True):
        if given:
            drawn += block.draw(given)[:given]
    return [*drawn, *(line(width=width) for _ in range(rows - len(drawn)))]


def allotted(stack: Sequence[Block], rows: int) -> list[int]:
    """Rows for each block.

    By rank each first gets what it cannot do without, if that is still there; then they grow in turn, a row at a time, to what
    they want. What is still left goes to the block that fills.
    """
    given = [0] * len(stack)
    order = sorted(range(len(stack)), key=lambda n: stack[n].rank)
    for n in order:
        if stack[n].floor <= rows:
            given[n] = stack[n].floor
            rows -= stack[n].floor
    growing = [n for n in order if given[n] and not stack[n].fills]
    while rows and growing:
        growing = [n for n in growing if given[n] < stack[n].wanted]
        for n in growing[:rows]:
            given[n] += 1
        rows -= min(rows, len(growing))
    for n in order:
        if stack[n].fills and given[n]:
            given[n] += rows
            rows = 0
    return given

"""The parts of the screen: each knows how many rows it wants, how few will do, and how to draw itself in those it is given."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from rich.text import Text

from fleet.screen.columns import Column, Grid, line, rule
from fleet.screen.model import STARTING, Account, Alert, Light, Path, Snapshot
from fleet.screen.words import GAIN, LOSS, WARN, counted, gain, gained, lasted, price, sparkline
from fleet.tables import number
from libs.domain.fleet import STANDBYS
from libs.store.queries.screen import BookSeen

T = TypeVar("T")
ALERTS_SHOWN: Final = 4
EVENTS_AT_LEAST: Final = 5
SCARCE: Final = 0.25  # of a request budget: what is left is for cancels soon


class Block(NamedTuple):
    """A part of the screen."""

    rank: int  # the lower, the sooner it gets its rows
    floor: int  # rows without which it is left out
    wanted: int
    draw: Callable[[int], list[Text]]  # so many lines or fewer
    fills: bool = False  # takes every row that is left


def accounts(snapshot: Snapshot, width: int) -> Block:
    """What each account is worth."""
    grid = Grid(
        "Account",
        [
            Column("", 9, left=True, most=20),
            Column("equity", 13),
            Column("day P&L", 10),
            Column("", 7, rank=3),
            Column("drawdown", 8, rank=1),
            Column("cash", 9, rank=2, most=14),
            Column("gross", 9, most=14),
            Column("of limit", 8),
        ],
        width,
    )
    rows = [_account(account, grid) for account in snapshot.accounts]
    rows += [grid.row(name, "opening", *[""] * 6) for name in snapshot.opening]
    rows = rows or [grid.row("opening", *[""] * 7)]
    return Block(1, 2, 1 + len(rows), lambda most: [grid.rule(), *cut(rows, most - 1, width)])


def _account(account: Account, grid: Grid) -> Text:
    seen, worth = account.seen, account.equity
    begin = worth - account.day_pnl if account.day_pnl is not None else 0.0
    used = account.gross / account.gross_limit if account.gross_limit else None
    return grid.row(
        f"{seen.name} {seen.currency}",
        f"{worth:,.2f}",
        gain(account.day_pnl),
        gained(account.day_pnl / begin if account.day_pnl is not None and begin else None),
        f"{account.drawdown:.2%}",
        _roomy(float(seen.cash), grid.width_of("cash")),
        _roomy(account.gross, grid.width_of("gross")),
        Text("none" if used is None else f"{used:.0%}", style=WARN if used is not None and used > 1 else ""),
    )


def _roomy(value: float, width: int) -> str:
    exact = f"{value:,.2f}"
    return exact if len(exact) <= width else f"{value:,.0f}"


def services(snapshot: Snapshot, width: int) -> Block:
    """Every service and server, and how it is."""
    grid = Grid(
        "Services",
        [Column("", 17, left=True), Column("for", 6), Column("again", 3, rank=1, most=5), Column("state", 7, left=True, most=60)],
        width,
    )
    lights = snapshot.services
    return Block(3, 3, 1 + len(lights), lambda most: [grid.rule(), *_lit(lights, most - 1, grid, width)])


def _lit(lights: Sequence[Light], most: int, grid: Grid, width: int) -> list[Text]:
    shown = chosen(lights, most, lambda light: not light.well)
    rows = [
        grid.row(
            Text.assemble(("● ", GAIN) if light.well else ("○ ", _hue(light)), light.name),
            lasted(light.for_s),
            f"{light.restarts}x" if light.restarts else "",
            Text(light.state, style=_hue(light)),
        )
        for light in shown
    ]
    left = len(lights) - len(shown)
    return [*rows, line(("  and ", "dim"), (f"{left} more, {_how(lights, shown)}", "dim"), width=width)] if left else rows


def _hue(light: Light) -> str:
    return "" if light.well else WARN if light.state == STARTING else LOSS


def _how(lights: Sequence[Light], shown: Sequence[Light]) -> str:
    unwell = sum(not light.well for light in lights) - sum(not light.well for light in shown)
    return f"{unwell} of them not healthy" if unwell else "healthy"


def venues(snapshot: Snapshot, width: int) -> list[Block]:
    """Where each account trades, and how the connection is; no block where all trade inside trade_executor."""
    links = {account: link for account, link in snapshot.venues.items() if link.venue != "paper"}
    if not links:
        return []
    grid = Grid(
        "Venues",
        [
            Column("", 10, left=True, most=16),
            Column("account", 8, rank=2, left=True, most=16),
            Column("answers", 8),
            Column("budget", 6, rank=1),
            Column("state", 9, left=True),
        ],
        width,
    )
    rows = [
        grid.row(
            Text.assemble(("● ", GAIN), link.venue),
            account,
            link.took,
            Text(link.left, style=WARN if link.budget is not None and link.budget < SCARCE else ""),
            "by the standby" if link.by in STANDBYS else link.state,
        )
        if link.up
        else line(" ", ("○ ", LOSS), f"{link.venue}  ", (link.state, LOSS), width=width)
        for account, link in links.items()
    ]
    return [Block(4, min(3, 1 + len(rows)), 1 + len(rows), lambda most: [grid.rule(), *cut(rows, most - 1, width)])]


def market(snapshot: Snapshot, width: int) -> Block:
    """Prices, and where they come from."""
    grid = Grid(
        "Market",
        [Column("", 8, left=True, most=16), Column("last", 10), Column("today", 7), Column("closes", 6, rank=1, left=True, most=40)],
        width,
    )
    rows = [
        grid.row(
            seen.symbol,
            price(seen.closes[-1] if seen.closes else None, seen.decimals),
            gained(seen.closes[-1] / seen.opened - 1 if seen.closes and seen.opened else None),
            Text(sparkline(seen.closes, grid.width_of("closes")), style="cyan"),
        )
        for seen in snapshot.closes
    ] or [line("  no bar yet", width=width)]
    return Block(4, 3, 1 + len(rows), lambda most: [grid.rule(), *cut(rows, most - 1, width)])


def path(snapshot: Snapshot, width: int) -> Block:
    """What went through the order path in this run."""
    rows = _path(snapshot.path, width)
    return Block(5, 3, 1 + len(rows), lambda most: [rule("Order path of this run", width), *rows[: most - 1]])


def _path(seen: Path, width: int) -> list[Text]:
    codes = "  ".join(f"{code} {count}" for code, count in sorted(seen.refused.items(), key=lambda item: (-item[1], item[0])))
    latency = seen.latency
    measured = latency is not None and latency.p50 is not None and latency.p99 is not None
    took = f"p50 {latency.p50:.1f}  p99 {latency.p99:.1f} ms" if measured and latency is not None else "not measured yet"
    return [
        line(f" signals {seen.signals:,}  refused {sum(seen.refused.values()):,}  ", (codes, "dim"), width=width),
        line(f" orders {seen.orders:,}  trades {seen.trades:,}  open {seen.open_orders:,}", width=width),
        line(f" tick to order  {took}", width=width),
    ]


def positions(snapshot: Snapshot, width: int) -> Block:
    """Every book that holds something, then those that have earned or lost."""
    several = len(snapshot.accounts) + len(snapshot.opening) > 1
    grid = Grid(
        "Positions",
        [
            Column("", 9, left=True, most=16),
            Column("strategy", 10, left=True, most=24),
            *([Column("account", 8, rank=2, left=True, most=16)] if several else []),
            Column("quantity", 10, most=14),
            Column("average", 10, rank=1, most=12),
            Column("mark", 10, most=12),
            Column("value", 12, rank=3),
            Column("unrealised", 10),
            Column("realised", 10),
        ],
        width,
    )
    decimals = {seen.symbol: seen.decimals for seen in snapshot.closes}
    books = snapshot.books

    def row(book: BookSeen) -> Text:
        digits = decimals.get(book.symbol, 2)
        held = book.quantity != 0
        return grid.row(
            book.symbol,
            book.strategy_id,
            *([book.account_id] if several else []),
            number(book.quantity) if held else "-",
            price(float(book.avg_cost), max(digits, 2)) if held else "-",
            price(book.mark, digits) if held else "-",
            f"{book.value:,.2f}" if held else "-",
            gain(book.unrealized_pnl) if held else "-",
            gain(book.realized_pnl),
        )

    def draw(most: int) -> list[Text]:
        shown = chosen(books, most - 1, lambda book: book.quantity != 0)
        rows = [row(book) for book in shown] or [line(("  nothing is held", "dim"), width=width)]
        left = len(books) - len(shown)
        return [grid.rule(), *rows, *([line((f"  and {left} more", "dim"), width=width)] if left else [])]

    return Block(2, 3, 1 + max(1, len(books)), draw)


def alerts(snapshot: Snapshot, width: int) -> Block:
    """What is wrong, the worst first."""
    firing = snapshot.alerts
    if not firing:
        return Block(0, 1, 1, lambda _: [rule("No alerts", width, "dim")])
    head = rule(counted(len(firing), "alert"), width, f"bold {LOSS}")
    rows = [_alert(alert, width) for alert in firing]
    return Block(0, 2, 1 + min(len(rows), ALERTS_SHOWN), lambda most: [head, *cut(rows, most - 1, width)])


def _alert(alert: Alert, width: int) -> Text:
    mark = ("! ", f"bold {LOSS}") if alert.severity == "critical" else ("- ", WARN)
    since = f"{alert.since}  " if alert.since else ""
    return line(" ", mark, since, alert.title, (f": {alert.body}" if alert.body else "", "dim"), width=width)


def events(snapshot: Snapshot, width: int) -> Block:
    """The newest lines of the feed; takes every row that is left."""
    told = snapshot.events

    def draw(most: int) -> list[Text]:
        return [rule("Events, market time (UTC)", width), *(_event(text, width) for text in told[max(0, len(told) - most + 1) :])]

    return Block(4, EVENTS_AT_LEAST, EVENTS_AT_LEAST, draw, fills=True)


def _event(text: str, width: int) -> Text:
    loud = "ALERT" in text or "ANOMALY" in text or "NOT healthy" in text
    return line((text[:8], "dim"), (text[8:], f"bold {LOSS}" if loud else ""), width=width)


def chosen(rows: Sequence[T], most: int, first: Callable[[T], bool]) -> Sequence[T]:
    """All rows when they fit; else those that matter first, in their order, with a line left to say how many are not shown."""
    if len(rows) <= most:
        return rows
    order = sorted(range(len(rows)), key=lambda n: (not first(rows[n]), n))
    return [rows[n] for n in sorted(order[: max(0, most - 1)])]


def cut(rows: list[Text], most: int, width: int) -> list[Text]:
    """As many rows as fit, the last saying how many do not."""
    if len(rows) <= most:
        return rows
    kept = max(0, most - 1)
    return [*rows[:kept], line((f"  and {len(rows) - kept} more", "dim"), width=width)]

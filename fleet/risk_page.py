"""The page of `fleet risk report`: one account after the other, whole in itself, in light and dark, without a script. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from fleet.measures import period_of
from libs.domain.history import Material
from libs.domain.limits import LimitRow, Standing, amount, titled
from libs.domain.losses import LOSSES, percent
from libs.domain.times import SECOND
from libs.pages import pictures
from libs.pages.numbers import NONE, change, moment, money, ratio, share
from libs.pages.page import document, table
from libs.pages.pictures import Line
from libs.store.halts import LossStanding
from libs.store.queries.risk_history import HaltWas, RefusedOften, ValueAtRisk, Worth
from libs.store.risk_alerts import RiskAlertStanding

if TYPE_CHECKING:
    from libs.quant.risk.measures.picture import PortfolioRisk


class Section(NamedTuple):
    """What is said of one account."""

    known: Material
    risk: "PortfolioRisk"
    losses: LossStanding | None  # None: of an earlier session
    worth: Sequence[Worth]
    measured: Sequence[ValueAtRisk]
    refused: Sequence[RefusedOften]
    halts: Sequence[HaltWas]
    alerts: Sequence[RiskAlertStanding]


def page(sections: Sequence[Section], limits: Standing, stopped: Sequence[str], confidence: float, now: datetime) -> str:
    """HTML. `stopped` are the kill switches and halts that are on, in words; `now` is host time."""
    body = [
        "<h1>Risk report</h1>",
        f'<p class="soft">Made {moment(now)} UTC. Limits: {escape(limits.stamp)}.</p>',
        *(f'<p class="bad">{escape(text)}</p>' for text in stopped),
        "<h2>Limits in force</h2>",
        table(("Limit", "Most", "Since (UTC)", "By: why"), [_limit(row) for row in limits.holding], words=(3,)),
        *(f'<p class="soft">waits: {escape(titled(row))} {escape(amount(row.value, row.unit))}</p>' for row in limits.pending),
        *(part for section in sections for part in _account(section, confidence)),
    ]
    return document("Risk report", body)


def _account(section: Section, confidence: float) -> Iterator[str]:
    known, risk = section.known, section.risk
    at = datetime.fromtimestamp(known.market_time // SECOND, UTC)
    yield f"<h2>{escape(known.account_id)}</h2>"
    yield f"<p>Worth {money(risk.equity)} {escape(known.currency)} at {moment(at)} UTC, market time.</p>"
    yield pictures.lines("Equity", [Line("equity", [(w.at, w.equity) for w in section.worth])], lambda v: f"{v:,.0f}")
    yield pictures.lines(
        "Fall from the peak, and value at risk, of equity",
        [
            Line("drawdown", [(w.at, w.drawdown) for w in section.worth]),
            Line(f"value at risk {confidence:.0%}", [(v.at, -v.value_at_risk) for v in section.measured]),
        ],
        lambda v: f"{v or 0.0:.2%}",
    )
    yield "<h3>Losses beside their limits</h3>"
    yield from _losses(section)
    yield "<h3>Breaches</h3>"
    yield from _breaches(section)
    yield "<h3>What can be lost</h3>"
    yield from _measures(section, confidence)


def _losses(section: Section) -> Iterator[str]:
    losses = section.losses
    if losses is None:
        yield '<p class="soft">Not of the session that runs.</p>'
        return
    rows = [
        (name, share(seen), NONE if most is None else share(most), NONE if not most else f"{max(0.0, seen) / most:.0%}")
        for name, seen, most in (
            (LOSSES["max_daily_loss"], losses.state.daily_loss, losses.max_daily_loss),
            (LOSSES["max_drawdown"], losses.state.drawdown, losses.max_drawdown),
        )
    ]
    yield table(("", "Lost", "Limit", "Used up"), rows)


def _breaches(section: Section) -> Iterator[str]:
    for halt in section.halts:
        end = f"re-armed by {halt.rearmed_by}: {halt.reason}" if halt.rearmed_at else "in force"
        lost = f"{percent(halt.seen)} lost of {money(halt.reference)}, limit {percent(halt.most)}"
        yield _line(f"{moment(halt.halted_at)}: {halt.limit} passed, {lost}; {end}", over=halt.rearmed_at is not None)
    for alert in section.alerts:
        end = f"acknowledged by {alert.acknowledged_by}: {alert.reason}" if alert.acknowledged_at else "waits to be acknowledged"
        yield _line(f"{moment(alert.at)}: {alert.code} {alert.message}; {end}", over=alert.acknowledged_at is not None)
    if section.refused:
        rows = [(r.code, f"{r.times:,}", moment(r.last_at), r.limit or NONE, r.seen or NONE, r.reason) for r in section.refused]
        yield table(("Refused by", "Times", "Last (UTC)", "Limit then", "Seen then", "Why"), rows, words=(5,))
    elif not section.halts and not section.alerts:
        yield '<p class="soft">None: no signal was refused, no limit was passed.</p>'


def _line(text: str, *, over: bool) -> str:
    return f'<p class="{"soft" if over else "bad"}">{escape(text)}</p>'


def _measures(section: Section, confidence: float) -> Iterator[str]:
    risk = section.risk
    if not section.known.held:
        yield '<p class="soft">Nothing is held: nothing can be lost but by a trade.</p>'
        return
    measured = f"measured from {risk.observations} returns of one {period_of(risk)}"
    yield f"<p>Gross {money(risk.gross)}, net {money(risk.net)}; {measured}.</p>"
    if risk.tails:
        rows = [(t.method, f"{t.confidence:.0%}", money(t.value_at_risk), money(t.expected_shortfall)) for t in risk.tails]
        yield table(("Method", "Confidence", "Value at risk", "Mean beyond"), rows)
    positions = [
        (p.symbol, money(p.value), share(p.weight), ratio(p.beta), money(p.component_var), ratio(p.days_to_exit)) for p in risk.positions
    ]
    yield table(("Position", "Value", "Of equity", "Beta", f"In VaR {confidence:.0%}", "Days to exit"), positions)
    yield pictures.bars("Stress tests", [(t.title, t.pnl) for t in risk.stress if t.uncovered < risk.gross], change)
    if risk.backtest is not None:
        b = risk.backtest
        many = (
            f"{b.hits} of {b.periods} periods lost more than their {b.confidence:.0%} value at risk, {b.expected:.1f} were to be expected"
        )
        yield f"<p>{many}: Kupiec p {b.kupiec.p_value:.2f}, Christoffersen p {b.independence.p_value:.2f}.</p>"
    for missing in risk.missing:
        yield f'<p class="soft">Not measured: {escape(missing.what)}: {escape(missing.why)}</p>'


def _limit(row: LimitRow) -> tuple[str, ...]:
    since = datetime.fromtimestamp(row.effective_at // SECOND, UTC)
    return titled(row), amount(row.value, row.unit), moment(since), f"{row.by}: {row.reason}"

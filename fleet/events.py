"""What happens, as plain lines for a person: one for each thing that matters, in the words of trading."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol, TextIO, assert_never

import msgspec

from libs.domain.messages import RiskAlert, Signal
from libs.domain.orders import CancelRequest, Order, OrderEvent, Status
from libs.domain.trades import Trade
from libs.store.activity import Noted, Standing

_ENDS: Final = {
    Status.REJECTED,
    Status.EXPIRED,
    Status.CANCELED,
    Status.UNKNOWN,
    Status.NOT_ACCEPTED,
    Status.DENIED,
    Status.CANCEL_UNKNOWN,
    Status.REPLACE_UNKNOWN,
}
_RANK: Final = {"trades.executed": 0, "risk.alerts": 1, "orders.updates": 2, "orders.approved": 3, "signals": 4}
STREAMS: Final = tuple(_RANK)
BLANK: Final = " " * 8


class _Body(msgspec.Struct):
    payload: msgspec.Raw


_body: Final = msgspec.json.Decoder(_Body)
_payload: Final = msgspec.json.Decoder(Signal | RiskAlert | OrderEvent | Trade | Order | CancelRequest)


class Line(NamedTuple):
    """A message worth telling; the lower its rank, the more it matters."""

    rank: int
    text: str
    refused: str = ""  # the code, when it tells of a refusal


class Voice(Protocol):
    """Whoever tells a person what happens."""

    def say(self, text: str) -> None:
        """One line, at once. Never raises."""
        ...

    def event(self, text: str) -> None:
        """A line about the fleet itself, which has no market time. Never raises."""
        ...


class Speaker:
    """Writes lines for a person. A reader who goes away is no reason to leave anything running: `gone` is called once."""

    def __init__(self, out: TextIO, gone: Callable[[], None]) -> None:
        self._out = out
        self._gone: Callable[[], None] | None = gone

    def say(self, text: str) -> None:
        """One line, at once."""
        try:
            print(text, file=self._out, flush=True)
        except (OSError, ValueError):  # a broken pipe, or a stream closed under us
            if self._gone is not None:
                gone, self._gone = self._gone, None
                gone()

    def event(self, text: str) -> None:
        """A line about the fleet itself, which has no market time."""
        self.say(f"{BLANK}  {text}")


def line(noted: Noted) -> Line | None:
    """The line about a journal message; None when it does not matter to a person.

    A message that cannot be read is named: somebody wrote it.
    """
    rank = _RANK[noted.stream]
    try:
        message = _payload.decode(_body.decode(noted.body).payload)
    except msgspec.DecodeError as error:
        return Line(rank, f"{BLANK}  message {noted.no} of {noted.stream} cannot be read: {error}")
    match message:
        case Signal():
            wanted = f"{message.target:+.0%} of" if message.target else "no"
            text = f"signal    {message.strategy_id} wants {wanted} {message.symbol} at {message.reference_price:,.10g}"
            return Line(rank, f"{clock(message.decided_at)}  {text}")
        case RiskAlert():
            return Line(rank, f"{clock(message.market_time)}  {_alert(message)}", message.code if message.strategy_id else "")
        case Order():
            price = f"limit {message.price.normalize():,f}" if message.price is not None else "at market"
            text = f"order     {message.side} {message.quantity.normalize():f} {message.symbol} {price} ({message.strategy_id})"
            return Line(rank, f"{clock(message.decided_at)}  {text}")
        case Trade():
            return Line(rank, f"{clock(message.executed_at)}  {_trade(message)}")
        case CancelRequest():
            return None  # its effect is told
        case OrderEvent():
            return Line(rank, f"{clock(message.market_time)}  {_update(message)}") if message.anomaly or message.status in _ENDS else None
        case _:
            assert_never(message)


def _alert(alert: RiskAlert) -> str:
    about = " ".join(filter(None, (alert.code, alert.strategy_id, alert.symbol)))
    numbers = f" (limit {alert.limit}, seen {alert.seen})" if alert.limit or alert.seen else ""
    word = "ALERT   " if alert.severity == "critical" else "refused " if alert.strategy_id else "warning "
    return f"{word}  {about}: {alert.message}{numbers}"


def _trade(trade: Trade) -> str:
    what = "bought" if trade.side == "buy" else "sold"
    quantity, price = trade.quantity.normalize(), trade.executed_price.normalize()
    pnl = f", P&L {trade.pnl:+,.2f}" if trade.pnl else ""
    return f"trade     {what} {quantity:f} {trade.symbol} @ {price:,f}{pnl} ({trade.strategy_id})"


def _update(event: OrderEvent) -> str:
    filled = f", {event.filled_quantity.normalize():f} filled" if event.filled_quantity else ""
    word = "ANOMALY " if event.anomaly else "order   "
    detail = f": {event.detail}" if event.detail else ""
    return f"{word}  {event.status} {event.symbol} ({event.strategy_id}){filled}{detail}"


def chosen(lines: list[Line], most: int) -> list[str]:
    """At most so many lines, the ones that matter most, in their order; a last one says how many were left out."""
    if len(lines) <= most:
        return [told.text for told in lines]
    kept = sorted(sorted(range(len(lines)), key=lambda n: lines[n].rank)[:most])
    return [*(lines[n].text for n in kept), f"{BLANK}  ... and {len(lines) - most} more"]


def status(standing: Standing, ticks: int, bars: int, orders: int, trades: int) -> str:
    """The line that comes every few seconds."""
    did = f"{ticks:,} ticks, {bars:,} bars, {orders:,} orders, {trades:,} trades"
    worth = [f"; equity {equity:,.2f} {currency}, cash {standing.cash[currency]:,.2f}" for currency, equity in standing.equity.items()]
    how = ", at its end (the next start plays it anew)" if standing.state == "finished" else ", paused" if standing.paused else ""
    return f"{clock(standing.market_time)}  market    {day(standing.market_time)}{how}: {did}{''.join(worth)}"


def clock(market_ns: int) -> str:
    """Market time of day, UTC."""
    return f"{datetime.fromtimestamp(market_ns // 1_000_000_000, UTC):%H:%M:%S}"


def day(market_ns: int) -> str:
    """Market date, UTC."""
    return f"{datetime.fromtimestamp(market_ns // 1_000_000_000, UTC):%Y-%m-%d}"

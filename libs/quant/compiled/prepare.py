"""From a tape and a setup to the rows that the compiled desk plays, or the reason why the event path has to."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from math import nan
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from libs.domain.columns import Columns
from libs.domain.instruments import Calendar, Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.sizings import sizing
from libs.domain.times import SECOND
from libs.quant.backtest.report import known_times
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.calendars import DAY, sessions
from libs.quant.compiled.layout import (
    BAR,
    BOOK,
    DESK,
    HALT,
    MONEY,
    SIGNAL,
    SYMBOL,
    UNBOUNDED,
    Desk,
)
from libs.quant.compiled.money import counted, parts_of
from libs.quant.compiled.signals import write_signals
from libs.quant.compiled.spoken import Voice
from libs.quant.compiled.venue import LIMIT, MARKET, STOP, STOP_LIMIT
from libs.quant.risk.assess import terms_of
from libs.quant.risk.grid import grid_of
from libs.quant.risk.halts import loss_limits
from libs.quant.risk.limits import Bound, Bounds, Limits
from libs.quant.sizing import to_lots
from libs.quant.sizing_factors import fixed_fraction
from libs.quant.trading_day import trading_day_of

if TYPE_CHECKING:
    from libs.quant.compiled.layout import Rows, Times

KINDS: Final = {"market": MARKET, "limit": LIMIT, "stop": STOP, "stop_limit": STOP_LIMIT}
_UNKNOWN: Final = frozenset({"max_overnight_notional", "max_adv_share", "max_order_to_median", "max_order_to_trade", "max_cancel_ratio"})
"""Limits that only the event path knows."""
_AROUND: Final = 30 * DAY
_LARGEST: Final = 2**52


class Unplayable(Exception):
    """The compiled desk cannot play this; the message says why."""


def desk_of(tape: Tape, setup: Setup, voices: Sequence[Voice]) -> Desk:
    """Everything at its beginning, of what passes `check`; it has heard nothing yet.

    Args:
        voices: all there will be, as `ordered`.

    Raises:
        Unplayable: bars are not in order of time.
    """
    parts = parts_of(tape.instruments.values(), setup)
    names = sorted(tape.bars[tape.timeframes[0]])
    market = _market(tape, setup, names, parts)
    symbols = market["symbols"]
    books = _books(tape, setup, voices, names)
    of_symbol = np.array(sorted(range(len(voices)), key=lambda b: (books["symbol"][b], b)), np.int64)
    symbols["books"] = np.searchsorted(books["symbol"][of_symbol], np.arange(len(names)), "left")
    symbols["books_end"] = np.searchsorted(books["symbol"][of_symbol], np.arange(len(names)), "right")
    room = len(voices) + 1
    at_venue = 3 * room  # a signal's, a stop and a target of each book
    return Desk(
        _account(tape, setup, parts),
        market
        | {
            "of_symbol": of_symbol,
            "books": books,
            "halts": np.zeros(2, HALT),
            "killed": np.zeros(len(setup.strategies) + 1, np.int64),
            "sums": np.zeros(5),
            "seen": np.zeros(3),
            **{name: np.zeros(room, np.int64) for name in ("waiting_books", "batch_orders", "cancels")},
            **{name: np.zeros(at_venue, np.int64) for name in ("open_orders", "meeting", "ranks")},
        },
    )


def ordered(voices: Sequence[Voice]) -> list[Voice]:
    """As books are numbered."""
    return sorted(voices, key=lambda voice: (voice.strategy_id, voice.symbol))


def check(tape: Tape, setup: Setup) -> None:
    """Looks whether all of it can be played compiled, before anything is worked out.

    Raises:
        Unplayable: something in it only the event path can play.
    """
    for reason in _unplayable(tape, setup, parts_of(tape.instruments.values(), setup)):
        raise Unplayable(reason)


def _unplayable(tape: Tape, setup: Setup, parts: int) -> Iterator[str]:
    if tape.quotes or tape.quote_bars or set(tape.fill_on.values()) - {"bar"}:
        yield "orders fill on quotes"
    if tape.actions:
        yield "there are corporate actions"
    if any(strategy.execution for strategy in setup.strategies):
        yield "orders are worked in slices"
    for strategy in setup.strategies:
        rule = sizing(strategy.sizing)
        if rule.kelly is not None:
            yield f"strategy {strategy.id} is sized by {strategy.sizing}"
    if setup.limit_changes or setup.killed:
        yield "limits change on the way"
    for instrument in tape.instruments.values():
        if instrument.currency != setup.base_currency:
            yield f"{instrument.symbol} is priced in {instrument.currency}"
        if counted(instrument.tick * instrument.lot * instrument.multiplier, parts) is None or grid_of(instrument).below > _LARGEST:
            yield f"a lot of {instrument.symbol} at a tick is worth less than 1e-12"
        if instrument.lot.as_integer_ratio()[1] > _LARGEST:
            yield f"a lot of {instrument.symbol} is smaller than a float64 tells apart"
        if _guarded(setup) and counted(instrument.tick, MONEY) is None:
            yield f"a tick of {instrument.symbol} has more than twelve decimals, and costs are kept to as many"
        if counted(instrument.min_notional, parts) is None:
            yield f"the smallest notional of {instrument.symbol} has more than twelve decimals"
    if counted(setup.deposit, parts) is None or counted(setup.terms.fee_min, parts) is None:
        yield f"{setup.deposit:f} {setup.base_currency}, counted to {len(str(parts)) - 1} decimals, does not fit a machine number"
    for limits in [setup.limits] if setup.limits is not None else []:
        for limit in sorted(limits.names & _UNKNOWN):
            yield f"there is a limit {limit}"
        if limits.of_fleet:
            yield "there is a limit over all accounts"


def _guarded(setup: Setup) -> bool:
    """Whether any position is protected by a stop or a target."""
    return setup.exits.any or any(strategy.exits.any for strategy in setup.strategies)


def _exactly(amount: Decimal, parts: int) -> int:
    count = counted(amount, parts)
    assert count is not None, "looked at before"
    return count


def _market(tape: Tape, setup: Setup, names: Sequence[str], parts: int) -> "dict[str, Rows]":
    columns = _columns(tape, names)
    last = int(columns["known"][-1])
    name = f"market|{parts}|{setup.terms.fee_bps}|{setup.terms.fee_per_unit}"
    if name not in tape.kept:
        calendars = sorted({tape.instruments[name].calendar for name in names} - {"24/7"})
        opens, closes, begins = _sessions(calendars, int(columns["known"][0]), last)
        symbols = _symbols(tape, setup, names, calendars, parts)
        tape.kept[name] = {"symbols": symbols, "session_opens": opens, "session_closes": closes, "calendars": begins}
    kept = tape.kept[name]
    return columns | kept | {"symbols": kept["symbols"].copy(), "days": _days(tape, setup, last)}


def _columns(tape: Tape, names: Sequence[str]) -> "dict[str, Rows]":
    """The tape's bars as they are played, worked out once for a tape."""
    kept = tape.kept.get("columns")
    if kept is None:
        columns = [tape.bars[tape.timeframes[0]][name] for name in names]
        starts = [np.asarray(each.start, np.int64) for each in columns]
        if any((each[1:] <= each[:-1]).any() for each in starts):
            raise Unplayable("bars are not in order of time")
        bars = np.empty(sum(map(len, starts)), BAR)
        for name in Columns._fields:
            bars[name] = _joined([np.asarray(getattr(each, name)) for each in columns])
        kept = tape.kept["columns"] = {
            "bars": bars,
            "starts": _joined(starts),
            "closes": _joined([np.asarray(each.close, np.float64) for each in columns]),
            "known": known_times(tape) if len(tape.timeframes) == 1 else _known(tape),
        }
    return dict(kept)


def _known(tape: Tape) -> "Times":
    return np.unique(np.concatenate([np.asarray(times, np.int64) + late for times, late in tape.all_times]))


def _joined(columns: "Sequence[Rows]") -> "Rows":
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _symbols(tape: Tape, setup: Setup, names: Sequence[str], calendars: Sequence[Calendar], parts: int) -> "Rows":
    symbols = np.zeros(len(names), SYMBOL)
    last = 0
    for name, row in zip(names, symbols, strict=True):
        instrument = tape.instruments[name]
        grid = grid_of(instrument)
        row["first"], last = last, last + len(tape.bars[tape.timeframes[0]][name].start)
        row["last"] = last
        row["tick"], row["lot"], row["multiplier"], row["units"] = grid.tick, grid.lot, grid.multiplier, grid.units
        row["above"], row["below"], row["min_notional"] = grid.above, grid.below, grid.min_notional
        row["worth"] = _exactly(instrument.tick * instrument.lot * instrument.multiplier, parts)
        row["min_money"] = _exactly(instrument.min_notional, parts)
        row["tick_cost"] = counted(instrument.tick, MONEY) or 0
        row["fee_above"], row["fee_lots"], row["fee_below"] = _fee(instrument, setup, parts)
        row["calendar"] = calendars.index(instrument.calendar) if instrument.calendar != "24/7" else -1
    return symbols


def _fee(instrument: Instrument, setup: Setup, parts: int) -> tuple[int, int, int]:
    """(above, lots, below): a fee is (notional * above + lots * lots) / below, in money."""
    share = Fraction(setup.terms.fee_bps) / 10_000
    unit = Fraction(setup.terms.fee_per_unit) * Fraction(instrument.lot) * parts
    below = share.denominator * unit.denominator
    return share.numerator * unit.denominator, unit.numerator * share.denominator, below


def _sessions(calendars: Sequence[Calendar], first: int, last: int) -> "tuple[Times, Times, Times]":
    found = [list(sessions(calendar, first - _AROUND, last + _AROUND)) for calendar in calendars]
    begins = np.cumsum([0, *map(len, found)])
    return (
        np.array([session.open for each in found for session in each], np.int64),
        np.array([session.close for each in found for session in each], np.int64),
        np.asarray(begins, np.int64),
    )


def _days(tape: Tape, setup: Setup, last: int) -> "Times":
    """When trading days begin, from that of the account's beginning on."""
    since = setup.begins(tape.since)
    name = f"days|{since}|{setup.day_starts_at}|{setup.day_tz}"
    if name not in tape.kept:
        day = trading_day_of(since, setup.day_starts_at, setup.day_tz)
        begins = [day.start]
        while day.end <= last:
            day = trading_day_of(day.end, setup.day_starts_at, setup.day_tz)
            begins.append(day.start)
        tape.kept[name] = np.array(begins, np.int64)
    return tape.kept[name]


def _books(tape: Tape, setup: Setup, voices: Sequence[Voice], names: Sequence[str]) -> "Rows":
    books = np.zeros(len(voices), BOOK)
    strategies = sorted({voice.strategy_id for voice in voices})
    number = {name: n for n, name in enumerate(names)}
    exits = setup.exits if setup.exits.any else None
    terms = {config.id: terms_of(config, exits) for config in setup.strategies}
    limits = setup.limits if setup.limits is not None else Limits(())
    for row, voice in zip(books, voices, strict=True):
        its, symbol = terms[voice.strategy_id], voice.symbol
        row["symbol"], row["strategy"] = number[symbol], strategies.index(voice.strategy_id)
        row["length"] = TIMEFRAMES[voice.timeframe]
        row["listed"] = its.symbols is None or symbol in its.symbols
        row["allocation"], row["band"] = its.allocation, its.no_trade_band
        row["fixed"] = its.sizing.value if its.sizing.base == "fixed" else nan
        row["risked"] = min(1.0, fixed_fraction(its.sizing.value, its.exits.stop)) if its.sizing.base == "risk" and its.exits else 1.0
        row["drawdown"] = nan if its.sizing.drawdown is None else its.sizing.drawdown
        _limit(row, limits.over(setup.account_name, voice.strategy_id, symbol), grid_of(tape.instruments[symbol]).lot)
        if its.exits is not None:
            row["stop_bps"], row["target_bps"], row["trail_bps"] = its.exits.stop_bps, its.exits.target_bps, its.exits.trail_bps
        row["order"] = row["waiting"] = row["entry"] = -1
    return books


def _limit(row: Any, bounds: Bounds, lot: float) -> None:
    def given(value: float | None) -> float:
        return nan if value is None else value

    row["forbidden"] = bounds.forbidden != ""
    row["collar"], row["jump"], row["entries"] = given(bounds.price_collar), given(bounds.max_price_jump), given(bounds.repeated_entries)
    row["most_lots"] = UNBOUNDED if bounds.order_quantity is None else to_lots(bounds.order_quantity, lot)
    for name in ("order_notional", "strategy_position", "account_position", "short", "account_gross", "account_net"):
        bound: Bound | None = getattr(bounds, name)
        row[f"{name}_plain"] = nan if bound is None else given(bound.plain)
        row[f"{name}_multiple"] = nan if bound is None else given(bound.multiple)
    for scope in ("symbol", "strategy", "account"):
        row[f"open_{scope}"] = given(bounds.open_orders.get(scope))
    for scope in ("strategy", "account"):
        row[f"minute_{scope}"] = given(bounds.orders_per_minute.get(scope))
        row[f"second_{scope}"] = given(bounds.orders_per_second.get(scope))


def signals_of(tape: Tape, setup: Setup, voices: Sequence[Voice]) -> "Rows":
    """What `ordered` voices say, in the order in which it is decided: by time, and at one moment by book."""
    rows = np.empty(sum(len(voice.bar_time) for voice in voices), SIGNAL)
    at = 0
    for b, voice in enumerate(voices):
        length = TIMEFRAMES[voice.timeframe]
        lives = length + max(5 * SECOND, length)
        write_signals(rows[at:], b, voice.bar_time, voice.target, voice.scale, voice.price, length + tape.grace_ns, lives)
        at += len(voice.bar_time)
    if len(voices) > 1:
        rows = rows[np.lexsort((rows["book"], rows["time"]))]
    first = np.searchsorted(rows["time"], setup.trades_from)
    return rows[first:] if setup.orders_on_last_bar else rows[first : np.searchsorted(rows["time"], tape.last_known())]


def _account(tape: Tape, setup: Setup, parts: int) -> "Rows":
    account = np.zeros(1, DESK)
    row, terms, length = account[0], setup.terms, TIMEFRAMES[tape.timeframes[0]]
    row["naked"], row["kind"], row["allow_short"] = setup.limits is None, setup.kind == "margin", setup.allow_short
    row["guarded"] = _guarded(setup)
    row["entry"], row["entry_offset"], row["entry_limit"] = KINDS[setup.entry.kind], setup.entry.offset_bps, setup.entry.limit_bps
    row["alone"] = len(tape.all_times) == 1
    row["late"], row["length"], row["grace"] = tape.late_ns, length, tape.grace_ns
    row["delay"] = setup.latency_ns if setup.latency_ns >= length else 0
    row["costs_above"], row["costs_below"] = (terms.slippage_bps + terms.half_spread_bps).as_integer_ratio()
    row["share_above"], row["share_below"] = (0, 1) if terms.bar_participation is None else terms.bar_participation.as_integer_ratio()
    row["fee_least"] = _exactly(terms.fee_min, parts)
    losses = loss_limits(setup.limits, setup.account_name) if setup.limits is not None else None
    row["max_daily_loss"] = nan if losses is None or losses.max_daily_loss is None else losses.max_daily_loss
    row["max_drawdown"] = nan if losses is None or losses.max_drawdown is None else losses.max_drawdown
    row["watched"] = (losses is not None and losses.any) or any(sizing(each.sizing).drawdown for each in setup.strategies)
    row["money"], row["cash"], row["cash_value"] = parts, _exactly(setup.deposit, parts), float(setup.deposit)
    row["seen_to"] = setup.begins(tape.since)
    row["equity"] = row["day_equity"] = row["peak"] = float(setup.deposit)
    return account

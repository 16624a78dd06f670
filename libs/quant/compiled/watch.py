"""Loss limits, compiled: libs/quant/risk/halts.py, looked at whenever a bar of what is held is known, as backtest/watch.py does."""

from typing import Any

import numpy as np

from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import Desk
from libs.quant.compiled.steps import row_known
from libs.quant.compiled.view import cash, equity

DAILY_LOSS = 0
DRAWDOWN = 1


@compiled
def look(desk: Desk, now: int) -> None:
    """Once, at what is held now."""
    account = desk.account[0]
    account.seen_to = max(account.seen_to, now)
    if account.watched:
        evaluate(desk, now, equity(desk, now))


@compiled
def evaluate(desk: Desk, now: int, worth: float) -> None:
    """As `halts.evaluate`, with the trading day of `now`."""
    account, days = desk.account[0], desk.market.days
    while account.day + 1 < len(days) and days[account.day + 1] <= now:
        account.day += 1
        account.day_equity = account.equity
    account.peak = max(account.peak, worth)
    account.equity = worth
    _measure(desk, DAILY_LOSS, now, worth, account.day_equity, account.max_daily_loss)
    _measure(desk, DRAWDOWN, now, worth, account.peak, account.max_drawdown)


@compiled
def _measure(desk: Desk, limit: int, now: int, worth: float, reference: float, most: float) -> None:
    account = desk.account[0]
    if np.isnan(most):
        return
    for n in range(account.halts):
        if desk.halts[n].limit == limit:
            return
    seen = (reference - worth) / reference if reference > 0 else 1.0
    if seen > most:
        halt = desk.halts[account.halts]
        halt.limit, halt.at, halt.equity, halt.reference, halt.most, halt.seen = limit, now, worth, reference, most, seen
        account.halts += 1


@compiled
def look_until(desk: Desk, until: int) -> None:
    """Whenever a bar is known after the last look and up to `until`, while anything is held."""
    account = desk.account[0]
    begin = account.seen_to
    account.seen_to = max(begin, until)
    if not account.watched or begin >= until:
        return
    held = -1
    several = False
    for b in range(len(desk.books)):
        if desk.books[b].lots != 0:
            several = held >= 0
            held = b
            if several:
                break
    if held < 0:
        return
    if several:
        _walk_all(desk, begin, until)
    else:
        _walk_one(desk, desk.books[held], begin, until)


@compiled
def _walk_one(desk: Desk, book: Any, begin: int, until: int) -> None:
    account, symbol, market = desk.account[0], desk.symbols[book.symbol], desk.market
    first = row_known(market, symbol.first, symbol.last, account.late, begin) + 1
    last = row_known(market, symbol.first, symbol.last, account.late, until) + 1
    known, lots, units = 0.0 + cash(desk), book.lots, symbol.units
    for row in range(first, last):
        evaluate(desk, market.start[row] + account.late, known + lots * (units * market.close[row]))


@compiled
def _walk_all(desk: Desk, begin: int, until: int) -> None:
    market = desk.market
    first = np.searchsorted(market.known, begin, side="right")
    last = np.searchsorted(market.known, until, side="right")
    for n in range(first, last):
        evaluate(desk, market.known[n], equity(desk, market.known[n]))

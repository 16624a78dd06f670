"""Who may trade what: kill switches, halts of accounts, restricted symbols, and what a strategy was given to trade."""

from libs.domain.kill import MEANING, Mode, applying, written
from libs.domain.losses import Halt, percent
from libs.domain.messages import Signal
from libs.quant.risk.limits import Bounds
from libs.quant.risk.view import Leg, Refusal, View

HALTED = "RC-B05"


def kill_switch(signal: Signal, view: View, bounds: Bounds) -> Refusal | None:
    """C01: nothing is ordered in a scope that a person has killed. Where books may still be reduced the leg decides (below); where
    they are being closed no strategy has a say."""
    hit = applying(view.killed, (view.account_id, view.account_name), signal.strategy_id, signal.symbol) if view.killed else None
    if view.checks is not None:
        view.note("RC-C01", "kill switch", "off", "off" if hit is None else written(hit[1]))
    return None if hit is None or hit[1] == "reduce_only" else killed(*hit)


def only_reduces(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """C01: where a person has set the kill switch to reduce-only, a leg that does not shrink its book is refused."""
    if not view.killed:
        return None
    signal = leg.signal
    hit = applying(view.killed, (view.account_id, view.account_name), signal.strategy_id, signal.symbol)
    return None if hit is None or view.shrinks(leg, signal.strategy_id) else killed(*hit)


def killed(scope: str, mode: Mode) -> Refusal:
    """What a kill switch means and how it is lifted, for a person."""
    text = f"kill switch is on for {scope} ({written(mode)}: {MEANING[mode]}); rearm it with: fleet risk rearm --scope {scope} --reason ..."
    return Refusal("RC-C01", text, "off", written(mode))


def listed(signal: Signal, view: View, bounds: Bounds) -> Refusal | None:
    """A13: a strategy trades the symbols that it was given, and no other: its allow list."""
    terms = view.terms.get(signal.strategy_id)
    if terms is None or terms.symbols is None:
        return None
    if view.checks is not None:
        view.note("RC-A13", "symbols of the strategy", "listed", signal.symbol)
    if signal.symbol in terms.symbols:
        return None
    return Refusal("RC-A13", f"{signal.symbol} is none of the symbols that {signal.strategy_id} may trade", "listed", "not listed")


def permitted_symbol(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A13: what is held of a symbol that the operator has restricted, or has not allowed, may only be reduced."""
    why, symbol = bounds.forbidden, leg.signal.symbol
    if not why:
        return None
    if view.checks is not None:
        view.note("RC-A13", "symbol", "permitted, or the order only closes", why)
    if view.shrinks(leg, leg.signal.strategy_id):
        return None
    return Refusal("RC-A13", f"{symbol} is {why}, and what is held of it may only be reduced", "permitted", why)


def close_only(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B05: an account that has lost too much takes no new risk until a person re-arms it. A leg that only shrinks its book passes."""
    if view.checks is not None:
        seen = ", ".join(halt.limit for halt in view.halts) or "none"
        view.note(HALTED, "loss limits passed", "none, or the order only closes", seen)
    if not view.halts or view.shrinks(leg, leg.signal.strategy_id):
        return None
    halt = view.halts[0]
    return Refusal(HALTED, halted(view.account_id, halt), percent(halt.most), percent(halt.seen))


def halted(account_id: str, halt: Halt) -> str:
    """What a halt means and how it ends, for a person."""
    return f"{account_id} is halted by {halt.limit} and may only close: fleet risk rearm --scope account:{account_id} --reason ..."

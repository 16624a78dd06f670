"""Both engines on one backtest, and where they differ."""

from pathlib import Path

from libs.quant.backtest.play import play
from libs.quant.backtest.report import equity_curve, figures
from libs.quant.backtest.summary import summary_of
from services.backtester.engines import Result, playing
from tests.backtest_cases import Case

TOLD = ("signals", "orders", "statuses", "trades", "refused", "positions", "lines", "balances", "halts")


def by_machine_code(case: Case, folder: Path) -> Result:
    """Played compiled, or event by event where it cannot be; the notes say so."""
    return playing(case.tape, case.setup, "compiled", folder, lambda text: None)


def differences(case: Case, folder: Path) -> list[str]:
    """What the engines do not tell alike: nothing, where all is well."""
    events, result = play(case.tape, case.setup), by_machine_code(case, folder)
    machine = result.played()
    found = [name for name in TOLD if _plain(getattr(events, name)) != _plain(getattr(machine, name))]
    summary = summary_of(case.tape, events)
    curve, compiled_curve = equity_curve(case.tape, summary), equity_curve(case.tape, result.summary, result.sums)
    if not (curve.values == compiled_curve.values).all():
        found.append("equity")
    deposit = case.setup.deposit
    if figures(case.tape, summary, deposit, curve) != figures(case.tape, result.summary, deposit, compiled_curve, result.sums):
        found.append("figures")
    return found


def _plain(told: object) -> object:
    return list(told) if isinstance(told, tuple) else told

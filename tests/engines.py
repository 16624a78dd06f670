"""Both engines on one backtest, and where they differ. `python -m tests.engines 10000` plays so many drawn ones, on all cores."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from libs.quant.backtest.play import play
from libs.quant.backtest.report import equity_curve, figures
from libs.quant.backtest.summary import summary_of
from services.backtester import compiling, engines
from services.backtester.engines import Result, playing
from tests.backtest_cases import Case, case

PIECES = (7, 60, 1_000, compiling.PIECE)
TOLD = ("signals", "orders", "statuses", "trades", "refused", "positions", "lines", "balances", "halts")


def by_machine_code(case: Case, folder: Path) -> Result:
    """Played compiled, or event by event where it cannot be; the notes say so."""
    return playing(case.tape, case.setup, "compiled", folder, lambda text: None)


@contextmanager
def in_pieces(bars: int) -> Iterator[None]:
    """Strategies run ahead of the account, in a thread, so many bars at a time: otherwise only in a market longer than is drawn."""
    piece, two = compiling.PIECE, engines.TWO_AT_ONCE
    compiling.PIECE, engines.TWO_AT_ONCE = bars, 0  # type: ignore[misc]
    try:
        yield
    finally:
        compiling.PIECE, engines.TWO_AT_ONCE = piece, two  # type: ignore[misc]


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


def judged(seed: int, folder: Path) -> tuple[Sequence[str], str]:
    """(where the engines differ, why the event path played: "" when machine code did)."""
    drawn = case(seed)
    try:
        with in_pieces(PIECES[seed % len(PIECES)]):
            why = next((note for note in by_machine_code(drawn, folder).notes if "event by event" in note), "")
            return differences(drawn, folder), why.partition(": ")[2]
    except Exception as error:  # it is a difference, and the other cases are wanted too
        return [f"{type(error).__name__}: {error}"], ""


def main(count: int) -> int:
    """Exit code 1 when any case differs."""
    with TemporaryDirectory() as name, ProcessPoolExecutor() as pool:
        folder = Path(name)
        by_machine_code(case(0), folder)  # compiled once, and not by all at the same time
        found = list(pool.map(partial(judged, folder=folder), range(count), chunksize=20))
    for seed, (differ, _) in enumerate(found):
        if differ:
            print(f"case {seed}: {', '.join(differ)} differ")
    wrong = sum(bool(differ) for differ, _ in found)
    by_events = Counter(why for _, why in found if why)
    print(f"{count:,} cases: {wrong} differ, {count - sum(by_events.values()):,} played by machine code")
    for why, times in by_events.most_common():
        print(f"  {times:,} event by event: {why}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

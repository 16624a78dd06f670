"""Loss limits over a tape: the short cut of quiet stretches finds what looking at every bar finds, to the last digit."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.actions import CorporateAction
from libs.domain.losses import LossLimits, LossState
from libs.quant.backtest.tape import Tape
from libs.quant.backtest.watch import Cash, LossWatch, Lots
from tests.factories import MINUTE, NOON, a_setup, a_tape, a_view, columns, walks

BARS = 80
BOOKS = [("fast", "ALFA"), ("fast", "BRVO"), ("slow", "ALFA")]
Visits = dict[int, dict[tuple[str, str], int]]
"""Books by the minute at which they are taken up."""

visits = st.dictionaries(st.integers(1, BARS), st.dictionaries(st.sampled_from(BOOKS), st.integers(-40, 40).filter(bool)), max_size=8)
shares = st.one_of(st.none(), st.floats(0.001, 0.05))


class EveryBar(LossWatch):
    """Looks at every time at which anything is known, as a session in lockstep does."""

    def __init__(self, tape: Tape, limits: LossLimits, **setup: str) -> None:
        super().__init__(tape, a_setup(deposit=Decimal(10_000), **setup), limits)
        self._market = tape
        self._at = tape.since

    def until(self, until: int, cash: Cash, lots: Lots) -> None:
        while (step := self._market.next_step(self._at + 1)) is not None and step <= until:
            self._at = step
            self.at(step, cash, lots)
        self._at = max(self._at, until)


def watched(watch: LossWatch, tape: Tape, told: Visits) -> LossState:
    """What is left of an account that trades into these books at the newest closes."""
    cash, lots = Decimal(10_000), dict[tuple[str, str], int]()
    for minute, books in [*sorted(told.items()), (BARS + 10, {})]:
        now = NOON + minute * MINUTE
        watch.until(now - 1, {"USD": cash}, lots)
        priced = {key: held for key, held in books.items() if tape.mark(key[1], now) is not None}
        for sign, traded in ((1, lots), (-1, priced)):
            cash += sign * sum((held * Decimal(str(tape.mark(key[1], now))) for key, held in traded.items()), Decimal(0))
        lots = priced
        watch.at(now, {"USD": cash}, lots)
    return watch.state


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000), visits, shares, shares, st.sampled_from(["00:00", "12:10", "12:45"]), st.booleans())
def test_short_cuts_leave_what_looking_at_every_bar_leaves(
    seed: int, told: Visits, daily: float | None, fall: float | None, day_starts_at: str, split: bool
) -> None:
    action = CorporateAction(venue="TEST", symbol="BRVO", kind="split", effective=NOON + 30 * MINUTE, ratio=Decimal(2))
    tape = a_tape(walks(seed, BARS, "ALFA", "BRVO", gaps=0.3), since=NOON, actions=[action] if split else ())
    if split:
        told = {30: {("fast", "BRVO"): 20}, **told}  # a desk is there when it happens
    limits = LossLimits(daily, fall)
    quick = LossWatch(tape, a_setup(deposit=Decimal(10_000), day_starts_at=day_starts_at), limits)
    assert watched(quick, tape, told) == watched(EveryBar(tape, limits, day_starts_at=day_starts_at), tape, told)


def test_the_account_is_valued_as_risk_values_it() -> None:
    tape = a_tape({"ALFA": columns([0.1, 0.7, 0.3]), "BRVO": columns([1 / 3, 0.9, 0.2])}, since=NOON)
    cash, lots = {"USD": Decimal("9999.123456789")}, {("slow", "ALFA"): 7, ("fast", "BRVO"): 11, ("fast", "ALFA"): 13}
    watch = LossWatch(tape, a_setup(deposit=Decimal(20_000)), LossLimits(max_drawdown=0.1))
    watch.until(NOON + 3 * MINUTE, cash, lots)
    (halt,) = watch.state.halts
    view = a_view(cash=cash, positions=lots, instruments=tape.instruments, marks={"ALFA": 0.1, "BRVO": 1 / 3})
    assert (halt.at, halt.equity) == (NOON + MINUTE, view.equity)

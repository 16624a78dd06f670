"""The report of a backtest: of one that was just run, and of a stored one, which is played again and held to its fingerprints."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from libs.common.clocks import HostClock
from libs.domain.configuration import LimitConfig
from libs.pages.backtest import Report
from libs.quant.backtest.review import review
from libs.quant.backtest.setup import Setup
from libs.quant.progress import Seen
from libs.store.backtests import Outcome
from services.backtester.data import Loaded
from services.backtester.record import outcome_of
from services.backtester.run import Answer, run, setup_of
from services.backtester.spec import Spec
from services.backtester.stored import CAUSES, Stored, prints_of


class Another(Exception):
    """What was played is not the backtest on record; the message says which fingerprints differ, and why they may."""

    def __init__(self, changed: Sequence[str]) -> None:
        why = CAUSES | {"config": "the limits of config/risk.toml are not the same"}  # the spec is the stored one
        super().__init__(f"it would be of another one, for {'; '.join(f'{cause}: {why[cause]}' for cause in changed)}")


def report_of(found: Answer, loaded: Loaded, outcome: Outcome, setup: Setup, id_: str) -> Report:
    """What there is to say of a backtest that was just run; `id_` is "" for one that is not stored."""
    return Report(
        id=id_ or None,
        spec=msgspec.to_builtins(found.spec),
        result=outcome.result,
        fingerprints=prints_of(outcome),
        review=review(loaded.tape, setup, found.played, found.equity),
    )


def again(
    stored: Stored,
    loaded: Loaded,
    limits: Sequence[LimitConfig],
    clock: HostClock,
    code: Path | None,
    say: Callable[[str], None] = lambda text: None,
    seen: Seen | None = None,
) -> Report:
    """The report of a stored backtest, from playing it once more. The arguments are those of `run`.

    Raises:
        Another: a fingerprint is not the stored one.
        ValueError: it cannot be run any more; the message says why.
    """
    spec = msgspec.convert(stored.spec, Spec)
    found = run(spec, loaded, limits, clock, code, say, seen)
    outcome = outcome_of(found, loaded)
    now = prints_of(outcome)
    if changed := [cause for cause in CAUSES if now[cause] != stored.prints[cause]]:
        raise Another(changed)
    return report_of(found, loaded, outcome, setup_of(spec, limits, loaded.tape), stored.id)

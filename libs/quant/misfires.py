"""What becomes of due times that have come: run, or skipped and why. A job never runs twice at once."""

from datetime import timedelta
from typing import Literal, NamedTuple

from libs.domain.times import SECOND, iso
from libs.quant.schedules import Passed

Misfire = Literal["run once", "skip"]


class Verdict(NamedTuple):
    """One entry of a job's history: the last due time stands for those before it."""

    scheduled_for: int
    runs: bool
    note: str  # why it is skipped, or what else this run stands for; "" when there is nothing to say


def judge(passed: Passed, now: int, misfire: Misfire, grace: int, running_since: str | None) -> Verdict:
    """Whether a job whose due times have passed is run now.

    Args:
        now: on the clock of the due times, ns, as `grace` is.
        misfire: `run once` makes up for what was missed, however late; `skip` does so within `grace` only.
        running_since: when its last run began, as people read it; None when it does not run.
    """
    late = now - passed.last
    if running_since is not None:
        return Verdict(passed.last, False, f"still running since {running_since}{_and_more(passed)}")
    if misfire == "skip" and late > grace:
        return Verdict(passed.last, False, f"{_length(late)} late, its grace is {_length(grace)}{_and_more(passed)}")
    return Verdict(passed.last, True, f"stands for {passed.times} due times since {iso(passed.first)}" if passed.times > 1 else "")


def _and_more(passed: Passed) -> str:
    return f" (the last of {passed.times} due times since {iso(passed.first)})" if passed.times > 1 else ""


def _length(ns: int) -> str:
    return str(timedelta(seconds=ns // SECOND))

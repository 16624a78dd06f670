"""When an account counts as abandoned, so that its open orders are canceled: decided from looks that were really made.

Time is this host's monotonic clock. A look that finds the account attended to ends every absence. One that does not counts from
the first of an unbroken run of such looks: where the looker itself was paused, and so saw nothing for a while, it begins anew,
as it cannot know what happened meanwhile. So a paused host trips nothing, and a dead executor is missed for `after_s` in full.
"""

from typing import Final, NamedTuple

GAP: Final = 3.0
"""How many times the usual pause may lie between two looks before they are no longer of one run."""


class Terms(NamedTuple):
    """Host seconds."""

    after_s: float  # of absence
    every_s: float  # between two looks


class Watch(NamedTuple):
    """What the looks at one account have shown so far."""

    looked_at: float | None = None
    absent_since: float | None = None  # the first look of the run that did not find it attended to
    tripped: bool = False  # stays until it is attended to again

    def absent_s(self) -> float:
        """How long nobody has been seen to attend to it."""
        return 0.0 if self.absent_since is None or self.looked_at is None else self.looked_at - self.absent_since


def looked(watch: Watch, at: float, *, attended: bool, terms: Terms) -> Watch:
    """After one more look.

    Args:
        at: when it began: what happened to us while it was under way is not counted.
    """
    if attended:
        return Watch(looked_at=at)
    run_goes_on = watch.looked_at is not None and at - watch.looked_at <= GAP * terms.every_s
    since = watch.absent_since if run_goes_on and watch.absent_since is not None else at
    return Watch(at, since, watch.tripped or at - since >= terms.after_s)

"""How the connection to each account's venue is, for the screen, for Prometheus and for `fleet status`."""

from typing import Final, NamedTuple

from libs.common import metrics
from libs.store.sessions import Account
from libs.venues.broker import Link

EVERY_S: Final = 1.0


class Standing(NamedTuple):
    """Who attends to an account, as one executor knows it."""

    held: bool  # its lease is ours, and good
    epoch: int  # of the lease when we took it last; 0: never
    behind: str  # the holder, when it is another; "" when we do not know of one
    looked_s: float | None  # host seconds since the venue last answered a look at all that is open; None: not yet


def shown(account: Account, link: Link) -> Link:
    """Measures it, and hands it on."""
    labels = {"venue": account.venue, "account": account.account_id}
    metrics.VENUE_UP.labels(**labels).set(link.up)
    if link.latency_ms is not None:
        metrics.VENUE_LATENCY.labels(**labels).set(link.latency_ms / 1000)
    if link.budget is not None:
        metrics.VENUE_BUDGET.labels(**labels).set(link.budget)
    return link


def forget(account: Account) -> None:
    """There is no connection any more, and nothing is known of it."""
    for measure in (metrics.VENUE_UP, metrics.VENUE_LATENCY, metrics.VENUE_BUDGET):
        measure.remove_by_labels({"venue": account.venue, "account": account.account_id})

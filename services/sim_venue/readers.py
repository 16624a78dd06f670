"""Who reads and who listens: a view that may be behind, and subscriptions that are not."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence

from libs.common.clocks import HostClock
from libs.domain.market import MarketEvent
from libs.quant.sim_venue.reports import Report
from libs.quant.sim_venue.view import View
from services.sim_venue.subscriptions import Subscription


class LateView:
    """A view that takes reports in so many seconds of host time after they came."""

    def __init__(self, view: View, clock: HostClock, lag_s: Callable[[], float]) -> None:
        self._view = view
        self._clock = clock
        self._lag_s = lag_s
        self._late: deque[tuple[float, Sequence[Report]]] = deque()  # when they came, and they

    def add(self, reports: Sequence[Report], age_s: float = 0.0) -> None:
        """Reports that came so long ago."""
        self._late.append((self._clock.monotonic() - age_s, reports))
        self._take_in(self._lag_s())

    def seen(self) -> View:
        """As readers see it at this moment."""
        self._take_in(self._lag_s())
        return self._view

    def whole(self) -> View:
        """With all reports, also those that readers did not see yet: from now on they do."""
        self._take_in(float("-inf"))
        return self._view

    def unseen(self) -> Iterator[Report]:
        """Those that readers do not see yet, oldest first."""
        self._take_in(self._lag_s())
        return (report for _, reports in self._late for report in reports)

    @property
    def behind(self) -> bool:
        """Whether there are reports that readers do not see yet."""
        return bool(self._late)

    def _take_in(self, lag_s: float) -> None:
        seen_to = self._clock.monotonic() - lag_s
        while self._late and self._late[0][0] <= seen_to:
            for report in self._late.popleft()[1]:
                self._view.apply(report)


class Audience:
    """Everybody who listens."""

    def __init__(self) -> None:
        self._accounts: defaultdict[str, list[Subscription[Report]]] = defaultdict(list)
        self._market: list[Subscription[Sequence[MarketEvent]]] = []

    def of_account(self, account: str) -> Subscription[Report]:
        """Its reports from now on."""
        listening = self._accounts[account]
        subscription: Subscription[Report] = Subscription(listening.remove)
        listening.append(subscription)
        return subscription

    def of_market(self) -> Subscription[Sequence[MarketEvent]]:
        """What the market shows from now on."""
        subscription: Subscription[Sequence[MarketEvent]] = Subscription(self._market.remove)
        self._market.append(subscription)
        return subscription

    def counted(self) -> dict[str, int]:
        """Who listens: to each account, and under "market" to the market."""
        accounts = {account: len(listening) for account, listening in self._accounts.items() if listening}
        return accounts | ({"market": len(self._market)} if self._market else {})

    def tell(self, reports: Sequence[Report]) -> None:
        """Each to those who listen to its account."""
        for report in reports:
            for subscription in list(self._accounts.get(report.account, ())):
                subscription.put(report)

    def show(self, events: Sequence[MarketEvent]) -> None:
        """To all who watch the market."""
        if events:
            for subscription in list(self._market):
                subscription.put(events)

    def close(self) -> None:
        """Ends all subscriptions."""
        for subscriptions in [*self._accounts.values()]:
            for reports in list(subscriptions):
                reports.close()
        for market in list(self._market):
            market.close()

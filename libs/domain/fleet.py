"""The services of the fleet: where each listens, what it does, and what stays undone while it is away."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Member(NamedTuple):
    """One service, for whoever looks for it or misses it."""

    port: int
    about: str
    stops: str  # what does not happen while it is down


SERVICES: Final[Mapping[str, Member]] = {
    "data_collector": Member(9101, "market data in", "the market stands still; after 3 s nothing is ordered"),
    "strategy_engine": Member(9102, "closed bars to targets", "no new signals; positions and open orders stay"),
    "risk_manager": Member(9103, "targets to approved orders", "signals wait, and expire; no order is approved"),
    "trade_executor": Member(
        9104, "orders to the venue, fills to the books", "approved orders wait, and expire unsent; fills are not booked"
    ),
    "portfolio": Member(9105, "marks, P&L, performance", "no marks, P&L or performance figures; trading goes on"),
    "scheduler": Member(9106, "calendars and jobs", "no end-of-day report, upkeep or nightly parity; trading goes on"),
    "backtester": Member(9107, "backtests", "backtests wait; trading does not need it"),
    "sim_venue": Member(9108, "an exchange in a box", "nothing is traded on the simulated venue, and its market stands still"),
    "deadman": Member(9109, "ends orders nobody attends to", "orders rest at the venue unattended, should trade_executor be gone"),
    "monitor": Member(8008, "health of all, alerts, notifications", "nobody is told of trouble; Prometheus is the second path"),
}
"""In the order of the flow, then those beside it."""

PORTS: Final[Mapping[str, int]] = {name: member.port for name, member in SERVICES.items()}

STANDBYS: Final[Mapping[str, Member]] = {
    "trade_executor_standby": Member(9114, "takes over from trade_executor", "a trade_executor that is gone has to be started again"),
}
"""A second process of a service, in reserve, where the operator wants one: `fleet run --standby`."""

MEMBERS: Final[Mapping[str, Member]] = {**SERVICES, **STANDBYS}

ONE_THREAD: Final[Mapping[str, str]] = {"OPENBLAS_NUM_THREADS": "1"}
"""For the environment of whoever computes with numpy beside others: its matrix products start a thread for every core, and these spin
while they wait for each other. On two busy cores that makes them ten times slower, and takes the time from the hops."""

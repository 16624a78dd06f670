"""Whoever does not answer, and proof that this way of telling works."""

from typing import Final

from fleet.monitoring.alerts.alert import Alert, Group, Severity
from libs.domain.fleet import MEMBERS

MONITOR: Final = "monitor"
TRADING: Final = ("data_collector", "strategy_engine", "risk_manager", "trade_executor")
"""Without one of these nothing is ordered, or nothing is booked."""
DOWN_FOR: Final = "15s"  # a service that is started again is ready within five
SERVER_DOWN_FOR: Final = "10s"  # less, so that it fires before what follows from it


def services() -> Group:
    """One alert for each service, so that it can say what stops without it."""
    down = [_service_down(name, member.stops) for name, member in MEMBERS.items() if name != MONITOR]
    return Group("services", [WATCHDOG, MONITOR_DOWN, POSTGRES_DOWN, REDIS_DOWN, *down])


def _away(job: str) -> str:
    """It does not answer Prometheus, or says that it is not ready, and not for want of a server that nobody reaches."""
    waits = "max by (server) (tradewinds_server_reached) == 0"
    return f'max by (job) (up{{job="{job}"}} == 0 or (tradewinds_service_ready{{job="{job}"}} == 0 unless on () {waits}))'


def _service_down(name: str, stops: str) -> Alert:
    return Alert(
        name="ServiceDown",
        runbook="service-down",
        severity="critical" if name in TRADING else "warning",
        fault=f"service_down:{name}",
        service=name,
        expr=_away(name),
        hold=DOWN_FOR,
        summary=f"{name} is down",
        description=f"For {DOWN_FOR} or longer {name} does not answer, or says that it is not ready."
        f" What that means: {stops}. Positions are not closed by it.",
    )


def _server_down(server: str, title: str, severity: Severity, means: str) -> Alert:
    return Alert(
        name="ServerDown",
        runbook="server-down",
        severity=severity,
        fault=f"server_down:{server}",
        expr=f'max by (server) (tradewinds_server_reached{{server="{server}"}}) == 0',
        hold=SERVER_DOWN_FOR,
        summary=f"{title} is down",
        description=f"For {SERVER_DOWN_FOR} or longer no service reaches {title}. {means}",
    )


POSTGRES_DOWN: Final = _server_down(
    "postgres",
    "Postgres",
    "critical",
    "Nothing is decided, sent or booked. Each service waits for it, and goes on from the record when it is back.",
)
REDIS_DOWN: Final = _server_down(
    "redis",
    "Redis",
    "warning",
    "Orders and fills go on from the record, slower. Quotes between bars reach nobody.",
)
MONITOR_DOWN: Final = Alert(
    name="MonitorDown",
    runbook="monitor-down",
    severity="critical",
    fault="monitor_down",
    expr=_away(MONITOR),
    hold=DOWN_FOR,
    summary="The monitor is down: nothing reaches your phone",
    description=f"For {DOWN_FOR} or longer the monitor does not answer, or says that it is not ready. The fleet trades on without it;"
    " what it would tell waits in the record.",
)
WATCHDOG: Final = Alert(
    name="Watchdog",
    runbook="monitor-down",
    severity="info",
    fault="watchdog",
    expr="vector(1)",
    summary="Prometheus and Alertmanager work",
    description="This one always fires and is told to no person. The monitor tells when it stops coming.",
)

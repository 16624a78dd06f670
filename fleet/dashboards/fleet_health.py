"""Is everything there, and does it breathe?"""

from typing import Final

from fleet.dashboards.panels import Dashboard, Query, Row, bars, figure, lines

_JOBS: Final = 'job!~"prometheus|alertmanager"'

FLEET_HEALTH: Final = Dashboard(
    "tw-fleet-health",
    "Fleet health",
    "Services, servers, leases, queues and the machine. When this page is quiet, the fleet is.",
    [
        Row(
            "Now",
            [
                figure(
                    "Services",
                    "Ready as the monitor finds them. One that is down says in its runbook what goes on without it.",
                    Query("tradewinds_fleet_service_up", "{{service}}"),
                    unit="none",
                    width=16,
                    thresholds=[(0, "red"), (1, "green")],
                    names={"0": "down", "1": "up"},
                ),
                figure(
                    "Alerts firing",
                    "What the monitor holds, from both paths.",
                    Query("sum(tradewinds_alerts_firing)"),
                    thresholds=[(0, "green"), (1, "red")],
                ),
                figure(
                    "Clock skew",
                    "Host clock less the database's. More than half a second makes times in the record doubtful.",
                    Query("max(abs(tradewinds_clock_skew_seconds))"),
                    unit="s",
                    thresholds=[(0, "green"), (0.5, "red")],
                ),
            ],
        ),
        Row(
            "Queues and leases",
            [
                lines(
                    "Journal lag",
                    "Age of the oldest message that a consumer has not read. It should be at 0 but for moments.",
                    Query("max by (consumer) (tradewinds_journal_lag_seconds)", "{{consumer}}"),
                    unit="s",
                ),
                lines(
                    "Heartbeats",
                    "Host time since each service was last heard. They speak once a second.",
                    Query("tradewinds_heartbeat_age_seconds", "{{service}}"),
                    unit="s",
                ),
                bars(
                    "Leases held",
                    "The right to act for an account, or as scheduler. 0: nobody acts.",
                    Query("tradewinds_lease_held", "{{lease}}"),
                    unit="none",
                ),
                lines(
                    "Put aside",
                    "Messages and fills that contradict the record and wait for a person.",
                    Query("tradewinds_quarantine_rows", "{{kind}}"),
                ),
                lines(
                    "Notifications",
                    "Deliveries that wait, and those that were given up in the last hour.",
                    Query("sum(tradewinds_notifications_waiting) or vector(0)", "waiting"),
                    Query('sum(increase(tradewinds_notifications_total{outcome="dropped"}[1h])) or vector(0)', "given up"),
                ),
                lines(
                    "Jobs",
                    "Runs of the scheduler's jobs within the hour, by how they ended.",
                    Query("sum by (state) (increase(tradewinds_job_runs_total[1h])) or vector(0)", "{{state}}"),
                ),
            ],
        ),
        Row(
            "Processes",
            [
                lines(
                    "CPU",
                    "Cores that each process uses.",
                    Query(f"sum by (job) (rate(process_cpu_seconds_total{{{_JOBS}}}[$__rate_interval]))", "{{job}}"),
                    unit="percentunit",
                ),
                lines(
                    "Memory",
                    "Resident memory. A line that only ever rises is a leak.",
                    Query(f"sum by (job) (process_resident_memory_bytes{{{_JOBS}}})", "{{job}}"),
                    unit="bytes",
                ),
                lines(
                    "Event loop lag",
                    "Longest wait of each event loop beyond a timer. Above 50 ms a service is too busy to answer.",
                    Query("tradewinds_event_loop_lag_seconds", "{{service}}"),
                    unit="s",
                ),
                lines(
                    "Starts",
                    "Processes started anew within ten minutes.",
                    Query(f"sum by (job) (changes(process_start_time_seconds{{{_JOBS}}}[10m]))", "{{job}}"),
                ),
                lines(
                    "Dropped as malformed, and bus failures",
                    "Messages that could not be read, and failed operations on Redis, a second. The record is not affected.",
                    Query("sum(rate(tradewinds_bad_messages_total[$__rate_interval])) or vector(0)", "malformed"),
                    Query("sum(rate(tradewinds_bus_failures_total[$__rate_interval])) or vector(0)", "bus failures"),
                    unit="ops",
                ),
                lines(
                    "Open files",
                    "File descriptors of each process.",
                    Query(f"sum by (job) (process_open_fds{{{_JOBS}}})", "{{job}}"),
                ),
            ],
        ),
        Row(
            "Machine",
            [
                lines(
                    "Disk free",
                    "Of the disk that holds the state folder. Without space Postgres stops, and with it everything.",
                    Query("tradewinds_host_disk_free_ratio", "free"),
                    unit="percentunit",
                    width=12,
                ),
                lines(
                    "Memory available",
                    "Of the machine.",
                    Query("tradewinds_host_memory_available_ratio", "available"),
                    unit="percentunit",
                    width=12,
                ),
            ],
        ),
    ],
)

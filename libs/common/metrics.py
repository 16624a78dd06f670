"""Every metric of the fleet: name, kind, labels and meaning. Base units; never an id as a label.

The headings say who sets what follows them; `make docs` makes docs/metrics.md of this file.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, Metric


class Measured(Gauge):
    """A gauge without labels, shown by a process that has set it: by all others 0 would be a statement, such as a full disk."""

    _set = False

    def set(self, value: float) -> None:
        self._set = True
        super().set(value)

    def collect(self) -> Iterable[Metric]:
        return super().collect() if self._set else ()


# Upper ends of histogram buckets: seconds on the order path, seconds of slower things, shares of a price.
_FAST: Final = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SLOW: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_SHARES: Final = (-0.01, -0.003, -0.001, -0.0003, -0.0001, 0.0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)

# --- Every service: set by each of them

UP: Final = Gauge("tradewinds_service_ready", "1 when the service is ready, 0 when not", ["service"])
BAD_MESSAGES: Final = Counter("tradewinds_bad_messages_total", "Messages dropped as malformed or oversized", ["channel"])
BUS_FAILURES: Final = Counter("tradewinds_bus_failures_total", "Failed bus operations; the record is not affected", ["operation"])
JOURNAL_HOPS: Final = Histogram("tradewinds_journal_commit_seconds", "One hop's write, durable", ["consumer"], buckets=_FAST)
JOURNAL_MESSAGES: Final = Counter("tradewinds_journal_messages_total", "Messages appended", ["stream"])
JOURNAL_STALE: Final = Counter("tradewinds_journal_stale_cursor_total", "Hops refused because the cursor had moved", ["consumer"])
QUARANTINED: Final = Counter("tradewinds_quarantined_total", "Messages put aside after three failures", ["consumer"])
BACKSTOP: Final = Counter("tradewinds_backstop_found_total", "Work a cursor had passed over and the backstop found", ["consumer"])
LEASE_EPOCH: Final = Gauge("tradewinds_lease_epoch", "Epoch of the lease held; 0 when not held", ["lease"])

EVENT_LOOP_LAG: Final = Gauge(
    "tradewinds_event_loop_lag_seconds", "Longest wait of the event loop beyond a timer, within the last five seconds", ["service"]
)
SERVER_REACHED: Final = Gauge("tradewinds_server_reached", "1 while the service reaches the server, 0 while not", ["service", "server"])
CLOCK_SKEW: Final = Gauge("tradewinds_clock_skew_seconds", "Host clock less the database's clock, at the last probe", ["service"])

# --- Market data: set by data_collector; gaps and silence by each service that follows the market

TICKS: Final = Counter("tradewinds_ticks_total", "Quotes and trades published", ["venue"])
BARS: Final = Counter("tradewinds_bars_total", "Bars stored and published", ["timeframe"])
LATE_TICKS: Final = Counter("tradewinds_late_ticks_total", "Ticks that came after their bar was closed", ["venue"])
REFUSED_ROWS: Final = Counter("tradewinds_market_rows_refused_total", "Market rows put aside by the checks", ["venue", "reason"])
ROWS_STORED: Final = Counter("tradewinds_market_rows_stored_total", "Market rows copied into the record", ["table"])
ROWS_DROPPED: Final = Counter("tradewinds_market_rows_dropped_total", "Market rows dropped while the database was away too long", ["table"])
MARKET_GAPS: Final = Counter("tradewinds_market_gaps_total", "Gaps in market sequence numbers seen by a reader", ["service"])
SESSION_PLAYING: Final = Measured("tradewinds_session_playing", "1 while a market is played, 0 when its data have ended")
MARKET_TIME: Final = Measured("tradewinds_market_time_seconds", "Market time, seconds since the epoch")
FEED_CONNECTED: Final = Gauge("tradewinds_feed_connected", "1 while a venue's live feed is connected, 0 while not", ["venue"])
FEED_RECONNECTS: Final = Counter("tradewinds_feed_reconnects_total", "Connections of a live feed after its first", ["venue"])
FEED_REFILLED: Final = Counter("tradewinds_feed_refilled_total", "Events asked for after a live feed had missed them", ["venue"])

MARKET_SILENCE: Final = Gauge("tradewinds_market_clock_silent_seconds", "Host time since the market clock was heard", ["service"])

# --- The order path: set by strategy_engine (signals, faults), risk_manager (assessments, tick to order), trade_executor (the rest)

SIGNALS: Final = Counter("tradewinds_signals_total", "Targets emitted", ["strategy"])
STRATEGY_FAULTS: Final = Counter("tradewinds_strategy_faults_total", "Strategies stopped because they failed on a bar", ["strategy"])
ASSESSMENTS: Final = Counter("tradewinds_assessments_total", "Verdicts on signals", ["verdict", "code"])
TICK_TO_ORDER: Final = Histogram(
    "tradewinds_tick_to_order_seconds", "Receipt of what closed the bar to the commit of the approved order", buckets=_FAST
)
SUBMITS: Final = Counter("tradewinds_order_submits_total", "Requests to the venue, by outcome; not_sent never left this host", ["outcome"])
SIGNAL_TO_WIRE: Final = Histogram(
    "tradewinds_signal_to_wire_seconds", "Approval of an order to its request being put on the wire", buckets=_FAST
)
ORDER_ANSWER: Final = Histogram("tradewinds_order_answer_seconds", "A request to the venue to its answer", ["outcome"], buckets=_FAST)
TRADES: Final = Counter("tradewinds_trades_total", "Fills booked", ["liquidity"])
ANOMALIES: Final = Counter("tradewinds_order_anomalies_total", "Evidence that contradicted what was believed", ["event"])
UNKNOWN_ORDERS: Final = Gauge("tradewinds_unknown_orders", "Orders whose outcome is not known", ["account"])
RECONCILE_DIFFERENCES: Final = Gauge(
    "tradewinds_reconcile_differences", "Differences between record and venue at the last look", ["account"]
)
VENUE_UP: Final = Gauge("tradewinds_venue_up", "1 while the venue answers and its reports arrive, 0 while not", ["venue", "account"])
VENUE_LATENCY: Final = Gauge("tradewinds_venue_latency_seconds", "The newest request to the venue that was answered", ["venue", "account"])
VENUE_BUDGET: Final = Gauge("tradewinds_venue_budget_ratio", "Share left of the requests that the venue allows", ["venue", "account"])

CLOCK_SYNCHRONISED: Final = Measured(
    "tradewinds_host_clock_synchronised", "1 while the kernel says that a time service keeps the clock, 0 while not"
)
DISARMED: Final = Gauge(
    "tradewinds_disarmed", "1 while the account sends nothing that adds to a book, because of the system's own state", ["account", "reason"]
)

ARRIVAL_SLIPPAGE: Final = Histogram(
    "tradewinds_arrival_slippage_ratio",
    "Average price of an ended order against the market when its first request left; above 0 is worse",
    ["strategy", "venue"],
    buckets=_SHARES,
)
POOR_EXECUTIONS: Final = Counter(
    "tradewinds_poor_executions_total", "Ended orders that were filled worse than `[best_execution]` allows", ["strategy", "venue"]
)
POOR_SHARE: Final = Measured("tradewinds_best_execution_most_ratio", "Of the orders of half an hour, how many may be badly executed")
POOR_LEAST: Final = Measured("tradewinds_best_execution_least_orders", "Of fewer orders nothing is said")

# --- Risk: set by risk_manager

DAILY_LOSS: Final = Gauge("tradewinds_risk_daily_loss_ratio", "Loss since the trading day began, of the equity it began with", ["account"])
DRAWDOWN: Final = Gauge("tradewinds_risk_drawdown_ratio", "Fall of the equity from its peak, of the peak", ["account"])
LOSS_LIMIT: Final = Gauge("tradewinds_risk_loss_limit_ratio", "Where an account is halted", ["account", "limit"])
LIMITS_VERSION: Final = Gauge("tradewinds_risk_limits_version", "Newest version of limits that the account is judged by", ["account"])
LIMITS_PENDING: Final = Gauge("tradewinds_risk_limits_pending", "Looser limits that wait out their cool-off", ["account"])
POSITION_LIMIT: Final = Gauge("tradewinds_risk_position_limit_ratio", "Most that a symbol may be of the equity", ["account"])
VALUE_AT_RISK: Final = Gauge("tradewinds_risk_value_at_risk_ratio", "Value at risk of a period, of equity", ["account", "method"])
EXPECTED_SHORTFALL: Final = Gauge(
    "tradewinds_risk_expected_shortfall_ratio", "Mean loss beyond the value at risk, of equity", ["account", "method"]
)
PORTFOLIO_VOLATILITY: Final = Gauge("tradewinds_risk_volatility_ratio", "Standard deviation of a period's P&L, of equity", ["account"])
CORRELATION: Final = Gauge("tradewinds_risk_correlation", "Mean correlation of all pairs of positions", ["account"])
WORST_STRESS: Final = Gauge("tradewinds_risk_worst_stress_ratio", "Loss in the worst scenario, of equity", ["account"])
TIME_TO_EXIT: Final = Gauge("tradewinds_risk_exit_seconds", "Trading time until the last position could be out", ["account"])
CURRENCY_EXPOSURE: Final = Gauge(
    "tradewinds_risk_currency_exposure_ratio", "Held in a currency that is not the account's, of equity", ["account", "currency"]
)
STRATEGY_EXPOSURE: Final = Gauge("tradewinds_risk_strategy_exposure_ratio", "Longs plus shorts, of equity", ["account", "strategy"])
MARGIN_USED: Final = Gauge("tradewinds_risk_margin_used_ratio", "What a broker asks for holding the positions, of equity", ["account"])
RISK_ALERTS_OPEN: Final = Gauge("tradewinds_risk_alerts_open", "Alerts that wait to be acknowledged", ["account"])
HALTED: Final = Gauge("tradewinds_risk_halted", "1 while an account may only close, until a person re-arms it", ["account", "limit"])
AUDITED: Final = Gauge("tradewinds_audit_last_look_timestamp_seconds", "Host time of the auditor's last whole look", ["account"])
AUDIT_LOOKS: Final = Counter(
    "tradewinds_audit_looks_total", "Looks of the order-flow auditor: clean, found something, or unread", ["account", "outcome"]
)
AUDIT_FINDINGS: Final = Counter(
    "tradewinds_audit_findings_total", "Orders at a broker that are not as they were approved, each told once", ["account", "what"]
)

# --- Portfolio: set by portfolio

EQUITY: Final = Gauge("tradewinds_portfolio_equity", "Cash plus positions at their marks", ["account", "currency"])
CASH: Final = Gauge("tradewinds_portfolio_cash", "Cash", ["account", "currency"])
DAY_PNL: Final = Gauge("tradewinds_portfolio_day_pnl", "Gain since the trading day began", ["account", "strategy"])
TOTAL_PNL: Final = Gauge("tradewinds_portfolio_total_pnl", "Gain since the account was opened", ["account", "strategy"])
GROSS_EXPOSURE: Final = Gauge("tradewinds_portfolio_gross_exposure_ratio", "Longs plus shorts, of equity", ["account"])
NET_EXPOSURE: Final = Gauge("tradewinds_portfolio_net_exposure_ratio", "Longs less shorts, of equity", ["account"])
POSITION_SHARE: Final = Gauge("tradewinds_portfolio_position_ratio", "A symbol's market value, of equity", ["account", "symbol"])
TURNOVER: Final = Gauge("tradewinds_portfolio_turnover_ratio", "Traded value of the day, of equity", ["account"])
MARK_AGE: Final = Gauge("tradewinds_portfolio_mark_age_seconds", "Market time since the oldest mark of a held symbol", ["account"])
SLIPPAGE: Final = Histogram(
    "tradewinds_slippage_ratio", "Fill price against the signal's reference price; above 0 is worse", ["strategy"], buckets=_SHARES
)
PORTFOLIO_FAULTS: Final = Counter("tradewinds_portfolio_faults_total", "Valuations that failed; the next look tries again", ["account"])

# --- The dead man: set by deadman

DEADMAN_ABSENT: Final = Gauge("tradewinds_deadman_absent_seconds", "For how long nobody was seen to attend to the account", ["account"])
DEADMAN_TRIPPED: Final = Gauge("tradewinds_deadman_tripped", "1 while the account is abandoned and its orders are canceled", ["account"])
DEADMAN_FOUND: Final = Counter("tradewinds_deadman_orders_found_total", "Open orders found by sweeps", ["account"])
DEADMAN_KEY: Final = Gauge("tradewinds_deadman_key_good", "1 while the dead man's own key opens the account, 0 while not", ["account"])

# --- Jobs: set by scheduler

JOB_RUNS: Final = Counter("tradewinds_job_runs_total", "Runs of jobs, by how they ended", ["job", "state"])
JOB_SECONDS: Final = Histogram("tradewinds_job_seconds", "How long a job ran", ["job"], buckets=_SLOW)
JOB_SUCCESS: Final = Gauge("tradewinds_job_last_success_timestamp_seconds", "Host time at which the job last ended well", ["job"])

# --- The fleet as monitor sees it: set by monitor

SERVICE_UP: Final = Gauge("tradewinds_fleet_service_up", "1 while the monitor finds the service ready, 0 while not", ["service"])
HEARTBEAT_AGE: Final = Gauge("tradewinds_heartbeat_age_seconds", "Host time since the last heartbeat", ["service"])
JOURNAL_LAG: Final = Gauge("tradewinds_journal_lag_messages", "Messages that a consumer has not read", ["consumer", "stream"])
JOURNAL_LAG_AGE: Final = Gauge("tradewinds_journal_lag_seconds", "Age of the oldest message not read", ["consumer", "stream"])
LEASE_HELD: Final = Gauge("tradewinds_lease_held", "1 while somebody holds a lease that the running session needs", ["lease"])
UNKNOWN_AGE: Final = Measured("tradewinds_unknown_order_age_seconds", "Age of the oldest order whose outcome is not known; 0 without one")
OPEN_ORDERS: Final = Gauge("tradewinds_open_orders", "Orders that may still fill", ["status"])
QUARANTINE: Final = Gauge("tradewinds_quarantine_rows", "Messages and fills put aside and waiting for a person", ["kind"])
KILL_SWITCH: Final = Gauge("tradewinds_kill_switch", "1 while a kill switch is on", ["scope"])
DISK_FREE: Final = Measured("tradewinds_host_disk_free_ratio", "Free share of the disk that holds the state folder")
MEMORY_FREE: Final = Measured("tradewinds_host_memory_available_ratio", "Share of the memory that is available")
ALERTS: Final = Gauge("tradewinds_alerts_firing", "Alerts that the monitor holds", ["severity"])
NOTIFICATIONS: Final = Counter("tradewinds_notifications_total", "Deliveries, by how they ended", ["channel", "outcome"])
NOTIFICATIONS_WAITING: Final = Gauge("tradewinds_notifications_waiting", "Deliveries that wait", ["channel"])
NOTIFICATION_DELAY: Final = Histogram(
    "tradewinds_notification_delay_seconds", "Making of a notification to its delivery", ["channel"], buckets=_SLOW
)

# --- Backtests: set by backtester

BACKTESTS: Final = Counter("tradewinds_backtests_total", "Backtests that were asked of the service and have ended", ["outcome"])
SEARCHES: Final = Counter("tradewinds_searches_total", "Searches that were asked of the service and have ended", ["outcome"])

# --- The simulated venue: set by sim_venue

SIM_REQUESTS: Final = Counter("tradewinds_sim_requests_total", "Requests that reached the venue", ["dialect", "what", "status"])
SIM_REQUEST_SECONDS: Final = Histogram("tradewinds_sim_request_seconds", "A request's arrival to its answer", ["dialect"], buckets=_FAST)
SIM_COMMANDS: Final = Counter("tradewinds_sim_commands_total", "Commands of accounts, by what became of them", ["command", "outcome"])
SIM_REPORTS: Final = Counter("tradewinds_sim_reports_total", "What the venue reported", ["kind"])
SIM_FLUSHES: Final = Histogram("tradewinds_sim_log_flush_seconds", "Writing one line of the log, durable", buckets=_FAST)
SIM_FAULTS: Final = Counter("tradewinds_sim_faults_total", "Faults that hit a request or a frame, as they were asked for", ["kind"])
SIM_FRAMES: Final = Counter("tradewinds_sim_stream_frames_total", "Frames sent to clients", ["dialect", "kind"])
SIM_OVERRUNS: Final = Counter("tradewinds_sim_stream_overruns_total", "Clients disconnected because they did not read", ["dialect"])
SIM_ERRORS: Final = Counter("tradewinds_sim_errors_total", "Requests that failed inside the venue; each is a defect", ["dialect"])

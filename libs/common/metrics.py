"""Every metric of the fleet: name, kind, labels and meaning. Base units; never an id as a label."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_FAST: Final = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

UP: Final = Gauge("tradewinds_service_ready", "1 when the service is ready, 0 when not", ["service"])
BAD_MESSAGES: Final = Counter("tradewinds_bad_messages_total", "Messages dropped as malformed or oversized", ["channel"])
BUS_FAILURES: Final = Counter("tradewinds_bus_failures_total", "Failed bus operations; the record is not affected", ["operation"])
JOURNAL_HOPS: Final = Histogram("tradewinds_journal_commit_seconds", "One hop's write, durable", ["consumer"], buckets=_FAST)
JOURNAL_MESSAGES: Final = Counter("tradewinds_journal_messages_total", "Messages appended", ["stream"])
JOURNAL_STALE: Final = Counter("tradewinds_journal_stale_cursor_total", "Hops refused because the cursor had moved", ["consumer"])
QUARANTINED: Final = Counter("tradewinds_quarantined_total", "Messages put aside after three failures", ["consumer"])
BACKSTOP: Final = Counter("tradewinds_backstop_found_total", "Work a cursor had passed over and the backstop found", ["consumer"])
LEASE_EPOCH: Final = Gauge("tradewinds_lease_epoch", "Epoch of the lease held; 0 when not held", ["lease"])

TICKS: Final = Counter("tradewinds_ticks_total", "Quotes and trades published", ["venue"])
BARS: Final = Counter("tradewinds_bars_total", "Bars stored and published", ["timeframe"])
LATE_TICKS: Final = Counter("tradewinds_late_ticks_total", "Ticks that came after their bar was closed", ["venue"])
REFUSED_ROWS: Final = Counter("tradewinds_market_rows_refused_total", "Market rows put aside by the checks", ["venue", "reason"])
ROWS_STORED: Final = Counter("tradewinds_market_rows_stored_total", "Market rows copied into the record", ["table"])
ROWS_DROPPED: Final = Counter("tradewinds_market_rows_dropped_total", "Market rows dropped while the database was away too long", ["table"])
MARKET_GAPS: Final = Counter("tradewinds_market_gaps_total", "Gaps in market sequence numbers seen by a reader", ["service"])
MARKET_TIME: Final = Gauge("tradewinds_market_time_seconds", "Market time, seconds since the epoch")

SIGNALS: Final = Counter("tradewinds_signals_total", "Targets emitted", ["strategy"])
STRATEGY_FAULTS: Final = Counter("tradewinds_strategy_faults_total", "Strategies stopped because they failed on a bar", ["strategy"])
ASSESSMENTS: Final = Counter("tradewinds_assessments_total", "Verdicts on signals", ["verdict", "code"])
TICK_TO_ORDER: Final = Histogram(
    "tradewinds_tick_to_order_seconds", "Receipt of what closed the bar to the commit of the approved order", buckets=_FAST
)
SUBMITS: Final = Counter("tradewinds_order_submits_total", "Requests put on the wire, by their outcome", ["outcome"])
TRADES: Final = Counter("tradewinds_trades_total", "Fills booked", ["liquidity"])
ANOMALIES: Final = Counter("tradewinds_order_anomalies_total", "Evidence that contradicted what was believed", ["event"])
UNKNOWN_ORDERS: Final = Gauge("tradewinds_unknown_orders", "Orders whose outcome is not known")
RECONCILE_DIFFERENCES: Final = Gauge("tradewinds_reconcile_differences", "Differences between record and venue at the last look")

BACKTESTS: Final = Counter("tradewinds_backtests_total", "Backtests that were asked of the service and have ended", ["outcome"])

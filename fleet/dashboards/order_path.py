"""From a tick to the venue and back: how long, and what went wrong on the way."""

from collections.abc import Sequence
from typing import Final

from fleet.dashboards.panels import Dashboard, Query, Row, bars, figure, lines
from fleet.monitoring import recording


def _quantiles(histogram: str, by: str = "") -> Sequence[Query]:
    """Median and 99th percentile of a histogram; of a quiet one, of all it has seen. Values may be below 0."""
    labels = f"le, {by}" if by else "le"
    legend = "".join(f"{{{{{label}}}}} " for label in by.split(", ") if label)
    return [
        Query(
            f"histogram_quantile({q}, sum by ({labels}) (rate({histogram}_bucket[5m]))) > -Inf"
            f" or histogram_quantile({q}, sum by ({labels}) ({histogram}_bucket))",
            f"{legend}{name}",
        )
        for q, name in ((0.5, "p50"), (0.99, "p99"))
    ]


ORDER_PATH: Final = Dashboard(
    "tw-order-path",
    "Order path and latency",
    "Where the milliseconds go between a tick and the venue, and every event that should not happen.",
    [
        Row(
            "What should be 0",
            [
                figure(
                    "Orders with unknown outcome",
                    "No answer from the venue yet. They are looked up each second and never sent again.",
                    Query("max(tradewinds_unknown_orders) or vector(0)"),
                    thresholds=[(0, "green"), (1, "red")],
                ),
                figure(
                    "Oldest of them",
                    "Age of the oldest order whose outcome is not known.",
                    Query("tradewinds_unknown_order_age_seconds"),
                    unit="s",
                    thresholds=[(0, "green"), (10, "red")],
                ),
                figure(
                    "Record and venue differ",
                    "At the last reconciliation. Anything but 0 wants a person at once.",
                    Query("max(tradewinds_reconcile_differences)"),
                    thresholds=[(0, "green"), (1, "red")],
                ),
                figure(
                    "Anomalies, an hour",
                    "Evidence that contradicted what was believed.",
                    Query("sum(increase(tradewinds_order_anomalies_total[1h])) or vector(0)"),
                    thresholds=[(0, "green"), (1, "orange")],
                ),
                figure(
                    "Put aside, an hour",
                    "Messages that failed three times.",
                    Query("sum(increase(tradewinds_quarantined_total[1h])) or vector(0)"),
                    thresholds=[(0, "green"), (1, "red")],
                ),
                figure(
                    "Found by the backstop, an hour",
                    "Work that a cursor had passed over.",
                    Query("sum(increase(tradewinds_backstop_found_total[1h])) or vector(0)"),
                    thresholds=[(0, "green"), (1, "orange")],
                ),
            ],
        ),
        Row(
            "Latency",
            [
                lines(
                    "Tick to approved order",
                    "From hearing what closed the bar to the durable commit of the order: three commits.",
                    *_quantiles("tradewinds_tick_to_order_seconds"),
                    unit="s",
                ),
                lines(
                    "Approved order to the wire",
                    "From approval to the request being put on the wire: one commit, the intent before the send.",
                    *_quantiles("tradewinds_signal_to_wire_seconds"),
                    unit="s",
                ),
                lines(
                    "The venue's answer",
                    "From a request to its answer, by outcome.",
                    *_quantiles("tradewinds_order_answer_seconds", "outcome"),
                    unit="s",
                ),
                lines(
                    "Journal commits",
                    "One hop's write, durable. A slow disk shows here first.",
                    *_quantiles("tradewinds_journal_commit_seconds", "consumer"),
                    unit="s",
                ),
                lines(
                    "Slippage",
                    "Fill price against the signal's reference price; above 0 is worse for us.",
                    *_quantiles("tradewinds_slippage_ratio", "strategy"),
                    unit="percentunit",
                ),
                lines(
                    "Slippage against arrival",
                    "Average price of ended orders against the market when their first request left; above 0 is worse for us.",
                    *_quantiles("tradewinds_arrival_slippage_ratio", "strategy, venue"),
                    unit="percentunit",
                ),
                lines(
                    "Best execution",
                    "Share of the orders of the last 30 minutes that were worse than arrival by more than `[best_execution] worse` of"
                    " config/risk.toml, by strategy and venue, and the most that is no alert.",
                    Query(recording.POOR_SHARE, "{{strategy}} at {{venue}}"),
                    Query("max(tradewinds_best_execution_most_ratio)", "most"),
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Flow",
            [
                lines(
                    "Journal messages",
                    "Appended a second, by stream.",
                    Query("sum by (stream) (rate(tradewinds_journal_messages_total[$__rate_interval]))", "{{stream}}"),
                    unit="ops",
                ),
                bars(
                    "Requests to the venue",
                    "Since the executor was started, by outcome.",
                    Query("sum by (outcome) (tradewinds_order_submits_total)", "{{outcome}}"),
                ),
                lines(
                    "Hops decided again",
                    "Refused because the cursor had moved: harmless one by one, two writers when they go on.",
                    Query("sum(rate(tradewinds_journal_stale_cursor_total[$__rate_interval])) or vector(0)", "a second"),
                    unit="ops",
                ),
                lines(
                    "Messages not read",
                    "How many a consumer is behind.",
                    Query("sum by (consumer, stream) (tradewinds_journal_lag_messages)", "{{consumer}} {{stream}}"),
                    width=24,
                ),
            ],
        ),
    ],
)

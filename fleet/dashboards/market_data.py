"""Does the market come in, whole and in time?"""

from typing import Final

from fleet.dashboards.panels import Dashboard, Query, Row, bars, figure, lines

MARKET_DATA: Final = Dashboard(
    "tw-market-data",
    "Market data quality",
    "What comes in, what is put aside, what is missing, and whether the market's clock goes.",
    [
        Row(
            "Now",
            [
                figure(
                    "Market time",
                    "Where the session stands, UTC. Of a replayed market it is not today.",
                    Query("max(tradewinds_market_time_seconds) * 1000"),
                    unit="dateTimeAsIso",
                    width=8,
                ),
                figure(
                    "Silence of the market's clock",
                    "Host time since it was last heard. After 3 s nothing is ordered.",
                    Query("max(tradewinds_market_clock_silent_seconds)"),
                    unit="s",
                    thresholds=[(0, "green"), (3, "red")],
                ),
                figure(
                    "Pace",
                    "Market seconds that pass in one host second.",
                    Query("max(deriv(tradewinds_market_time_seconds[1m]))"),
                ),
                figure(
                    "Oldest mark",
                    "Market time since the oldest price by which a position is marked.",
                    Query("max(tradewinds_portfolio_mark_age_seconds)"),
                    unit="s",
                ),
                figure(
                    "Rows dropped",
                    "Not stored because the database was away too long, since the start.",
                    Query("sum(tradewinds_market_rows_dropped_total) or vector(0)"),
                    thresholds=[(0, "green"), (1, "red")],
                ),
            ],
        ),
        Row(
            "What comes in",
            [
                lines(
                    "Quotes and trades",
                    "Published a second, by venue.",
                    Query("sum by (venue) (rate(tradewinds_ticks_total[$__rate_interval]))", "{{venue}}"),
                    unit="ops",
                ),
                lines(
                    "Bars",
                    "Stored and published a second, by timeframe.",
                    Query("sum by (timeframe) (rate(tradewinds_bars_total[$__rate_interval]))", "{{timeframe}}"),
                    unit="ops",
                ),
                lines(
                    "Rows stored",
                    "Copied into the record a second, by table.",
                    Query("sum by (table) (rate(tradewinds_market_rows_stored_total[$__rate_interval]))", "{{table}}"),
                    unit="ops",
                ),
            ],
        ),
        Row(
            "What is wrong with it",
            [
                bars(
                    "Rows put aside",
                    "By the checks since the start, by reason. They stand in `data_quarantine`.",
                    Query("sum by (reason) (tradewinds_market_rows_refused_total) or vector(0)", "{{reason}}"),
                ),
                lines(
                    "Late ticks",
                    "Came after their bar was closed, a second; the bar is not rewritten.",
                    Query("sum(rate(tradewinds_late_ticks_total[$__rate_interval])) or vector(0)", "late"),
                    unit="ops",
                ),
                lines(
                    "Gaps",
                    "Seen by readers in the numbers of the feed, a second. Bars are then read from the record.",
                    Query("sum(rate(tradewinds_market_gaps_total[$__rate_interval])) or vector(0)", "gaps"),
                    unit="ops",
                ),
            ],
        ),
    ],
)

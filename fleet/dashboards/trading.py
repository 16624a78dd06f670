"""What is it worth, and what does it do?"""

from typing import Final

from fleet.dashboards.panels import Dashboard, Query, Row, bars, figure, lines

_OF: Final = '{account=~"$account"}'

TRADING: Final = Dashboard(
    "tw-trading",
    "Trading overview",
    "Worth, gains, positions and activity. Money is in each account's base currency, at portfolio's marks.",
    [
        Row(
            "Now",
            [
                figure("Equity", "Cash plus positions, marked.", Query(f"tradewinds_portfolio_equity{_OF}", "{{account}} {{currency}}")),
                figure(
                    "Gain today",
                    "Since the trading day began: realised, unrealised and fees.",
                    Query('tradewinds_portfolio_day_pnl{account=~"$account", strategy=""}', "{{account}}"),
                    thresholds=[(-1e15, "red"), (0, "green")],
                ),
                figure("Cash", "Not in positions.", Query(f"tradewinds_portfolio_cash{_OF}", "{{account}}")),
                figure(
                    "Gross exposure",
                    "Longs plus shorts, of equity.",
                    Query(f"tradewinds_portfolio_gross_exposure_ratio{_OF}", "{{account}}"),
                    unit="percentunit",
                ),
                figure("Open orders", "That may still fill.", Query("sum(tradewinds_open_orders) or vector(0)")),
                figure(
                    "Trading stopped",
                    "Kill switches and loss limits that are on. Above 0: see `fleet risk status`.",
                    Query("(sum(tradewinds_kill_switch) or vector(0)) + (sum(tradewinds_risk_halted) or vector(0))"),
                    unit="none",
                    thresholds=[(0, "green"), (1, "red")],
                ),
            ],
        ),
        Row(
            "Worth",
            [
                lines("Equity", "Over time.", Query(f"tradewinds_portfolio_equity{_OF}", "{{account}}"), width=12),
                lines(
                    "Gain today, by strategy",
                    "What each strategy added to its account since the trading day began.",
                    Query('tradewinds_portfolio_day_pnl{account=~"$account", strategy!=""}', "{{account}} {{strategy}}"),
                    width=12,
                ),
                lines(
                    "Gain since the account was opened, by strategy",
                    "Realised, unrealised and fees.",
                    Query('tradewinds_portfolio_total_pnl{account=~"$account", strategy!=""}', "{{account}} {{strategy}}"),
                ),
                lines(
                    "Positions, of equity",
                    "Market value of each symbol held; below 0 is short.",
                    Query(f"tradewinds_portfolio_position_ratio{_OF}", "{{account}} {{symbol}}"),
                    unit="percentunit",
                    stacked=True,
                ),
                lines(
                    "Turnover today",
                    "Traded value of the day, of equity.",
                    Query(f"tradewinds_portfolio_turnover_ratio{_OF}", "{{account}}"),
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Activity",
            [
                lines(
                    "Signals",
                    "Targets a second, by strategy.",
                    Query("sum by (strategy) (rate(tradewinds_signals_total[$__rate_interval]))", "{{strategy}}"),
                    unit="ops",
                ),
                lines(
                    "Verdicts",
                    "What became of them, a second.",
                    Query("sum by (verdict) (rate(tradewinds_assessments_total[$__rate_interval]))", "{{verdict}}"),
                    unit="ops",
                ),
                lines(
                    "Trades",
                    "Fills booked, a second.",
                    Query("sum(rate(tradewinds_trades_total[$__rate_interval])) or vector(0)", "trades"),
                    unit="ops",
                ),
                bars(
                    "Open orders",
                    "By status. UNKNOWN means that the venue has not said what became of it.",
                    Query("tradewinds_open_orders or vector(0)", "{{status}}"),
                    width=12,
                ),
                bars(
                    "Strategies that failed",
                    "Stopped on a bar since their engine was started; the others go on.",
                    Query("sum by (strategy) (tradewinds_strategy_faults_total) or vector(0)", "{{strategy}}"),
                    width=12,
                ),
            ],
        ),
    ],
    by_account=True,
)

"""How near are the limits, and what do they refuse?"""

from typing import Final

from fleet.dashboards.panels import Dashboard, Query, Row, bars, figure, lines

_OF: Final = '{account=~"$account"}'

RISK: Final = Dashboard(
    "tw-risk",
    "Risk",
    "Losses against their limits, exposure, refusals by control, and what has been stopped.",
    [
        Row(
            "Now",
            [
                figure(
                    "Loss today",
                    "Of the equity that the trading day began with, as risk_manager counts it.",
                    Query(f"tradewinds_risk_daily_loss_ratio{_OF}", "{{account}}"),
                    unit="percentunit",
                    width=6,
                    thresholds=[(-1, "green"), (0, "orange")],
                ),
                figure(
                    "Drawdown",
                    "Fall from the highest equity, of that.",
                    Query(f"tradewinds_risk_drawdown_ratio{_OF}", "{{account}}"),
                    unit="percentunit",
                    width=6,
                ),
                figure(
                    "Halted",
                    "A loss limit was reached: the account may only close until a person re-arms it.",
                    Query("sum(tradewinds_risk_halted) or vector(0)"),
                    unit="none",
                    width=6,
                    thresholds=[(0, "green"), (1, "red")],
                ),
                figure(
                    "Kill switches on",
                    "Nothing new is ordered in their scope.",
                    Query("sum(tradewinds_kill_switch) or vector(0)"),
                    unit="none",
                    width=6,
                    thresholds=[(0, "green"), (1, "red")],
                ),
            ],
        ),
        Row(
            "Losses against their limits",
            [
                lines(
                    "Loss today",
                    "Above its limit the account is halted. Below 0 is a gain.",
                    Query(f"tradewinds_risk_daily_loss_ratio{_OF}", "{{account}}"),
                    Query('tradewinds_risk_loss_limit_ratio{account=~"$account", limit="max_daily_loss"}', "limit of {{account}}"),
                    unit="percentunit",
                    width=12,
                ),
                lines(
                    "Drawdown",
                    "Above its limit the account is halted.",
                    Query(f"tradewinds_risk_drawdown_ratio{_OF}", "{{account}}"),
                    Query('tradewinds_risk_loss_limit_ratio{account=~"$account", limit="max_drawdown"}', "limit of {{account}}"),
                    unit="percentunit",
                    width=12,
                ),
            ],
        ),
        Row(
            "Limits",
            [
                lines(
                    "Version of the limits in force",
                    "A step is a change: `fleet risk limits history` says whose, and why.",
                    Query(f"tradewinds_risk_limits_version{_OF}", "{{account}}"),
                    unit="none",
                    width=12,
                ),
                lines(
                    "Looser limits that wait",
                    "Each holds once its cool-off is over, unless it is withdrawn: docs/runbooks/limits.md.",
                    Query(f"tradewinds_risk_limits_pending{_OF}", "{{account}}"),
                    unit="none",
                    width=12,
                ),
            ],
        ),
        Row(
            "What could be lost",
            [
                lines(
                    "Value at risk",
                    "Of equity, over the period that is measured in, by four methods: docs/risk-measures.md.",
                    Query(f"tradewinds_risk_value_at_risk_ratio{_OF}", "{{account}} {{method}}"),
                    unit="percentunit",
                ),
                lines(
                    "Expected shortfall",
                    "The mean of what is lost beyond it.",
                    Query(f"tradewinds_risk_expected_shortfall_ratio{_OF}", "{{account}} {{method}}"),
                    unit="percentunit",
                ),
                lines(
                    "Worst stress test",
                    "What the worst of the scenarios would take, of equity: `fleet risk measures` names it.",
                    Query(f"tradewinds_risk_worst_stress_ratio{_OF}", "{{account}}"),
                    unit="percentunit",
                ),
                lines(
                    "Correlation",
                    "Mean of all pairs of positions: near 1 they are one position.",
                    Query(f"tradewinds_risk_correlation{_OF}", "{{account}}"),
                    unit="none",
                ),
                lines(
                    "Time to be out",
                    "Until the last position is sold, taking a tenth of the volume; a day of trading counts as one day.",
                    Query(f"tradewinds_risk_exit_seconds{_OF}", "{{account}}"),
                    unit="s",
                ),
                lines(
                    "Volatility",
                    "Standard deviation of the P&L of a period, of equity.",
                    Query(f"tradewinds_risk_volatility_ratio{_OF}", "{{account}}"),
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Exposure",
            [
                lines(
                    "Gross exposure",
                    "Longs plus shorts, of equity.",
                    Query(f"tradewinds_portfolio_gross_exposure_ratio{_OF}", "{{account}}"),
                    unit="percentunit",
                ),
                lines(
                    "Net exposure",
                    "Longs less shorts, of equity.",
                    Query(f"tradewinds_portfolio_net_exposure_ratio{_OF}", "{{account}}"),
                    unit="percentunit",
                ),
                bars(
                    "Positions",
                    "Market value of each symbol, of equity.",
                    Query(f"tradewinds_portfolio_position_ratio{_OF}", "{{account}} {{symbol}}"),
                    unit="percentunit",
                ),
                lines(
                    "Strategies",
                    "Longs plus shorts of each, of equity, at the last look of risk_manager.",
                    Query(f"tradewinds_risk_strategy_exposure_ratio{_OF}", "{{account}} {{strategy}}"),
                    unit="percentunit",
                ),
                lines(
                    "Currencies",
                    "What moves with a currency that is not the account's, of equity: what is held of a pair. Shorts are negative.",
                    Query(f"tradewinds_risk_currency_exposure_ratio{_OF}", "{{account}} {{currency}}"),
                    unit="percentunit",
                ),
                lines(
                    "Margin used",
                    "What a broker asks for holding the positions of a margin account, of equity: at 1 nothing is left.",
                    Query(f"tradewinds_risk_margin_used_ratio{_OF}", "{{account}}"),
                    unit="percentunit",
                ),
            ],
        ),
        Row(
            "Refusals",
            [
                lines(
                    "Refusals, by control",
                    "Codes are explained in docs/risk-controls.md. RC-B02 is an everyday answer where the limit is tight.",
                    Query(
                        'sum by (code) (rate(tradewinds_assessments_total{verdict="REFUSED"}[$__rate_interval])) or vector(0)',
                        "{{code}}",
                    ),
                    unit="ops",
                    width=12,
                ),
                lines(
                    "Share of signals refused",
                    "Within five minutes.",
                    Query(
                        '(sum(rate(tradewinds_assessments_total{verdict="REFUSED"}[5m])) or vector(0))'
                        " / (sum(rate(tradewinds_assessments_total[5m])) > 0) or vector(0)",
                        "refused",
                    ),
                    unit="percentunit",
                    width=12,
                ),
            ],
        ),
    ],
    by_account=True,
)

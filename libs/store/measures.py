"""What risk was measured to be, a row for each time: `fleet risk report` looks back at them, and VaR is tested against what came."""

import msgspec

from libs.common.database import Write


def store(account_id: str, market_time: int, equity: float, measured: msgspec.Struct) -> Write:
    """A row of risk_metrics at a market time, ns; measured again while the market stands still, the newer one stays."""
    return Write(
        "insert into risk_metrics (account_id, at, equity, measures) values (%s, at_ns(%s), %s, %s::jsonb)"
        " on conflict (account_id, at) do update set equity = excluded.equity, measures = excluded.measures",
        (account_id, market_time, equity, msgspec.json.encode(measured).decode()),
    )

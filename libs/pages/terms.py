"""What a backtest's spec asks for, in words: who trades how large, and on which terms. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from libs.pages.numbers import called, share

_RATES: Final = {
    "cash_rate": "{} % a year on cash",
    "margin_rate": "{} % a year on margin",
    "borrow_rate": "{} % a year on shorts",
    "funding_rate": "funding {} % each 8 h",
}


def strategies_text(spec: Mapping[str, Any]) -> str:
    """What trades, and how large."""
    if "strategies" in spec:
        return ", ".join(
            f"{s['id']} ({called(s['class'], s.get('params', {}))}, {share(s['allocation'])} of equity)" for s in spec["strategies"]
        )
    sized = f"sizing {spec.get('sizing', 'equity')}, {share(spec.get('allocation', 0.2))} of equity per symbol at target 1"
    return f"{called(spec['strategy'], spec.get('params', {}))}, {sized}"


def costs_text(spec: Mapping[str, Any]) -> str:
    """What trading and holding cost, and how much of what is shown may be taken."""
    named = {
        "fee_bps": "fee {} bps",
        "fee_per_unit": "fee {} a unit",
        "fee_min": "fee {} at least",
        "half_spread_bps": "half spread {} bps",
        "slippage_bps": "slippage {} bps",
        "latency_ms": "latency {} ms",
        "participation": "at most {} of what is shown",
        "bar_participation": "at most {} of a bar's volume",
    }
    found = [text.format(spec[name]) for name, text in named.items() if float(spec.get(name) or 0)] + rates_text(spec)
    return ", ".join(found) or "none: fills are free, and as large as wanted; see --fee-bps, --slippage-bps, --participation"


def rates_text(spec: Mapping[str, Any]) -> list[str]:
    """What was asked for, in words; [] where holding is free."""
    rates = spec.get("financing") or {}
    own = [f"rates of their own for {', '.join(sorted(rates['symbols']))}"] if rates.get("symbols") else []
    recorded = ["recorded funding"] if spec.get("funding") else []
    return [text.format(rates[name]) for name, text in _RATES.items() if float(rates.get(name) or 0)] + own + recorded

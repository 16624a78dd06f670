"""The pure risk gate: verdicts a second of one process on an account in the middle of a trading day."""

import time
from decimal import Decimal
from itertools import cycle, islice
from typing import Final
from uuid import UUID

from benchmarks.figures import Figure, middle
from benchmarks.fleet import ROOT
from libs.common.settings import from_toml
from libs.domain.configuration import RiskConfig
from libs.domain.instruments import Instrument
from libs.domain.messages import Signal
from libs.domain.orders import Status
from libs.quant.risk.assess import assess
from libs.quant.risk.flow import Flow
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import OpenOrder, Terms, View

FIGURES: Final = ("risk_gate_pure_per_s",)
RUNS: Final = 5
SECONDS: Final = 1.0
SECOND: Final = 1_000_000_000
NOW: Final = 1_736_175_600 * SECOND
SYMBOLS: Final = [f"S{n:03}" for n in range(20)]
HELD: Final = 5  # symbols with a position; the next two have an open order


def measure() -> dict[str, Figure]:
    """Each run goes through the symbols in turn; `assess` changes nothing in the view."""
    rates = [_rate() for _ in range(RUNS)]
    return {
        "risk_gate_pure_per_s": Figure(
            value=middle(rates, 0),
            unit="verdicts/s",
            target=100_000,
            better="higher",
            runs=rates,
            limit="plain Python on one core: some thirty controls, each a call, and a tuple for the order to be",
        )
    }


def _rate() -> float:
    limits = Limits(from_toml(RiskConfig, ROOT / "config", "risk", "development").limit)
    view = a_view()
    signals = [a_signal(symbol, n) for n, symbol in enumerate(SYMBOLS)]
    judged = 0
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < SECONDS:
        for signal in islice(cycle(signals), 100):
            assess(signal, 0, view, limits)
        judged += 100
    return round(judged / elapsed)


def a_view() -> View:
    """Twenty stocks of one strategy: five held, two on order, sixty orders within the last minute."""
    return View(
        account_id="paper",
        account_name="paper",
        base_currency="USD",
        kind="cash",
        allow_short=False,
        now=NOW,
        stale=False,
        speed=1.0,
        grace_ns=SECOND // 4,
        instruments={s: Instrument(symbol=s, venue="V", asset_class="equity", currency="USD", tick=CENT, lot=Decimal(1)) for s in SYMBOLS},
        terms={"sma": Terms(0.02)},
        cash={"USD": Decimal(90_000)},
        marks={s: 100.0 + n for n, s in enumerate(SYMBOLS)},
        killed={},
        positions={("sma", s): 20 for s in SYMBOLS[:HELD]},
        open_orders=[OpenOrder(UUID(int=n), "sma", s, "buy", 20, 12_000, Status.ACKED) for n, s in enumerate(SYMBOLS[HELD : HELD + 2])],
        flow=Flow({"sma": 60}, {"sma": 3}, {("sma", s): 2 for s in SYMBOLS}),
    )


CENT: Final = Decimal("0.01")


def a_signal(symbol: str, n: int) -> Signal:
    """Long now, at the close just seen."""
    return Signal(
        signal_id=UUID(int=1_000 + n),
        session_id="session",
        account_id="paper",
        strategy_id="sma",
        symbol=symbol,
        timeframe="1s",
        bar_time=NOW - 2 * SECOND,
        decided_at=NOW - SECOND // 2,
        target=1.0,
        confidence=1.0,
        reference_price=100.0 + n,
        valid_until=NOW + 5 * SECOND,
        reason="sma_cross: target 0 -> 1",
        triggered_ns=0,
    )

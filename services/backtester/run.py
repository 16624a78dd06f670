"""One backtest from its spec and its data to its answer. No database, no network."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from libs.common.clocks import HostClock
from libs.domain.configuration import LimitConfig, StrategyConfig
from libs.domain.times import iso
from libs.quant.backtest.report import Equity, Figures, equity_curve, figures
from libs.quant.backtest.result import Played
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.fills import FillTerms
from libs.quant.financing import Financing
from libs.quant.progress import Seen
from libs.quant.quality.gate import admitted
from libs.quant.risk.limits import Limits
from libs.quant.risk.permission import HALTED
from services.backtester.code import ENGINE, code_fingerprint
from services.backtester.data import Loaded
from services.backtester.engines import playing
from services.backtester.spec import ACCOUNT, Spec


class Fingerprints(msgspec.Struct, frozen=True, kw_only=True):
    """Equal ones give equal results; where results differ, one of the first four says why."""

    data: str
    code: str
    config: str
    engine: str
    all: str


@dataclass(frozen=True)
class Answer:
    """What a backtest found."""

    spec: Spec
    played: Played
    figures: Figures
    currency: str  # of the account
    equity: Equity
    fingerprints: Fingerprints
    seconds: float  # of playing and counting; reading the data is not in it
    notes: Sequence[str]  # what a reader should know before believing the figures

    def line(self) -> dict[str, object]:
        """The figures as the one JSON object that `--json` ends with."""
        return {
            "strategy": self.spec.strategy or "+".join(config.id for config in self.spec.strategies),
            **{name: value for name, value in self.figures._asdict().items()},
            "financing": carried(self.played),
            "currency": self.currency,
            "engine": ENGINE,
            "seconds": round(self.seconds, 6),
            "fingerprint": self.fingerprints.all,
            "notes": list(self.notes),
            "halts": [
                {"at": iso(h.at), "limit": h.limit, "max": h.most, "seen": h.seen, "equity": h.equity, "reference": h.reference}
                for h in self.played.halts
            ],
        }


def run(
    spec: Spec,
    loaded: Loaded,
    limits: Sequence[LimitConfig],
    clock: HostClock,
    code: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
    seen: Seen | None = None,
) -> Answer:
    """Plays a backtest.

    Args:
        limits: the operator's, used with risk on when the spec brings none.
        code: folder for machine code; None: nothing is compiled.
        say: tells a person what takes long.
        seen: is told how far it is.

    Raises:
        ValueError: the strategy cannot be run as asked, or failed on a bar (StrategyFault), or the data are refused (Unfit);
            the message says where.
    """
    setup = setup_of(spec, limits, loaded.tape)
    labels = admitted(loaded.tape, spec.quality, loaded.labels)
    began = clock.monotonic()
    result = playing(loaded.tape, setup, spec.engine, code, say, seen)
    curve = equity_curve(loaded.tape, result.summary, result.sums)
    found = figures(loaded.tape, result.summary, setup.deposit, curve, result.sums)
    seconds = clock.monotonic() - began
    played = result.played()
    if played.left_out:
        raise ValueError("; ".join(played.left_out))
    notes = [*labels, *result.notes, *_odd(played)]
    return Answer(spec, played, found, setup.base_currency, curve, fingerprints_of(loaded, spec, limits), seconds, notes)


def setup_of(spec: Spec, limits: Sequence[LimitConfig], tape: Tape) -> Setup:
    """The account and terms of a spec.

    Raises:
        ValueError: the market is priced in several currencies and the spec names none.
    """
    currencies = sorted({instrument.currency for instrument in tape.instruments.values()})
    if not spec.currency and len(currencies) != 1:
        raise ValueError(f"the market is priced in {', '.join(currencies)}: say which currency the account is in")
    terms = FillTerms(
        half_spread_bps=spec.half_spread_bps,
        slippage_bps=spec.slippage_bps,
        participation=spec.participation,
        bar_participation=spec.participation if spec.bar_participation is None else spec.bar_participation,
        fee_bps=spec.fee_bps,
        fee_per_unit=spec.fee_per_unit,
        fee_min=spec.fee_min,
    )
    strategies: list[StrategyConfig] = [msgspec.structs.replace(config, account=ACCOUNT) for config in spec.configured()]
    return Setup(
        account_id=ACCOUNT,
        account_name=ACCOUNT,
        base_currency=spec.currency or currencies[0],
        deposit=spec.cash,
        strategies=strategies,
        terms=terms,
        limits=Limits(spec.limits if spec.limits is not None else limits) if spec.risk else None,
        allow_short=spec.allow_short,
        day_starts_at=spec.day_starts_at,
        day_tz=spec.day_tz,
        latency_ns=int(spec.latency_ms * 1_000_000),
        entry=spec.entry,
        exits=spec.exits,
        financing=spec.financing or (Financing() if tape.funding else None),
    )


def carried(played: Played) -> dict[str, float]:
    """What holding earned (above 0) or cost by kind, and in all; {} where it did neither."""
    sums = played.carried()
    return {**{name: float(amount) for name, amount in sums.items()}, "total": float(sum(sums.values()))} if any(sums.values()) else {}


def fingerprints_of(loaded: Loaded, spec: Spec, limits: Sequence[LimitConfig]) -> Fingerprints:
    """Of a backtest of this spec."""
    used = (spec.limits if spec.limits is not None else limits) if spec.risk else []
    where = msgspec.structs.replace(
        spec,
        **{name: "-" if getattr(spec, name) else "" for name in ("data", "actions", "funding")},
        limits=[],
        engine="auto",
        quality="label",
    )  # the data speak for themselves; every engine and every look at the data finds the same
    config = _digest(msgspec.json.encode([where, list(used)], order="deterministic").decode())
    data, code = loaded.tape.fingerprint(), code_fingerprint()
    return Fingerprints(data=data, code=code, config=config, engine=ENGINE, all=_digest(data, code, config, ENGINE))


def _digest(*parts: str) -> str:
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def _odd(played: Played) -> list[str]:
    """Why there may be nothing to see."""
    notes = []
    if not played.signals:
        notes.append("no signal: the strategy never had an opinion; it may need more bars than there are")
    elif not played.orders:
        notes.append(f"no order: {len(played.signals)} signals, {len(played.refused)} of them refused")
    elif not played.trades:
        notes.append(f"no fill: {len(played.orders)} orders were placed and none was filled")
    codes = sorted({refused.refusal.code for refused in played.refused})
    for code in codes:
        first = next(refused for refused in played.refused if refused.refusal.code == code)
        count = sum(refused.refusal.code == code for refused in played.refused)
        if code == HALTED:
            notes.append(f"{count} signals refused, {code}: the account was halted, and nobody re-arms in a backtest")
            continue
        compared = f" (first: limit {first.refusal.limit}, seen {first.refusal.seen})" if first.refusal.seen else ""
        notes.append(f"{count} signals refused, {code}: {first.refusal.reason}{compared}")
    return notes

"""Signals as nobody would write them, and what may become of them: a verdict, and an order only of what is sound."""

import random
from collections.abc import Sequence
from math import isfinite
from typing import Any, Final

import msgspec

from libs.quant.risk.assess import Verdict, assess_all
from libs.store.risk import StoredSignal
from tests.factories import INSTRUMENTS, NOON, SECOND, a_limit, a_signal, a_view, the_limits

MOST: Final = 50_000.0
LIMITS: Final = the_limits(a_limit("max_order_notional", MOST, scope="order"), a_limit("max_gross_exposure", 1.0, unit="equity"))
SOUND: Final[list[Any]] = [str(getattr(a_signal(0.4), f)) if f == "signal_id" else getattr(a_signal(0.4), f) for f in StoredSignal._fields]
_NO_NUMBERS: Final = b'null true false "" "x" [] {} NaN Infinity -Infinity 01 +1 .5 1. 0x10 "1.0"'.split()
_NUMBERS: Final = b"-0.0 -0 0 1 -1 2.5 0.5 1e999 1e308 -1e308 1e-320 5e-324 1e18 1.0000000000000002 9223372036854775807".split()
_LONG: Final = (b"9" * 40, b"-" + b"9" * 40, b"0." + b"0" * 40 + b"1", b'"' + b"A" * 500 + b'"', b"9223372036854775808")
_NAMES: Final = (b'"ALFA"', b'"BRVO"', b'"1s"', b'"1d"', b'"13s"', b'"fast"', b'"\\ud800"', b'"\x00"', b"\xff", b"1 2")
ODD: Final[Sequence[bytes]] = (*_NO_NUMBERS, *_NUMBERS, *_LONG, *_NAMES)
_decode: Final = msgspec.json.Decoder(StoredSignal).decode
_PARTS: Final = [msgspec.json.encode(value) for value in SOUND]


def a_message(draw: random.Random) -> bytes:
    """A stored signal with some of its fields replaced, left out, doubled or cut; one in a hundred is as it should be."""
    parts = list(_PARTS)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        n = draw.randrange(len(parts))
        alike = _NUMBERS if isinstance(SOUND[n], int | float) else _NAMES
        parts[n] = draw.choice(alike if draw.random() < 0.8 else ODD)
    match draw.randrange(100):
        case 0:
            return b"[" + b",".join(_PARTS) + b"]"
        case 1 | 2:
            del parts[draw.randrange(len(parts))]
        case 3 | 4:
            parts.insert(draw.randrange(len(parts)), draw.choice(ODD))
        case 5:
            message = b"[" + b",".join(parts) + b"]"
            return message[: draw.randrange(len(message))]
    return b"[" + b",".join(parts) + b"]"


def verdict_on(message: bytes) -> Verdict | None:
    """As risk_manager reads and judges it; None: it is no signal at all. Anything else that is raised is a fault of ours."""
    try:
        stored = _decode(message)
    except msgspec.MsgspecError:
        return None
    [verdict] = assess_all([], [stored.signal()], a_view(kind="cash"), LIMITS)
    return verdict


def must_be_sound(verdict: Verdict) -> None:
    """Whatever is ordered has been asked for within every bound; written down here once more, not taken from the controls."""
    signal = verdict.signal
    for leg in verdict.legs:
        assert signal.symbol in INSTRUMENTS
        assert signal.strategy_id in ("fast", "slow")
        assert -1 <= signal.target <= 1
        assert 0 <= min(signal.confidence, signal.scale) <= max(signal.confidence, signal.scale) <= 1
        assert isfinite(signal.reference_price)
        assert signal.decided_at <= NOON + SECOND <= signal.valid_until + SECOND
        assert min(leg.lots, leg.price) > 0
        assert float(leg.instrument.price(leg.price) * leg.instrument.quantity(leg.lots)) <= MOST

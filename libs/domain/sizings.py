"""How much a strategy's target is worth, as its configuration says: what it is a share of, times factors of which none is above 1.

`equity | fixed:UNITS | risk:FRACTION`, then `* volatility:TARGET`, `* kelly:FRACTION`, `* drawdown:MOST`; see docs/sizing.md.
"""

from math import inf, isfinite
from typing import Final, Literal, NamedTuple

EXPECTED: Final = (
    "equity, fixed:UNITS or risk:FRACTION, then any of volatility:TARGET, kelly:FRACTION and drawdown:MOST, joined by * and each once;"
    " UNITS are above 0 and at most 1e15, TARGET is above 0, the others above 0 and at most 1"
)
NO_STOP: Final = "risk:FRACTION needs a stop: give the strategy exits with stop_bps or trail_bps above 0"
_BASES: Final = {"equity": 0.0, "fixed": 1e15, "risk": 1.0}
_FACTORS: Final = {"volatility": inf, "kelly": 1.0, "drawdown": 1.0}
"""The largest number that each takes; 0: it takes none."""


class Sizing(NamedTuple):
    """A target is worth target x allocation x equity (`equity`), target x `value` units whatever the equity (`fixed`), or as much of the
    allocation as loses a `value` of it at the stop (`risk`). Each factor that is named scales that down; None: it is not named."""

    base: Literal["equity", "fixed", "risk"] = "equity"
    value: float = 0.0  # units, or a share of the strategy's capital
    volatility: float | None = None  # a year's, 0.1 is 10 %
    kelly: float | None = None  # of the share that the strategy's own edge deserves
    drawdown: float | None = None  # of the account, at which nothing is left of a size


def sizing(text: str) -> Sizing:
    """The rule that a text names; factors alone scale `equity`.

    Raises:
        ValueError: it names none; the message says what was expected.
    """
    named: dict[str, float] = {}
    for n, part in enumerate(text.split("*")):
        name, colon, number = part.strip().partition(":")
        most = _FACTORS.get(name, _BASES.get(name) if n == 0 else None)
        value = _number(number) if colon else 0.0
        if most is None or name in named or not (0 < value <= most if most else not colon) or not isfinite(value):
            raise ValueError(f"expected sizing {EXPECTED}; got {text!r}")
        named[name] = value
    factors = (named.get("volatility"), named.get("kelly"), named.get("drawdown"))
    if "fixed" in named:
        return Sizing("fixed", named["fixed"], *factors)
    return Sizing("risk", named["risk"], *factors) if "risk" in named else Sizing("equity", 0.0, *factors)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

"""Cross-sectional momentum: of all symbols those that rose most over the lookback are held, equally weighted.

Source: Jegadeesh and Titman (1993), Returns to Buying Winners and Selling Losers: rank by past return, buy the winners,
optionally sell the losers, hold until the next rebalancing. They skip a week between ranking and holding.
"""

from typing import NamedTuple

from libs.quant.folds.contract import PanelView, Strategy


class Params(NamedTuple):
    """Lengths in bars."""

    lookback: int = 120  # the return is taken over so many
    skip: int = 0  # newest bars left out of it
    top: int = 3  # symbols held, 1/top of the strategy's capital in each
    every: int = 20  # panel steps from one rebalancing to the next
    short: int = 0  # 1: as many of the worst are held short


class State(NamedTuple):
    """One value per symbol in configured order."""

    closes: list[list[float]]  # of each symbol a ring of its last lookback + skip + 1
    seen: list[int]  # bars of each symbol
    steps: int
    targets: list[float]


def init(params: Params, width: int) -> State:
    """Nothing seen, no opinions."""
    return State([[0.0] * warmup(params) for _ in range(width)], [0] * width, 0, [float("nan")] * width)


def step(state: State, bars: PanelView, params: Params) -> tuple[State, list[float]]:
    """At a rebalancing 1/top for the winners, -1/top for the losers (if `short`), 0 for the others; unchanged between two.

    A symbol without a bar now or without a full window keeps its target; when that is a position, it goes on taking one
    of the `top` places, so that neither side exceeds the strategy's capital. Equal returns rank in configured order.
    """
    closes, seen, steps, targets = state
    length = warmup(params)
    for n, close in enumerate(bars.close):
        if close == close:
            closes[n][seen[n] % length] = close
            seen[n] += 1
    steps += 1
    if steps >= length and (steps - length) % params.every == 0:
        targets = _rebalanced(targets, _ranked(closes, seen, bars, params), params)
    return State(closes, seen, steps, targets), targets


def _ranked(closes: list[list[float]], seen: list[int], bars: PanelView, params: Params) -> list[int]:
    """The symbols that can be compared now, best return first."""
    length = warmup(params)
    growth = []
    for n, close in enumerate(bars.close):
        if close == close and seen[n] >= length:
            newest = (seen[n] - 1) % length
            growth.append((-closes[n][newest - params.skip] / closes[n][newest + 1 - length], n))
    return [n for _, n in sorted(growth)]


def _rebalanced(targets: list[float], ranked: list[int], params: Params) -> list[float]:
    left_out = set(range(len(targets))).difference(ranked)
    most = len(ranked) // 2 if params.short else len(ranked)  # nobody is winner and loser
    winners = min(params.top - sum(targets[n] > 0.0 for n in left_out), most)
    losers = min(params.top - sum(targets[n] < 0.0 for n in left_out), most) if params.short else 0
    rebalanced = list(targets)
    for place, n in enumerate(ranked):
        rebalanced[n] = 1.0 / params.top if place < winners else -1.0 / params.top if place >= len(ranked) - losers else 0.0
    return rebalanced


def warmup(params: Params) -> int:
    """The return's first close, and all up to the newest."""
    return params.lookback + params.skip + 1


def check(params: Params) -> str | None:
    """Lengths and counts within reason, a switch that is one."""
    if not (1 <= params.lookback <= 10_000 and 0 <= params.skip <= 10_000 and 1 <= params.every <= 10_000):
        return (
            "expected 1 <= lookback <= 10000, 0 <= skip <= 10000 and 1 <= every <= 10000, "
            f"got lookback={params.lookback}, skip={params.skip}, every={params.every}"
        )
    if not 1 <= params.top <= 10_000:
        return f"expected 1 <= top <= 10000, got top={params.top}"
    if params.short not in (0, 1):
        return f"expected short to be 0 or 1, got short={params.short}"
    return None


STRATEGY = Strategy(
    name="momentum_panel",
    params=Params,
    state=State,
    init=init,
    step=step,
    warmup=warmup,
    check=check,
    source="Jegadeesh and Titman (1993)",
    ranges={"lookback": (5, 250), "skip": (0, 20), "top": (1, 20), "every": (1, 60), "short": (0, 1)},
    panel=True,
    width=(2, 10_000),
)

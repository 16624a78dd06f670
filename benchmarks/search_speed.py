"""A hundred pairs of means on 100,000 bars: ours pair by pair on every core, beside vectorbt in one call with its Rust engine, in turn.

Both are warm and end with the same: of each pair its fills with fees, equity at every bar, drawdown and Sharpe; all curves are kept.
Fills, fees, equity, drawdown and Sharpe of every pair have to be equal. Memory is what the processes held at most beyond what they held
with their imports and after a first small run; of ours the sum over all processes, bars and curves counted once.
"""

from typing import Final

from benchmarks.figures import Figure, middle
from benchmarks.fleet import Failed
from benchmarks.peers.agreement import different_pairs
from benchmarks.peers.casefile import Searched
from benchmarks.peers.cases import PAIRS, SEARCH
from benchmarks.peers.engines import COMPILED, Questions, installed
from benchmarks.scratch import scratch

PEER: Final = "vectorbt"
FIGURES: Final = ("pairs_100_vs_vectorbt_ratio", "pairs_100_memory_ratio")
ROUNDS: Final = 3
RUNS: Final = 3


def measure() -> dict[str, Figure]:
    """Three rounds.

    Raises:
        Failed: vectorbt is not installed, an engine did not answer, or both differ; the message says where.
    """
    if not installed(PEER):
        raise Failed(f"{PEER} is not installed: python -m benchmarks.peers.install {PEER}")
    with scratch() as folder:
        questions = Questions(folder)
        questions.lay_out(SEARCH)
        rounds = [_round(questions) for _ in range(ROUNDS)]
    ours, theirs = zip(*rounds, strict=True)
    what = f"{len(PAIRS)} pairs on {SEARCH.bars:,} bars"
    return {
        "pairs_100_vs_vectorbt_ratio": Figure(
            value=middle([b.seconds / a.seconds for a, b in rounds], 2),
            unit="times as fast",
            target=15.0,
            better="higher",
            runs=[{"ours_ms": round(a.seconds * 1e3, 1), "theirs_ms": round(b.seconds * 1e3, 1)} for a, b in rounds],
            limit=f"{PEER} {theirs[0].version}: {what} in {middle([b.seconds for b in theirs]):g} s, "
            f"ours in {middle([a.seconds for a in ours]):g} s",
        ),
        "pairs_100_memory_ratio": Figure(
            value=middle([b.peak_bytes / a.peak_bytes for a, b in rounds], 2),
            unit="times as little memory",
            target=10.0,
            better="higher",
            runs=[{"ours_mb": round(a.peak_bytes / 1e6), "theirs_mb": round(b.peak_bytes / 1e6)} for a, b in rounds],
            limit=f"the curves themselves, {round(len(PAIRS) * SEARCH.bars * 8 / 1e6)} MB; {PEER} holds several such arrays at once",
        ),
    }


def _round(questions: Questions) -> tuple[Searched, Searched]:
    ours, theirs = (questions.search(engine, SEARCH, RUNS) for engine in (COMPILED, PEER))
    if found := different_pairs(ours, theirs):
        raise Failed(f"{PEER} and we differ on {len(found)} of {len(PAIRS)} pairs; first: {found[0]}")
    return ours, theirs

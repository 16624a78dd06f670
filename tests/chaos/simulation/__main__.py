"""python -m tests.chaos.simulation --runs 1000 --seed 0 [--jobs 2] [--json] [--trace]"""

import argparse
import json
import sys

from tests.chaos.simulation.run import Summary, quiet, run
from tests.chaos.simulation.world import run_one


def main() -> int:
    """0: every invariant held; 1: one did not, and its seed is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.simulation", description="Plays seeded simulations of the order core.")
    parser.add_argument("--runs", type=int, default=1000, help="how many, from --seed on")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--trace", action="store_true", help="tells the story of each; for one seed")
    parser.add_argument("--keep-going", action="store_true", help="plays all of them, also after one has failed")
    parser.add_argument("--harsh", action="store_true", help="worlds in which requests are lost and late all along")
    asked = parser.parse_args()
    if asked.trace:
        return _trace(range(asked.seed, asked.seed + asked.runs), asked.harsh)
    summary = run(
        range(asked.seed, asked.seed + asked.runs),
        jobs=asked.jobs,
        harsh=asked.harsh,
        stop_at_first=not asked.keep_going,
        progress=None if asked.json else _progress,
    )
    if asked.json:
        print(json.dumps({"seed": asked.seed, **summary.shown()}))
    else:
        _print(summary)
    harsh = " --harsh" if asked.harsh else ""
    for seed, why in summary.broken[:10]:
        print(f"seed {seed}: {why}\n  its story: python -m tests.chaos.simulation --seed {seed} --runs 1 --trace{harsh}", file=sys.stderr)
    return 1 if summary.broken else 0


def _trace(seeds: range, harsh: bool) -> int:
    failed = False
    for seed in seeds:
        with quiet():
            outcome = run_one(seed, harsh=harsh, digest=True, trace=True)
        print("\n".join(outcome.story))
        print(f"seed {seed}: {outcome.broken or 'every invariant holds'}; digest {outcome.digest}")
        failed |= bool(outcome.broken)
    return int(failed)


def _progress(summary: Summary) -> None:
    pace = summary.runs / summary.seconds if summary.seconds else 0.0
    seeds = ", ".join(str(seed) for seed, _ in summary.broken[-3:])
    print(
        f"{summary.runs:>8} simulations, {pace:6.1f} a second, {len(summary.broken)} broken {seeds}".rstrip(), file=sys.stderr, flush=True
    )


def _print(summary: Summary) -> None:
    shown = summary.shown()
    for name in ("runs", "orders", "fills", "virtual_hours", "seconds", "transitions"):
        print(f"{name:14} {shown[name]}")
    for name in ("statuses", "faults", "invariants"):
        print(f"{name:14} " + ", ".join(f"{what} {count}" for what, count in shown[name].items()))
    print("never reached  " + ("; ".join(shown["never_reached"]) or "nothing"))


if __name__ == "__main__":
    sys.exit(main())

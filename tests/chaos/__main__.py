"""make chaos: wounds the order path under load and tells what became of the orders.

Without arguments the floor, in about eight minutes. One JSON object on the last line; exit 1, with the seed and what is wrong, when
an invariant was broken.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import figures, kills, points, scenarios
from tests.chaos.figures import Figures
from tests.chaos.money_path import Shape, a_money_path
from tests.chaos.planted import BUGS
from tests.chaos.progress import Progress
from tests.chaos.simulation import run as simulation
from tests.chaos.terms import VenueName
from tests.chaos.wounds import FAULTS

VENUES: dict[str, tuple[VenueName, ...]] = {"sim": ("alpaca", "binance"), "paper": ("paper",), "all": ("alpaca", "binance", "paper")}


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="so many random SIGKILLs under load")
    parser.add_argument("--seed", type=int, default=1, help="of who is killed and when, and of what is ordered")
    parser.add_argument("--points", metavar="CP08,CP09|all", help="wounds at these moments, one after another")
    parser.add_argument("--faults", default="all", metavar="sigkill,...", help=f"of --points: {', '.join(FAULTS)}; all of them")
    parser.add_argument("--scenario", action="append", default=[], choices=sorted(scenarios.SCENARIOS), help="may be given several times")
    parser.add_argument("--seconds", type=float, help="how long a scenario lasts, where it is not made of steps")
    parser.add_argument("--simulations", type=int, default=0, metavar="N", help="so many seeded simulations, from --seed on")
    parser.add_argument("--venue", choices=sorted(VENUES), default="sim", help="where it trades: both dialects of sim_venue, paper, or all")
    parser.add_argument("--planted", choices=sorted(BUGS), help="a bug that must be found: the run has to exit 1")
    parser.add_argument("--json", action="store_true", help="no table, only the JSON object")
    return parser.parse_args(arguments)


FLOOR_KILLS, FLOOR_SIMULATIONS, FLOOR_SCENARIO_S = 30, 500, 30.0


def with_floor(asked: argparse.Namespace) -> argparse.Namespace:
    """What is done when nothing was asked for."""
    if not (asked.kills or asked.points or asked.scenario or asked.simulations):
        asked.kills, asked.points, asked.faults = FLOOR_KILLS, "all", "sigkill"
        asked.scenario, asked.seconds, asked.simulations = ["redis", "restart500"], FLOOR_SCENARIO_S, FLOOR_SIMULATIONS
    return asked


async def run(asked: argparse.Namespace) -> tuple[Figures, list[str]]:
    """Does it; the figures, and what is wrong."""
    found, sentences = figures.begun(asked.seed), list[str]()
    shape = Shape(venues=VENUES[asked.venue], environment={"CHAOS_PLANTED": asked.planted} if asked.planted else {})
    if asked.kills:
        done = await kills.kill(asked.kills, asked.seed, shape, Progress(f"kills, seed {asked.seed}"))
        figures.count(found, done.verdict, done.orders)
        sentences += done.verdict.sentences
        found["kills"] += done.kills
        found["faults"] += done.kills
        everywhere = [seconds for recovered in done.recovery_s.values() for seconds in recovered]
        found["killed"] = dict(done.of)
        by_victim = {name: figures.quantiles(recovered) for name, recovered in done.recovery_s.items() if recovered}
        found["recovery_s"] = {**figures.quantiles(everywhere), **by_victim}
        found |= {"signals": done.signals, "trades": done.trades, "crashes": dict(done.crashes), "seconds": round(done.seconds, 1)}
    for name in asked.scenario:
        played = await scenarios.play(name, asked.seed, asked.seconds, Progress(f"{name}, seed {asked.seed}"))
        if played.verdict is not None:
            figures.count(found, played.verdict, played.orders)
            sentences += [f"{name}: {said}" for said in (*played.verdict.sentences, *played.wrong)]
        found["faults"] += played.faults
        found[name] = played.figures
    if asked.points:
        sentences += await wound(asked, found)
    if asked.simulations:
        sentences += simulate(asked, found)
    return found, sentences


def simulate(asked: argparse.Namespace, found: Figures) -> list[str]:
    """Seeded simulations of the order core; what is wrong."""
    progress = Progress("simulations")
    progress.say(f"{asked.simulations} of them, from seed {asked.seed} on")
    summary = simulation.run(range(asked.seed, asked.seed + asked.simulations), jobs=os.cpu_count() or 1)
    for letter in found["invariants"]:
        found["invariants"][letter] += summary.invariants.get(letter, 0)
    found["simulations"] = {"runs": summary.runs, "orders": summary.orders, "virtual_hours": round(summary.virtual_s / 3600, 1)}
    return [f"simulation {seed}: {why}" for seed, why in summary.broken]


async def wound(asked: argparse.Namespace, found: Figures) -> list[str]:
    """The named moments; what is wrong."""
    sentences: list[str] = []
    wanted = [point for point in points.POINTS if asked.points == "all" or point in asked.points.split(",")]
    faults = [fault for fault in FAULTS if asked.faults == "all" or fault in asked.faults.split(",")]
    pairs = [(point, fault) for point in wanted for fault in faults]
    with tempfile.TemporaryDirectory(prefix="wounds-") as folder:
        shape = points.shape(Path(folder))
        async with a_money_path(shape, asked.seed) as path:
            struck = await points.strike_all(path, Path(folder), pairs, Progress("crash points"))
            orders = await path.one("select count(*) from orders")
    last = next((one.verdict for one in reversed(struck) if one.verdict), None)
    if last is not None:
        figures.count(found, last, orders)
    known: set[str] = set()
    for one in struck:
        if one.verdict is None:
            sentences.append(f"{one.point} x {one.fault}: {one.why}")
            continue
        for said in one.verdict.sentences:
            if said in known:
                continue
            known.add(said)
            sentences.append(f"{one.point} x {one.fault}: {said}")
            if last is not None and said not in last.sentences:  # it was so for a while: counted as well
                found["invariants"][said[0]] += 1
    found["faults"] += sum(one.verdict is not None for one in struck)
    found["points"] = {
        "struck": sum(one.verdict is not None for one in struck),
        "asked": len(pairs),
        "recovery_s": figures.quantiles([one.recovery_s for one in struck if one.verdict]),
    }
    return sentences


def main() -> int:
    asked = with_floor(parsed(sys.argv[1:]))
    found, sentences = asyncio.run(run(asked))
    for sentence in sentences:
        print(f"seed {asked.seed}: {sentence}", file=sys.stderr)
    if not asked.json:
        print(figures.table(found))
    print(json.dumps(found))
    return 0 if figures.is_sound(found) and not sentences else 1


if __name__ == "__main__":
    sys.exit(main())

"""`make bench`: takes the figures, prints a table, keeps them in benchmarks/results/latest.json.

`python -m benchmarks NAME...` takes only the benchmarks (or figures) named; those of others stay as they are.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Final, NamedTuple

import msgspec

from benchmarks import (
    adapter_overhead,
    compiled_path,
    cross_section,
    event_path,
    figures,
    first_trade,
    idle_fleet,
    journal_chain,
    market_data,
    monitoring,
    orders,
    portfolio_risk,
    risk_decisions,
    risk_gate,
    rows_written,
    search_speed,
    signals,
    sim_venue_core,
    sim_venue_http,
    tick_to_order,
)
from benchmarks.figures import Figure
from benchmarks.fleet import Failed


class Benchmark(NamedTuple):
    """One file of this folder."""

    measure: Callable[[], Mapping[str, Figure]]
    names: Sequence[str]  # of the figures it takes


def _benchmark(module: ModuleType) -> Benchmark:
    return Benchmark(module.measure, module.FIGURES)


# The quick ones first: a fault shows early.
BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    module.__name__.rpartition(".")[2]: _benchmark(module)
    for module in (
        risk_gate,
        portfolio_risk,
        rows_written,
        sim_venue_core,
        adapter_overhead,
        risk_decisions,
        sim_venue_http,
        first_trade,
        idle_fleet,
        journal_chain,
        signals,
        orders,
        market_data,
        tick_to_order,
        monitoring,
        event_path,
        compiled_path,
        cross_section,
        search_speed,
    )
}


def chosen(asked: Sequence[str]) -> list[str]:
    """Benchmarks by their own name or by that of one of their figures; all when none is asked for.

    Raises:
        LookupError: there is no such name.
    """
    unknown = [name for name in asked if name not in BENCHMARKS and not any(name in b.names for b in BENCHMARKS.values())]
    if unknown:
        raise LookupError(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}, and their figures")
    return [name for name, b in BENCHMARKS.items() if not asked or name in asked or any(n in asked for n in b.names)]


def main() -> int:
    """Exit code: 0 measured (whether or not targets are met), 1 something could not be measured, 2 an unknown name."""
    try:
        names = chosen(sys.argv[1:])
    except LookupError as error:
        print(error, file=sys.stderr)
        return 2
    machine = figures.machine()
    taken: dict[str, Figure] = {}
    failed = False
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            found = BENCHMARKS[name].measure()
        except Failed as error:
            print(f"{name} could not be measured: {error}", file=sys.stderr)
            failed = True
            continue
        taken |= {figure: msgspec.structs.replace(f, machine=machine) for figure, f in found.items()}
        figures.store(taken)
    print(figures.table(taken))
    print(f"on {machine}; kept in {figures.LATEST.relative_to(figures.LATEST.parents[2])}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

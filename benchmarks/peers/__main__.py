"""`python -m benchmarks.peers`: puts every case to every engine, compares with ours trade by trade, prints a table.

With all engines installed and in agreement the figures are kept in expected.json.
"""

import sys

from benchmarks.peers.agreement import disagreements
from benchmarks.peers.casefile import Case, Result
from benchmarks.peers.cases import CASES, market
from benchmarks.peers.engines import OURS, PEERS, Questions, installed, takes
from benchmarks.peers.expected import EXPECTED, Expected, fingerprint, made, store
from benchmarks.scratch import scratch


def compare(case: Case, questions: Questions) -> tuple[Expected, bool]:
    """What every installed engine makes of a case, and whether all did as ours."""
    questions.lay_out(case)
    ours = questions.ask(OURS, case)
    results = [ours, *(questions.ask(engine, case) for engine in PEERS if installed(engine) and takes(engine, case))]
    agreed = True
    for result in results:
        found = disagreements(case, ours, result)
        agreed = agreed and not found
        print(_line(case, ours, result, found))
    return Expected(bars=fingerprint(market(case)), engines={result.engine: made(result) for result in results}), agreed


def _line(case: Case, ours: Result, result: Result, found: list[str]) -> str:
    apart = max(abs(a - b) for a, b in zip(ours.equity[-len(result.equity) :], result.equity, strict=True))
    fees = sum(trade.fee for trade in result.trades)
    verdict = f"{len(found)} differences, first: {found[0]}" if found else "same"
    return (
        f"{case.name:<8} {result.engine:<15} {result.version:<12} {len(result.trades):>4} trades  fees {fees:>13.6f}  "
        f"equity {result.final_equity:.6f}  apart by up to {apart:.1e}  {verdict}"
    )


def main() -> int:
    """Exit code: 0 all agree, 1 one does not."""
    missing = [engine for engine in PEERS if not installed(engine)]
    with scratch() as folder:
        questions = Questions(folder)
        compared = {case.name: compare(case, questions) for case in CASES}
    agreed = all(same for _, same in compared.values())
    if missing:
        print(f"not installed: {', '.join(missing)} (python -m benchmarks.peers.install); {EXPECTED.name} stays as it is")
    elif agreed:
        store({name: expected for name, (expected, _) in compared.items()})
    return int(not agreed)


if __name__ == "__main__":
    sys.exit(main())

"""One thing about a tape that a person has to know before believing a backtest over it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from libs.domain.times import iso

Severity = Literal["refuse", "label"]
Policy = Literal["label", "strict", "off"]
"""`label` refuses what makes figures meaningless and labels the rest, `strict` refuses both, `off` looks at nothing."""

Kind = Literal[
    "out_of_order", "duplicate", "not_positive", "not_finite", "negative_volume", "high_low",
    "no_bars", "few_bars", "sparse", "year", "gap", "missing_day", "missing_session", "outside_session", "zone", "local_time",
    "stale", "zero_volume", "spike", "possible_split", "split_without_jump", "currencies",
]  # fmt: skip

MEND: Final[Mapping[Kind, str]] = {
    "out_of_order": "sort the bars by their start",
    "duplicate": "keep one bar for each start; an hour that is there twice in autumn was written in local time",
    "not_positive": "find out what the source means by it, and take the bars out",
    "not_finite": "find out what the source means by it, and take the bars out",
    "negative_volume": "find out what the source means by it, and take the bars out",
    "high_low": "take the bars from the source again; columns may be swapped",
    "no_bars": "take the symbol out, or give it bars",
    "few_bars": "take a longer stretch: over so few bars a figure is chance",
    "sparse": "say the timeframe that the bars have, for yearly figures and latencies are counted in it",
    "year": "of a file say with --calendar when its market is open (us_equity, cme_globex, forex); else yearly figures are so much smaller",
    "gap": "fill it from another source, or know that nothing is seen, filled or stopped in there",
    "missing_day": "fill them from another source, or see whether they are holidays",
    "missing_session": "fill them from another source: what is held goes through them unseen",
    "outside_session": "cut them off, or give the instrument the calendar that it trades by: orders fill on them as on others",
    "zone": "read the file again in the zone that it was written in",
    "local_time": "see whether the times are UTC",
    "stale": "see whether the feed stood still: fills in there are at prices that nobody made",
    "zero_volume": "nothing was traded there, and without --participation orders fill all the same",
    "spike": "see whether it was traded: a stop or a limit in reach of it fills there",
    "possible_split": "give the market its corporate action or adjusted prices; where the move was real, run with quality off",
    "split_without_jump": "take out the action, or take prices that are not adjusted for it: now its shares are counted twice",
    "currencies": "name the currency of the account: what is priced in another is never traded",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is odd about one symbol, or about the whole tape."""

    kind: Kind
    severity: Severity
    symbol: str = ""  # "": of the tape
    first: int = 0  # market ns: the start of the first bar concerned
    count: int = 1  # bars, days or sessions concerned
    expected: str
    got: str
    advice: str = ""  # what to do, where the bars show more of it than the kind does

    @property
    def mend(self) -> str:
        """What to do."""
        return self.advice or MEND[self.kind]

    def text(self) -> str:
        """In one line, with where and what to do."""
        where = f"{self.symbol or 'market'}: {self.kind}"
        when = f" from {iso(self.first)} on" if self.first else ""
        return f"{where}: expected {self.expected}, got {self.got}{when}; {self.mend}"


class Unfit(ValueError):
    """A tape that no honest figure can be made of. The message lists what was found, and how to run all the same."""

    def __init__(self, findings: Sequence[Finding], labels: Sequence[str] = (), policy: Policy = "label") -> None:
        self.findings = findings
        told = [*told_of(findings), *labels]
        way = "--quality label runs with what is only odd, --quality off with all of it" if policy == "strict" else _WAY
        super().__init__("\n  ".join([f"the data are refused ({policy}):", *told, way]))


_WAY: Final = "mend the data, or run with --quality off and do not believe the figures"
NAMED: Final = 3
"""Symbols that are told one by one; with more of a kind they are told together."""


def told_of(findings: Iterable[Finding]) -> list[str]:
    """A line for each finding, or for all of a kind where more than NAMED symbols have it."""
    by_kind: defaultdict[Kind, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_kind[finding.kind].append(finding)
    lines = []
    for alike in by_kind.values():
        lines += [finding.text() for finding in alike] if len(alike) <= NAMED else [_together(alike)]
    return lines


def _together(alike: Sequence[Finding]) -> str:
    most = max(alike, key=lambda finding: finding.count)
    total = sum(finding.count for finding in alike)
    return f"{len(alike)} symbols, {total:,} in all: {most.kind}, the most in {most.text()}"

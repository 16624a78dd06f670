"""What about the system itself disarms an account: nothing that adds to a book is sent while the ground under it is not sound.

Pure. `reasons` judges one look; `Guard` keeps a reason until it has been gone for a while, so that what flickers does not arm and
disarm by turns. Of each bound there are two: where it begins, and the calmer one where it ends.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from libs.domain.configuration import GuardsConfig

STEP_S: Final = 1.0
"""More than this between two clocks of one host, and one of them was set."""

EASIER: Final = 0.8
"""What is bounded from above is over when it is below this share of its bound; what is bounded from below, above its inverse."""

GIB: Final = 1 << 30

LAGS: Final = frozenset({"loop", "journal"})
"""Reasons that come and go with load; of the others a person should hear at once."""

TOLD_ELSEWHERE: Final = frozenset({"venue", "reconciliation"})
"""Reasons that have an alert of their own, and are obeyed where they are known first."""


class Reason(NamedTuple):
    """Why an account is disarmed."""

    key: str  # what it is: disk, memory, loop, journal, clock_step, clock_offset, releases, venue, reconciliation, look
    code: str  # RC-..., as risk_manager refuses by it
    text: str  # for a person
    limit: str
    seen: str


class Look(NamedTuple):
    """What one look has shown. None: not known, which is no reason."""

    disk_free: float | None = None  # share of the disk that holds the state folder
    disk_free_bytes: int | None = None
    memory_available: float | None = None  # share
    loop_lag_s: float = 0.0  # longest wait of a timer beyond its time since the look before
    journal_lag_s: float | None = None  # age of the oldest approval that was not read
    offset_s: float | None = None  # this host's clock less the database's, as far as it is certain
    ntp_offset_s: float | None = None  # this host's clock less true time, as its time service says
    stepped_s: float = 0.0  # wall time that passed beyond what a steady clock says, not yet checked against another clock
    differing: str = ""  # how the builds of the fleet differ
    away_s: float = 0.0  # since the venue was last there
    pending: str = ""  # why record and venue are not known to agree
    unread_s: float = 0.0  # since the record last answered such a look


ALWAYS: Final = frozenset({"releases"})
"""What holds in lockstep too: there nothing is late, and a machine that is short of something is only slower."""


def reasons(look: Look, bounds: GuardsConfig, held: Collection[str] = (), *, lockstep: bool = False) -> list[Reason]:
    """Why nothing may be sent that adds to a book, by one look.

    Args:
        held: keys of reasons that hold: they end where it is clearly better than where they began.
    """
    found = [*_host(look, bounds, held), *_clocks(look, bounds, held), *_fleet(look, bounds, held)]
    return [reason for reason in found if reason.key in ALWAYS or not lockstep]


def _host(look: Look, bounds: GuardsConfig, held: Collection[str]) -> Iterator[Reason]:
    easier = 1 / EASIER if "disk" in held else 1.0
    share, room = look.disk_free, look.disk_free_bytes
    if share is not None and share < bounds.disk_free * easier:
        yield Reason("disk", "RC-C10", f"{share:.1%} of the disk is free", f"{bounds.disk_free:.0%} free", f"{share:.1%}")
    elif room is not None and room < bounds.disk_free_gib * GIB * easier:
        seen = f"{room / GIB:.2f} GiB"
        yield Reason("disk", "RC-C10", f"{seen} of the disk are free", f"{bounds.disk_free_gib:g} GiB free", seen)
    available, easier = look.memory_available, 1 / EASIER if "memory" in held else 1.0
    if available is not None and available < bounds.memory_available * easier:
        text = f"{available:.1%} of the memory is available"
        yield Reason("memory", "RC-C10", text, f"{bounds.memory_available:.0%} available", f"{available:.1%}")
    if look.loop_lag_s > bounds.loop_lag_s * _easier("loop", held):
        text = f"trade_executor stood still for {look.loop_lag_s:.2f} s"
        yield Reason("loop", "RC-C10", text, f"{bounds.loop_lag_s:g} s", f"{look.loop_lag_s:.2f} s")
    lag = look.journal_lag_s
    if lag is not None and lag > bounds.journal_lag_s * _easier("journal", held):
        text = f"approved orders have not been read for {lag:.1f} s"
        yield Reason("journal", "RC-C10", text, f"{bounds.journal_lag_s:g} s", f"{lag:.1f} s")


def _clocks(look: Look, bounds: GuardsConfig, held: Collection[str]) -> Iterator[Reason]:
    if abs(look.stepped_s) > STEP_S:
        text = f"the host's clock was set by {look.stepped_s:+.1f} s, or the host was asleep, and no other clock has confirmed it since"
        yield Reason("clock_step", "RC-C06", text, f"{STEP_S:g} s", f"{look.stepped_s:+.1f} s")
    most = bounds.clock_block_s * _easier("clock_offset", held)
    for seen, whose in ((look.offset_s, "the database's"), (look.ntp_offset_s, "the time service's")):
        if seen is not None and abs(seen) > most:
            text = f"the host's clock is {seen * 1000:+.0f} ms from {whose}"
            yield Reason("clock_offset", "RC-C06", text, f"{bounds.clock_block_s * 1000:g} ms", f"{seen * 1000:+.0f} ms")
            return


def _fleet(look: Look, bounds: GuardsConfig, held: Collection[str]) -> Iterator[Reason]:
    if look.differing:
        yield Reason("releases", "RC-REL", look.differing, "one release, schema and configuration", "several")
    if look.away_s > bounds.venue_away_s:
        yield Reason("venue", "RC-C04", "the venue is away", f"{bounds.venue_away_s:g} s", "longer")
    if look.pending:
        yield Reason("reconciliation", "RC-C07", look.pending, "agreed", "pending")
    if look.unread_s > bounds.unread_s:
        yield Reason("look", "RC-C10", "the record does not say how the fleet is", f"{bounds.unread_s:g} s", "longer")


def _easier(key: str, held: Collection[str]) -> float:
    return EASIER if key in held else 1.0


class Guard:
    """The reasons that hold for one account. Times are host seconds on a clock that never goes back."""

    def __init__(self, bounds: GuardsConfig, *, lockstep: bool = False) -> None:
        self._bounds = bounds
        self._lockstep = lockstep
        self._held: dict[str, tuple[Reason, float]] = {}  # with when it was last seen

    def look(self, look: Look, now: float) -> Sequence[Reason]:
        """All that holds after a look: what it shows, and what was seen less than `calm_s` ago."""
        seen = reasons(look, self._bounds, self._held, lockstep=self._lockstep)
        self._held |= {reason.key: (reason, now) for reason in seen}
        self._held = {key: (reason, at) for key, (reason, at) in self._held.items() if now - at <= self._calm_s(key)}
        return self.holding

    def _calm_s(self, key: str) -> float:
        """What other evidence ends ends at once; the rest has to be gone for a while."""
        return 0.0 if key in TOLD_ELSEWHERE else self._bounds.calm_s

    @property
    def holding(self) -> Sequence[Reason]:
        """In the order in which they came."""
        return tuple(reason for reason, _ in self._held.values())


class ClockSteps:
    """Compares a clock that can be set with one that cannot."""

    def __init__(self) -> None:
        self._apart_ns: int | None = None
        self.unconfirmed_s = 0.0  # by how much it was set since another clock last agreed

    def look(self, wall_ns: int, steady_s: float) -> None:
        """Both clocks, read together. Drift and a time service that slews move them apart by far less than a step between two looks."""
        apart = wall_ns - int(steady_s * 1e9)
        before, self._apart_ns = self._apart_ns, apart
        if before is not None and abs(moved := (apart - before) / 1e9) > STEP_S:
            self.unconfirmed_s += moved

    def confirmed(self) -> None:
        """Another clock was asked after the newest look and says the same."""
        self.unconfirmed_s = 0.0


class Build(NamedTuple):
    """What a process of the fleet runs, by its own word."""

    service: str
    instance: str
    release: str
    schema: str  # the migration that its code was written for
    config: str  # digest of the configuration it has read
    age_s: float = 0.0  # since it said so last; by the database's clock


HEARD_S: Final = 5.0
"""A process that said what it runs no longer ago than this is taken to live."""


def differing(own: Build, known: Sequence[Build], needed: Collection[str], schema: str) -> str:
    """How what runs differs; "" when all that is known to live, and the last known of each service that is needed, are alike.

    Args:
        known: one of each process.
        needed: services that must have said what they run.
        schema: that the database is at.
    """
    if own.schema != schema:
        return f"the database is at schema {schema or 'none'}, {own.service} {own.release} is written for {own.schema}"
    newest: dict[str, Build] = {}
    for build in sorted(known, key=lambda build: -build.age_s):
        newest[build.service] = build
    if missing := sorted(set(needed) - newest.keys() - {own.service}):
        return f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} not said what release they run" if missing else ""
    for build in known:
        counts = build.age_s <= HEARD_S or newest[build.service] is build
        if counts and build.instance != own.instance and build.service in {*needed, own.service} and (what := _apart(own, build)):
            return what
    return ""


def _apart(own: Build, other: Build) -> str:
    pairs: Mapping[str, tuple[str, str]] = {
        "release": (own.release, other.release),
        "schema": (own.schema, other.schema),
        "configuration": (own.config, other.config),
    }
    for what, (ours, theirs) in pairs.items():
        if ours != theirs:
            return f"{other.service} runs {what} {theirs}, {own.service} {what} {ours}"
    return ""

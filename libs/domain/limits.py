"""Limits under control: every change of a limit is a row, nothing is ever updated, and this says what holds of them. Pure.

Which limit it is, is said by scope, key, name and unit: of two units of one name both hold, as everywhere the tightest wins. So of
two values of one limit it is always known which is the tighter: the smaller; `loosens` knows of the one exception.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, get_args

import msgspec

from libs.domain.configuration import UNITS, LimitConfig, LimitName, LimitScope, LimitUnit

Identity = tuple[LimitScope, str, LimitName, LimitUnit]
"""(scope, key, name, unit)."""

CONTROL: Final = "RC-C09"
"""Limits change control: the code under which a decision says by which limits it was made."""


class Change(NamedTuple):
    """What somebody wants a limit to be."""

    scope: LimitScope
    key: str
    name: LimitName
    unit: LimitUnit
    value: float | None  # None: taken away

    @property
    def identity(self) -> Identity:
        return self.scope, self.key, self.name, self.unit


class LimitRow(NamedTuple):
    """One change, as it is on record."""

    version: int
    scope: LimitScope
    key: str
    name: LimitName
    unit: LimitUnit
    value: float | None  # None: taken away
    reason: str
    by: str
    at: int  # host ns, by the database's clock
    effective_at: int  # from here on it holds; later than `at` when it is looser than what held
    held: int | None  # the version that held when it was asked for, and goes on holding until then

    @property
    def identity(self) -> Identity:
        return self.scope, self.key, self.name, self.unit

    @property
    def limit(self) -> LimitConfig:
        """As the controls know it. Only of one that has a value."""
        assert self.value is not None
        return LimitConfig(scope=self.scope, key=self.key, name=self.name, unit=self.unit, value=self.value)


class Standing(NamedTuple):
    """The limits at one moment."""

    newest: int = 0  # version of the newest row; 0: the record has no limits
    holding: tuple[LimitRow, ...] = ()  # each with a value
    pending: tuple[LimitRow, ...] = ()  # looser than what holds: they wait
    version: int = 0  # the newest that does not wait

    @property
    def versions(self) -> list[int]:
        """Of the rows that hold, in order: which limits these are, exactly."""
        return sorted(row.version for row in self.holding)

    @property
    def stamp(self) -> str:
        """By which limits something was decided, to find them again: `version 9`; `version 9, 8 waits`."""
        if not self.newest:
            return "none on record"
        waits = ", ".join(str(row.version) for row in self.pending)
        return f"version {self.version}" + (f", {waits} waits" if waits else "")

    def holds(self, identity: Identity) -> LimitRow | None:
        """The row that holds of a limit; None when there is none."""
        return next((row for row in self.holding if row.identity == identity), None)

    def waits(self, identity: Identity) -> LimitRow | None:
        """The row that waits to hold."""
        return next((row for row in self.pending if row.identity == identity), None)

    def wished(self, identity: Identity) -> float | None:
        """What a limit is or is going to be; None: there is none."""
        row = self.waits(identity) or self.holds(identity)
        return None if row is None else row.value


def standing(rows: Iterable[LimitRow], now: int) -> Standing:
    """What holds at `now` (host ns, the database's clock), of all rows on record by then.

    Of a limit only the newest row and the one that it names as `held` are looked at: the others need not be given.
    """
    known = {row.version: row for row in rows}
    newest: dict[Identity, LimitRow] = {}
    for version in sorted(known):
        newest[known[version].identity] = known[version]
    holding, pending = [], []
    for row in newest.values():
        held: LimitRow | None = row
        if row.effective_at > now:
            pending.append(row)
            held = known[row.held] if row.held is not None else None
        if held is not None and held.value is not None:
            holding.append(held)
    waits = {row.version for row in pending}
    return Standing(max(known, default=0), _in_order(holding), _in_order(pending), max(known.keys() - waits, default=0))


def _in_order(rows: Iterable[LimitRow]) -> tuple[LimitRow, ...]:
    return tuple(sorted(rows, key=lambda row: row.identity))


def differences(configured: Sequence[LimitConfig], record: Standing) -> list[Change]:
    """What has to change on record for it to say what a file says; a limit that the file has twice is the tighter of the two."""
    wanted = first(configured)
    known = {row.identity for row in (*record.holding, *record.pending)}
    changes = [Change(*identity, value) for identity, value in wanted.items() if record.wished(identity) != value]
    gone = [identity for identity in sorted(known - wanted.keys()) if record.wished(identity) is not None]
    return changes + [Change(*identity, None) for identity in gone]


def first(configured: Sequence[LimitConfig]) -> Mapping[Identity, float]:
    """The limits of a file, each once."""
    found: dict[Identity, float] = {}
    for limit in configured:
        identity = (limit.scope, limit.key, limit.name, limit.unit)
        found[identity] = min(limit.value, found.get(identity, limit.value))
    return found


def loosens(change: Change, record: Standing, beside: Sequence[Change] = ()) -> bool:
    """Whether it lets more through than what holds now, so that it has to wait.

    A list of symbols that are `allowed` is the tightest of limits when it begins, each further symbol lets more through, and without
    the last everything is allowed.

    Args:
        beside: what the same command changes before it.
    """
    row = record.holds(change.identity)
    held = row.value if row else None
    if change.value == held:
        return False
    if change.name == "allowed":
        listed = {row.identity for row in record.holding if row.name == "allowed"}
        if change.value is not None:
            return bool(listed)
        return listed <= {change.identity, *(other.identity for other in beside if other.value is None)}
    return held is not None and (change.value is None or change.value > held)


def must_be_sound(change: Change) -> None:
    """Raises ValueError: no limit can be written so; the text says what was expected and what was given."""
    if change.value is None:
        return
    try:
        msgspec.convert(change._asdict(), LimitConfig)
    except msgspec.ValidationError as error:
        text = str(error).partition(" - at `$")[0]
        raise ValueError(text if "got" in text else f"Expected a value from 0 to 1e15, got {change.value:g}") from None


def must_change(change: Change, record: Standing) -> None:
    """Raises: it is so already (ValueError), or there is nothing to take away (LookupError). The text says what stands."""
    what, wished = titled(change), record.wished(change.identity)
    if change.value is None and wished is None:
        there = ", ".join(titled(row) for row in record.holding) or "none"
        raise LookupError(f"there is no {what} to take away; limits that hold: {there}")
    if change.value == wished:
        waits = record.waits(change.identity)
        since = f"waits to be {amount(wished, change.unit)}" if waits else f"is {amount(wished, change.unit)} already"
        row = waits or record.holds(change.identity)
        raise ValueError(f"{what} {since}" + (f" (version {row.version}, by {row.by}: {row.reason})" if row else ""))


def withdrawal(version: int, record: Standing) -> Change:
    """What withdraws a looser limit that still waits: the one that holds, once more.

    Raises:
        LookupError: no such version waits; the text says which do.
    """
    row = next((row for row in record.pending if row.version == version), None)
    if row is None:
        waiting = ", ".join(f"{row.version} ({titled(row)})" for row in record.pending) or "none"
        raise LookupError(f"no version {version} waits to hold; versions that do: {waiting}")
    held = record.holds(row.identity)
    return Change(*row.identity, held.value if held else None)


def sentence(change: Change, record: Standing, cool_off_s: float) -> str:
    """What a change does, for a person."""
    held, waits = record.holds(change.identity), record.waits(change.identity)
    before = amount(held.value if held else None, change.unit)
    if waits and change.value == (held.value if held else None):
        return f"{titled(change)}: stays {before}; version {waits.version}, {amount(waits.value, change.unit)}, is withdrawn"
    when = f"in {cool_off_s:g} s, unless it is withdrawn" if loosens(change, record) else "now"
    return f"{titled(change)}: {before} -> {amount(change.value, change.unit)}, {when}"


def titled(limit: Change | LimitRow) -> str:
    """Which limit it is: `max_daily_loss of account:paper`."""
    return f"{limit.name} of {written(limit.scope, limit.key)}"


def scope_of(text: str) -> tuple[LimitScope, str]:
    """`order`, `fleet`, `account` (each), `account:NAME`, `strategy:ID` or `symbol:SYMBOL` as scope and key.

    Raises:
        ValueError: it is none of these.
    """
    scope, colon, key = text.partition(":")
    for known in get_args(LimitScope):
        if scope == known and bool(colon) == bool(key) and not (colon and known in ("order", "fleet")):
            return known, key or "*"
    raise ValueError(f"expected order, fleet, account:NAME, strategy:ID or symbol:SYMBOL (without a key: each of them), got {text!r}")


def written(scope: str, key: str) -> str:
    """A scope as people write it: `account:paper`; of each account `account`."""
    return scope if key == "*" else f"{scope}:{key}"


def amount(value: float | None, unit: str) -> str:
    """A limit for a person: `0.03 fraction`, `25,000 currency`, `none`."""
    return "none" if value is None else f"{value:,.15g} {unit}"


def unit_of(name: LimitName, unit: str | None) -> LimitUnit:
    """The unit that was said, or the only one there is.

    Raises:
        ValueError: there are several, or this is none of them.
    """
    units = UNITS[name]
    if unit is None and len(units) == 1:
        return units[0]
    for known in units:
        if unit == known:
            return known
    raise ValueError(f"expected unit {' or '.join(units)} of {name}, got {unit or 'none: say which with --unit'}")


def name_of(text: str) -> LimitName:
    """A limit by its name.

    Raises:
        ValueError: there is no such limit.
    """
    for known in UNITS:
        if text == known:
            return known
    raise ValueError(f"no limit is called {text!r}; there are: {', '.join(UNITS)}")

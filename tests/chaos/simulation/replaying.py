"""What a simulation asked of its record, so that another record can be asked the same."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from libs.common.wire import Row
from libs.store.execution import OrderRow
from tests.chaos.simulation.record import Refused
from tests.chaos.simulation.scenario import Scenario
from tests.chaos.simulation.world import World

OF_THE_CLOCK: Final = (
    "select epoch, holder, wait_s from lease_take",
    "select count(*) from orders",
    "select max(at) from commands",
    "select session_id",
    "select (select coalesce(json_agg(json_build_array(o.id, s.reference_price",
)
"""Statements whose answer hangs on the time at which they are asked, or on what others write."""

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?(E-?\d+)?")
_CREATED: Final = OrderRow._fields.index("approved_ns")


class Asked(NamedTuple):
    """One transaction, and what became of it."""

    statements: list[tuple[str, Any]]
    rows: list[list[Row]]
    refused: str  # SQLSTATE; "" when it was committed
    thrown: list[tuple[str, str, str]]  # kill switches that were on: scope, key, mode


def asked(seed: int) -> list[Asked]:
    """Every transaction of a simulation, in the order in which the record took them."""
    world, found = World(Scenario.of(seed)), list[Asked]()

    def heard(statements: Sequence[tuple[str, Any]], answer: list[list[Row]] | Exception) -> None:
        refused = answer.sqlstate or "" if isinstance(answer, Refused) else ""
        thrown = [(scope, key, mode) for (scope, key), mode in world.record.kills.items()]
        rows = [] if isinstance(answer, Exception) else [list(found) for found in answer]
        found.append(Asked(list(statements), rows, refused, thrown))

    world.record.heard = heard
    world.run()
    return found


def hangs_on_the_clock(sql: str) -> bool:
    return sql.startswith(OF_THE_CLOCK)


def comparable(rows: Sequence[Row]) -> list[Any]:
    """Rows without the difference between two ways to write the same: JSON text, trailing zeros, the server's own time."""
    return sorted(([_plain(value) for value in row] for row in rows), key=str)


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return _plain(value.decode())
        case str() if value[:1] in ("{", "["):
            return _unordered(msgspec.json.decode(value))
        case _:
            return _spelled(value)


def _unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unordered(found) for key, found in value.items() if key != "facts"}  # of costs: times of the clock, most of them
    if isinstance(value, list):
        if len(value) == len(OrderRow._fields):
            value[_CREATED] = 0
        found = [_unordered(item) for item in value]
        return found if len(value) == len(OrderRow._fields) else sorted(found, key=str)  # json_agg without an order
    return _spelled(value)


def _spelled(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"{Decimal(text).normalize():f}" if _NUMBER.fullmatch(text) and len(text) < 30 else text

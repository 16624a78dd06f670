"""What the statements of the reconciler do to the record in memory."""

from typing import Any

from libs.common.wire import Row
from tests.chaos.simulation.record import ItemRow, Record
from tests.chaos.simulation.statements import STATEMENTS, statement

__all__ = ["STATEMENTS"]  # these and those of `statements`


@statement("select id, account_id, kind, key, ours, theirs, detail, found_at, decision", "and account_id = %s order by found_at, kind, key")
def standing(record: Record, params: Any) -> list[Row]:
    return [(id_, *item, None, "", "", "", None) for id_, item in record.items.items() if item.account_id == params[0]]


@statement("select key, decided_by || ': ' || reason from reconcile_items")
def closing(record: Record, params: Any) -> list[Row]:
    return []


@statement("insert into reconcile_items as i (")
def store_item(record: Record, params: Any) -> list[Row]:
    record.put("items", params[0], ItemRow(*params[1:]))
    return []


@statement("update reconcile_items set resolved_at")
def resolve_but(record: Record, params: Any) -> list[Row]:
    account, kinds, found = params
    for id_, item in list(record.items.items()):
        if item.account_id == account and item.kind in kinds and id_ not in found:
            record.put("items", id_, item._replace(account_id=f"resolved: {account}"))
    return []


@statement("select id, status from orders where id = any(")
def known_orders(record: Record, params: Any) -> list[Row]:
    return [(id_, str(record.orders[id_].status)) for id_ in params[0] if id_ in record.orders]


@statement("select exec_key, raw, reason from fill_quarantine q")
def quarantined(record: Record, params: Any) -> list[Row]:
    return []  # one alone ends the run: see `judge`

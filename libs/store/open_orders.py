"""Which orders are open, as SQL that Postgres can match with the index over them, whatever its parameters are."""

from typing import Final, LiteralString

IS_OPEN: Final[LiteralString] = (
    "status in ('ACKED', 'APPROVED', 'CANCEL_UNKNOWN', 'PARTIAL', 'PENDING_CANCEL', 'PENDING_REPLACE', 'REPLACE_UNKNOWN', 'SUBMITTING',"
    " 'UNKNOWN', 'WORKING')"
)
"""libs/domain/orders.py: OPEN. An `= any()` of a parameter says the same, and a prepared statement with it reads all orders there are."""

"""Since when only the venue knows what became of an order."""

from typing import Final, LiteralString

SINCE: Final[LiteralString] = (
    "(select coalesce(min(e.at), o.updated_at) from order_events e where e.order_id = o.id and e.n > coalesce((select max(k.n)"
    " from order_events k where k.order_id = o.id"
    " and k.status not in ('SUBMITTING', 'UNKNOWN', 'CANCEL_UNKNOWN', 'REPLACE_UNKNOWN')), 0))"
)
"""SQL of an order `o` in doubt. Not when its row was touched last: each newer signal asks for its cancel once more."""

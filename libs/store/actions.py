"""Corporate actions in the record. Written by data_collector with its session, read by everybody."""

from collections.abc import Sequence

from libs.common.database import Database, Write
from libs.domain.actions import CorporateAction


def store(actions: Sequence[CorporateAction]) -> list[Write]:
    """Rows of a feed's corporate actions, each once; what is corrected is taken over."""
    if not actions:
        return []
    return [
        Write(
            "insert into corporate_actions (venue, symbol, effective, kind, ratio, cash, reference_price, new_symbol)"
            " select v, y, at_ns(e), k, r, c, p, n from unnest(%b::text[], %b::text[], %b::int8[], %b::text[], %b::numeric[],"
            " %b::numeric[], %b::numeric[], %b::text[]) u(v, y, e, k, r, c, p, n) on conflict (venue, symbol, effective, kind) do update"
            " set ratio = excluded.ratio, cash = excluded.cash, reference_price = excluded.reference_price,"
            " new_symbol = excluded.new_symbol",
            (
                [a.venue for a in actions],
                [a.symbol for a in actions],
                [a.effective for a in actions],
                [a.kind for a in actions],
                [a.ratio for a in actions],
                [a.cash for a in actions],
                [a.reference_price for a in actions],
                [a.new_symbol for a in actions],
            ),
        )
    ]


async def of_venue(database: Database, venue: str) -> list[CorporateAction]:
    """Every corporate action known of a source of market data, by the time from which it holds."""
    rows = await database.fetch(
        "select symbol, ns_of(effective), kind, ratio, cash, reference_price, new_symbol from corporate_actions"
        " where venue = %s order by effective, symbol, kind",
        (venue,),
    )
    return [
        CorporateAction(
            venue=venue,
            symbol=symbol,
            effective=effective,
            kind=kind,
            ratio=ratio.normalize(),
            cash=cash,
            reference_price=reference_price,
            new_symbol=new_symbol,
        )
        for symbol, effective, kind, ratio, cash, reference_price, new_symbol in rows
    ]

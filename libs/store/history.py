"""What risk is measured from: positions, past closes in equal spans, volumes, past equity."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from math import ceil
from typing import Final, LiteralString

from libs.common.database import Database
from libs.domain.history import Closes, Held, Material
from libs.domain.instruments import AssetClass, Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.times import SECOND
from libs.store import actions, sessions
from libs.store.queries import accounts
from libs.store.queries.accounts import Holding
from libs.store.sessions import Session

DAY: Final = 86_400 * SECOND
VOLUME_DAYS: Final = 20
"""Calendar days over which a day's volume is averaged; those on which a symbol did not trade do not count."""
_SPANS: Final[Mapping[str, float]] = {"1d": 365 / 250, "1h": 5.5, "1m": 6.0}
"""Spans to measure in, the longest first, and how many go by for one in which a stock trades."""

# The newest bar that begins in each span is looked up by itself, through the primary key: reading all the bars of two years would take
# a hundred times as many rows.
_CLOSES: Final[LiteralString] = (
    "select s, array_agg(bar.price order by k) from unnest(%(symbols)b::text[]) s cross join generate_series(0, %(count)s - 1) k"
    " left join lateral (select coalesce(close_price, (bid_close + ask_close) / 2) as price from market_ohlcv b"
    " where b.venue = %(venue)s and b.symbol = s and b.timeframe = %(timeframe)s and b.timestamp >= at_ns(%(first)s + k * %(length)s)"
    " and b.timestamp < at_ns(%(first)s + (k + 1) * %(length)s) order by b.timestamp desc limit 1) bar on true group by s"
)


async def material(
    database: Database, account_id: str, benchmarks: Mapping[AssetClass, str], *, observations: int, enough: int
) -> Material:
    """One account at the market time of its session: what `libs.quant.risk.measures.portfolio.risk_of` takes.

    Closes are those of days; of hours, or else of minutes, while there are not more than `enough` days of anything held.

    Args:
        benchmarks: by class of assets, symbols whose closes are wanted too where such assets are held and the record has them.
        observations: of each symbol, at the most.

    Raises:
        LookupError: there is no such account.
    """
    (standing,) = await accounts.standing(database, account_id)
    session = await sessions.named(database, standing.session_id)
    if session is None:
        raise LookupError(f"account {account_id!r} is of session {standing.session_id!r}, which is not in the record")
    instruments = await sessions.instruments(database, session.venue)
    symbols = {holding.symbol for holding in standing.holdings}
    volumes = await daily_volumes(database, session, symbols)
    held = _held(standing.holdings, instruments, volumes, standing.base_currency)
    wanted = symbols | {benchmarks.get(position.asset_class, "") for position in held} & instruments.keys()
    return Material(
        account_id=account_id,
        currency=standing.base_currency,
        market_time=session.market_time,
        equity=float(standing.equity),
        held=held,
        closes=await _longest_closes(database, session, symbols, wanted, observations, enough),
        actions=await actions.of_venue(database, session.venue),
        equities=[*await _day_ends(database, account_id), float(standing.equity)],
    )


async def closes(database: Database, session: Session, symbols: Collection[str], span: str, observations: int) -> Closes:
    """The last close in each span before the session's market time, of at most so many spans in which any of the symbols had one.

    A span is a multiple of its length since 1970, so a day is one of UTC. Bars of the session's longest timeframe that fits are read,
    also those of earlier sessions on the same market data; a bar of quotes closes at the middle.

    Args:
        span: one of TIMEFRAMES.

    Raises:
        LookupError: the session has no bars as short as that.
    """
    length, timeframe = TIMEFRAMES[span], _timeframe(session, span)
    if timeframe is None:
        raise LookupError(f"session {session.session_id!r} has no bars of {span} or shorter, it has {', '.join(session.timeframes)}")
    last = (session.market_time - session.grace_ns) // length * length
    begins = await _first_bar(database, session.venue, symbols, timeframe)
    if begins is None or begins >= last:
        return Closes(length, (), {symbol: () for symbol in sorted(symbols)})
    count = min(ceil((observations + 1) * _SPANS.get(span, 6.0)), (last - begins // length * length) // length)
    first = last - count * length
    asked = {"symbols": sorted(symbols), "count": count, "venue": session.venue, "timeframe": timeframe, "first": first, "length": length}
    columns: dict[str, list[float | None]] = dict(await database.fetch(_CLOSES, asked))
    ends = [first + (n + 1) * length for n in range(count)]
    traded = [any(price is not None for price in row) for row in zip(*columns.values(), strict=True)]
    kept = {symbol: list(compress(column, traded))[-observations - 1 :] for symbol, column in columns.items()}
    return Closes(length, list(compress(ends, traded))[-observations - 1 :], kept)


async def daily_volumes(database: Database, session: Session, symbols: Collection[str]) -> dict[str, float]:
    """Mean worth traded in a day of the last 20, by symbol, per unit of multiplier; symbols whose market tells no volume are missing."""
    timeframe, ends = _timeframe(session, "1d"), session.market_time // DAY * DAY
    if timeframe is None:
        return {}
    rows = await database.fetch(
        "select symbol, sum(volume * close_price) / count(distinct ns_of(timestamp) / %s) from market_ohlcv where venue = %s"
        " and symbol = any(%b::text[]) and timeframe = %s and timestamp >= at_ns(%s) and timestamp < at_ns(%s) and volume > 0"
        " and close_price is not null group by symbol",
        (DAY, session.venue, sorted(symbols), timeframe, ends - VOLUME_DAYS * DAY, ends),
    )
    return dict(rows)


def _held(holdings: Sequence[Holding], instruments: Mapping[str, Instrument], volumes: Mapping[str, float], currency: str) -> list[Held]:
    """Each symbol once, over all strategies; what is flat in sum is left out. An instrument that is gone counts as a share."""
    books: defaultdict[str, list[Holding]] = defaultdict(list)
    for holding in holdings:
        books[holding.symbol].append(holding)
    found = []
    for symbol, of_symbol in sorted(books.items()):
        value = float(sum(holding.market_value for holding in of_symbol))
        known = instruments.get(symbol)
        volume = volumes.get(symbol)
        if value:
            found.append(
                Held(
                    symbol=symbol,
                    asset_class=known.asset_class if known else "equity",
                    currency=known.currency if known else currency,
                    value=value,
                    priced=of_symbol[0].mark is not None,
                    daily_volume=volume * float(known.multiplier) if known and volume is not None else volume,
                )
            )
    return found


async def _longest_closes(
    database: Database, session: Session, held: Collection[str], wanted: Collection[str], observations: int, enough: int
) -> Closes:
    """In the longest spans of which there are more than enough; of the shortest there are, when there are not."""
    found = Closes(DAY, (), {symbol: () for symbol in sorted(wanted)})
    for span in _SPANS:
        if held and _timeframe(session, span) is not None:
            found = await closes(database, session, wanted, span, observations)
            if max(sum(price is not None for price in found.prices[symbol]) for symbol in held) > enough:
                break
    return found


def _timeframe(session: Session, span: str) -> str | None:
    """The longest bars of the session that are not longer than the span; None: all are longer."""
    fitting = [timeframe for timeframe in session.timeframes if TIMEFRAMES[timeframe] <= TIMEFRAMES[span]]
    return max(fitting, key=TIMEFRAMES.__getitem__, default=None)


async def _first_bar(database: Database, venue: str, symbols: Collection[str], timeframe: str) -> int | None:
    rows = await database.fetch(
        "select min(ns_of(bar.timestamp)) from unnest(%b::text[]) s cross join lateral (select timestamp from market_ohlcv"
        " where venue = %s and symbol = s and timeframe = %s order by timestamp limit 1) bar",
        (sorted(symbols), venue, timeframe),
    )
    first: int | None = rows[0][0]
    return first


async def _day_ends(database: Database, account_id: str) -> list[float]:
    """What the account was worth at the end of each trading day before the one that runs, as portfolio saw it."""
    rows = await database.fetch(
        "select total_value::float8 from portfolio_snapshots where account_id = %s and strategy_id = '' order by snapshot_date",
        (account_id,),
    )
    return [value for (value,) in rows][:-1]

"""What venues say in their own logs, in one form: read from the files of the paper venue or of sim_venue, never from our record."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from libs.domain.orders import Side, VenueStatus
from libs.quant.exchange.book import Accepted, Book, Filled, Record, decode
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Execution, Order
from libs.quant.sim_venue.view import AccountView, View
from libs.venues.line_file import read
from libs.venues.markets import named
from services.sim_venue.listings import by_hand, of_feed
from services.sim_venue.log import Arrived, Began, Entry

TakenStatus = Literal["held", "open", "filled", "canceled", "expired", "replaced"]


class Taken(NamedTuple):
    """An order that the venue took, as it stands now."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None  # limit
    status: TakenStatus
    filled: Decimal

    @property
    def lives(self) -> bool:
        """Whether it may still fill."""
        return self.status in ("held", "open")


class Made(NamedTuple):
    """A fill that the venue made."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str


class VenueHistory(NamedTuple):
    """One account at one venue."""

    taken: Sequence[Taken]  # in order; an id twice: it took the order twice
    made: Sequence[Made]  # in order; what was busted is not among them, what was corrected as it is now
    submits: Mapping[str, Sequence[int]]  # of each request to place an order when it came (UTC ns), by client order id; refused ones too
    cash: Mapping[str, Decimal]
    positions: Mapping[str, Decimal]


def paper(folder: Path) -> dict[str, VenueHistory]:
    """The paper venue's books, `STATE_DIR/paper`, by account. It counts no requests but those that it took, and has no clock of
    this host."""
    return {path.stem: of_paper_records([r for line in _lines(path) for r in decode(line)]) for path in sorted(folder.glob("*.log"))}


def sim_venue(folder: Path, *, listings: Sequence[Listing] | None = None, recordings: Path | None = None) -> dict[str, VenueHistory]:
    """The log of one sim_venue, `STATE_DIR/sim_venue/<market>-<seed>`, by account; its accounts are named as ours.

    Args:
        listings: what it lists; None: what its market has.
        recordings: where recorded markets are, for a venue that plays one.
    """
    entries = [_entry.decode(line) for path in sorted(folder.glob("lines-*.log")) for line in _lines(path)]
    return of_sim_entries(entries, listings, recordings) if entries else {}


def _lines(path: Path) -> list[bytes]:
    return read(path, path.read_bytes()).payloads


# --- the paper venue

_PAPER: Final[Mapping[VenueStatus, TakenStatus]] = {
    "open": "open",
    "filled": "filled",
    "canceled": "canceled",
    "expired": "expired",
    "rejected": "canceled",
}


def of_paper_records(records: Sequence[Record]) -> VenueHistory:
    """What a paper book's records say."""
    book, accepted = Book(), [record.order for record in records if isinstance(record, Accepted)]
    for record in records:
        book.apply(record)
    times = Counter(order.client_order_id for order in accepted)
    standing = {id_: book.orders[id_] for id_ in times}
    return VenueHistory(
        taken=[
            Taken(
                o.client_order_id,
                o.symbol,
                o.side,
                o.quantity,
                o.price,
                _PAPER[standing[o.client_order_id].status],
                standing[o.client_order_id].filled,
            )
            for o in accepted
        ],
        made=[
            Made(f.client_order_id, f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_currency)
            for f in (record.fill for record in records if isinstance(record, Filled))
        ],
        submits={id_: [0] * n for id_, n in times.items()},
        cash=dict(book.cash),
        positions=dict(book.positions),
    )


# --- sim_venue

_entry: Final = msgspec.json.Decoder(Entry)


def of_sim_entries(
    entries: Sequence[Entry], listings: Sequence[Listing] | None = None, recordings: Path | None = None
) -> dict[str, VenueHistory]:
    """What the lines of a sim_venue's log say, by account."""
    listed = {listing.symbol: listing for listing in listings or _listings(entries[0], recordings)}
    view, owner = View(listed), dict[str, str]()
    asked: defaultdict[str, list[int]] = defaultdict(list)
    for entry in entries:
        for report in entry.reports:
            view.apply(report)
        for arrived in entry.inputs:
            if isinstance(arrived, Arrived) and arrived.what == "order_submit" and arrived.client_order_id:
                asked[arrived.client_order_id].append(entry.wall)
    for name, account in view.accounts.items():
        owner |= dict.fromkeys(account.by_client_id, name)
    return {name: _account(name, account, listed, asked, owner) for name, account in view.accounts.items()}


def _account(
    name: str, account: AccountView, listed: Mapping[str, Listing], asked: Mapping[str, Sequence[int]], owner: Mapping[str, str]
) -> VenueHistory:
    made = [_made(execution, listed) for id_, execution in account.executions.items() if id_ not in account.busted]
    coins: dict[str, str] = {}  # what settles as an asset is a position in the symbol that it was traded by
    for symbol in [*(order.asked.symbol for order in account.orders.values()), *listed]:
        if listed[symbol].base:
            coins.setdefault(listed[symbol].base, symbol)
    positions = {s: listed[s].instrument.quantity(lots) for s, lots in account.positions.items() if lots}
    return VenueHistory(
        taken=[_taken(order, listed) for order in account.orders.values()],
        made=made,
        submits={id_: times for id_, times in asked.items() if owner.get(id_, name) == name},
        cash={currency: amount for currency, amount in account.balances.items() if currency not in coins},
        positions=positions | {coins[coin]: amount for coin, amount in account.balances.items() if coin in coins and amount},
    )


def _taken(order: Order, listed: Mapping[str, Listing]) -> Taken:
    instrument = listed[order.asked.symbol].instrument
    return Taken(
        order.asked.client_order_id,
        order.asked.symbol,
        order.asked.side,
        instrument.quantity(order.lots),
        None if order.asked.limit is None else instrument.price(order.asked.limit),
        order.status,
        instrument.quantity(order.filled),
    )


def _made(execution: Execution, listed: Mapping[str, Listing]) -> Made:
    instrument = listed[execution.symbol].instrument
    return Made(
        execution.client_order_id,
        execution.symbol,
        execution.side,
        instrument.quantity(execution.lots),
        instrument.price(execution.ticks),
        execution.fee,
        execution.fee_currency,
    )


def _listings(first: Entry, recordings: Path | None) -> Sequence[Listing]:
    """What the market of a log lists."""
    began = next(asked for asked in first.inputs if isinstance(asked, Began))
    return by_hand() if began.feed == "manual" else of_feed(named(began.feed, began.seed, recordings))

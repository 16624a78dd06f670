"""The oracle finds each kind of violation when it is planted: a checker that finds nothing is worth nothing."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from libs.domain.booking import book
from libs.domain.books import Position
from libs.domain.ledger import deposit_entries
from libs.domain.trades import Fill
from libs.quant.exchange.book import NEVER, Accepted, Ended, Filled, Opened, Record
from tests.faults.oracle import Balance, CursorRow, Event, Held, Left, Line, OrderRow, TradeRow, Verdict, violations
from tests.paper import ALFA, an_order

D = Decimal
ORDER = an_order()
ID, CLIENT, SIGNAL = ORDER.order_id, ORDER.client_order_id, ORDER.signal_id
STRANGER = UUID(int=99)
FILL = Fill(
    exec_key=f"{ID}:1",
    client_order_id=CLIENT,
    symbol="ALFA",
    side="buy",
    quantity=D(10),
    price=D(100),
    fee=D("0.1"),
    fee_currency="USD",
    liquidity="taker",
    executed_at=5,
    cumulative=D(10),
)
BOOKED = book(FILL, ORDER, Position(), ALFA)
DEPOSIT = deposit_entries(STRANGER, "USD", D(100_000))
FILLED = Filled(fill=FILL, cash=D("-1000.1"), heard=(5, 5), market_time=5)
VENUE: list[Record] = [
    Opened(account_id="paper", deposit={"USD": D(100_000)}),
    Accepted(order=ORDER, heard=NEVER, market_time=1),
    FILLED,
]
ROW = OrderRow(ID, CLIENT, "paper", "sma_cross", "ALFA", SIGNAL, 0, D(10), "FILLED", D(10), 3, 0.0)
EVENTS = [
    Event(ID, 1, "submit", "SUBMITTING", D(0), False),
    Event(ID, 2, "accepted", "ACKED", D(0), False),
    Event(ID, 3, "fill", "FILLED", D(10), False),
]
TRADE = TradeRow(ID, "paper", FILL.exec_key, D(10), D(100))
SOUND = Left(
    signals=[SIGNAL],
    verdicts=[Verdict(SIGNAL, "APPROVED")],
    orders=[ROW],
    attempts=[CLIENT],
    events=EVENTS,
    trades=[TRADE],
    ledger=[Line(e.txn_id, "paper", e.strategy_id, e.ledger_account, e.commodity, e.amount) for e in (*DEPOSIT, *BOOKED.entries)],
    positions=[Held("paper", "sma_cross", "ALFA", D(10))],
    balances=[Balance("paper", "USD", D("98999.9"))],
    streams={"signals": [1], "orders.approved": [1]},
    counters={"signals": 1, "orders.approved": 1, "risk.alerts": 0},
    cursors=[CursorRow("risk:paper", "signals", 1)],
    venues={"paper": VENUE},
)


PARENT = UUID(int=50)


def worked(quantity: int = 10, filled: int = 10, over_s: float = -5.0) -> Left:
    """The order is the only slice of a parent."""
    status = "FILLED" if filled >= quantity else "WORKING"
    row = OrderRow(PARENT, "P", "paper", "sma_cross", "ALFA", SIGNAL, 7, D(quantity), status, D(filled), 2, 0.0, None, "twap:60:6", over_s)
    events = [Event(PARENT, 1, "work", "WORKING", D(0), False), Event(PARENT, 2, "child_fill", status, D(filled), False)]
    return replace(SOUND, orders=[row, ROW._replace(parent_id=PARENT)], events=[*events, *EVENTS])


@pytest.mark.parametrize(
    ("left", "found"),
    [
        (worked(), []),
        (worked(quantity=20), []),
        (worked(quantity=20, over_s=200.0), [f"L: order {PARENT} is still WORKING, 200 s after its time"]),
        (worked(filled=9, quantity=20), [f"F: order {PARENT} says that 9 are filled, those of its slices 10"]),
        (replace(worked(), attempts=[CLIENT, "P"]), [f"D: order {PARENT} is worked by slices and was sent itself"]),
    ],
)
def test_a_parent_has_filled_what_its_slices_have(left: Left, found: list[str]) -> None:
    assert violations(left) == found


def test_slices_that_exceed_their_parent_are_found() -> None:
    assert f"D: the slices of order {PARENT} come to 10, approved were 9" in violations(worked(quantity=9, filled=9))


def waits(status: str, events: list[Event]) -> Left:
    """The order has not been filled: it stands here as given, at the venue it is open."""
    row = ROW._replace(status=status, filled=D(0), events=len(events))
    return replace(
        SOUND,
        orders=[row],
        events=events,
        trades=[],
        ledger=SOUND.ledger[:2],
        positions=[],
        balances=[Balance("paper", "USD", D(100_000))],
        venues={"paper": VENUE[:2]},
    )


def test_a_sound_record_is_found_sound() -> None:
    assert violations(SOUND) == []


@pytest.mark.parametrize(
    ("status", "events"),
    [("ACKED", EVENTS[:2]), ("UNKNOWN", [EVENTS[0], Event(ID, 2, "unclear", "UNKNOWN", D(0), False)]), ("SUBMITTING", EVENTS[:1])],
)
def test_an_order_on_its_way_is_sound(status: str, events: list[Event]) -> None:
    assert violations(waits(status, events)) == []


def ended_at_the_venue(left: Left) -> Left:
    return replace(left, venues={"paper": [*VENUE[:2], Ended(client_order_id=CLIENT, status="expired", market_time=9)]})


def sent_again(left: Left) -> Left:
    return replace(left, venues={"paper": [*VENUE[:2], Accepted(order=ORDER, heard=NEVER, market_time=2), FILLED]})


def two_for_a_leg(left: Left) -> Left:
    second = ROW._replace(order_id=STRANGER, client_order_id="X", status="DENIED", filled=D(0), events=1)
    return replace(left, orders=[ROW, second], events=[*EVENTS, Event(STRANGER, 1, "deny", "DENIED", D(0), False)])


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        pytest.param(lambda x: replace(x, verdicts=[]), [f"L: signal {SIGNAL} has 0 verdicts"], id="a signal without verdict"),
        pytest.param(
            lambda x: replace(x, verdicts=[*x.verdicts, Verdict(SIGNAL, "REFUSED")]),
            [f"L: signal {SIGNAL} has 2 verdicts"],
            id="a signal with two verdicts",
        ),
        pytest.param(
            lambda x: replace(x, signals=[SIGNAL, STRANGER], verdicts=[*x.verdicts, Verdict(STRANGER, "APPROVED")]),
            [f"L: signal {STRANGER} is APPROVED and has no order"],
            id="an approval without order",
        ),
        pytest.param(
            lambda _: replace(
                waits("APPROVED", []),
                orders=[ROW._replace(status="APPROVED", filled=D(0), events=0, late_s=500)],
                venues={"paper": VENUE[:1]},
            ),
            [f"L: order {ID} is still APPROVED, 500 s after its time"],
            id="an order forgotten",
        ),
        pytest.param(
            lambda _: ended_at_the_venue(waits("ACKED", EVENTS[:2])),
            [f"L: order {ID} is ACKED here and expired at the venue"],
            id="an end not heard of",
        ),
        pytest.param(
            lambda _: replace(waits("ACKED", EVENTS[:2]), venues={"paper": VENUE[:1]}),
            [f"L: order {ID} is ACKED here and the venue does not have it"],
            id="an order the venue does not have",
        ),
        pytest.param(lambda x: replace(x, aside=["fill 3"]), ["L: put aside: fill 3"], id="something in quarantine"),
        pytest.param(
            two_for_a_leg,
            [f"D: leg 0 of signal {SIGNAL} has 2 orders"],
            id="two orders for a leg",
        ),
        pytest.param(lambda x: replace(x, attempts=[CLIENT, CLIENT]), [f"D: order {CLIENT} has 2 intents"], id="two intents"),
        pytest.param(
            lambda x: replace(x, attempts=[]),
            [f"D: the venue accepted order {CLIENT} of paper, of which no intent is on record"],
            id="sent without intent",
        ),
        pytest.param(sent_again, [f"D: the venue accepted order {CLIENT} 2 times"], id="sent twice"),
        pytest.param(
            lambda x: replace(x, trades=[TRADE, TRADE]),
            [f"F: fill {FILL.exec_key} of paper is booked 2 times", f"F: order {ID} says that 10 are filled, its trades 20"],
            id="a fill booked twice",
        ),
        pytest.param(
            lambda x: replace(x, trades=[]),
            [f"F: the venue's fill {FILL.exec_key} of paper is not booked", f"F: order {ID} says that 10 are filled, its trades 0"],
            id="a fill not booked",
        ),
        pytest.param(
            lambda x: replace(x, trades=[TRADE._replace(price=D(101))]),
            [f"F: fill {FILL.exec_key} of paper is booked as 10 @ 101, the venue says 10 @ 100"],
            id="a fill at another price",
        ),
        pytest.param(
            lambda x: replace(x, trades=[TRADE, TRADE._replace(exec_key="invented", quantity=D(0))]),
            ["F: fill invented of paper is booked, the venue does not have it"],
            id="a fill from nowhere",
        ),
        pytest.param(
            lambda x: replace(x, ledger=[x.ledger[0], x.ledger[1]._replace(amount=D(-99_999)), *x.ledger[2:]]),
            [f"B: transaction {STRANGER} is off by 1 USD"],
            id="a transaction off balance",
        ),
        pytest.param(
            lambda x: replace(x, positions=[]),
            ["B: the position of paper sma_cross ALFA is 0, the ledger says 10"],
            id="a position lost",
        ),
        pytest.param(
            lambda x: replace(x, balances=[Balance("paper", "USD", D(99_000))]),
            ["B: the balance of paper USD is 99000, the ledger says 98999.9"],
            id="a wrong balance",
        ),
        pytest.param(
            lambda x: replace(x, venues={"paper": [*VENUE[:2], Filled(fill=FILL, cash=D(-1000), heard=(5, 5), market_time=5)]}),
            ["B: the venue's cash of paper USD is 99000, the ledger says 98999.9"],
            id="other cash at the venue",
        ),
        pytest.param(
            lambda x: replace(x, streams={**x.streams, "signals": [1, 3]}, counters={**x.counters, "signals": 3}),
            ["S: signals is counted to 3 and has not just the messages 1 to 3"],
            id="a gap in a stream",
        ),
        pytest.param(
            lambda x: replace(x, cursors=[CursorRow("risk:paper", "signals", 2)]),
            ["S: risk:paper stands at 2 of signals, which ends at 1"],
            id="a cursor beyond its stream",
        ),
        pytest.param(
            lambda x: replace(x, events=[EVENTS[0], EVENTS[2]]),
            [f"S: order {ID} counts 3 events and has [1, 3]"],
            id="an event lost",
        ),
        pytest.param(
            lambda x: replace(x, events=[EVENTS[0], Event(ID, 2, "canceled", "EXPIRED", D(0), False), EVENTS[2]._replace(anomaly=True)]),
            [f"S: order {ID}, event 2: canceled cannot make EXPIRED of SUBMITTING"],
            id="an illegal step",
        ),
        pytest.param(
            lambda x: replace(x, events=[EVENTS[1]._replace(n=1), EVENTS[0]._replace(n=2), EVENTS[2]]),
            [
                f"S: order {ID}, event 1: accepted cannot make ACKED of APPROVED",
                f"S: order {ID}, event 2: submit cannot make SUBMITTING of ACKED",
            ],
            id="steps in the wrong order",
        ),
        pytest.param(
            lambda x: replace(x, orders=[ROW._replace(status="PARTIAL")]),
            [
                f"L: order {ID} is PARTIAL here and filled at the venue",
                f"S: order {ID} is PARTIAL with 10 filled, its last event says FILLED with 10",
            ],
            id="a status without its event",
        ),
    ],
)
def test_a_planted_violation_is_found_and_named(plant: Callable[[Left], Left], said: list[str]) -> None:
    assert violations(plant(SOUND)) == said


def test_an_order_that_only_the_venue_knows_is_found() -> None:
    unknown = an_order(7)
    found = violations(replace(SOUND, venues={"paper": [*VENUE, Accepted(order=unknown, heard=NEVER, market_time=2)]}))
    assert f"D: the venue has order {unknown.client_order_id} of paper, the record does not" in found

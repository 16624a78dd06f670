"""The paper venue's own rules and its book file. What every broker must do is in tests/conformance/test_broker.py."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.clocks import SystemClock
from libs.domain.market import Quote, QuoteBar, TradeTick
from libs.domain.orders import Evidence, Order
from libs.domain.trades import Fill
from libs.quant.exchange.book import Book, Opened
from libs.quant.exchange.rules import Rules
from libs.quant.exchange.venue import Venue
from libs.quant.fills import FillTerms
from libs.venues.broker import OrderReport, OutcomeUnknown, Refused
from libs.venues.line_file import LineFile, LineFileDamaged, LineFileFailed, LineFileLocked, read
from libs.venues.paper.broker import PaperBroker
from tests.paper import ALFA, DEPOSIT, NEVER_LATE, D, a_quote, an_order, open_paper

MINUTE = 60_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "paper" / "paper.log"


Opening = Callable[..., PaperBroker]


@pytest.fixture
def opening(path: Path) -> Iterator[Opening]:
    """Opens the book as often as it is called; what is still open in the end is closed."""
    with ExitStack() as still_open:
        yield lambda **terms: still_open.enter_context(closing(open_paper(path, **terms)))


@pytest.fixture
def paper(opening: Opening) -> PaperBroker:
    return opening()


async def submit(paper: PaperBroker, *orders: Order) -> None:
    for order in orders:
        await paper.submit(order, NEVER_LATE)


def content(path: Path) -> bytes:
    return path.read_bytes()


def fills_of(paper: PaperBroker) -> list[Fill]:
    return [report for report in paper.drain_reports() if isinstance(report, Fill)]


# What it takes


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        pytest.param(an_order(symbol="NONE"), "unknown symbol NONE", id="symbol"),
        pytest.param(an_order(account_id="other"), "account other", id="account"),
        pytest.param(an_order(quantity=D("0.5")), "quantity 0.5 is no multiple of 1", id="lot"),
        pytest.param(an_order(quantity=D(0)), "must be positive", id="zero quantity"),
        pytest.param(an_order(quantity=D("NaN")), "must be positive", id="NaN quantity"),
        pytest.param(an_order(price=D("100.005")), "price 100.005 is no multiple of 0.01", id="tick"),
        pytest.param(an_order(price=D(-1)), "must be positive", id="negative price"),
        pytest.param(an_order(price=None), "only limit, stop, trailing_stop orders", id="market order"),
        pytest.param(an_order(time_in_force="FOK"), "time in force FOK", id="time in force"),
        pytest.param(an_order(quantity=D(1), price=D("9.99")), "minimum of 10 USD", id="notional"),
        pytest.param(an_order(quantity=D(1000), price=D(100)), "needs 100010.* USD, 100000 is free", id="cash, with the fee"),
        pytest.param(an_order(side="sell"), "short selling is off", id="short sale"),
    ],
)
async def test_what_the_venue_cannot_take_is_refused_with_its_reason(paper: PaperBroker, order: Order, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        await submit(paper, order)
    assert await paper.find(order.client_order_id) is None


async def test_cash_promised_to_an_open_order_cannot_be_spent_twice(paper: PaperBroker) -> None:
    await submit(paper, an_order(1, quantity=D(600), price=D(100)))
    with pytest.raises(Refused, match="39994.* is free"):
        await submit(paper, an_order(2, quantity=D(600), price=D(100)))
    await paper.cancel(an_order(1).client_order_id)
    await submit(paper, an_order(3, quantity=D(600), price=D(100)))


async def test_shares_promised_to_an_open_order_cannot_be_sold_twice(paper: PaperBroker) -> None:
    await submit(paper, an_order(1))
    paper.on_market([a_quote(1)], 1)
    await submit(paper, an_order(2, side="sell", quantity=D(6), price=D(110)))
    with pytest.raises(Refused, match="4 is held and free"):
        await submit(paper, an_order(3, side="sell", quantity=D(5), price=D(110)))


async def test_an_account_that_may_go_short_can(opening: Opening) -> None:
    paper = opening(allow_short=True)
    await submit(paper, an_order(side="sell", price=D(99)))
    paper.on_market([a_quote(1)], 1)
    assert (await paper.holdings()).positions == {"ALFA": D(-10)}


# How it fills


async def test_a_buy_pays_the_ask_and_the_fee_exactly(paper: PaperBroker) -> None:
    await submit(paper, an_order())
    paper.on_market([a_quote(1)], 1)
    [fill] = fills_of(paper)
    assert (fill.quantity, fill.price, fill.fee, fill.executed_at) == (D(10), D("100.01"), D("0.10001"), 1)
    assert (await paper.holdings()).cash == {"USD": D("100000") - D("1000.1") - D("0.10001")}


async def test_a_small_quote_fills_a_part_and_the_next_one_the_rest(paper: PaperBroker) -> None:
    await submit(paper, an_order())
    paper.on_market([a_quote(1, size=4.0), a_quote(2, size=100.0)], 2)
    assert [(f.exec_key[-2:], f.quantity, f.cumulative) for f in fills_of(paper)] == [(":1", D(4), D(4)), (":2", D(6), D(10))]


async def test_orders_share_a_shown_size_in_order_of_arrival(paper: PaperBroker) -> None:
    await submit(paper, an_order(2), an_order(1))
    paper.on_market([a_quote(1, size=15.0)], 1)
    assert [(f.client_order_id, f.quantity) for f in fills_of(paper)] == [
        (an_order(2).client_order_id, D(10)),
        (an_order(1).client_order_id, D(5)),
    ]


async def test_an_event_heard_twice_fills_once(paper: PaperBroker) -> None:
    await submit(paper, an_order())
    paper.on_market([a_quote(2, size=4.0), a_quote(2, size=4.0)], 2)
    paper.on_market([a_quote(2, size=4.0), a_quote(1, size=4.0)], 2)
    assert [f.quantity for f in fills_of(paper)] == [D(4)]


async def test_an_event_heard_before_the_order_came_never_fills_it(opening: Opening) -> None:
    paper = opening()
    paper.on_market([a_quote(5)], 5)
    await submit(paper, an_order())
    paper.close()
    paper = opening()
    paper.on_market([a_quote(5)], 5)
    assert fills_of(paper) == []
    paper.on_market([a_quote(6)], 6)
    assert len(fills_of(paper)) == 1


async def test_a_quote_within_the_latency_does_not_fill(opening: Opening) -> None:
    paper = opening(latency_ns=10)
    await submit(paper, an_order(decided_at=100))
    paper.on_market([a_quote(110)], 110)
    assert fills_of(paper) == []
    paper.on_market([a_quote(111)], 111)
    assert [f.executed_at for f in fills_of(paper)] == [111]


async def test_fills_of_the_last_moment_come_before_the_expiry(paper: PaperBroker) -> None:
    order = an_order(expires_at=10)
    await submit(paper, order)
    paper.on_market([a_quote(10, size=4.0), a_quote(11)], 11)
    fill, end = paper.drain_reports()
    assert isinstance(fill, Fill)
    assert end == OrderReport(order.client_order_id, Evidence.EXPIRED, D(4), 11, "expired")


async def test_an_order_good_till_cancel_outlives_its_expiry(paper: PaperBroker) -> None:
    await submit(paper, an_order(time_in_force="GTC", expires_at=10))
    paper.on_market([a_quote(11)], 11)
    assert len(fills_of(paper)) == 1


async def test_trades_and_unknown_symbols_fill_nothing(paper: PaperBroker) -> None:
    await submit(paper, an_order())
    trade = TradeTick(venue="TEST", symbol="ALFA", seq=1, ts=1, price=100.0, size=100.0)
    paper.on_market([trade, a_quote(1, symbol="OTHER")], 1)
    assert fills_of(paper) == []


async def test_a_recorded_minute_fills_at_its_open_as_of_its_start(path: Path) -> None:
    paper = PaperBroker.open(path, "paper", {"ALFA": ALFA}, {"ALFA": "quote_bar"}, FillTerms(), DEPOSIT, 50_000_000, clock=SystemClock())
    await submit(paper, an_order(decided_at=10 * MINUTE, expires_at=11 * MINUTE))
    sides = {f"{side}_{at}": price for side, price in (("bid", 99.5), ("ask", 100.5)) for at in ("open", "high", "low", "close")}
    bars = [
        QuoteBar(venue="TEST", symbol="ALFA", seq=n, timeframe="1m", start=n * MINUTE, bid_size=50.0, ask_size=50.0, **sides)
        for n in (9, 10)
    ]
    quote = Quote(venue="TEST", symbol="ALFA", seq=1, ts=11 * MINUTE, bid=90.0, ask=90.0, bid_size=50.0, ask_size=50.0)
    paper.on_market([quote, *bars], 11 * MINUTE)
    assert [(f.price, f.executed_at) for f in fills_of(paper)] == [(D("100.50"), 10 * MINUTE)]


# Its file


async def test_all_fills_of_one_call_are_one_line(paper: PaperBroker, path: Path) -> None:
    await submit(paper, an_order(1), an_order(2))
    lines = content(path).count(b"\n")
    paper.on_market([a_quote(1, size=5.0), a_quote(2)], 1000)
    assert content(path).count(b"\n") == lines + 1


async def test_a_market_that_fills_nothing_writes_nothing(paper: PaperBroker, path: Path) -> None:
    await submit(paper, an_order(price=D(90)))
    before = content(path)
    paper.on_market([a_quote(n) for n in range(1, 100)], 100)
    assert content(path) == before


def test_a_second_opener_is_told_who_holds_the_file(paper: PaperBroker, opening: Opening, path: Path) -> None:
    with pytest.raises(LineFileLocked, match=f"{path} is held by process {os.getpid()}"):
        opening()


def test_the_deposit_is_paid_in_once(opening: Opening) -> None:
    for _ in range(3):
        paper = opening()
        assert asyncio.run(paper.holdings()).cash == DEPOSIT
        paper.close()


def test_a_book_of_another_account_is_refused(paper: PaperBroker, opening: Opening, path: Path) -> None:
    paper.close()
    with pytest.raises(LineFileDamaged, match="belongs to account 'paper', not 'other'"):
        PaperBroker.open(path, "other", {}, {}, FillTerms(), {}, 0, clock=SystemClock())
    opening()  # and the lock was given back


async def open_ids(paper: PaperBroker) -> list[str]:
    return [order.client_order_id for order in await paper.open_orders()]


def test_a_line_torn_at_any_byte_is_cut_off_and_reported(opening: Opening, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paper = opening()
    asyncio.run(submit(paper, an_order(1)))
    before = path.stat().st_size
    asyncio.run(submit(paper, an_order(2)))
    paper.close()
    data = path.read_bytes()
    for cut in range(before + 1, len(data)):
        path.write_bytes(data[:cut])
        paper = opening()
        assert asyncio.run(open_ids(paper)) == [an_order(1).client_order_id]
        paper.close()
        assert path.read_bytes() == data[:before]
        assert caplog.messages.pop() == f"{path}: cut off a torn last line, {cut - before} bytes at byte {before}"


def test_a_last_line_with_a_hole_in_it_is_torn_too(path: Path) -> None:
    file, _ = LineFile.open(path)
    file.append(b"whole")
    size = path.stat().st_size
    file.append(b"payload")
    file.close()
    path.write_bytes(path.read_bytes()[:size] + bytes(10) + b"d\n")
    file, payloads = LineFile.open(path)
    file.close()
    assert payloads == [b"whole"]
    assert path.stat().st_size == size


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=50, deadline=None)
def test_damage_before_the_last_line_refuses_to_open(at: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "book.log"
        file, _ = LineFile.open(path)
        for n in range(10):
            file.append(b"payload %d" % n)
        file.close()
        data = bytearray(path.read_bytes())
        data[at % (len(data) * 8 // 10)] ^= 1 << bit
        path.write_bytes(data)
        with pytest.raises(LineFileDamaged, match="book.log: line .* does not match its checksum"):
            LineFile.open(path)


@pytest.mark.parametrize("lines", [[0, 2, 3], [0, 1, 1, 2, 3], [0, 2, 1, 3], [1, 2, 3]], ids=["missing", "doubled", "swapped", "headless"])
def test_lines_out_of_place_refuse_to_open(path: Path, lines: list[int]) -> None:
    file, _ = LineFile.open(path)
    for n in range(4):
        file.append(b"payload %d" % n)
    file.close()
    written = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(written[n] for n in lines))
    with pytest.raises(LineFileDamaged):
        LineFile.open(path)


def test_a_line_of_an_unknown_kind_refuses_to_open(opening: Opening, path: Path) -> None:
    file, _ = LineFile.open(path)
    file.append(b'[{"type":"Dividend"}]')
    file.close()
    with pytest.raises(LineFileDamaged, match="line 1 is none of this version"):
        opening()


async def test_after_a_failed_write_nothing_is_answered_until_reopened(paper: PaperBroker, path: Path) -> None:
    paper.close()
    unwritable = LineFile(path, os.open(path, os.O_RDONLY), read(path, b""), size=0, room=0)
    book = Book()
    book.apply(Opened(account_id="paper", deposit=DEPOSIT))
    venue = Venue(book, Rules({"ALFA": ALFA}, {"ALFA": "quote"}, FillTerms(), 0, 0, False))
    paper = PaperBroker(unwritable, venue, SystemClock())
    for reason in ("Bad file descriptor", "nothing can be written any more"):
        with pytest.raises(OutcomeUnknown, match=reason):
            await submit(paper, an_order())
    with pytest.raises(LineFileFailed):
        await paper.find(an_order().client_order_id)
    with pytest.raises(LineFileFailed):
        paper.on_market([], 1)
    paper.close()


SENDER = """
import asyncio, sys
from pathlib import Path
from tests.paper import NEVER_LATE, D, an_order, open_paper

async def send():
    paper = open_paper(Path(sys.argv[1]))
    for n in range(1, 10_000):
        order = an_order(n, quantity=D(1), price=D(10))
        await paper.submit(order, NEVER_LATE)
        print(order.client_order_id, flush=True)

asyncio.run(send())
"""


def test_an_order_answered_before_a_kill_is_found_after_it(opening: Opening, path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SENDER, str(path)], stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        answered = [sender.stdout.readline().strip() for _ in range(50)]
        sender.kill()
        answered += sender.stdout.read().split("\n")[:-1]
    paper = opening()
    found = asyncio.run(open_ids(paper))
    assert found[: len(answered)] == answered
    assert len(found) <= len(answered) + 1  # one may have been written and not yet answered

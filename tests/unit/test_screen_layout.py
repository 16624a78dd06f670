from collections.abc import Callable

import pytest
from rich.cells import cell_len

from fleet.screen import layout
from fleet.screen.blocks import Block
from fleet.screen.layout import allotted
from fleet.screen.model import Alert, Hand, Light, Question, Snapshot, Stopped
from fleet.screen.terminal import Canvas
from fleet.screen.words import lasted, price, sparkline
from fleet.venue_links import VenueLink
from libs.store.queries.screen import Price, SessionSeen
from tests.screens import AT, DOWN, NAMES, a_book, a_snapshot, an_account, shown

SIZES = [(80, 24), (100, 30), (139, 40), (160, 50), (200, 60)]
SERVICES = [Light(name, "healthy", 5.0, 0) for name in NAMES]
CROWD = [a_book(f"SYMBOL{n:02d}", 10 if n % 3 else 0, "a_strategy_with_a_very_long_name") for n in range(40)]
PRICES = [Price(f"SYMBOL{n:02d}", 9, 1e-7, [1e-7, 1.5e-7]) for n in range(40)]
SNAPSHOTS: dict[str, Callable[[], Snapshot]] = {
    "a day as any other": a_snapshot,
    "nothing has begun": lambda: Snapshot("synthetic market, seed 1, 10x", "invented prices", 0.0),
    "paused": lambda: a_snapshot(session=SessionSeen(state="running", paused=True, market_time=AT)),
    "killed": lambda: a_snapshot(stopped=[Stopped("fleet", mode="halt")], alerts=[DOWN]),
    "stopping": lambda: a_snapshot(stopping=True),
    "a question": lambda: a_snapshot(hand=Hand("fleet", Question("kill", "fleet", "x" * 300))),
    "alerts in full": lambda: a_snapshot(hand=Hand("alerts"), alerts=[DOWN._replace(body="word " * 200)] * 20),
    "help": lambda: a_snapshot(hand=Hand("help")),
    "a crowd": lambda: a_snapshot(
        books=CROWD,
        closes=PRICES,
        accounts=[an_account()] * 5,
        alerts=[DOWN] * 9,
    ),
    "wide signs": lambda: a_snapshot(events=["14:30:00  order     東京" * 20], market="recorded market 東京証券取引所 " * 5),
}


@pytest.mark.parametrize("name", SNAPSHOTS)
@pytest.mark.parametrize(("width", "height"), [*SIZES, (60, 20), (40, 8), (100, 3), (80, 1)])
def test_a_screen_is_exactly_as_large_as_the_terminal(name: str, width: int, height: int) -> None:
    lines = shown(SNAPSHOTS[name](), width, height)
    assert [cell_len(line) for line in lines] == [width] * height


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_what_matters_is_on_a_screen_of_every_size(width: int, height: int) -> None:
    said = "\n".join(shown(a_snapshot(alerts=[DOWN]), width, height))
    for word in (
        *("Tradewinds", "synthetic market, seed 1, 10x", "invented prices", "2025-01-06 14:30:05 UTC", "running", "up 1m12s"),
        *("paper USD", "99,975.81", "-24.19", "0.07%", "70,413.69", "59%"),
        *("data_collector", "healthy", "BTC/USD", "95,382.10", "+2.56%"),
        *("signals 139", "orders 105", "trades 101", "open 2", "refused 14", "RC-B02 12", "p50 9.6  p99 44.4 ms"),
        *("DELT", "sma_fast", "51", "294.10", "+6.63", "-3.06", "1 alert", "risk_manager: not listening"),
        *("bought 59 DELT", "pause", "kill switch", "alerts", "help", "stop in order"),
    ):
        assert word in said, word


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_venues_are_on_a_screen_of_every_size_with_what_is_wrong_of_them(width: int, height: int) -> None:
    away = VenueLink(venue="binance", up=False, detail="no answer for 12 s")
    links = {"stocks": VenueLink(venue="alpaca", up=True, latency_ms=3.24, budget=0.93), "crypto": away}
    said = "\n".join(shown(a_snapshot(venues=links, accounts=[an_account()] * 2), width, height))
    for word in ("alpaca", "3.2 ms", "connected", "binance", "no answer"):
        assert word in said, word


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_real_money_is_said_at_the_head_of_a_screen_of_every_size(width: int, height: int) -> None:
    market = "the market of alpaca, binance, kraken and coinbase, as it happens"
    assert "REAL MONEY" in shown(a_snapshot(live=True, market=market), width, height)[0]
    assert "REAL MONEY" not in "".join(shown(a_snapshot(market=market), width, height))


def test_an_account_without_its_deposit_is_opening_and_has_lost_nothing() -> None:
    (line,) = [line for line in shown(a_snapshot(accounts=[an_account()], opening=["crypto USD"])) if "crypto" in line]
    assert line.split() == ["crypto", "USD", "opening"]


def test_accounts_that_trade_inside_the_executor_have_no_venue_on_the_screen() -> None:
    assert shown(a_snapshot(venues={"paper": VenueLink(venue="paper", up=True)})) == shown(a_snapshot())


def test_every_part_is_whole_at_a_hundred_by_thirty() -> None:
    said = "\n".join(shown(a_snapshot()))
    assert all(name in said for name in NAMES)
    assert "more" not in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"session": SessionSeen(state="running", paused=True, market_time=AT)}, "PAUSED", id="paused"),
        pytest.param({"session": SessionSeen(state="finished", paused=False, market_time=AT)}, "finished", id="at its end"),
        pytest.param({"stopped": [Stopped("symbol:ALFA", mode="reduce_only")]}, "KILL SWITCH ON", id="killed"),
        pytest.param({"stopped": [Stopped("account:paper", halted=True)]}, "ONLY CLOSING", id="past a loss limit"),
        pytest.param({"stopping": True}, "Ctrl-C again ends everything at once", id="stopping"),
        pytest.param({"stopping": True, "hand": Hand(question=Question("kill", "fleet"))}, "stopping in order", id="stopping while asked"),
        pytest.param({"keys": False}, "Ctrl-C stops everything", id="no keyboard"),
        pytest.param({"session": None, "accounts": []}, "the market has not begun", id="starting"),
        pytest.param({"prices": "real prices of the past"}, "[real prices of the past]", id="a recorded market"),
        pytest.param({"books": []}, "nothing is held", id="nothing held"),
    ],
)
def test_every_state_is_told_in_words(changed: dict[str, object], said: str) -> None:
    assert said in "\n".join(shown(a_snapshot(**changed)))


def test_paused_and_killed_are_told_together() -> None:
    both = a_snapshot(session=SessionSeen(state="running", paused=True, market_time=AT), stopped=[Stopped("fleet", mode="halt")])
    assert "KILL SWITCH ON (halt), PAUSED" in "\n".join(shown(both))


def test_a_service_that_is_not_well_is_shown_with_its_reason_and_restarts() -> None:
    lights = [*SERVICES[:9], Light("Valkey", "down, starting again", 3.0, 2)]
    line = next(line for line in shown(a_snapshot(services=lights)) if "Valkey" in line)
    assert "○ Valkey" in line
    assert "2x" in line
    assert "3s" in line


def test_where_there_is_little_room_what_is_not_well_stays() -> None:
    lights = [*SERVICES[:8], Light("Postgres", "not ready: disk", 3.0, 0), SERVICES[9]]
    said = "\n".join(shown(a_snapshot(services=lights, alerts=[DOWN] * 4), 80, 24))
    assert "○ Postgres" in said
    assert "more, healthy" in said


def test_of_many_books_those_that_hold_something_are_shown() -> None:
    lines = shown(a_snapshot(books=CROWD), 100, 30)
    books = [line for line in lines if line.startswith(" SYMBOL")]
    assert books
    assert not any(line[23:40].split()[0] == "-" for line in books)
    assert any(f"and {40 - len(books)} more" in line for line in lines)


def test_the_least_important_goes_first_when_rows_are_few() -> None:
    few = "\n".join(shown(a_snapshot(alerts=[DOWN]), 80, 9))
    assert "invented prices" in few
    assert "risk_manager: not listening" in few
    assert "99,975.81" in few
    assert "Events" not in few
    assert "Order path" not in few


def test_rows_are_given_by_rank_and_what_is_left_goes_to_the_one_that_fills() -> None:
    def block(rank: int, floor: int, wanted: int, fills: bool = False) -> Block:
        return Block(rank, floor, wanted, lambda _: [], fills)

    stack = [block(2, 2, 5), block(1, 1, 3), block(3, 4, 4, fills=True)]
    assert allotted(stack, 1) == [0, 1, 0]
    assert allotted(stack, 2) == [0, 2, 0]
    assert allotted(stack, 7) == [2, 1, 4]
    assert allotted(stack, 9) == [3, 2, 4]
    assert allotted(stack, 20) == [5, 3, 12]


def test_alerts_in_full_say_what_to_do() -> None:
    alert = Alert("x", "warning", "kill switch of fleet is on", "too hot (set by root)", "`fleet risk rearm --scope fleet`", "14:00:01")
    said = "\n".join(shown(a_snapshot(alerts=[alert], hand=Hand("alerts"))))
    for word in ("kill switch of fleet is on", "since 14:00:01 UTC", "too hot (set by root)", "-> `fleet risk rearm --scope fleet`"):
        assert word in said


def test_a_long_reason_is_shown_at_its_end() -> None:
    last = shown(a_snapshot(hand=Hand("fleet", Question("kill", "fleet", "because " * 40 + "now"))))[-1]
    assert "Stop and cancel all orders?" in last
    assert "now▏" in last
    assert "Esc no" in last


def test_an_event_too_long_is_cut_with_an_ellipsis() -> None:
    line = next(line for line in shown(a_snapshot(events=["14:30:00  refused   " + "word " * 40])) if "refused   word" in line)
    assert line.rstrip().endswith("…")


def test_it_reads_without_colour() -> None:
    drawn = Canvas({"NO_COLOR": "1"}).lines(layout.screen(a_snapshot(alerts=[DOWN]), 100, 30), 100, 30)
    assert not any(f"\x1b[{code}m" in line for line in drawn for code in (31, 32, 33, 36))
    assert len(drawn) == 30


@pytest.mark.parametrize(("seconds", "said"), [(0.9, "0s"), (59, "59s"), (61, "1m01s"), (3_660, "1h01m"), (90_000, "1d01h")])
def test_durations_are_short(seconds: float, said: str) -> None:
    assert lasted(seconds) == said


@pytest.mark.parametrize(
    ("value", "decimals", "said"),
    [(387.04, 2, "387.04"), (95_382.1, 2, "95,382.10"), (1.08342, 5, "1.08342"), (151.2345, 6, "151.2345"), (None, 2, "-"), (7.0, 0, "7")],
)
def test_prices_have_the_decimals_that_matter(value: float | None, decimals: int, said: str) -> None:
    assert price(value, decimals) == said


@pytest.mark.parametrize(
    ("values", "width", "said"), [([1, 2, 3], 3, "▁▅█"), ([1, 9, 1, 2], 2, "▁█"), ([5, 5], 9, "▄▄"), ([], 9, ""), ([1, 2], 0, "")]
)
def test_a_sparkline_runs_from_the_lowest_to_the_highest_shown(values: list[float], width: int, said: str) -> None:
    assert sparkline(values, width) == said

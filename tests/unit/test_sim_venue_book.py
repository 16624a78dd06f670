"""`book`: who trades with whom at sim_venue, at which price, and what stops and self-trade prevention do."""

from random import Random

import pytest

from libs.quant.sim_venue.commands import Cancel, Replace
from libs.quant.sim_venue.listings import Agents, SelfTrade, VenueRules
from tests.boxed import BOOK, Box, D, fills, kinds

RICH = {"deposit": {"USD": D(10**9)}, "kind": "margin", "allow_short": True, "leverage": D(100)}


def a_box(**more: object) -> Box:
    return Box(ann=RICH, ben=RICH, **more)  # type: ignore[arg-type]


# --- priority


def test_the_best_price_is_taken_first_then_the_oldest_of_a_price() -> None:
    box = a_box()
    for ticks in (101, 100, 100):
        box.limit("ann", "sell", 5, ticks)
    assert fills(box.send("ben", box.order("buy", "limit", 12, limit=101)), "ben") == [(5, 100), (5, 100), (2, 101)]
    assert box.depth() == ([], [(101, 3)])


def test_an_order_trades_at_the_price_of_the_one_that_rested() -> None:
    box = a_box()
    box.limit("ann", "sell", 5, 100)
    assert fills(box.send("ben", box.order("buy", "limit", 5, limit=109))) == [(5, 100), (5, 100)]


def test_who_queues_behind_the_street_waits_for_what_stood_there_before() -> None:
    box = a_box()
    box.quote(99, 101, bid_lots=10)
    number = box.limit("ann", "buy", 5, 99)
    box.trade(99, 8)
    assert box.found(number).filled == 0
    box.trade(99, 4)
    assert box.found(number).filled == 2


def test_the_street_keeps_its_place_while_its_price_stands_whatever_its_size() -> None:
    box = a_box()
    box.quote(99, 101, bid_lots=10)
    number = box.limit("ann", "buy", 5, 99)
    box.quote(99, 101, bid_lots=20)
    assert fills(box.trade(99, 20)) == []
    assert fills(box.trade(99, 3)) == [(3, 99)]
    assert box.found(number).remaining == 2


def test_a_price_that_the_street_comes_back_to_is_shown_anew() -> None:
    box = a_box()
    box.quote(99, 101, bid_lots=10)
    box.limit("ann", "buy", 5, 99)
    box.quote(98, 101)
    box.quote(99, 101, bid_lots=10)
    assert fills(box.trade(99, 5)) == [(5, 99)]


def test_a_trade_of_the_street_takes_better_prices_first() -> None:
    box = a_box()
    box.quote(97, 103)
    box.limit("ann", "buy", 5, 100)
    box.limit("ben", "buy", 5, 99)
    assert fills(box.trade(99, 7)) == [(5, 100), (2, 99)]


def test_a_quote_that_crosses_an_order_trades_with_it() -> None:
    box = a_box()
    box.quote(97, 103)
    box.limit("ann", "buy", 5, 100)
    assert fills(box.quote(97, 99, ask_lots=8)) == [(5, 100)]
    assert box.depth() == ([(97, 100)], [(99, 3)])


@pytest.mark.parametrize("quote", [(0, 101), (101, 100), (100, 100)])
def test_a_side_without_a_price_and_a_crossed_quote_show_nothing(quote: tuple[int, int]) -> None:
    box = a_box()
    box.quote(99, 101)
    box.quote(*quote)
    assert box.depth() == ([], [(101, 100)] if quote[0] == 0 else [])


def test_a_cancelled_order_is_passed_over() -> None:
    box = a_box()
    first = box.limit("ann", "sell", 5, 100)
    box.limit("ann", "sell", 5, 100)
    box.did(Cancel(account="ann", order=first))
    box.send("ben", box.order("buy", "market", 5))
    assert box.found(first).status == "canceled"
    assert box.found(first).filled == 0


def test_a_replaced_order_goes_to_the_end_of_the_queue() -> None:
    box = a_box()
    first = box.limit("ann", "sell", 5, 100)
    second = box.limit("ann", "sell", 5, 100)
    box.did(Replace(account="ann", order=first, client_order_id="new"))
    box.send("ben", box.order("buy", "market", 5))
    assert box.found(second).status == "filled"


class Naive:
    """The same book once more, as slow and simple as can be: a list, sorted before each trade."""

    def __init__(self) -> None:
        self.resting: list[tuple[str, int, int, list[int]]] = []  # (side, ticks, arrival, [lots])
        self.arrival = 0

    def come(self, side: str, ticks: int, lots: int, rests: bool = True) -> list[tuple[int, int]]:
        sign, made = (1 if side == "buy" else -1), []
        against = [one for one in self.resting if one[0] != side and one[1] * sign <= ticks * sign]
        for one in sorted(against, key=lambda one: (one[1] * sign, one[2])):
            deal = min(lots, one[3][0])
            one[3][0] -= deal
            lots -= deal
            made += [(deal, one[1])] if deal else []
        self.resting = [one for one in self.resting if one[3][0]]
        self.arrival += 1
        if lots and rests:
            self.resting.append((side, ticks, self.arrival, [lots]))
        return made

    def depth(self, side: str) -> dict[int, int]:
        found: dict[int, int] = {}
        for other, ticks, _, lots in self.resting:
            if other == side:
                found[ticks] = found.get(ticks, 0) + lots[0]
        return found


@pytest.mark.parametrize("seed", range(12))
def test_drawn_orders_and_trades_do_what_the_plainest_book_does(seed: int) -> None:
    box, naive, chance = a_box(), Naive(), Random(seed)
    for _ in range(100):
        ticks, lots = 100 + chance.randint(-5, 5), chance.randint(1, 9)
        side, account = chance.choice((("buy", "ann"), ("sell", "ben")))
        if chance.random() < 0.2:
            bids = max(naive.depth("buy"), default=0)
            made = naive.come("sell" if ticks <= bids else "buy", ticks, lots, rests=False)
            got = fills(box.trade(ticks, lots))
        else:
            made = naive.come(side, ticks, lots)
            got = fills(box.send(account, box.order(side, "limit", lots, limit=ticks)), account)  # type: ignore[arg-type]
        assert got == made
        assert [dict(side) for side in box.venue.depth("ALFA", 100)] == [naive.depth("buy"), naive.depth("sell")]


# --- time in force


@pytest.mark.parametrize(("tif", "done"), [("IOC", [(3, 100)]), ("FOK", [])])
def test_what_is_not_filled_at_once_ends(tif: str, done: list[tuple[int, int]]) -> None:
    box = a_box()
    box.limit("ann", "sell", 3, 100)
    reports = box.send("ben", box.order("buy", "limit", 5, limit=100, tif=tif))
    assert fills(reports, "ben") == done
    assert kinds(reports)[-1] == "expired"


def test_what_a_market_order_does_not_find_ends() -> None:
    box = a_box()
    box.limit("ann", "sell", 3, 100)
    reports = box.send("ben", box.order("buy", "market", 5))
    assert fills(reports, "ben") == [(3, 100)]
    assert [report.order.reason for report in reports[-1:] if report.order] == ["no_liquidity"]
    assert box.not_sent("ben", box.order("buy", "market", 5)) == "no_market"


def test_a_post_only_order_that_would_take_is_refused() -> None:
    box = a_box()
    box.limit("ann", "sell", 3, 100)
    assert box.not_sent("ben", box.order("buy", "limit", 5, limit=100, post_only=True)) == "would_cross"
    box.limit("ben", "buy", 5, 99, post_only=True)


def test_a_storm_of_partial_fills_is_one_trade_in_small_parts() -> None:
    box = a_box(rules=VenueRules(most_lots_per_fill=2))
    box.limit("ann", "sell", 5, 100)
    assert fills(box.send("ben", box.order("buy", "limit", 5, limit=100)), "ben") == [(2, 100), (2, 100), (1, 100)]


# --- stops


def test_a_stop_is_triggered_by_what_is_asked_or_dealt_and_then_takes() -> None:
    box = a_box()
    box.quote(99, 101)
    box.send("ann", box.order("buy", "stop", 5, stop=104))
    box.send("ben", box.order("sell", "stop", 5, stop=96))
    assert fills(box.quote(101, 103)) == []
    assert fills(box.trade(104, 1), "ann") == [(5, 103)]
    assert fills(box.quote(95, 97), "ben") == [(5, 95)]


def test_a_triggered_stop_limit_rests_within_its_limit() -> None:
    box = a_box()
    box.quote(99, 101)
    box.send("ann", box.order("sell", "stop_limit", 5, stop=97, limit=96))
    assert kinds(box.quote(95, 97)) == ["triggered"]
    assert box.depth()[1] == [(96, 5), (97, 100)]


def test_one_stop_sets_off_the_next() -> None:
    box = a_box()
    box.limit("ben", "buy", 5, 98)
    box.limit("ben", "buy", 5, 96)
    box.quote(0, 103)
    for stop in (97, 95):
        box.send("ann", box.order("sell", "stop", 5, stop=stop))
    assert fills(box.send("ann", box.order("sell", "market", 5)), "ann") == [(5, 98), (5, 96)]


def test_a_stop_sees_what_an_order_that_leaves_uncovers() -> None:
    box = a_box()
    box.quote(90, 105)
    order = box.limit("ben", "sell", 5, 100)
    box.send("ann", box.order("buy", "stop", 5, stop=103))
    assert kinds(box.did(Cancel(account="ben", order=order))) == ["canceled", "triggered", "fill"]


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back() -> None:
    box = a_box()
    box.quote(100, 102)
    box.send("ann", box.order("sell", "trailing_stop", 5, trail=3))
    number = 1
    assert box.found(number).stop == 97
    box.quote(105, 107)
    box.quote(103, 105)
    assert box.found(number).stop == 102
    assert fills(box.quote(101, 104)) == [(5, 101)]


def test_a_trail_in_bps_is_of_the_best_price() -> None:
    box = a_box()
    box.quote(200, 202)
    box.send("ann", box.order("buy", "trailing_stop", 5, trail_bps=D(500)))
    assert box.found(1).stop == 212
    box.quote(100, 102)
    assert box.found(1).stop == 107


def test_a_stop_on_the_wrong_side_of_the_market_is_refused() -> None:
    box = a_box()
    box.quote(99, 101)
    assert box.not_sent("ann", box.order("buy", "stop", 5, stop=101)) == "would_trigger"
    assert box.not_sent("ann", box.order("sell", "stop_limit", 5, stop=99, limit=98)) == "would_trigger"


# --- self-trade prevention


@pytest.mark.parametrize(
    ("mode", "makers", "taker"),
    [
        ("allow", "filled", "filled"),
        ("expire_taker", "open", "expired"),
        ("expire_maker", "expired", "open"),
        ("expire_both", "expired", "expired"),
    ],
)
def test_what_becomes_of_two_orders_of_one_account_that_would_meet(mode: SelfTrade, makers: str, taker: str) -> None:
    box = a_box()
    first = box.limit("ann", "sell", 5, 100)
    box.send("ann", box.order("buy", "limit", 5, limit=100), self_trade=mode)
    assert (box.found(first).status, box.found(first + 1).status) == (makers, taker)


def test_an_order_that_would_meet_its_own_account_is_refused_where_that_is_the_rule() -> None:
    box = Box(BOOK, ann=RICH | {"self_trade": "refuse"}, ben=RICH)
    box.limit("ben", "sell", 5, 99)
    box.limit("ann", "sell", 5, 100)
    assert box.not_sent("ann", box.order("buy", "limit", 6, limit=100)) == "self_trade"
    assert fills(box.send("ann", box.order("buy", "limit", 5, limit=100)), "ann") == [(5, 99)]


# --- agents


def test_agents_keep_a_market_alive_that_nobody_feeds() -> None:
    box = Box()
    box.venue = type(box.venue)({"ALFA": BOOK}, seed=5, agents=Agents())
    box.quote(100, 102)
    for _ in range(20):
        box.wait(1)
    bids, asks = box.depth()
    assert len(bids) > 3
    assert len(asks) > 3

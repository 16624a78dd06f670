"""Accounts of sim_venue: cash, margin, what is set aside, busts and corrections."""

from decimal import Decimal

import pytest

from libs.quant.sim_venue.commands import Bust, Cancel, Correct, OpenAccount, Replace, Submit, Transfer
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Fees, VenueRules
from tests.boxed import BOOK, MODEL, Box, D, fills, kinds, listed
from tests.venue_scenarios import a_listing

TEN_BPS = Fees(maker_bps=D(10), taker_bps=D(10))
SHORT = {"allow_short": True}


def holds(box: Box, name: str) -> tuple[Decimal, int]:
    account = box.account(name)
    return account.balances["USD"], account.positions[box.symbol]


def test_a_buy_sets_aside_its_limit_and_the_fee_and_a_cancel_gives_it_back() -> None:
    box = Box(listed(BOOK, fees=TEN_BPS))
    order = box.limit("ann", "buy", 999, 100)
    assert box.refused(Transfer(account="ann", currency="USD", amount=D("-0.002"))) == "insufficient_funds"
    box.did(Transfer(account="ann", currency="USD", amount=D("-0.001")))
    assert box.not_sent("ann", box.order("buy", "limit", 1, limit=1)) == "insufficient_funds"
    box.did(Cancel(account="ann", order=order))
    box.did(Transfer(account="ann", currency="USD", amount=D("-999.999")))


def test_what_is_not_held_is_not_sold() -> None:
    box = Box(ben=SHORT)
    assert box.not_sent("ann", box.order("sell", "limit", 1, limit=100)) == "insufficient_position"
    box.limit("ben", "sell", 5, 100)
    box.send("ann", box.order("buy", "limit", 5, limit=100))
    box.limit("ann", "sell", 3, 105)
    assert box.not_sent("ann", box.order("sell", "limit", 3, limit=100)) == "insufficient_position"
    box.limit("ann", "sell", 2, 105)


def test_what_cannot_be_borrowed_is_not_sold_short() -> None:
    box = Box(listed(BOOK, shortable=False), ann=SHORT)
    assert box.not_sent("ann", box.order("sell", "limit", 1, limit=100)) == "not_shortable"


def test_both_sides_of_a_trade_move_by_the_same_money_but_for_the_fee() -> None:
    box = Box(listed(BOOK, fees=Fees(maker_bps=D(5), taker_bps=D(10), per_unit=D("0.01"))), ben=SHORT)
    box.limit("ben", "sell", 100, 200)
    box.send("ann", box.order("buy", "market", 100))
    assert holds(box, "ann") == (D("1000") - 200 - D("0.2") - 1, 100)
    assert holds(box, "ben") == (D("1000") + 200 - D("0.1") - 1, -100)


def test_a_buyer_may_pay_the_fee_in_what_he_bought() -> None:
    coin = a_listing("BTC/USD", "book", base="BTC", lot="0.001", fees=Fees(taker_bps=D(10), paid_in="received"))
    box = Box(coin, ben={"deposit": {"BTC": D(1)}})
    box.limit("ben", "sell", 1000, 100)
    box.send("ann", box.order("buy", "market", 1000))
    assert dict(box.account("ann").balances) == {"USD": D(999), "BTC": D("0.999")}
    assert box.not_sent("ann", box.order("sell", "limit", 1000, limit=100)) == "insufficient_funds"
    box.limit("ann", "sell", 999, 100)


def test_a_market_order_of_cash_takes_no_more_than_the_money_is_enough_for() -> None:
    box = Box(MODEL)
    box.quote(99, 100, ask_lots=5000)
    assert box.not_sent("ann", box.order("buy", "market", 1000)) == "insufficient_funds"
    order = box.send("ann", box.order("buy", "market", 980))[0].order
    assert order is not None
    reports = box.quote(109, 110, ask_lots=5000)
    assert fills(reports) == [(909, 110)]
    assert box.found(order.id).reason == "insufficient_funds"


def test_a_storm_of_least_fees_is_paid_as_far_as_the_money_goes() -> None:
    box = Box(listed(BOOK, fees=Fees(minimum=D(1))), rules=VenueRules(most_lots_per_fill=100), ben=SHORT)
    box.limit("ben", "sell", 905, 110)
    reports = box.send("ann", box.order("buy", "limit", 905, limit=110))  # one fee is set aside, ten would be asked
    assert [lots for lots, _ in fills(reports, "ann")] == [100] * 9
    assert reports[-1].kind == "expired"
    assert holds(box, "ann") == (D(1000) - 990 - 9, 900)


def test_fill_or_kill_is_killed_where_the_least_fees_of_its_parts_cannot_be_paid() -> None:
    box = Box(listed(BOOK, fees=Fees(minimum=D(1))), ben=SHORT)
    for _ in range(5):
        box.limit("ben", "sell", 181, 110)
    reports = box.send("ann", box.order("buy", "limit", 905, limit=110, tif="FOK"))  # 995.5 and five fees
    assert kinds(reports) == ["accepted", "expired"]
    box.did(Transfer(account="ann", currency="USD", amount=D("0.5")))
    assert len(fills(box.send("ann", box.order("buy", "limit", 905, limit=110, tif="FOK")), "ann")) == 5


def test_a_sale_that_does_not_bring_its_fee_needs_money_for_it() -> None:
    box = Box(listed(BOOK, fees=Fees(minimum=D("0.35"))), ben=SHORT)
    box.limit("ben", "sell", 10, 100)
    box.send("ann", box.order("buy", "market", 10))
    box.did(Transfer(account="ann", currency="USD", amount=-box.account("ann").balances["USD"]))
    box.quote(10, 12)
    assert kinds(box.send("ann", box.order("sell", "market", 3)))[-1] == "expired"
    assert fills(box.send("ann", box.order("sell", "market", 4))) == [(4, 10)]


def test_margin_carries_leverage_times_equity() -> None:
    box = Box(MODEL, ann={"kind": "margin", "leverage": D(2), "allow_short": True})
    box.quote(100, 100, 9000, 9000)
    box.limit("ann", "buy", 1500, 90)
    assert box.not_sent("ann", box.order("buy", "limit", 501, limit=90)) == "insufficient_funds"
    box.limit("ann", "buy", 500, 90)
    box.limit("ann", "sell", 2000, 110)
    assert box.not_sent("ann", box.order("sell", "limit", 1, limit=110)) == "insufficient_funds"


def test_what_shrinks_the_exposure_of_a_margin_account_is_always_taken() -> None:
    box = Box(MODEL, ann={"kind": "margin", "leverage": D(2), "allow_short": True})
    box.quote(100, 100, 9000, 9000)
    box.send("ann", box.order("buy", "market", 2000))
    box.quote(100, 100, 9000, 9000)
    box.quote(60, 60, 9000, 9000)  # 1000 paid in, 800 lost: equity of 200 carries less than what is held
    assert box.not_sent("ann", box.order("buy", "limit", 1, limit=60)) == "insufficient_funds"
    box.limit("ann", "sell", 2000, 60)


def test_a_pair_sets_aside_what_one_of_it_can_sell() -> None:
    box = Box(ben=SHORT)
    box.limit("ben", "sell", 10, 100)
    box.send("ann", box.order("buy", "market", 10))
    pair = box.order("sell", "limit", 10, limit=110), box.order("sell", "stop", 10, stop=90)
    box.send("ann", *pair, shape="oco")
    assert box.not_sent("ann", box.order("sell", "limit", 1, limit=110)) == "insufficient_position"


def test_what_an_order_that_is_replaced_has_set_aside_is_there_for_the_new_one() -> None:
    box = Box()
    order = box.limit("ann", "buy", 1000, 100)
    assert box.refused(Replace(account="ann", order=order, client_order_id="n", limit=101)) == "insufficient_funds"
    box.did(Replace(account="ann", order=order, client_order_id="n", lots=500, limit=200))


# --- busts and corrections


def a_trade() -> Box:
    """ann bought 10 at 100 from ben, who was short then, and has sold 6 of them on to the street."""
    box = Box(listed(BOOK, fees=TEN_BPS), ben=SHORT)
    box.limit("ben", "sell", 10, 100)
    box.send("ann", box.order("buy", "market", 10))
    box.quote(120, 122)
    box.send("ann", box.order("sell", "market", 6))
    return box


def test_a_bust_takes_back_all_of_it_also_of_what_was_sold_since() -> None:
    box = a_trade()
    reports = box.did(Bust(execution=1))
    assert kinds(reports) == ["bust", "bust"]
    assert holds(box, "ann") == (D(1000) + D("7.2") - D("0.0072"), -6)
    assert holds(box, "ben") == (D(1000), 0)
    assert box.refused(Bust(execution=2)) == "unknown_execution"
    assert box.refused(Correct(execution=1, ticks=99)) == "unknown_execution"


def test_a_correction_pays_the_difference_and_the_fee_of_the_new_price() -> None:
    box = a_trade()
    before = holds(box, "ann")[0]
    box.did(Correct(execution=2, ticks=90))
    assert holds(box, "ann") == (before + D("1") + D("0.001"), 4)
    assert holds(box, "ben") == (D(1000) + 9 - D("0.009"), -10)
    box.did(Bust(execution=1))
    assert holds(box, "ben") == (D(1000), 0)


# --- opening, and snapshots


def test_an_account_that_is_there_is_not_opened_again() -> None:
    box = Box()
    assert box.did(OpenAccount(account="ann", deposit={"USD": D(5)})) == []
    assert holds(box, "ann")[0] == 1000


@pytest.mark.parametrize("amount", [D("NaN"), D("Infinity"), D("1e-13"), D("1e16"), D(0)])
def test_money_that_cannot_be_added_up_exactly_is_refused(amount: Decimal) -> None:
    assert Box().refused(Transfer(account="ann", currency="USD", amount=amount)) == "bad_quantity"


def test_a_snapshot_is_for_its_own_listings_and_version() -> None:
    box = Box()
    taken = box.venue.snapshot()
    with pytest.raises(ValueError, match="lists other instruments"):
        Exchange.restore({"ALFA": MODEL}, taken)
    with pytest.raises(ValueError, match="'sim_venue core 0'"):
        Exchange.restore({"ALFA": BOOK}, taken.replace(b"sim_venue core 1", b"sim_venue core 0"))
    with pytest.raises(ValueError, match="no snapshot"):
        Exchange.restore({"ALFA": BOOK}, b"garbage")


def test_a_listing_whose_money_is_finer_than_twelve_decimals_is_not_listed() -> None:
    with pytest.raises(ValueError, match="12 decimals"):
        Exchange({"DUST": a_listing("DUST", "book", lot="1e-11")})


def test_an_unknown_account_can_do_nothing() -> None:
    box = Box()
    assert box.refused(Submit(account="eve", orders=(box.order("buy", "market", 1),))) == "unknown_account"
    assert box.refused(Cancel(account="eve", order=1)) == "unknown_account"
